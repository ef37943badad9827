"""Tables of peaks are read as their formats say, and errors name the line."""

import gzip
from functools import partial

import numpy as np
import pandas as pd
import pytest

from rcviz.genome.peaks import centers, read_peaks, strongest

GZIP = partial(gzip.compress, mtime=0)  # without the time, of which test names would be made

NARROW = "chr1\t100\t200\t.\t500\t.\t7.5\t-1\t2.5\t30"
MIXED = "mixes tabs and spaces between columns: use one of them"


def written(tmp_path, text, name="peaks.bed"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("name", "line", "summit", "signal"),
    [
        ("a.narrowPeak", NARROW, 30, 7.5),
        ("a.bed", NARROW, 30, 7.5),
        ("a.bed", NARROW.replace("\t30", "\t-1"), -1, 7.5),
        ("a.broadPeak", NARROW.rpartition("\t")[0], -1, 7.5),
        ("a.narrowPeak", NARROW.replace("\t30", "\t100"), 100, 7.5),  # SPP writes a summit at the very end
        ("a.bed", "chr1\t100\t200", -1, None),
        ("a.bed", "chr1 100   200", -1, None),
        ("a.bed", " chr1\t100\t200\t\t", -1, None),
        ("a.bed", "chr1\t100\t200\tpeak one\t12.5", -1, 12.5),
        ("a.bed", "chr1\t100\t200\tpeak\t.\t+", -1, None),
        ("a.bed", "chr1\t100\t200\t1 2", -1, None),
        ("a.bed", "chr1\t100\t200\tpeak\t5\t+\tnear two genes", -1, 5),
        ("a.narrowPeak", NARROW.replace(".\t500", "peak 1\t500"), 30, 7.5),
        ("a.bed", "chr1\t100\t200\tpeak\t900\t+\t100\t200\t0", -1, 900),
        ("a.bed", "chr1\t100\t200\tpeak\t900\t+\t100\t200\t0\t1\t100,\t0,", -1, 900),
    ],
)
def test_columns_are_found(tmp_path, name, line, summit, signal):
    for ends in ("\n", "\r\n", ""):
        for pack in (bytes, GZIP):
            text = f"track name=x{ends or chr(10)}#comment\n\nbrowser y\n{line}{ends}"
            peaks = read_peaks(written(tmp_path, pack(text.encode()), name))
            assert list(peaks) == ["chrom", "start", "end", "summit", "signal"]
            assert peaks.iloc[0, :4].tolist() == ["chr1", 100, 200, summit]
            assert peaks["signal"].isna().all() if signal is None else peaks["signal"].tolist() == [signal]


