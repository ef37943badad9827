"""Windows are where the peaks say, each dropped one is counted, and published windows are reproduced exactly."""

import numpy as np
import pandas as pd
import pytest

import rcviz
from rcviz.genome.negatives import dinucleotide_shuffle
from rcviz.genome.peaks import read_peaks
from rcviz.genome.windows import peak_windows
from rcviz.sequences.sequence_set import SequenceSet


def random_dna(seed, length):
    return "".join(np.random.default_rng(seed).choice(list("ACGT"), length))


GENOME = {"chr1": random_dna(1, 5_000), "chr2": random_dna(2, 3_000)}
GENOME["chr1"] = GENOME["chr1"][:4_000] + "N" * 10 + GENOME["chr1"][4_010:]


@pytest.fixture
def fasta(tmp_path):
    path = tmp_path / "genome.fa"
    path.write_text("".join(f">{name}\n{sequence}\n" for name, sequence in GENOME.items()))
    return path


def table(*rows, names=("chrom", "start", "end", "summit", "signal")):
    return pd.DataFrame(list(rows), columns=names[: len(rows[0])])


PEAKS = table(
    ("chr1", 1_030, 1_070, 20, 9.0),
    ("chr2", 2_000, 2_201, -1, 8.0),
    ("chr1", 10, 60, 20, 7.0),  # off the start
    ("chr1", 4_900, 5_000, 60, 6.0),  # off the end
    ("chr1", 1_040, 1_060, 10, 5.0),  # the first one's window again
    ("chr9", 100, 200, 50, 4.0),  # not in the FASTA
    ("chr1", 3_950, 4_000, 40, 3.0),  # over N
)
OPEN = table(
    ("chr1", 1_060, 1_080),  # on a peak
    ("chr1", 1_130, 1_140),  # beside it: its window overlaps the window of the peak
    ("chr1", 1_110, 1_120),  # nearer: its window overlaps the peak itself
    ("chr2", 500, 600),  # on a strong relaxed peak
    ("chr2", 700, 800),  # on a weak relaxed peak
    ("chr1", 2_500, 2_600),
    ("chr1", 2_450, 2_650),  # the same window
    ("chr1", 0, 8),  # off the start
    ("chr9", 1, 2),  # not in the FASTA
    ("chr1", 4_000, 4_100),  # over N
)
RELAXED = table(("chr2", 590, 610, 5, 3.0), ("chr2", 790, 800, 5, 1.0))


def window(chrom, start, width=100):
    return GENOME[chrom][start : start + width]


def test_windows_counts_and_labels_of_a_genome_by_hand(fasta):
    data = peak_windows(
        fasta, PEAKS, accessible=OPEN, relaxed=RELAXED, n_relaxed=1, width=100, task_name="factor", progress=False
    )
    starts = [("chr1", 1_000), ("chr2", 2_050), ("chr1", 1_085), ("chr1", 1_065), ("chr2", 700), ("chr1", 2_500)]
    assert rcviz.decode(data.codes) == [window(*start) for start in starts]
    assert data.labels.ravel().tolist() == [1, 1, 0, 0, 0, 0]
    assert data.task_names == ("factor",)
    expected = {
        "name": [f"{chrom}:{start}-{start + 100}" for chrom, start in starts],
        "chrom": [chrom for chrom, _ in starts],
        "start": [start for _, start in starts],
        "end": [start + 100 for _, start in starts],
    }
    assert data.table.to_dict("list") == expected
    assert data.provenance["counts"] == {
        "relaxed": {"read": 2, "kept": 1},
        "positive": {
            "read": 7, "missing_chromosome": 1, "off_end": 2, "duplicated": 1, "unknown_bases": 1, "kept": 2,
        },
        "negative": {
            "read": 10, "missing_chromosome": 1, "overlapping_relaxed": 1, "overlapping_positive": 1, "off_end": 1,
            "duplicated": 1, "unknown_bases": 1, "label_conflict": 0, "kept": 4,
        },
    }  # fmt: skip
    summary = data.summary().iloc[0]
    assert (summary["n_positive"], summary["n_negative"], summary["ratio"]) == (2, 4, 2)


