"""Several peak files: replicates and tasks, excluded regions, values as labels, and signs of a wrong assembly."""

import numpy as np
import pandas as pd
import pytest

import rcviz
from rcviz.genome.assembly import assembly_of

LENGTHS = {"chr1": 6_000, "chr2": 4_000}


@pytest.fixture
def fasta(tmp_path):
    rng = np.random.default_rng(3)
    path = tmp_path / "genome.fa"
    path.write_text("".join(f">{name}\n{''.join(rng.choice(list('ACGT'), n))}\n" for name, n in LENGTHS.items()))
    return path


def table(*rows):
    return pd.DataFrame(list(rows), columns=["chrom", "start", "end", "summit", "signal"])


FIRST = table(("chr1", 1_000, 1_200, 100, 5.0), ("chr1", 2_000, 2_200, 50, 7.0), ("chr2", 500, 700, 100, 9.0))
SECOND = table(("chr1", 1_150, 1_350, 20, 50.0), ("chr2", 2_000, 2_200, 100, 60.0))
THIRD = table(("chr2", 2_150, 2_250, 10, 1.0), ("chr1", 2_100, 2_300, 10, 2.0))


def cut(fasta, peaks, **options):
    settings = {"width": 200, "negatives": "none", "progress": False}
    return rcviz.peak_windows(fasta, peaks, **(settings | options))


def starts(data):
    return list(zip(data.table["chrom"], data.table["start"], strict=True))


def test_replicates_are_united(fasta):
    """The second one's first peak overlaps one of the first, the third's peaks one of each."""
    data = cut(fasta, [FIRST, SECOND, THIRD], task_name="CTCF")
    assert starts(data) == [("chr1", 1_000), ("chr1", 1_950), ("chr2", 500), ("chr2", 2_000)]
    assert data.task_names == ("CTCF",)
    counts = data.provenance["counts"]
    assert counts["peaks[1]"] == {"read": 2, "in_earlier_replicate": 1, "not_reproducible": 0, "kept": 1}
    assert counts["peaks[2]"]["in_earlier_replicate"] == 2


def test_reproducible_peaks_are_in_enough_replicates(fasta):
    in_two = cut(fasta, [FIRST, SECOND, THIRD], min_replicates=2)
    assert starts(in_two) == [("chr1", 1_000), ("chr1", 1_950), ("chr2", 2_000)]
    with pytest.raises(ValueError, match="no peak of peaks is in 3"):
        cut(fasta, [FIRST, SECOND, THIRD], min_replicates=3)
    for wrong in (4, 0):
        with pytest.raises(ValueError, match="min_replicates"):
            cut(fasta, [FIRST, SECOND, THIRD], min_replicates=wrong)
    with pytest.raises(ValueError, match="needs a list of replicates"):
        cut(fasta, FIRST, min_replicates=2)


def test_tasks_have_one_matrix_of_labels(fasta):
    """A window is labelled in all tasks whose peaks it overlaps; a peak centred in an earlier window is left out."""
    data = cut(fasta, {"CTCF": FIRST, "SPI1": SECOND})
    # SPI1's first peak is centred at 1,170, in the window from 1,000 to 1,200 of CTCF.
    assert starts(data) == [("chr1", 1_000), ("chr1", 1_950), ("chr2", 500), ("chr2", 2_000)]
    assert data.task_names == ("CTCF", "SPI1")
    np.testing.assert_array_equal(data.labels, [[1, 1], [1, 0], [1, 0], [0, 1]])
    assert data.provenance["counts"]["SPI1"] == {"read": 2, "centred_in_other_task": 1, "positive": 2}
    assert data.provenance["peaks"] == {"CTCF": "DataFrame", "SPI1": "DataFrame"}


def test_negatives_of_several_tasks_are_on_no_peak_of_any(fasta):
    data = cut(fasta, {"CTCF": FIRST, "SPI1": [SECOND, THIRD]}, negatives="gc_matched", seed=1)
    negatives = data.subset((data.labels == 0).all(axis=1))
    assert len(negatives) > 0
    for peaks in (FIRST, SECOND, THIRD):
        for row in negatives.table.itertuples():
            same = peaks[peaks["chrom"] == row.chrom]
            assert ((same["end"] <= row.start) | (same["start"] >= row.end)).all()


def test_excluded_regions_have_no_windows(fasta, tmp_path):
    (tmp_path / "blacklist.bed").write_text("chr1\t1190\t1191\thigh signal\nchr2\t700\t900\tlow\n")
    data = cut(fasta, FIRST, exclude=tmp_path / "blacklist.bed")
    assert starts(data) == [("chr1", 1_950), ("chr2", 500)]  # 700 is the first base behind the last window
    assert data.provenance["counts"]["positive"]["excluded"] == 1
    region = pd.DataFrame({"chrom": ["chr1"], "start": [2_500], "end": [5_000]})
    drawn = cut(fasta, FIRST, exclude=region, negatives="gc_matched", negatives_per_positive=20).negatives()
    assert len(drawn) > 0
    assert all(row.chrom == "chr2" or row.end <= 2_500 or row.start >= 5_000 for row in drawn.table.itertuples())


