"""Sets as BED and FASTA files, which bioframe and Biopython read, and several sets as one."""

import bioframe
import numpy as np
import pytest
from Bio import SeqIO

import rcviz

DATA = rcviz.SequenceSet(
    ["ACGT", "GGNG", "TTTT"], [1, 0, np.nan], task_names=["CTCF"], names=["a", "b c", "d\te"],
    chrom=["chr1", "chr1", "chr2"], start=[0, 10, 5], end=[4, 14, 9],
)  # fmt: skip


def test_a_bed_file_has_the_coordinates(tmp_path):
    DATA.to_bed(tmp_path / "a.bed")
    table = bioframe.read_table(tmp_path / "a.bed", schema="bed4")
    assert table.values.tolist() == [["chr1", 0, 4, "a"], ["chr1", 10, 14, "b c"], ["chr2", 5, 9, "d_e"]]
    with pytest.raises(ValueError, match="no chrom, start, end"):
        rcviz.SequenceSet(["ACGT"]).to_bed(tmp_path / "b.bed")
    assert not (tmp_path / "b.bed").exists()


def test_a_fasta_file_is_read_with_its_coordinates(tmp_path):
    DATA.to_fasta(tmp_path / "a.fa")
    records = list(SeqIO.parse(tmp_path / "a.fa", "fasta"))
    assert [(record.id, str(record.seq)) for record in records] == [
        ("chr1:0-4", "ACGT"), ("chr1:10-14", "GGNG"), ("chr2:5-9", "TTTT"),
    ]  # fmt: skip
    again = rcviz.SequenceSet.from_fasta(tmp_path / "a.fa")
    np.testing.assert_array_equal(again.codes, DATA.codes)
    assert again.table[["chrom", "start", "end"]].equals(DATA.table[["chrom", "start", "end"]])
    rcviz.SequenceSet(["ACGT", "GGGG"]).to_fasta(tmp_path / "b.fa")
    assert (tmp_path / "b.fa").read_text() == ">sequence_0\nACGT\n>sequence_1\nGGGG\n"


def test_several_sets_are_one():
    other = rcviz.SequenceSet(["CCCC"], [[1, 0]], task_names=["SPI1", "CTCF"], names=["x"], chrom=["chr3"])
    both = rcviz.SequenceSet.concat([DATA, other])
    assert rcviz.decode(both.codes) == ["ACGT", "GGNG", "TTTT", "CCCC"]
    assert both.task_names == ("CTCF", "SPI1")
    np.testing.assert_array_equal(both.labels, [[1, np.nan], [0, np.nan], [np.nan, np.nan], [0, 1]])
    assert list(both.table) == ["name", "chrom"]  # what both have
    turned = rcviz.SequenceSet.concat([DATA, other], task_names=["SPI1", "CTCF"])
    np.testing.assert_array_equal(turned.labels, both.labels[:, ::-1])
    whole = rcviz.SequenceSet.concat([DATA.subset([0, 2]), DATA.subset([1])])
    assert whole.table.equals(DATA.subset([0, 2, 1]).table)


def test_unlabelled_sets_are_unknown_beside_labelled_ones():
    plain = rcviz.SequenceSet(["AAAA"])
    assert rcviz.SequenceSet.concat([plain, plain]).labels is None
    np.testing.assert_array_equal(rcviz.SequenceSet.concat([plain, DATA]).labels[:2, 0], [np.nan, 1])
    values = rcviz.SequenceSet(["AAAA"], [2.5], label_kind="value")
    assert rcviz.SequenceSet.concat([values, plain]).label_kind == "value"


@pytest.mark.parametrize(
    ("sets", "names", "message"),
    [
        ([], None, "at least one"),
        ([DATA, rcviz.SequenceSet(["AAAAA"])], None, "one length, got 4, 5 bp"),
        ([DATA, rcviz.SequenceSet(["AAAA"], [2.5], label_kind="value")], None, "label_kind"),
        ([DATA], ["SPI1"], "task_names"),
    ],
)
def test_sets_that_do_not_fit_are_refused(sets, names, message):
    with pytest.raises(ValueError, match=message):
        rcviz.SequenceSet.concat(sets, names)
