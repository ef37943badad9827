"""Effects of variants against a model run on windows of chromosomes that were edited as strings."""

import gc
import gzip
import warnings
import weakref
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import rcviz
from rcviz.analysis import variants
from rcviz.cli import app

RNG = np.random.default_rng(3)
CHROMOSOMES = {name: "".join(RNG.choice(list("ACGT"), 600)) for name in ("chr1", "chr2")}
WIDTH = 40


@pytest.fixture
def genome(tmp_path):
    """Two chromosomes, partly soft-masked, with N at 300 to 309 of chr2."""
    path = tmp_path / "genome.fa"
    second = CHROMOSOMES["chr2"][:300].lower() + "N" * 10 + CHROMOSOMES["chr2"][310:]
    path.write_text(f">chr1\n{CHROMOSOMES['chr1']}\n>chr2\n{second}\n")
    return path


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    layers = nn.Conv1d(4, 6, 7), nn.ReLU(), nn.MaxPool1d(4), nn.Flatten(), nn.Linear(6 * 8, 2)
    return nn.Sequential(*layers).double().eval()


def reference(chrom, pos, n=1):
    return CHROMOSOMES[chrom][pos - 1 : pos - 1 + n]


def other(base):
    return "ACGT"[("ACGT".index(base) + 1) % 4]


def table(*rows):
    return pd.DataFrame(rows, columns=["chrom", "pos", "ref", "alt"])


def some_variants():
    """One base, three bases, an insertion, a deletion and two alternatives."""
    return table(
        ("chr1", 100, reference("chr1", 100), other(reference("chr1", 100))),
        ("chr1", 200, reference("chr1", 200, 3), "".join(map(other, reference("chr1", 200, 3)))),
        ("chr2", 150, reference("chr2", 150), reference("chr2", 150) + "ACGTT"),
        ("chr2", 250, reference("chr2", 250, 6).lower(), reference("chr2", 250).lower()),
        ("chr1", 400, reference("chr1", 400), f"{other(reference('chr1', 400))},{reference('chr1', 400)}GG"),
    )


def by_brute_force(model, row, task):
    chromosome, at = CHROMOSOMES[row["chrom"]], row["pos"] - 1
    assert chromosome[at : at + len(row["ref"])] == row["ref"]
    edited = chromosome[:at] + row["alt"] + chromosome[at + len(row["ref"]) :]
    start = at - WIDTH // 2
    pair = [each[start : start + WIDTH] for each in (edited, chromosome)]
    x = torch.from_numpy(rcviz.one_hot(pair, dtype="float64"))
    with torch.no_grad():
        return [float(np.subtract(*model(each)[:, task].tolist())) for each in (x, x.flip(1, 2))]


def test_effects_are_those_of_edited_chromosomes(genome, model):
    effects = rcviz.variant_effects(model, some_variants(), genome, width=WIDTH, task_names=["a", "b"], batch_size=3)
    assert len(effects.table) == 2 * 6
    for _, row in effects.table.iterrows():
        forward, reverse = by_brute_force(model, row, ["a", "b"].index(row["task"]))
        found = row[["effect_forward", "effect_reverse", "effect", "gap"]].astype(float)
        expected = [forward, reverse, (forward + reverse) / 2, abs(forward - reverse)]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)
    assert effects.table["alt"].tolist()[-4:-2] == [other(reference("chr1", 400))] * 2
    opposite = effects.table["effect_forward"] * effects.table["effect_reverse"] < 0
    assert len(effects.sign_changes) == opposite.sum() > 0


def test_the_picture_names_the_variants_whose_sign_depends_on_the_strand(genome, model):
    effects = rcviz.variant_effects(model, some_variants(), genome, width=WIDTH)
    for index, task in enumerate(("task_0", "task_1")):
        rows = effects.sign_changes[effects.sign_changes["task"] == task]
        expected = {f"{row.chrom}:{row.pos} {row.ref}>{row.alt}" for row in rows.itertuples()}
        ax = effects.plot(task=index, names=9)
        assert {text.get_text() for text in ax.texts} == expected
        assert not effects.plot(task=index, names=0).texts


def test_one_task_by_name_or_index(genome, model):
    by = [rcviz.variant_effects(model, some_variants(), genome, width=WIDTH, task=task).table for task in (1, "task_1")]
    pd.testing.assert_frame_equal(*by)
    assert set(by[0]["task"]) == {"task_1"}


