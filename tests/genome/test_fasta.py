"""Windows read from FASTA files equal slices of the text, whatever the layout of the file."""

import gzip
import os
import struct
import textwrap
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcviz.genome import fasta as genome
from rcviz.genome.cache import cache_folder
from rcviz.genome.fasta import Genome

GZIP = partial(gzip.compress, mtime=0)  # without the time, of which test names would be made

CODE = {letter: code for code, letter in enumerate("ACGT")}


def fasta(records, *, line=60, end="\n", last_end=True):
    lines = []
    for name, sequence in records.items():
        lines += [f">{name} some words", *textwrap.wrap(sequence, line)]
    return (end.join(lines) + (end if last_end else "")).encode()


def slow_codes(sequence, start, width):
    return [CODE.get(letter.upper(), 4) for letter in sequence[start : start + width]]


@st.composite
def cases(draw):
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    letters = np.array(list("ACGTacgtNnRy"))
    records = {f"chr{i}": "".join(rng.choice(letters, rng.integers(30, 400))) for i in range(draw(st.integers(1, 3)))}
    written = fasta(
        records,
        line=draw(st.sampled_from([1, 7, 30, 50, 1000]) if draw(st.booleans()) else st.integers(2, 90)),
        end=draw(st.sampled_from(["\n", "\r\n"])),
        last_end=draw(st.booleans()),
    )
    width = draw(st.integers(1, 30))
    chrom = rng.choice(list(records), 20)
    start = np.array([rng.integers(0, len(records[name]) - width + 1) for name in chrom])
    return records, written, chrom, start, width


@given(case=cases(), region=st.sampled_from([16, 100, 1 << 25]), packed=st.sampled_from(["plain", "gzip", "bgzip"]))
def test_windows_are_slices_of_the_text(tmp_path_factory, case, region, packed):
    records, written, chrom, start, width = case
    path = tmp_path_factory.mktemp("fasta") / "genome.fa"
    half = len(written) // 2
    # bgzip is gzip in several members.
    members = {"plain": [], "gzip": [written], "bgzip": [written[:half], written[half:], b""]}[packed]
    path.write_bytes(b"".join(map(GZIP, members)) if members else written)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(genome, "_REGION", region)
        opened = Genome(path)
        codes = opened.read(chrom, start, width)
        masked = opened.soft_masked(chrom, start, width)
    assert opened.lengths == {name: len(sequence) for name, sequence in records.items()}
    for row, (name, first) in enumerate(zip(chrom, start, strict=True)):
        assert codes[row].tolist() == slow_codes(records[name], first, width)
        assert masked[row].tolist() == [letter.islower() for letter in records[name][first : first + width]]
    assert [file.name for file in path.parent.iterdir()] == ["genome.fa"]


@pytest.fixture
def random_genome(tmp_path):
    rng = np.random.default_rng(0)
    records = {f"chr{i}": "".join(rng.choice(list("ACGT"), 50_000)) for i in (1, 2)}
    path = tmp_path / "genome.fa"
    path.write_bytes(fasta(records))
    return path, records


def test_it_agrees_with_pyfaidx(random_genome):
    from pyfaidx import Fasta

    path, _ = random_genome
    start = np.arange(0, 49_000, 997)
    ours = Genome(path).read(["chr2"] * len(start), start, 101)
    with Fasta(path, indexname=path.with_suffix(".own.fai")) as theirs:
        expected = [slow_codes(theirs["chr2"][s : s + 101].seq, 0, 101) for s in start.tolist()]
    np.testing.assert_array_equal(ours, expected)


def test_threads_may_share_one_genome(random_genome):
    path, records = random_genome
    opened = Genome(path)

    def read(seed):
        rng = np.random.default_rng(seed)
        chrom, start = rng.choice(["chr1", "chr2"], 50), rng.integers(0, 49_900, 50)
        expected = [slow_codes(records[name], s, 100) for name, s in zip(chrom, start, strict=True)]
        return np.array_equal(opened.read(chrom, start, 100), expected)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(200)))


def test_several_files_are_one_genome(tmp_path):
    one, other = tmp_path / "1.fa", tmp_path / "2.fa"
    one.write_bytes(fasta({"chr1": "ACGT"}))
    other.write_bytes(fasta({"chr2": "TTTTT"}, line=2))
    opened = Genome([one, other])
    assert opened.lengths == {"chr1": 4, "chr2": 5}
    assert opened.read(["chr2", "chr1"], [1, 0], 4).tolist() == [[3, 3, 3, 3], [0, 1, 2, 3]]
    other.write_bytes(fasta({"chr1": "TTTTT"}))
    with pytest.raises(ValueError, match=r"2\.fa has chr1, which .*1\.fa"):
        Genome([one, other])


def test_a_file_that_changes_is_read_anew(tmp_path):
    path = tmp_path / "genome.fa"
    for sequence in ("ACGTACGT", "TTTTTTTTTTTT"):
        path.write_bytes(GZIP(fasta({"chr1": sequence})))
        assert Genome(path).read(["chr1"], [0], 8).tolist() == [slow_codes(sequence, 0, 8)]


