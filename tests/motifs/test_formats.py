"""JASPAR and TRANSFAC files: exact round trips, Biopython as the other reader and writer, the variants that exist."""

import gzip

import numpy as np
import pytest
from Bio import motifs as biopython
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import rcviz
from rcviz.motifs.formats.common import whole_counts
from rcviz.motifs.formats.jaspar import read_jaspar, write_jaspar
from rcviz.motifs.formats.transfac import read_transfac, write_transfac

FORMATS = {"jaspar": (read_jaspar, write_jaspar), "transfac": (read_transfac, write_transfac)}
each_format = pytest.mark.parametrize("kind", FORMATS)

words = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=8)
matrices = st.integers(1, 6).flatmap(
    lambda width: arrays(np.float64, (4, width), elements=st.floats(0, 1)).map(lambda x: (x + 1e-9) / (x + 1e-9).sum(0))
)
several = st.lists(
    st.tuples(words, matrices, st.one_of(st.just(""), words)),
    min_size=1,
    max_size=4,
    unique_by=lambda motif: motif[0],
)

JASPAR = """>MA0004.1\tArnt
A  [ 4 19  0  0  0  0 ]
C  [16  0 20  0  0  0 ]
G  [ 0  1  0 20  0 20 ]
T  [ 0  0  0  0 20  0 ]

>bare
1 0
1 0
1 0
1 4
"""
TRANSFAC = """VV  TRANSFAC MATRIX TABLE, Release 4.0
XX
//
AC  M00001
XX
ID  V$MYOD_01
XX
NA  MyoD
P0      A      C      G      T
01      1      2      2      0      S
02      2      1      2      0      R
XX
BA  5 functional elements
//
AC  MA0004.1
ID  Arnt
PO\tA\tC\tG\tT
00\t0.25\t0.25\t0.25\t0.25
//
ID  alone
P0 A C G T
1 0 0 0 7
//
"""


def counts(*columns):
    return np.array(columns, float).T / np.array(columns, float).sum(axis=1)


@each_format
@given(several)
def test_writing_and_reading_gives_equal_motifs(tmp_path_factory, kind, contents):
    read, write = FORMATS[kind]
    motifs = [rcviz.Motif(*motif) for motif in contents]
    path = tmp_path_factory.mktemp(kind) / "motifs.txt"
    write(motifs, path)
    assert read(path) == motifs


@each_format
def test_biopython_reads_what_was_written(tmp_path, kind):
    """Names, numbers to the last bit, and IUPAC consensus where the format has one."""
    write = FORMATS[kind][1]
    wanted = [rcviz.load_motif("CTCF_known1"), rcviz.load_motif("MA0004.1")]
    write(wanted, tmp_path / "motifs.txt")
    with (tmp_path / "motifs.txt").open() as file:
        found = biopython.parse(file, kind, strict=True) if kind == "transfac" else biopython.parse(file, kind)
    assert len(found) == 2
    for motif, read in zip(wanted, found, strict=True):
        np.testing.assert_array_equal([read.counts[base] for base in "ACGT"], motif.probabilities)
        if kind == "jaspar":
            assert (read.matrix_id, read.name or "") == (motif.name, motif.alternative_name)
        else:
            assert (read["AC"], read["ID"], read.get("NA", "")) == (motif.name, motif.name, motif.alternative_name)


@each_format
def test_what_biopython_writes_is_read(tmp_path, kind):
    source = [("GATA1", [[1, 7, 0], [2, 0, 0], [2, 0, 5], [5, 3, 5]]), ("SPI1", [[9, 1], [0, 3], [1, 3], [0, 3]])]
    made = []
    for name, rows in source:
        motif = biopython.jaspar.Motif(name, name, counts=dict(zip("ACGT", rows, strict=True)))
        if kind == "transfac":
            motif = biopython.transfac.Motif(counts=dict(zip("ACGT", rows, strict=True)))
            motif["AC"] = name
        made.append(motif)
    (tmp_path / "motifs.txt").write_text(biopython.write(made, kind))
    found = FORMATS[kind][0](tmp_path / "motifs.txt")
    assert [motif.name for motif in found] == ["GATA1", "SPI1"]
    for (_, rows), motif in zip(source, found, strict=True):
        np.testing.assert_allclose(motif.probabilities, np.array(rows) / np.array(rows).sum(axis=0), rtol=1e-15)