def test_a_center_is_the_summit_or_the_midpoint(tmp_path):
    peaks = read_peaks(written(tmp_path, f"{NARROW}\n{NARROW}".replace("30\n", "-1\n").replace("\t200", "\t201")))
    assert centers(peaks).tolist() == [150, 130]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("chr1\t100\t200\nchr1\t300\t300\n", 2, "end must come after start, got 300 to 300"),
        ("chr1\t100\t200\nchr1\t300\t250\n", 2, "end must come after start"),
        ("#x\nchr1\t-5\t200\n", 2, "start must be at least 0, got -5"),
        ("chrom\tstart\tend\nchr1\t1\t2\n", 1, "start must be a whole number, got 'start'.*#"),
        ("chr1\t1\t2\nchr1\t1.5\t2\n", 2, "start must be a whole number, got '1.5'"),
        ("chr1\t1\t99999999999999999999\n", 1, "end must be a whole number"),
        ("chr1\ta\tb\t1\t9\t.\t+\t.\tx\n", 1, "looks like GFF"),
        ("chr1\t1\t9\tlength\tabs_summit\n", 1, "the .xls table of MACS, .*: give the .narrowPeak file"),
        ("chr1\t1\t2\nchr1 1\t2\n", 2, MIXED),
        ("chr1\t1\t2\nchr1 1\t2\t3\n", 2, MIXED),
        ("chr1\t1 2\n", 1, MIXED),
        ("chr1\t1 2\tpeak one\t500\n", 1, MIXED),
        (NARROW + "\n" + NARROW.replace("100\t200", "100 200"), 2, MIXED),
        (NARROW.replace("100\t200", "100 200"), 1, MIXED),
        (NARROW.replace("7.5\t-1", "7.5 -1"), 1, MIXED),
        (NARROW.replace(".\t500", ". 500"), 1, MIXED),
        (NARROW + "\n" + NARROW.replace(".\t500", ". 500"), 2, MIXED),
        ("chr1\t1\t2\nchr1\t1_0\t2_0\n", 2, "start must be a whole number, got '1_0'"),
        (NARROW.replace("7.5", "7_5"), 1, "signal must be a number, got '7_5'"),
        ("chr1\t1\n", 1, "expected chromosome, start and end"),
        ("chr1,1,2\n", 1, "expected chromosome, start and end"),
        ("chr1\t1\t2\tx\nchr1\t1\t2\n", 2, "has 3 columns but line 1 has 4"),
        (NARROW + "\n" + NARROW.replace("\t30", "\t101"), 2, "summit 101 .* peak of 100 bp"),
        (NARROW.replace("\t30", "\t130"), 1, "subtract 100 from this position"),
        (NARROW.replace("\t30", "\t-2"), 1, "summit -2"),
        (NARROW + "\n" + NARROW.replace("\t30", "\tpeak_1"), 2, "summit must be a whole number, got 'peak_1'"),
        (NARROW + "\n" + NARROW.replace("7.5", "high"), 2, "signal must be a number, got 'high'"),
        ("<html>\n", 1, "'<html>' opens an HTML page, not a table of peaks"),
        (">chr1\nACGT\n", 1, "opens a FASTA file, not a table of peaks"),
    ],
)
@pytest.mark.usefixtures("as_users_run")
def test_a_wrong_line_is_named(tmp_path, text, line, message):
    path = written(tmp_path, text)
    with pytest.raises(ValueError, match=message) as caught:
        read_peaks(path)
    assert f"{path}, line {line}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_some_kinds_are_recognised_by_the_name_of_the_file(tmp_path):
    with pytest.raises(ValueError, match=r"line 1: .*\.xls table of MACS"):
        read_peaks(written(tmp_path, NARROW, "x_peaks.xls"))
    bed9 = "chr1\t100\t200\tpeak\t900\t+\t100\t200\t0"
    assert read_peaks(written(tmp_path, bed9))["signal"].tolist() == [900]
    for nine in (bed9, NARROW.rpartition("\t")[0]):
        with pytest.raises(ValueError, match=r"line 1 has 9 columns but a narrowPeak has 10, .* file \.broadPeak"):
            read_peaks(written(tmp_path, nine, "x.narrowPeak"))
    with pytest.raises(ValueError, match="line 1: summit must be a whole number, got 'peak_1'"):
        read_peaks(written(tmp_path, NARROW.replace("\t30", "\tpeak_1"), "x.narrowPeak"))


@pytest.mark.parametrize("content", [b"", b"\n\n", b"# nothing\ntrack x\n", GZIP(b"")])
def test_an_empty_file_is_refused(tmp_path, content):
    with pytest.raises(ValueError, match=r"peaks\.bed is empty"):
        read_peaks(written(tmp_path, content))


def test_a_damaged_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"peaks\.bed is a truncated or damaged gzip"):
        read_peaks(written(tmp_path, GZIP(NARROW.encode() * 99)[:-9]))
    empty_block = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
    assert len(read_peaks(written(tmp_path, empty_block + GZIP(NARROW.encode()) + empty_block))) == 1
    with pytest.raises(ValueError, match=r"peaks\.bed is a truncated bgzip file .*: copy or download it again"):
        read_peaks(written(tmp_path, empty_block + GZIP(NARROW.encode())))
    with pytest.raises(ValueError, match=r"peaks\.bed is not a text file"):
        read_peaks(written(tmp_path, b"\xff\xfe\x00"))
    with pytest.raises(FileNotFoundError, match="missing"):
        read_peaks(tmp_path / "missing.bed")


