"""MEME files: exact round trips, the variants that exist, and a clear error for each kind of broken file."""

import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rcviz.motifs.formats.meme import read_meme, write_meme
from rcviz.motifs.motif import Motif

MINIMAL = """MEME version 5.5.5

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

words = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=8)
matrices = st.integers(1, 6).flatmap(
    lambda width: arrays(np.float64, (4, width), elements=st.floats(0, 1)).map(lambda x: (x + 1e-9) / (x + 1e-9).sum(0))
)


def written(tmp_path, text):
    path = tmp_path / "motifs.meme"
    path.write_text(text)
    return path


@given(st.lists(st.tuples(words, matrices, words), min_size=1, max_size=4, unique_by=lambda motif: motif[0]))
def test_writing_and_reading_gives_equal_motifs(tmp_path_factory, contents):
    motifs = [Motif(name, matrix, "" if other == "width" else other) for name, matrix, other in contents]
    path = tmp_path_factory.mktemp("meme") / "motifs.meme"
    write_meme(motifs, path)
    assert read_meme(path) == motifs


def test_fields_that_may_be_missing_are_not_missed(tmp_path):
    first, second = read_meme(written(tmp_path, MINIMAL))
    assert (first.name, first.alternative_name, first.width) == ("first", "", 2)
    assert (second.name, second.alternative_name, second.width) == ("second", "other_name", 1)
    np.testing.assert_array_equal(first.probabilities[:, 0], [0.7, 0.1, 0.1, 0.1])


def test_gzip_and_other_line_ends_are_recognised_by_content(tmp_path):
    path = tmp_path / "motifs.meme"
    path.write_bytes(gzip.compress(MINIMAL.replace("\n", "\r\n").encode()))
    assert [motif.name for motif in read_meme(path)] == ["first", "second"]


def test_full_outputs_are_read(tmp_path):
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


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ACGT", "ACDEFGHIKLMNPQRSTVWY", "line 3: expected ALPHABET= ACGT"),
        ("MOTIF first", "MOTIF", "line 5: a MOTIF line without a name"),
        ("MOTIF first\n", "", "line 5: a matrix before the first MOTIF"),
        ("0.1 0.7 0.1 0.1", "0.1 0.7 0.1", "line 8: expected four probabilities, got '0.1 0.7 0.1'"),
        ("0.1 0.7 0.1 0.1", "0.1 x 0.1 0.1", "line 8: expected four probabilities"),
        ("0.1 0.7 0.1 0.1", "0.1 0.7 0.1 0.3", "line 8: expected probabilities that sum to 1"),
        ("0.1 0.7 0.1 0.1", "1.1 -0.3 0.1 0.1", "line 8: expected probabilities"),
        ("0.1 0.7 0.1 0.1", "nan 0.7 0.1 0.1", "line 8: expected probabilities"),
        ("0.1 0.7 0.1 0.1", "1 7 1 1", "divide by the sum"),
        ("w= 1", "w= 3", "line 11: expected w= 1, .*got .3"),
        ("alength= 4", "alength= 20", "line 11: expected alength= 4"),
        (" 0.25 0.25 0.25 0.25\n", "", "line 11: a matrix without rows"),
        (
            "letter-probability matrix:\n0.7 0.1 0.1 0.1\n0.1 0.7 0.1 0.1\n",
            "",
            "line 5: motif 'first' has no 'letter-probability matrix'",
        ),
        (MINIMAL, ">chr1\nACGT\n", "has no MEME motif"),
        (MINIMAL, "", "has no MEME motif"),
    ],
)
def test_a_broken_file_is_refused_by_name_and_line(tmp_path, old, new, message):
    assert old in MINIMAL
    with pytest.raises(ValueError, match=message) as raised:
        read_meme(written(tmp_path, MINIMAL.replace(old, new, 1)))
    assert "motifs.meme" in str(raised.value)


def test_a_cut_gzip_and_a_binary_file_are_refused(tmp_path):
    path = tmp_path / "motifs.meme.gz"
    path.write_bytes(gzip.compress(MINIMAL.encode())[:-20])
    with pytest.raises(ValueError, match="truncated or damaged gzip"):
        read_meme(path)
    path.write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(ValueError, match="not a text file"):
        read_meme(path)


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
def test_what_meme_cannot_express_is_refused_and_nothing_written(tmp_path, names, message):
    path = tmp_path / "motifs.meme"
    path.write_text("before")
    motifs = [Motif(name, np.full((4, 1), 0.25), other) for name, other in names]
    with pytest.raises(ValueError, match=message):
        write_meme(motifs, path)
    assert [file.read_text() for file in tmp_path.iterdir()] == ["before"]