def test_a_file_that_changes_while_it_is_open_is_read_as_it_was(tmp_path):
    path = tmp_path / "genome.fa"
    path.write_bytes(fasta({"chr1": "ACGT" * 30}))
    opened = Genome(path)
    path.write_bytes(fasta({"chr1": "T"}))
    assert opened.read(["chr1"], [40], 4).tolist() == [[0, 1, 2, 3]]


@pytest.mark.parametrize(
    "left_over", ["", "chr1\t8\t17\t60\t61\n", "chr1\t8\t12\t60\t61\nchr2\t4\t99\t60\t61\n", "chr1\t8", "\0"]
)
def test_an_index_beside_the_file_plays_no_role(tmp_path, left_over):
    path = tmp_path / "genome.fa"
    path.write_bytes(fasta({"chr1": "ACGTACGT", "chr2": "TTTT"}))
    index = tmp_path / "genome.fa.fai"
    index.write_text(left_over)
    for _ in range(2):
        opened = Genome(path)
        assert opened.lengths == {"chr1": 8, "chr2": 4}
        assert opened.read(["chr1"], [0], 8).tolist() == [[0, 1, 2, 3, 0, 1, 2, 3]]
        assert index.read_text() == left_over
        index.touch()


BGZIP_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


def bgzip(*pieces):
    """Blocks as bgzip writes them, without the empty one that ends a file (SAM specification, 4.1)."""
    blocks = []
    for piece in pieces:
        deflated = zlib.compress(piece, wbits=-15)
        head = b"\x1f\x8b\x08\x04" + bytes(5) + b"\xff\x06\x00BC\x02\x00" + struct.pack("<H", len(deflated) + 25)
        blocks.append(head + deflated + struct.pack("<II", zlib.crc32(piece), len(piece)))
    return b"".join(blocks)


def test_a_bgzip_file_cut_between_two_blocks_is_noticed(tmp_path):
    path = tmp_path / "genome.fa.gz"
    text = fasta({"chr1": "ACGT" * 50})
    path.write_bytes(bgzip(text[:100], text[100:]) + BGZIP_END)
    assert Genome(path).lengths == {"chr1": 200}
    path.write_bytes(bgzip(text[:100]))
    with pytest.raises(ValueError, match=r"genome\.fa\.gz is a truncated bgzip file .*: copy or download it again"):
        Genome(path)


@pytest.mark.parametrize("pack", [bytes, GZIP])
@pytest.mark.parametrize("name", ["genome.fa", "genome.fa.gz"])
@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + b"\n",
        lambda text: text + b"\n\n \n" + b"\n" * 5000,
        lambda text: b"\n\n" + text,
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: text.replace(b"\n", b"\r"),
        lambda text: text.replace(b"\n", b"\r\n") + b"\r\n\r\n",
    ],
)
def test_what_editors_leave_in_a_file_does_no_harm(tmp_path, monkeypatch, change, name, pack):
    monkeypatch.setenv("RCVIZ_CACHE", str(tmp_path / "cache"))
    path = tmp_path / name
    path.write_bytes(pack(change(fasta({"chr1": "ACGT" * 30, "chr2": "TTTTA"}))))
    opened = Genome(path)
    assert opened.lengths == {"chr1": 120, "chr2": 5}
    assert opened.read(["chr2", "chr1"], [0, 58], 5).tolist() == [[3, 3, 3, 3, 0], [2, 3, 0, 1, 2]]
    assert {file.suffix for file in cache_folder().iterdir()} == {".codes", ".fai"}