def test_what_cannot_be_compared_is_counted_in_one_warning(genome, model):
    base = reference("chr1", 100)
    good = ("chr1", 100, base, other(base))
    bad = [
        ("chr1", 100, base, "*"),
        ("chr1", 100, base, "."),
        ("chr1", 100, base, "<DEL>"),
        ("chr1", 100, base, f"{base}[chr2:321["),
        ("chr1", 100, base, f".{base}"),
        ("chr1", 100, base, "R"),
        ("chr1", 100, base, base),
        ("chr9", 100, "A", "C"),
        ("chr1", 100, reference("chr1", 100, 21), base),
        ("chr1", 100, base, "ACGT" * 6),
        ("chr1", 20, reference("chr1", 20), other(reference("chr1", 20))),
        ("chr1", 582, reference("chr1", 582), other(reference("chr1", 582))),
        ("chr1", 581, reference("chr1", 581, 2), reference("chr1", 581)),  # one base more is needed at the right
        ("chr2", 305, "A", "C"),
    ]
    with pytest.warns(UserWarning, match=r"14 of 15 alleles are left out.*2 breakends") as caught:
        effects = rcviz.variant_effects(model, table(good, *bad), genome, width=WIDTH)
    assert len(caught) == 1
    assert effects.counts == {
        "read": 15, "kept": 1, "overlapping_deletion": 1, "no_alternative": 1, "symbolic": 1, "breakend": 2,
        "other_letters": 1, "same_as_reference": 1, "missing_chromosome": 1, "longer_than_window": 2, "off_end": 3,
        "unknown_reference": 1,
    }  # fmt: skip


def test_the_first_and_last_windows_of_a_chromosome_are_kept(genome, model):
    rows = [("chr1", pos, reference("chr1", pos), other(reference("chr1", pos))) for pos in (21, 581)]
    assert rcviz.variant_effects(model, table(*rows), genome, width=WIDTH).counts["kept"] == 2


@pytest.mark.usefixtures("as_users_run")
@pytest.mark.parametrize(
    ("row", "options", "message"),
    [
        (("chr1", 100, other(reference("chr1", 100)), "N"), {}, r"chr1'?:100"),
        (("1", 100, "A", "C"), {}, "chr1.*rename"),
        (("chr9", 100, "A", "C"), {}, "no variant is left.*chr1, chr2"),
        (("chr1", 0, "A", "C"), {}, "pos .*row 0"),
        (("chr1", 2.5, "A", "C"), {}, "pos .*row 0"),
        (("chr1", 100, 3, "C"), {}, "ref and alt"),
        (("chr1", 100, "A", "C"), {"task": 2}, "task"),
        (("chr1", 100, "A", "C"), {"task_names": ["one"]}, "task_names"),
        (("chr1", 100, "A", "C"), {"width": 60}, "length"),
        (("chr1", 100, "A", "C"), {"width": None}, "width is missing"),
    ],
)
def test_wrong_input_is_named(genome, model, row, options, message):
    with warnings.catch_warnings(), pytest.raises(ValueError, match=message):
        warnings.simplefilter("ignore")
        rcviz.variant_effects(model, table(row), genome, **{"width": WIDTH, **options})


def test_a_model_with_a_configuration_has_its_width(genome):
    config = rcviz.ModelConfig.one_layer("revcomp", n_filters=2, sequence_length=60, pool_size=10)
    model = rcviz.RevCompConjoined(rcviz.build_model(config))
    effects = rcviz.variant_effects(model, some_variants(), genome)
    assert effects.width == 60
    assert effects.table["gap"].max() < 1e-5
    with pytest.raises(ValueError, match=r"width must be .*60"):
        rcviz.variant_effects(model, some_variants(), genome, width=50)


def written(variants, samples=0):
    lines = ["##fileformat=VCFv4.2", "##contig=<ID=chr1>", '##FORMAT=<ID=GT,Number=1,Type=String,Description="g">']
    names = [f"s{i}" for i in range(samples)]
    columns = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO"]
    lines.append("\t".join([*columns, *(["FORMAT", *names] if samples else [])]))
    for number, (chrom, pos, ref, alt) in enumerate(variants.itertuples(index=False)):
        genotypes = ["GT", *["0|1"] * samples] if samples else []
        lines.append("\t".join([chrom, str(pos), f"rs{number}", ref, alt, ".", ".", ".", *genotypes]))
    return "\n".join(lines) + "\n"