@pytest.mark.parametrize("width", [1, 2, 7, 100, 101])
def test_a_window_starts_half_its_width_before_the_summit(fasta, width):
    data = peak_windows(fasta, PEAKS[:1], width=width, negatives="none")
    assert rcviz.decode(data.codes) == [window("chr1", 1_050 - width // 2, width)]


def test_windows_may_touch_the_ends_of_a_chromosome(fasta):
    peaks = table(("chr2", 40, 60, 10), ("chr2", 2_940, 2_960, 10), ("chr2", 39, 60, 10), ("chr2", 2_941, 2_960, 10))
    data = peak_windows(fasta, peaks, width=100, negatives="none")
    assert data.table["start"].tolist() == [0, 2_900]
    assert data.provenance["counts"]["positive"]["off_end"] == 2


@pytest.mark.parametrize(
    ("overlapping", "starts"),
    [("keep", [1_085, 1_065, 2_500]), ("drop_on_peak", [1_085, 2_500]), ("drop_on_window", [2_500])],
)
def test_negatives_that_overlap_positives_are_what_the_option_says(fasta, overlapping, starts):
    data = peak_windows(
        fasta, PEAKS, accessible=OPEN, relaxed=RELAXED, width=100, chromosomes="chr1", overlapping=overlapping
    )
    assert data.negatives().table["start"].tolist() == starts
    counts = data.provenance["counts"]["negative"]
    assert counts.get("overlapping", 0) == 3 - len(starts)
    for part in ("positive", "negative"):
        by_reason = dict(data.provenance["counts"][part])
        assert by_reason.pop("read") == sum(by_reason.values())


def test_chromosomes_are_chosen_and_counted(fasta):
    data = peak_windows(fasta, PEAKS, accessible=OPEN, width=100, chromosomes=["chr2"])
    assert set(data.table["chrom"]) == {"chr2"}
    assert data.provenance["counts"]["positive"]["other_chromosome"] == 6
    assert data.provenance["chromosomes"] == ["chr2"]


def test_a_share_of_unknown_bases_may_be_allowed(fasta):
    kept = [len(peak_windows(fasta, PEAKS, width=100, negatives="none", max_n_share=share)) for share in (0.09, 0.1)]
    assert kept == [2, 3]


@pytest.fixture
def repeated(tmp_path):
    """A genome in which 100 bp occur three times, once on the other strand."""
    repeat, other = random_dna(3, 100), random_dna(4, 400)
    path = tmp_path / "repeated.fa"
    path.write_text(f">c\n{repeat}{other}{rcviz.reverse_complement(repeat)}{other}{repeat}{other}\n")
    return path


def test_one_sequence_with_both_labels_is_refused_or_dropped(repeated):
    settings = {"accessible": table(("c", 500, 600), ("c", 700, 800), ("c", 1_000, 1_100)), "width": 100}
    with pytest.raises(ValueError, match=r"negative c:500-600 .*positive c:0-100.*on_label_conflict='drop'"):
        peak_windows(repeated, table(("c", 0, 100)), **settings)
    data = peak_windows(repeated, table(("c", 0, 100)), **settings, on_label_conflict="drop")
    assert data.table["start"].tolist() == [0, 700]
    assert data.provenance["counts"]["negative"]["label_conflict"] == 2


def test_without_accessible_regions_negatives_are_drawn(fasta):
    data = peak_windows(fasta, PEAKS, width=50, negatives_per_positive=3)
    again = peak_windows(fasta, PEAKS, width=50, negatives_per_positive=3, negatives="gc_matched", seed=0)
    other = peak_windows(fasta, PEAKS, width=50, negatives_per_positive=3, seed=1)
    np.testing.assert_array_equal(data.codes, again.codes)
    assert not np.array_equal(data.negatives().codes, other.negatives().codes)
    assert data.provenance["negatives"] == "gc_matched"
    for row in data.negatives().table.itertuples():
        apart = (PEAKS["chrom"] != row.chrom) | (PEAKS["end"] <= row.start) | (PEAKS["start"] >= row.end)
        assert apart.all()


def test_shuffled_negatives_are_the_positives_in_another_order(fasta):
    data = peak_windows(fasta, PEAKS, width=100, negatives="shuffled", negatives_per_positive=2.5)
    positives, negatives = data.positives(), data.negatives()
    assert data.provenance["negatives"] == "shuffled"
    assert negatives.table["name"].tolist() == [f"{name} shuffled" for name in np.resize(positives.table["name"], 5)]
    sources = positives.codes[np.resize([0, 1], 5)]
    expected = dinucleotide_shuffle(sources, seed=0)
    np.testing.assert_array_equal(negatives.codes, expected)
    assert not (negatives.codes == sources).all(axis=1).any()


@pytest.mark.parametrize("kind", ["accessible", "gc_matched", "shuffled", "none"])
def test_a_set_written_while_it_is_cut_is_the_one_in_memory(fasta, tmp_path, kind, monkeypatch):
    monkeypatch.setattr("rcviz.genome.extraction._WINDOWS_AT_ONCE", 2)
    settings = {"relaxed": RELAXED, "width": 101, "negatives": kind}
    if kind == "accessible":
        settings["accessible"] = OPEN
    in_memory = peak_windows(fasta, PEAKS, **settings)
    path = tmp_path / "set.safetensors"
    mapped = peak_windows(fasta, PEAKS, **settings, out=path)
    for data in (mapped, SequenceSet.load(path), SequenceSet.load(path, memory_map=True)):
        np.testing.assert_array_equal(data.codes, in_memory.codes)
        np.testing.assert_array_equal(data.labels, in_memory.labels)
        pd.testing.assert_frame_equal(data.table, in_memory.table)
        assert (data.task_names, data.provenance) == (in_memory.task_names, in_memory.provenance)
    assert isinstance(mapped.codes.base, np.memmap)
    assert not mapped.codes.flags.writeable


def test_a_set_that_fails_leaves_the_old_file(repeated, tmp_path):
    path = tmp_path / "set.safetensors"
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match="on_label_conflict"):
        peak_windows(repeated, table(("c", 0, 100)), accessible=table(("c", 500, 600)), width=100, out=path)
    assert path.read_bytes() == b"old"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["repeated.fa", "set.safetensors"]


def test_an_input_is_not_written_over(fasta):
    before = fasta.read_bytes()
    with pytest.raises(ValueError, match=r"would overwrite .*genome\.fa"):
        peak_windows(fasta, PEAKS, negatives="none", out=fasta)
    assert fasta.read_bytes() == before


def test_the_task_is_named_after_the_file(fasta, tmp_path):
    path = tmp_path / "gm12878.ctcf.narrowPeak"
    path.write_text("chr1\t1000\t1200\n".replace("\t1200", "\t1200\t.\t0\t.\t1\t-1\t-1\t50"))
    assert peak_windows(fasta, path, negatives="none", width=100).task_names == ("gm12878",)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"peaks": table(("1", 100, 200))}, "peaks names chromosome '1' but the FASTA has 'chr1'"),
        ({"accessible": table(("2", 100, 200))}, "accessible names chromosome '2' but the FASTA has 'chr2'"),
        ({"peaks": table(("chr7", 100, 200))}, "no positive .*missing_chromosome 1"),
        ({"accessible": table(("chr1", 1_000, 1_100))}, "no negative .*overlapping_positive 1"),
        ({"chromosomes": "chr3"}, "chromosomes has 'chr3'"),
        ({"chromosomes": ()}, "chromosomes is empty"),
        ({"n_relaxed": -1}, "n_relaxed must be at least 1"),
        ({"seed": np.random.default_rng(0)}, "seed must be a whole number"),
        ({"accessible": OPEN, "negatives": "shuffled"}, "negatives='shuffled'"),
        ({"width": 6_000}, "no positive .*off_end"),
        ({"width": 0}, "width must be at least 1"),
        ({"negatives": "random"}, "negatives must be one of accessible, gc_matched"),
        ({"negatives": "accessible"}, "negatives='accessible' needs accessible regions"),
        ({"overlapping": "drop"}, "overlapping must be one of keep, drop_on_peak"),
        ({"on_label_conflict": "keep"}, "on_label_conflict must be one of raise, drop"),
        ({"max_n_share": 1.5}, "max_n_share must be"),
        ({"negatives_per_positive": 0.0}, "negatives_per_positive must be"),
        ({"relaxed": RELAXED.drop(columns="signal"), "n_relaxed": 1}, "relaxed has 2 peaks but no signal"),
        ({"negatives": "gc_and_repeats_matched"}, "needs a soft-masked genome"),
    ],
)
@pytest.mark.usefixtures("as_users_run")
def test_invalid_arguments_are_refused_and_nothing_written(fasta, tmp_path, changes, message):
    settings = {"peaks": PEAKS, "width": 100, "out": tmp_path / "set"} | changes
    with pytest.raises(ValueError, match=message) as caught:
        peak_windows(fasta, **settings)
    assert "\n" not in str(caught.value)
    assert [file.name for file in tmp_path.iterdir()] == ["genome.fa"]


