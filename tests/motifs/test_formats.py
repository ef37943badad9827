"""MEME, JASPAR and TRANSFAC files: exact round trips, Biopython as the other reader and writer, real variants."""

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
from rcviz.motifs.formats.meme import read_meme, write_meme
from rcviz.motifs.formats.transfac import read_transfac, write_transfac

FORMATS = {
    "meme": (read_meme, write_meme),
    "jaspar": (read_jaspar, write_jaspar),
    "transfac": (read_transfac, write_transfac),
}
each_format = pytest.mark.parametrize("kind", FORMATS)
format_of_counts = pytest.mark.parametrize("kind", ["jaspar", "transfac"])

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

MEME = """MEME version 5.5.5

ALPHABET= ACGT

MOTIF first
letter-probability matrix:
0.7 0.1 0.1 0.1
0.1 0.7 0.1 0.1

MOTIF second other_name
letter-probability matrix: alength= 4 w= 1 nsites= 20 E= 0

 0.25 0.25 0.25 0.25
URL https://example.org/second
"""
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
    # "width" is a keyword in that place of a MEME file.
    motifs = [rcviz.Motif(name, matrix, "" if other == "width" else other) for name, matrix, other in contents]
    path = tmp_path_factory.mktemp(kind) / "motifs.txt"
    write(motifs, path)
    assert read(path) == motifs


@format_of_counts
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


@format_of_counts
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


@format_of_counts
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


def written(tmp_path, text):
    path = tmp_path / "motifs.txt"
    path.write_text(text)
    return path


def test_meme_files_as_they_occur(tmp_path):
    first, second = read_meme(written(tmp_path, MEME))
    assert (first.name, first.alternative_name, first.width) == ("first", "", 2)
    assert (second.name, second.alternative_name, second.width) == ("second", "other_name", 1)
    np.testing.assert_array_equal(first.probabilities[:, 0], [0.7, 0.1, 0.1, 0.1])


def test_gzip_and_other_line_ends_are_recognised_by_content(tmp_path):
    path = tmp_path / "motifs.txt"
    path.write_bytes(gzip.compress(MEME.replace("\n", "\r\n").encode()))
    assert [motif.name for motif in read_meme(path)] == ["first", "second"]


def test_full_outputs_of_meme_are_read(tmp_path):
    text = """MEME version 5.4.1 (Release date: today)
********************
ALPHABET= ACGT
Background letter frequencies (from file `x'):
A 0.3 C 0.2 G 0.2 T 0.3
MOTIF GATA MEME-1\twidth =   1  sites = 10  llr = 9  E-value = 1e-3
log-odds matrix: alength= 4 w= 1 n= 9 bayes= 5 E= 1e-3
   -10    20   -10   -10
letter-probability matrix: alength= 4 w= 1 nsites= 10 E= 1e-3
 0.000000  1.000000  0.000000  0.000000
--------------------
"""
    (motif,) = read_meme(written(tmp_path, text))
    assert (motif.name, motif.alternative_name, motif.consensus) == ("GATA", "MEME-1", "C")


def test_printed_rounding_is_mended(tmp_path):
    path = written(tmp_path, "MOTIF m\nletter-probability matrix: w= 1\n0.33 0.33 0.33 0.00\n")
    np.testing.assert_allclose(read_meme(path)[0].probabilities[:, 0], [1 / 3, 1 / 3, 1 / 3, 0])


def test_jaspar_files_as_they_occur(tmp_path):
    path = tmp_path / "motifs.txt"
    path.write_bytes(gzip.compress(JASPAR.replace("\n", "\r\n").encode()))
    arnt, bare = read_jaspar(path)
    assert (arnt.name, arnt.alternative_name, arnt.consensus) == ("MA0004.1", "Arnt", "CACGTG")
    np.testing.assert_allclose(arnt.probabilities[:, :2], [[0.2, 0.95], [0.8, 0], [0, 0.05], [0, 0]], rtol=1e-15)
    assert (bare.name, bare.alternative_name) == ("bare", "")
    np.testing.assert_array_equal(bare.probabilities, [[0.25, 0], [0.25, 0], [0.25, 0], [0.25, 1]])


def test_rows_that_name_their_base_may_come_in_any_order(tmp_path):
    (motif,) = read_jaspar(written(tmp_path, ">m with words\nT 4\nG 3\nC 2\nA 1\n"))
    assert (motif.name, motif.alternative_name) == ("m", "with words")
    np.testing.assert_array_equal(motif.probabilities[:, 0], [0.1, 0.2, 0.3, 0.4])