def test_the_signal_of_peaks_is_a_value(fasta):
    data = cut(fasta, FIRST, values="signal", negatives=None)
    assert data.label_kind == "value"
    assert data.labels[:, 0].tolist() == [5, 7, 9]  # and no negatives
    with_negatives = cut(fasta, FIRST, values="signal", negatives="shuffled")
    assert with_negatives.labels[:, 0].tolist() == [5, 7, 9, 0, 0, 0]
    both = cut(fasta, {"CTCF": FIRST, "SPI1": SECOND}, values="signal")
    np.testing.assert_array_equal(both.labels, [[5, 50], [7, 0], [9, 0], [0, 60]])
    with pytest.raises(ValueError, match=r"values='signal' needs a finite signal .* 1 of 3 of CTCF"):
        cut(fasta, {"CTCF": FIRST.assign(signal=[1.0, np.inf, 2.0])}, values="signal")


def test_a_bedgraph_is_averaged_over_each_window(fasta, tmp_path):
    """Windows are 1,000-1,200, 1,950-2,150 and 500-700; bases without a line count as 0."""
    lines = [
        "track type=bedGraph",
        "chr1\t0\t1100\t2",
        "chr1\t1100\t1150\t4",
        "chr1\t2149\t9999\t10",
        "chr2\t400\t800\t-1.5",
    ]
    (tmp_path / "a.bedGraph").write_text("\n".join(lines))
    data = cut(fasta, FIRST, values=tmp_path / "a.bedGraph")
    assert data.label_kind == "value"
    np.testing.assert_allclose(data.labels[:, 0], [(100 * 2 + 50 * 4) / 200, 10 / 200, -1.5])
    for text, message in (("chr1\t5\t2\t3\n", "line 1"), ("chr1\t1\t2\tx\n", "bedGraph"), ("", "no lines")):
        (tmp_path / "b.bedGraph").write_text(text)
        with pytest.raises(ValueError, match=message):
            cut(fasta, FIRST, values=tmp_path / "b.bedGraph")


def test_accessible_regions_are_all_used_or_so_many_per_positive(fasta):
    regions = pd.DataFrame({"chrom": "chr1", "start": range(3_000, 5_000, 250), "end": range(3_100, 5_100, 250)})
    options = {"accessible": regions, "negatives": "accessible"}
    assert len(cut(fasta, FIRST, **options).negatives()) == 8
    some = cut(fasta, FIRST, negatives_per_positive=2, **options)
    assert len(some.negatives()) == 6
    assert some.provenance["counts"]["negative"]["not_needed"] == 2
    with pytest.warns(UserWarning, match="only 8 of 12"):
        assert len(cut(fasta, FIRST, negatives_per_positive=4, **options).negatives()) == 8
    with pytest.raises(ValueError, match="negatives_per_positive is not used without negatives"):
        cut(fasta, FIRST, negatives_per_positive=2)


def test_a_wrong_assembly_is_said(fasta):
    beyond = table(("chr2", 3_900, 4_100, 50, 1.0))
    with pytest.warns(UserWarning, match=r"1 of 4 regions of peaks lie beyond .* chr2:3900-4100 of 4,000 bp"):
        cut(fasta, pd.concat([FIRST, beyond], ignore_index=True))
    missing = table(("chr9", 1, 99, 5, 1.0))
    with pytest.warns(UserWarning, match=r"1 of 4 peaks \(25%\) are dropped \(missing chromosome 1\)"):
        cut(fasta, pd.concat([FIRST, missing], ignore_index=True))
    assert assembly_of({"chr21": 46_709_983}) == "hg38"
    assert assembly_of({"21": 48_129_895, "1": 249_250_621}) == "hg19"
    assert assembly_of({"chr21": 1, "chrA": 5}) is None


def test_names_that_fit_nowhere_are_shown_and_the_advice_makes_no_chrchr(fasta):
    elsewhere = FIRST.replace({"chrom": {"chr1": "scaffold_1", "chr2": "scaffold_2"}})
    with pytest.raises(ValueError, match=r"FASTA are chr1, chr2, those of the regions scaffold_1, scaffold_2"):
        cut(fasta, elsewhere)
    with pytest.raises(
        ValueError, match=r"relaxed names chromosomes scaffold_1, scaffold_2, none .* it has chr1, chr2"
    ):
        cut(fasta, FIRST, relaxed=elsewhere)
    with pytest.raises(
        ValueError, match=r"names chromosome '1' but the FASTA has 'chr1'.*sed -E '/\^\(chr\|"
    ) as caught:
        cut(fasta, FIRST.replace({"chrom": {"chr1": "1"}}))  # chr2 stays: it must not become chrchr2
    assert "removeprefix('chr')" in str(caught.value)