@pytest.mark.parametrize(("module", "settings"), [("pyfaidx", {}), ("bioframe", {"accessible": OPEN})])
def test_a_missing_library_is_named(fasta, monkeypatch, module, settings):
    monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(ImportError, match=rf"needs {module}: install it with pip install 'rcviz\[genome\]'"):
        peak_windows(fasta, PEAKS, width=100, **settings)


@pytest.fixture(scope="module")
def accessible(shared_peaks):
    """The 184,000 DNase peaks, read once."""
    return read_peaks(shared_peaks["DNase"])


SOAKED = [pytest.param(factor, marks=pytest.mark.soak) for factor in ("CTCF", "SPI1")]


@pytest.fixture(scope="module", params=["MAX", *SOAKED])
def real(request, shared_data, shared_peaks, accessible):
    """A factor and its windows of chr21 and chr22, by both rules about negatives near positives.

    About 12 s for the first, which only here compares with windows that others cut from the real genome.
    """
    factor = request.param
    peaks, relaxed = read_peaks(shared_peaks[factor]), read_peaks(shared_peaks[f"{factor} relaxed"])
    cut = {
        overlapping: peak_windows(
            [shared_data / "hg19" / name for name in ("chr21.fa.gz", "chr22.rebuilt.fa.gz")],
            peaks,
            accessible=accessible,
            relaxed=relaxed,
            overlapping=overlapping,
        )
        for overlapping in ("keep", "drop_on_peak")
    }
    return factor, cut