def test_without_pysam_the_remedy_is_named(genome, model, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pysam", None)
    (tmp_path / "a.vcf").write_text(written(some_variants()))
    with pytest.raises(ImportError, match="needs pysam: pip install"):
        rcviz.variant_effects(model, tmp_path / "a.vcf", genome, width=WIDTH)


@pytest.mark.parametrize("kind", ["plain", "gzip", "bgzip"])
def test_a_file_gives_what_its_table_gives(genome, model, tmp_path, kind):
    import pysam

    path = tmp_path / ("a.vcf" if kind == "plain" else "a.vcf.gz")
    text = written(some_variants(), samples=3)
    if kind == "plain":
        path.write_text(text)
    elif kind == "gzip":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        with pysam.BGZFile(str(path), "w") as file:
            file.write(text.encode())
    found = rcviz.variant_effects(model, path, genome, width=WIDTH).table
    expected = rcviz.variant_effects(model, some_variants(), genome, width=WIDTH).table
    assert found["id"].tolist()[::2] == ["rs0", "rs1", "rs2", "rs3", "rs4", "rs4"]
    pd.testing.assert_frame_equal(found.drop(columns="id"), expected.drop(columns="id"))


def test_a_truncated_gzip_file_is_refused(genome, model, tmp_path):
    packed = gzip.compress(written(some_variants(), samples=50).encode(), compresslevel=0)
    (tmp_path / "a.vcf.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(ValueError, match=r"a\.vcf\.gz cannot be read as VCF"):
        rcviz.variant_effects(model, tmp_path / "a.vcf.gz", genome, width=WIDTH)


def test_a_file_that_is_no_vcf_is_refused(genome, model, tmp_path):
    (tmp_path / "a.vcf").write_text("chr1 100 A C\n")
    with pytest.raises(ValueError, match=r"a\.vcf cannot be read as VCF"):
        rcviz.variant_effects(model, tmp_path / "a.vcf", genome, width=WIDTH)
    with pytest.raises(FileNotFoundError):
        rcviz.variant_effects(model, tmp_path / "b.vcf", genome, width=WIDTH)


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".parquet"])
def test_effects_are_written_block_by_block(genome, model, tmp_path, monkeypatch, ending):
    monkeypatch.setattr("rcviz.genome.variants._AT_ONCE", 2)
    path = tmp_path / f"effects{ending}"
    summary = rcviz.save_variant_effects(model, some_variants(), genome, path, width=WIDTH)
    expected = rcviz.variant_effects(model, some_variants(), genome, width=WIDTH)
    read = {".csv": pd.read_csv, ".tsv": lambda path: pd.read_csv(path, sep="\t"), ".parquet": pd.read_parquet}
    pd.testing.assert_frame_equal(read[ending](path), expected.table, check_dtype=False)
    for row in summary.itertuples():
        rows = expected.table[expected.table["task"] == row.task]
        assert (row.n, row.max_gap) == (6, pytest.approx(rows["gap"].max()))
        assert row.mean_gap == pytest.approx(rows["gap"].mean())
        assert row.n_sign_changes == (expected.sign_changes["task"] == row.task).sum()


def test_few_blocks_of_rows_are_held_at_a_time(genome, model, monkeypatch):
    """One of each size, twice as large as the next: memory that is kept in small pieces cannot be used again."""
    monkeypatch.setattr("rcviz.genome.variants._AT_ONCE", 1)
    rows = pd.concat([some_variants().iloc[:1]] * 8, ignore_index=True)
    alive, blocks, at_once = [], variants._Scored.blocks, []

    def watched(self, *, progress):
        for block in blocks(self, progress=progress):
            alive.append(weakref.ref(block))
            yield block
            del block
            gc.collect()
            at_once.append(sum(each() is not None for each in alive))

    monkeypatch.setattr(variants._Scored, "blocks", watched)
    table = rcviz.variant_effects(model, rows, genome, width=WIDTH).table
    assert len(at_once) == 8
    assert max(at_once) <= 1
    assert table.index.tolist() == list(range(16))
    pd.testing.assert_frame_equal(table.iloc[:2], table.iloc[14:].reset_index(drop=True))


