"""FASTA files as people and tools write them are read; invalid ones are refused."""

import gzip
from functools import partial

import numpy as np
import pytest

from rcviz.sequences.alphabet import decode
from rcviz.sequences.sequence_set import SequenceSet

GZIP = partial(gzip.compress, mtime=0)  # without the time, of which test names would be made

TEXT = ">chr1:0-6 first record\nACG\nTNN\n>chr2:10-16\nacgtac\n"


@pytest.fixture
def fasta(tmp_path):
    def write(content, name="windows.fa"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize(
    "content",
    [
        TEXT,
        TEXT.replace("\n", "\r\n"),
        TEXT.rstrip(),
        "\n" + TEXT + "\n\n",
        GZIP(TEXT.encode()),
        GZIP(TEXT[:20].encode()) + GZIP(TEXT[20:].encode()),  # members, as bgzip writes them
    ],
)
@pytest.mark.filterwarnings("ignore:.*not A, C, G or T")
def test_every_way_to_write_the_same_records(fasta, content):
    data = SequenceSet.from_fasta(fasta(content), [1, 0], task_names=["CTCF"])
    assert decode(data.codes) == ["ACGTNN", "ACGTAC"]
    assert data.table.to_dict("list") == {
        "name": ["chr1:0-6", "chr2:10-16"],
        "chrom": ["chr1", "chr2"],
        "start": [0, 10],
        "end": [6, 16],
    }
    np.testing.assert_array_equal(data.labels[:, 0], [1, 0])
    assert data.provenance["path"].endswith("windows.fa")


@pytest.mark.parametrize(
    ("names", "start"),
    [
        (["chr1:5-8", "chr1:7-10"], [5, 7]),
        (["chr1:6-8", "chr1:8-10"], [5, 7]),  # from one, end included
        (["peak::chr1:5-8(+)", "b::chr1:7-10(-)"], [5, 7]),
        (["HLA:A*01:5-8", "HLA:A*01:7-10"], None),
        (["chr1:5-8", "peak_2"], None),
        (["chr1:5-8", "chr1:7-9"], None),
        (["chr1:0-2", "chr1:5-7"], None),  # from one, but starts at zero: neither convention
    ],
)
def test_coordinates_are_read_from_names_that_have_them(fasta, names, start):
    table = SequenceSet.from_fasta(fasta("".join(f">{name}\nACG\n" for name in names))).table
    assert table["name"].tolist() == names
    if start is None:
        assert table.columns.tolist() == ["name"]
    else:
        assert table["start"].tolist() == start
        assert table["chrom"].tolist() == ["chr1", "chr1"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty: expected FASTA"),
        ("\n\n", "is empty"),
        (GZIP(b""), "is empty"),
        ("@read\nACGT\n+\nIIII\n", "is not FASTA: expected '>'"),
        ("ACGT\n", "is not FASTA"),
        (b"\xff\xfe\x00\x01", "is not a text file"),
        (GZIP(TEXT.encode() * 50)[:-12], "truncated or damaged gzip"),
        (GZIP(TEXT.encode())[:6], "truncated or damaged gzip"),
        ("\n>a\nAC\nGT\n>b\nACG\n", "line 5: record 'b' has 3 bp but the first, 'a', has 4"),
        (">a\nACGT\n>b\n>c\nACGT\n", "line 3: record 'b' has no sequence"),
        (">a", "line 1: record 'a' has no sequence"),
        (">a\nACGT\n>b\nACGU\n", "line 3: record 'b' has invalid nucleotide 'U', like RNA"),
        (">a\nMKVLE\n", "line 1: record 'a' has invalid nucleotides 'E', 'L', like protein"),
        (">a\nMKVAR\n", "line 1: record 'a' has more ambiguous bases"),
        (">a\nAC-T\n", "line 1: record 'a' has invalid nucleotide '-'"),
    ],
)
def test_an_invalid_fasta_file_is_refused(fasta, content, message):
    with pytest.raises(ValueError, match=message) as raised:
        SequenceSet.from_fasta(fasta(content))
    assert "windows.fa" in str(raised.value)


def test_labels_must_fit_the_records(fasta):
    with pytest.raises(ValueError, match="one row for each of the 2 sequences"):
        SequenceSet.from_fasta(fasta(">a\nACGT\n>b\nACGT\n"), [1])