@pytest.mark.long
def test_the_shipped_positives_come_out_exactly(real, shared_data):
    """Only whole chromosomes with real peaks show that the windows are the published ones, base by base."""
    factor, cut = real
    cut = cut["keep"].positives()
    shipped = SequenceSet.from_fasta(shared_data / "windows_1kb" / f"{factor}.positives.fa.gz")
    shipped = shipped.subset(shipped.table["chrom"].isin(["chr21", "chr22"]).to_numpy())
    assert len(cut) == {"CTCF": 1_350, "SPI1": 1_230, "MAX": 486}[factor]
    assert cut.table["name"].tolist() == shipped.table["name"].tolist()
    np.testing.assert_array_equal(cut.codes, shipped.codes)


def test_the_shipped_negatives_come_out_exactly(real, shared_data):
    """The labels beside the shipped windows tell the paper's rule, and the stricter one."""
    factor, cut = real
    labels = pd.read_csv(shared_data / "windows_1kb" / "DNase.windows.labels.tsv.gz", sep="\t")
    labels = labels[labels["chrom"].isin(["chr21", "chr22"])]
    names = labels["chrom"] + ":" + labels["start"].astype(str) + "-" + labels["end"].astype(str)
    unbound = (labels[f"{factor}_idr_overlap"] == 0) & (labels[f"{factor}_relaxed_overlap"] == 0)
    assert sorted(cut["keep"].negatives().table["name"]) == sorted(names[unbound])
    stricter = labels[f"{factor}_is_negative"] == 1
    assert sorted(cut["drop_on_peak"].negatives().table["name"]) == sorted(names[stricter])

    shipped = SequenceSet.from_fasta(shared_data / "windows_1kb" / "DNase.windows.fa.gz")
    row = pd.Series(np.arange(len(shipped)), index=shipped.table["name"])
    negatives = cut["keep"].negatives()
    np.testing.assert_array_equal(negatives.codes, shipped.codes[row[negatives.table["name"]].to_numpy()])


def test_chromosomes_asked_for_in_the_other_style_are_named(tmp_path):
    (tmp_path / "genome.fa").write_text(">chr1\n" + "ACGT" * 300 + "\n")
    (tmp_path / "peaks.bed").write_text("chr1\t500\t600\n")
    with pytest.raises(ValueError, match=r"chromosomes has '1' .*write 'chr1'"):
        peak_windows(tmp_path / "genome.fa", tmp_path / "peaks.bed", width=100, chromosomes="1")