def test_transfac_files_as_they_occur(tmp_path):
    found = read_transfac(written(tmp_path, TRANSFAC))
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
        ("meme", "ACGT", "ACDEFGHIKLMNPQRSTVWY", "line 3: .*ALPHABET"),
        ("meme", "MOTIF first", "MOTIF", "line 5: .*MOTIF"),
        ("meme", "MOTIF first\n", "", "line 5: .*MOTIF"),
        ("meme", "MOTIF second other_name\n", "", "line 10: .*MOTIF"),
        ("meme", "0.1 0.7 0.1 0.1", "0.1 0.7 0.1", "line 8: .*four .*'0.1 0.7 0.1'"),
        ("meme", "0.1 0.7 0.1 0.1", "0.1 x 0.1 0.1", "line 8: .*four"),
        ("meme", "0.1 0.7 0.1 0.1", "0.1 0.7 0.1 0.3", "line 8: .*sum"),
        ("meme", "0.1 0.7 0.1 0.1", "1.1 -0.3 0.1 0.1", "line 8: .*probabilities"),
        ("meme", "0.1 0.7 0.1 0.1", "nan 0.7 0.1 0.1", "line 8: .*probabilities"),
        ("meme", "0.1 0.7 0.1 0.1", "1 7 1 1", "line 8: .*divide"),
        ("meme", "w= 1", "w= 3", "line 11: .*w= 1, .*3"),
        ("meme", "alength= 4", "alength= 20", "line 11: .*alength"),
        ("meme", " 0.25 0.25 0.25 0.25\n", "", "line 11: .*rows"),
        ("meme", MEME, ">chr1\nACGT\n", "MEME"),
        ("meme", MEME, "", "MEME"),
        ("jaspar", ">MA0004.1\tArnt", ">", "line 1: .*name"),
        ("jaspar", ">MA0004.1\tArnt\n", "", "line 1: .*'>ID name'"),
        ("jaspar", "T  [ 0  0  0  0 20  0 ]\n", "", "line 1: .*'MA0004.1' .*3 of 4"),
        ("jaspar", "1 4\n", "", "line 7: .*'bare' .*3 of 4"),
        ("jaspar", "1 4\n", "1 4 5\n", "line 11: .*four rows"),
        ("jaspar", "C  [", "A  [", "line 3: .*four rows"),
        ("jaspar", "16", "many", "line 3: .*counts"),
        ("jaspar", "16", "-16", "line 1: .*at least 0"),
        ("jaspar", "1 4\n", "1 nan\n", "line 7: .*at least 0"),
        ("jaspar", "1 4\n", "1 0\n", "line 7: .*position 2"),
        ("jaspar", JASPAR, ">chr1\nACGT\n", "line 2: .*counts.*'ACGT'"),
        ("jaspar", JASPAR, "", "JASPAR"),
        ("transfac", "P0      A      C      G      T", "P0  A C G U", "line 9: .*A C G T"),
        ("transfac", "02      2", "03      2", "line 11: row 03"),
        ("transfac", "P0      A      C      G      T\n", "", "line 9: row 01"),
        ("transfac", "2      0      S", "2", "line 10: .*four .*'1 2 2'"),
        ("transfac", "1 0 0 0 7\n", "", "line 21: .*rows"),
        ("transfac", "1 0 0 0 7\n", "1 0 0 0 0\n", "line 21: .*position 1"),
        ("transfac", "ID  alone\n", "", "line 20: .*name"),
        ("transfac", TRANSFAC, "MEME version 4\n", "TRANSFAC"),
    ],
)
def test_a_broken_file_is_refused_by_name_and_line(tmp_path, kind, old, new, message):
    text = {"meme": MEME, "jaspar": JASPAR, "transfac": TRANSFAC}[kind]
    assert old in text
    with pytest.raises(ValueError, match=f"motifs.txt.*{message}"):
        FORMATS[kind][0](written(tmp_path, text.replace(old, new, 1)))


def test_a_cut_gzip_and_a_binary_file_are_refused(tmp_path):
    path = tmp_path / "motifs.meme.gz"
    path.write_bytes(gzip.compress(MEME.encode())[:-20])
    with pytest.raises(ValueError, match="truncated or damaged gzip"):
        read_meme(path)
    path.write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(ValueError, match="not a text file"):
        read_meme(path)


@each_format
@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "at least one motif"),
        ([("two words", "")], "single words"),
        ([("", "")], "single words"),
        ([("m", "second name")], "single words"),
        ([("m", ""), ("m", "")], "two motifs are named 'm'"),
    ],
)
def test_what_the_format_cannot_express_is_refused_and_nothing_written(tmp_path, kind, names, message):
    path = written(tmp_path, "before")
    motifs = [rcviz.Motif(name, np.full((4, 1), 0.25), other) for name, other in names]
    with pytest.raises(ValueError, match=message):
        FORMATS[kind][1](motifs, path)
    assert [file.read_text() for file in tmp_path.iterdir()] == ["before"]