def test_a_failure_leaves_no_file(genome, model, tmp_path):
    wrong = table(("chr1", 100, other(reference("chr1", 100)), "N"))
    with pytest.raises(ValueError, match="chr1"):
        rcviz.save_variant_effects(model, wrong, genome, tmp_path / "effects.csv", width=WIDTH)
    assert [path.name for path in tmp_path.iterdir() if path.name != genome.name] == []
    with pytest.raises(ValueError, match=r"\.csv"):
        rcviz.save_variant_effects(model, some_variants(), genome, tmp_path / "effects.txt", width=WIDTH)


def test_the_command(genome, tmp_path):
    model = rcviz.build_model(rcviz.ModelConfig.one_layer("standard", n_filters=2, sequence_length=60, pool_size=10))
    rcviz.save_model(model, tmp_path / "model.safetensors")
    (tmp_path / "a.vcf").write_text(written(some_variants()))
    arguments = [str(tmp_path / name) for name in ("model.safetensors", "a.vcf", "genome.fa")]
    out = tmp_path / "effects.tsv"
    done = CliRunner().invoke(app, ["variants", *arguments, "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert len(pd.read_csv(out, sep="\t")) == 6
    assert CliRunner().invoke(app, ["variants", *arguments, "--out", str(Path("a.xlsx"))]).exit_code == 2


@pytest.mark.parametrize("pos", ["abc", None, pd.NA, float("inf"), float("nan"), np.bool_(True), pd.Timestamp(0)])
def test_a_position_that_is_no_number_is_named_with_its_row(genome, model, pos):
    rows = some_variants().astype({"pos": object})
    rows.loc[2, "pos"] = pos
    with pytest.raises(ValueError, match=r"pos must be a whole number.* row 2"):
        rcviz.variant_effects(model, rows, genome, width=WIDTH)


@pytest.mark.parametrize("chrom", [None, float("nan"), 1.0])
def test_a_chromosome_without_a_name_is_refused(genome, model, chrom):
    rows = some_variants().astype({"chrom": object})
    rows.loc[2, "chrom"] = chrom
    with pytest.raises(ValueError, match=r"chrom must be the name.* row 2"):
        rcviz.variant_effects(model, rows, genome, width=WIDTH)


def test_tables_of_other_types_are_read(genome, model):
    rows = some_variants().assign(id=pd.array(["rs1", None, "rs3", None, "rs5"], dtype="string"))
    rows = rows.astype({"chrom": "category", "pos": "float64", "ref": "string"})
    found = rcviz.variant_effects(model, rows, genome, width=WIDTH).table
    assert found["id"].tolist()[::2] == ["rs1", ".", "rs3", ".", "rs5", "rs5"]
    expected = rcviz.variant_effects(model, some_variants(), genome, width=WIDTH).table
    pd.testing.assert_frame_equal(found.drop(columns="id"), expected.drop(columns="id"))
    twice = pd.concat([rows, rows[["pos"]]], axis=1)
    for wrong, message in ((twice, "pos several times"), ({"chrom": ["chr1"]}, "DataFrame, got dict")):
        with pytest.raises(ValueError, match=message):
            rcviz.variant_effects(model, wrong, genome, width=WIDTH)


def test_tasks_of_one_name_are_refused(genome, model):
    for names in (["a", "a"], "ab"):
        with pytest.raises(ValueError, match="2 different task_names"):
            rcviz.variant_effects(model, some_variants(), genome, width=WIDTH, task_names=names)


def test_the_mean_gap_is_that_of_effects_that_are_numbers(genome, model, tmp_path):
    class SometimesNaN(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, x):
            return self.model(x).masked_fill(x[:, :1, WIDTH // 2] == 1, torch.nan)

    rows = [("chr1", pos, reference("chr1", pos), ",".join(set("ACGT") - {reference("chr1", pos)})) for pos in (50, 51)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        arguments = SometimesNaN(), table(*rows), genome
        expected = rcviz.variant_effects(*arguments, width=WIDTH).table
        summary = rcviz.save_variant_effects(*arguments, tmp_path / "effects.csv", width=WIDTH)
    assert 0 < expected["gap"].isna().sum() < len(expected)
    np.testing.assert_allclose(summary["mean_gap"], expected.groupby("task")["gap"].mean())