@each_format
@pytest.mark.parametrize("n_sites", [None, 1000])
def test_scanning_with_what_was_read_gives_the_same_hits(tmp_path, kind, n_sites, toy):
    """The scores of Biopython's own scan of the file, too."""
    read, write = FORMATS[kind]
    motif = rcviz.load_motif("GATA_known6")
    write([motif], tmp_path / "motifs.txt", n_sites=n_sites)
    (found,) = read(tmp_path / "motifs.txt")
    mine, again = motif.scan(toy.codes), found.scan(toy.codes)
    assert mine["score"].max() > 8
    if n_sites is None:
        np.testing.assert_array_equal(mine["score"], again["score"])
    else:
        np.testing.assert_allclose(mine["score"], again["score"], atol=motif.width * 0.2)
        assert (mine["score"] != again["score"]).any()
    with (tmp_path / "motifs.txt").open() as file:
        (other,) = biopython.parse(file, kind)
    of_a_position = sum(np.array(other.counts[base]) for base in "ACGT")
    for base in "ACGT":
        other.counts[base] = list(np.array(other.counts[base]) / of_a_position)
    scores = other.counts.normalize(pseudocounts=0.01 / 4).log_odds()  # the pseudocount of Motif.log_odds
    best = [
        max(
            scores.calculate(strand).max()
            for strand in (rcviz.decode(row[None])[0], rcviz.reverse_complement(rcviz.decode(row[None])[0]))
        )
        for row in toy.codes[:20]
    ]
    np.testing.assert_allclose(best, again["score"][:20], atol=1e-4)  # Biopython scans in float32


def test_jaspar_files_as_they_occur(tmp_path):
    path = tmp_path / "motifs.txt"
    path.write_bytes(gzip.compress(JASPAR.replace("\n", "\r\n").encode()))
    arnt, bare = read_jaspar(path)
    assert (arnt.name, arnt.alternative_name, arnt.consensus) == ("MA0004.1", "Arnt", "CACGTG")
    np.testing.assert_allclose(arnt.probabilities[:, :2], [[0.2, 0.95], [0.8, 0], [0, 0.05], [0, 0]], rtol=1e-15)
    assert (bare.name, bare.alternative_name) == ("bare", "")
    np.testing.assert_array_equal(bare.probabilities, [[0.25, 0], [0.25, 0], [0.25, 0], [0.25, 1]])


def test_rows_that_name_their_base_may_come_in_any_order(tmp_path):
    path = tmp_path / "motifs.txt"
    path.write_text(">m with words\nT 4\nG 3\nC 2\nA 1\n")
    (motif,) = read_jaspar(path)
    assert (motif.name, motif.alternative_name) == ("m", "with words")
    np.testing.assert_array_equal(motif.probabilities[:, 0], [0.1, 0.2, 0.3, 0.4])


def test_transfac_files_as_they_occur(tmp_path):
    path = tmp_path / "motifs.txt"
    path.write_text(TRANSFAC)
    found = read_transfac(path)
    names = [(motif.name, motif.alternative_name) for motif in found]
    assert names == [("M00001", "MyoD"), ("MA0004.1", "Arnt"), ("alone", "")]
    np.testing.assert_array_equal(found[0].probabilities, [[0.2, 0.4], [0.4, 0.2], [0.4, 0.4], [0, 0]])
    np.testing.assert_array_equal(found[2].probabilities, [[0], [0], [0], [1]])


@pytest.mark.parametrize("n_sites", [1, 7, 100])
@given(matrices)
def test_whole_counts_sum_to_the_sites_and_are_nearest(n_sites, probabilities):
    found = whole_counts(rcviz.Motif("m", probabilities).probabilities, n_sites)
    assert found.dtype.kind == "i"
    assert (found >= 0).all()
    assert (found.sum(axis=0) == n_sites).all()
    assert np.abs(found - n_sites * probabilities).max() < 1