def test_what_is_neither_a_file_nor_a_table_is_refused(tmp_path):
    for given in (None, ["peaks.bed"], np.zeros(3), b"peaks.bed"):
        with pytest.raises(ValueError, match=r"relaxed: expected the path .* or a DataFrame, got "):
            read_peaks(given, what="relaxed")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        read_peaks(tmp_path)


def test_a_dataframe_is_read_by_its_columns():
    frame = pd.DataFrame({"end": [20, 40], "start": [10, 30], "chrom": ["a", "b"], "other": 1}, index=["x", "y"])
    peaks = read_peaks(frame)
    assert peaks.to_dict("list") | {"signal": None} == {
        "chrom": ["a", "b"], "start": [10, 30], "end": [20, 40], "summit": [-1, -1], "signal": None,
    }  # fmt: skip
    assert read_peaks(frame.astype({"start": float}))["start"].dtype == np.int64
    more = read_peaks(frame.assign(peak=[3, -1], signalValue=[1, 2.5]))
    assert more["summit"].tolist() == [3, -1]
    assert more["signal"].tolist() == [1, 2.5]
    pd.testing.assert_frame_equal(read_peaks(more), more)
    with pytest.raises(ValueError, match=r"relaxed: .* needs the columns chrom, start and end, got start, end"):
        read_peaks(frame[["start", "end"]], what="relaxed")
    with pytest.raises(ValueError, match="peaks: the DataFrame is empty"):
        read_peaks(frame[:0])


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("start", [1, 50], "relaxed, row y: end must come after start, got 50 to 40"),
        ("start", [1.0, np.nan], "relaxed, row y: start must be a whole number, got 'nan'"),
        ("signal", [1.0, "high"], "relaxed, row y: signal must be a number, got 'high'"),
        ("summit", [1, 99], "relaxed, row y: summit 99"),
    ],
)
def test_a_wrong_row_is_named(column, values, message):
    frame = pd.DataFrame({"chrom": ["a", "b"], "start": [10, 30], "end": [20, 40]}, index=["x", "y"])
    with pytest.raises(ValueError, match=message):
        read_peaks(frame.assign(**{column: values}), what="relaxed")


def test_a_table_that_was_read_can_be_read_again(tmp_path):
    """Also without summits and signals, as to rename its chromosomes before windows are cut."""
    for text in ("1\t100\t200\n1\t300\t400\n", NARROW):
        peaks = read_peaks(written(tmp_path, text))
        pd.testing.assert_frame_equal(read_peaks(peaks), peaks)


def test_the_strongest_are_those_of_highest_signal():
    frame = pd.DataFrame({"chrom": "a", "start": range(6), "end": 10, "signal": [1, 5, 3, 5, 3, 0]})
    peaks = read_peaks(frame)
    assert strongest(peaks, 3)["start"].tolist() == [1, 2, 3]
    ties = pd.DataFrame({"chrom": "a", "start": range(100), "end": 200, "signal": np.arange(100) % 2})
    assert strongest(read_peaks(ties), 20)["start"].tolist() == list(range(1, 41, 2))
    assert strongest(peaks, None) is peaks
    assert strongest(peaks, 6) is peaks
    without = read_peaks(frame.drop(columns="signal"))
    assert strongest(without, 6) is without
    with pytest.raises(ValueError, match="relaxed has 6 peaks but no signal"):
        strongest(without, 5, what="relaxed")


def test_table_1s_positives_are_the_published_ones(shared_peaks):
    counts = {name: len(read_peaks(shared_peaks[name])) for name in ("CTCF", "SPI1", "MAX")}
    assert counts == {"CTCF": 44_982, "SPI1": 42_938, "MAX": 12_542}