def test_single_codes_and_masks_are_unknown_bases(tmp_path):
    path = tmp_path / "genome.fa"
    path.write_bytes(fasta({"chr1": "ACGTRYKMSWBDHVacgtacgt", "chr2": "NNNNNNNNNRAXXX"}))
    assert Genome(path).read(["chr1", "chr2"], [3, 9], 4).tolist() == [[3, 4, 4, 4], [4, 0, 4, 4]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty: expected FASTA records"),
        (b" \n\n", "is empty"),
        (b"<!DOCTYPE html>\n<html>404</html>", r"line 1: '<!DOCTYPE html>' opens an HTML page, not FASTA"),
        (b"\n\nchr1\t5\t9\n", r"line 3: 'chr1\\t5\\t9' is not FASTA"),
        (b">chr1\nACGT\nAC\nACGT\n", "line 3: its length differs"),
        (b">chr1\nACGT\n\nACGT\n", "line 3: its length differs .*blank lines"),
        (b">chr1\nACGT\nACGTACGTACGTACGT\n>chr2\nA\n", "line 3: its length differs"),
        (b">chr1\nACGT\n\n\n>chr2\nA\n", "line 4: .*blank lines"),
        (b">chr1\nACGT\n\n\n\n>chr2\nA\n", "line 4: .*blank lines"),
        (b">chr1\nACGT\nACGT\r\nACGT\n", "cannot be indexed .*line 3.*line ends"),
        (b">chr1\nACGT\n>chr1 x\nACGT\n", "line 3: 'chr1' .* line 1"),
        (b">chr1\nACGT\n>\nACGT\n", "line 3: a record has no name"),
        (b"\n>chr1\nACGT\n>chr2\n>chr3\nA\n", "line 4: record 'chr2' has no sequence"),
        (b">chr1\nACGT\n>chr2\n", "line 3: record 'chr2' has no sequence"),
        (b"\xef\xbb\xbf\n\n@read\nACGT\n", "line 3: '@read' is not FASTA"),
        (b">r\nACGT\nACGU\nCCU\n", "line 3: record 'r' has invalid nucleotide 'U', like RNA"),
        (b">p\nACGT\nMKTI\n", "line 3: record 'p' has invalid nucleotide 'I', like protein"),
        (b">p\nMKTAYIAKQRUE\n", "line 2: record 'p' has invalid nucleotides 'E', 'I', 'Q', 'U', like protein"),
        (b">c\nA\n>p\nNNNNNNNKMKMRRVA\n", "line 4: record 'p' has more ambiguous bases"),
        (b">c\r\nACGT\r\nAC-T\r\n", "line 3: record 'c' has invalid nucleotide '-'"),
        (GZIP(b">c\nACGT\nACG \nAC\n"), "line 3: record 'c' has invalid nucleotide ' '"),
        (GZIP(b""), "is empty"),
        (GZIP(b"<html>"), "HTML page"),
        (GZIP(fasta({"chr1": "ACGT" * 999}))[:-9], "truncated or damaged gzip file"),
    ],
)
@pytest.mark.usefixtures("as_users_run")
def test_an_invalid_fasta_file_is_refused_and_nothing_cached(tmp_path, monkeypatch, content, message):
    monkeypatch.setenv("RCVIZ_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "genome.fa"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        Genome(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(cache_folder().iterdir()) == []


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing"):
        Genome(tmp_path / "nothing.fa")
    with pytest.raises(ValueError, match="at least one FASTA"):
        Genome([])
    with pytest.raises(IsADirectoryError, match="is a folder"):
        Genome(tmp_path)


@pytest.mark.usefixtures("as_users_run")
@pytest.mark.parametrize("given", [None, 3, [None], {"a.fa"}, np.zeros(2), b"genome.fa"])
def test_an_invalid_path_is_refused(given):
    with pytest.raises(ValueError, match="path of a FASTA file or a list of paths, got "):
        Genome(given)


def test_windows_outside_the_genome_are_refused(random_genome):
    opened = Genome(random_genome[0])
    with pytest.raises(ValueError, match="no chromosome 'chr3': the FASTA has chr1, chr2"):
        opened.read(["chr1", "chr3"], [0, 0], 10)
    for start in (-1, 49_991):
        with pytest.raises(ValueError, match="chromosome of 50,000 bp"):
            opened.read(["chr1", "chr2"], [0, start], 10)
    assert opened.read(["chr1"], [49_990], 10).shape == (1, 10)
    assert opened.read([], [], 10).shape == (0, 10)
    with pytest.raises(ValueError, match="width must be at least 1"):
        opened.read(["chr1"], [0], 0)


def test_where_a_genome_is_kept_is_said_once(tmp_path, capsys, monkeypatch):
    from rcviz.genome import cache

    monkeypatch.setattr(cache, "_WORTH_SAYING", 10)
    path = tmp_path / "genome.fa"
    path.write_text(">chr1\n" + "ACGT" * 500 + "\n")
    Genome(path)
    said = capsys.readouterr().err
    assert "RCVIZ_CACHE" in said
    assert str(cache.cache_folder()) in said
    Genome(path)
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_genome_may_come_through_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    content = GZIP(b">chr1\nACGTN\nAC\n")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(content,))
    writer.start()
    genome = Genome(tmp_path / "pipe")
    writer.join()
    assert genome.read(["chr1"], [2], 5).tolist() == [[2, 3, 4, 0, 1]]


@pytest.mark.parametrize(
    ("letters", "advice"),
    [("AC GT", "remove the blanks"), ("1 ACGT", "remove"), ("AC--GT", "gaps of an alignment"), ("ACJT", "write N")],
)
def test_the_advice_about_letters_fits_them(tmp_path, letters, advice):
    """N would not be right for a blank."""
    path = tmp_path / "a.fa"
    path.write_text(f">a\n{letters}\n")
    with pytest.raises(ValueError, match=advice) as caught:
        Genome(path)
    assert ("write N" in str(caught.value)) == (letters == "ACJT")


@pytest.mark.parametrize(
    ("content", "tool"),
    [(b"\x43\x27\x41\x1a" + bytes(20), "twoBitToFa"), (b"BZh91AY", "bunzip2"), (b"PK\x03\x04" + bytes(30), "unzip"),
     (b"\xfd7zXZ\0" + bytes(20), "xz"), (">a\nACGT\n".encode("utf-16"), "iconv")],
)  # fmt: skip
def test_a_genome_that_is_not_text_is_named(tmp_path, content, tool):
    (tmp_path / "genome.fa").write_bytes(content)
    with pytest.raises(ValueError, match=rf"genome\.fa is not a text file but .*{tool}"):
        Genome(tmp_path / "genome.fa")