def test_counts_are_what_a_hand_would_write(tmp_path):
    motif = rcviz.Motif("m", [[0.29, 1 / 3], [0.71, 1 / 3], [0, 1 / 3], [0, 0]])
    write_jaspar([motif], tmp_path / "m.txt", n_sites=100)
    assert (tmp_path / "m.txt").read_text().splitlines()[1:3] == ["A  [ 29 34 ]", "C  [ 71 33 ]"]
    with pytest.raises(ValueError, match="n_sites must be at least 1, got 0"):
        write_transfac([motif], tmp_path / "m.txt", n_sites=0)


@pytest.mark.parametrize(
    ("kind", "old", "new", "message"),
    [
        ("jaspar", ">MA0004.1\tArnt", ">", "line 1: a '>' line without a name"),
        ("jaspar", ">MA0004.1\tArnt\n", "", "line 1: a row before the first matrix"),
        ("jaspar", "T  [ 0  0  0  0 20  0 ]\n", "", "line 1: matrix 'MA0004.1' has 3 of 4 rows"),
        ("jaspar", "1 4\n", "", "line 7: matrix 'bare' has 3 of 4 rows"),
        ("jaspar", "1 4\n", "1 4 5\n", "line 11: expected four rows of one length"),
        ("jaspar", "C  [", "A  [", "line 3: expected four rows of one length, one for each"),
        ("jaspar", "16", "many", "line 3: expected a row of counts"),
        ("jaspar", "16", "-16", "line 1: expected counts of at least 0"),
        ("jaspar", "1 4\n", "1 nan\n", "line 7: expected counts of at least 0"),
        ("jaspar", "1 4\n", "1 0\n", "line 7: all counts are 0 at position 2"),
        ("jaspar", JASPAR, ">chr1\nACGT\n", "line 2: expected a row of counts, got 'ACGT'"),
        ("jaspar", JASPAR, "", "has no JASPAR matrix"),
        ("transfac", "P0      A      C      G      T", "P0  A C G U", "line 9: expected the bases A C G T"),
        ("transfac", "02      2", "03      2", "line 11: row 03 is out of place"),
        ("transfac", "P0      A      C      G      T\n", "", "line 9: row 01 is out of place"),
        ("transfac", "2      0      S", "2", "line 10: expected four counts, got '1 2 2'"),
        ("transfac", "1 0 0 0 7\n", "", "line 21: a matrix without rows"),
        ("transfac", "1 0 0 0 7\n", "1 0 0 0 0\n", "line 21: all counts are 0 at position 1"),
        ("transfac", "ID  alone\n", "", "line 20: a matrix without a name"),
        ("transfac", "1 0 0 0 7\n//\n", "1 0 0 0 7\n", "line 21: the record .*'//'"),
        ("transfac", TRANSFAC, "MEME version 4\n", "has no TRANSFAC matrix"),
    ],
)
def test_a_broken_file_is_refused_by_name_and_line(tmp_path, kind, old, new, message):
    text = {"jaspar": JASPAR, "transfac": TRANSFAC}[kind]
    assert old in text
    (tmp_path / "motifs.txt").write_text(text.replace(old, new, 1))
    with pytest.raises(ValueError, match=message.replace("[", r"\[")) as raised:
        FORMATS[kind][0](tmp_path / "motifs.txt")
    assert "motifs.txt" in str(raised.value)


@each_format
@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "at least one motif"),
        ([("two words", "")], "single words"),
        ([("m", ""), ("m", "")], "two motifs are named 'm'"),
    ],
)
def test_what_the_format_cannot_express_is_refused_and_nothing_written(tmp_path, kind, names, message):
    motifs = [rcviz.Motif(name, np.full((4, 1), 0.25), other) for name, other in names]
    with pytest.raises(ValueError, match=message):
        FORMATS[kind][1](motifs, tmp_path / "motifs.txt")
    assert list(tmp_path.iterdir()) == []
