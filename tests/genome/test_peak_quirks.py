"""Peak files as callers, bedtools, UCSC, R and spreadsheets write them, each with the windows that it means.

The expected rows are worked out by hand from the descriptions of the formats: chromosome, start, end, summit from the
start (-1: none), signal (None: none). Where a file is refused, a word of the sentence that names its format.
"""

import bz2
import gzip
import io
import lzma
import os
import struct
import threading
import zipfile

import bioframe
import numpy as np
import pytest

from rcviz.genome.peaks import read_peaks

NARROW = "chr21\t9825400\t9826400\tpeak1\t500\t.\t25.1\t12.3\t9.1\t300"
ROW = ("chr21", 9825400, 9826400, 300, 25.1)
BROAD = "chr21\t9825400\t9826400\tpeak1\t500\t.\t25.1\t12.3\t9.1"
NO_SUMMIT = ("chr21", 9825400, 9826400, -1, 25.1)
BED3, BED4 = "chr21\t9825400\t9826400", "chr21\t9825400\t9826400\tpeak1"
BED6 = "chr21\t9825400\t9826400\tpeak1\t500\t+"
PLAIN = ("chr21", 9825400, 9826400, -1, None)
SCORED = ("chr21", 9825400, 9826400, -1, 500)
OTHER = "chr21\t9825000\t9826000"
IDR = "chr21\t9825400\t9826400\t.\t1000\t.\t25.1\t12.3\t9.1\t300\t5.00\t5.00"

# name of the file, its lines, the peaks
READ = {
    # narrowPeak and what is appended to it
    "macs2": ("a.narrowPeak", NARROW, [ROW]),
    "encode names all peaks .bed": ("ENCFF002CDP.bed", NARROW, [ROW]),
    "intersect -c": ("a.bed", NARROW + "\t3", [ROW]),
    "intersect -wa -wb of two narrowPeaks": ("a.bed", NARROW + "\t" + NARROW.replace("\t300", "\t7"), [ROW]),
    "intersect -wo of narrowPeak and BED3": ("a.narrowPeak", f"{NARROW}\t{OTHER}\t600", [ROW]),
    "closest -d of narrowPeak": ("a.bed", f"{NARROW}\tchr21\t1\t9\t9825391", [ROW]),
    "idr": ("idr_out.txt", f"{IDR}\t9825400\t9826400\t25.1\t300\t9825410\t9826390\t22.0\t295", [ROW]),
    "idr of broadPeaks": ("idr.txt", f"{BROAD}\t5.00\t5.00\t9825400\t9826400\t25.1\t9825410\t9826390\t2", [NO_SUMMIT]),
    "no signal": ("a.narrowPeak", BED4 + "\t50\t.\t.\t-1\t-1\t100", [(*ROW[:3], 100, None)]),
    "no signal, not named": ("a.bed", BED4 + "\t50\t.\t.\t-1\t-1\t100", [(*ROW[:3], 100, None)]),
    "NaN and NA": ("a.narrowPeak", BED4 + "\t50\t.\tNaN\tNA\tNA\t100", [(*ROW[:3], 100, None)]),
    "inf": ("a.narrowPeak", NARROW.replace("12.3", "inf"), [ROW]),
    "summit 300.0": ("a.narrowPeak", NARROW + ".0", [ROW]),
    "summit NA": ("a.narrowPeak", NARROW.replace("\t300", "\tNA"), [NO_SUMMIT]),
    "summit -1": ("a.narrowPeak", NARROW.replace("\t300", "\t-1"), [NO_SUMMIT]),
    "spp at the end of a peak": ("a.narrowPeak", NARROW.replace("\t300", "\t1000"), [(*ROW[:3], 1000, 25.1)]),
    "no strand": ("a.narrowPeak", NARROW.replace("\t.\t", "\t\t"), [ROW]),
    "strand of R": ("a.narrowPeak", NARROW.replace("\t.\t", "\t*\t"), [ROW]),
    "no score": ("a.narrowPeak", NARROW.replace("\t500\t", "\t.\t"), [ROW]),
    "trailing tab": ("a.narrowPeak", NARROW + "\t", [ROW]),
    "trailing blank": ("a.narrowPeak", NARROW + " ", [ROW]),
    "call-summits": ("a.narrowPeak", NARROW + "\n" + NARROW.replace("\t300", "\t800"), [ROW, (*ROW[:3], 800, 25.1)]),
    "separated by blanks": ("a.narrowPeak", NARROW.replace("\t", " "), [ROW]),
    "genrich": ("a.narrowPeak", "chr1\t0\t400\tpeak_0\t1000\t.\t312.5\t4.25\t-1\t120", [("chr1", 0, 400, 120, 312.5)]),
    "whole signals at the start of a chromosome": (
        "a.narrowPeak", "chr1\t0\t900\tp\t9\t.\t25\t30\t0\t120", [("chr1", 0, 900, 120, 25)]
    ),
    # broadPeak and gappedPeak
    "macs2 --broad": ("a.broadPeak", BROAD, [NO_SUMMIT]),
    "broadPeak named .bed": ("ENCFF002ABC.bed", BROAD, [NO_SUMMIT]),
    "broadPeak and a count": ("a.broadPeak", BROAD + "\t4", [NO_SUMMIT]),
    "broadPeak and a gene": ("a.bed", BROAD + "\tRUNX1", [NO_SUMMIT]),
    "gappedPeak": (
        "a.gappedPeak", BED6 + "\t9825400\t9826400\t0\t2\t200,300\t0,700\t25.1\t12.3\t9.1", [NO_SUMMIT]
    ),
    # BED
    "BED3": ("a.bed", BED3, [PLAIN]),
    "summits of macs2": ("a_summits.bed", "chr1\t699\t700\tpeak_1\t8.5", [("chr1", 699, 700, -1, 8.5)]),
    "BED5 with dots": ("a.bed", BED4 + "\t500\n" + BED4 + "\t.", [SCORED, PLAIN]),
    "BED9": ("a.bed", BED6 + "\t9825400\t9826400\t255,0,0", [SCORED]),
    "BED9 with dots": ("a.bed", BED6 + "\t.\t.\t.", [SCORED]),
    "BED9 with zeros": ("a.bed", BED6 + "\t0\t0\t0", [SCORED]),
    "BED12": ("a.bed", BED6 + "\t9825400\t9826400\t0\t2\t200,300,\t0,700,", [SCORED]),
    "cCRE registry": ("a.bed", BED6 + "\t9825400\t9826400\t255,0,0\tpELS", [SCORED]),
    "HOMER's pos2bed": ("a.bed", "chr21\t9825400\t9826400\tchr21-1\t31.2\t+", [("chr21", 9825400, 9826400, -1, 31.2)]),
    "SEACR": ("a.stringent.bed", BED3 + "\t812.5\t9.5\tchr21:9825700-9825760", [PLAIN]),
    "SICER": ("a-islands-summary", BED3 + "\t120\t9\t1e-20\t8.5\t1e-18", [PLAIN]),
    "epic2": ("a.bed", "#Chromosome\n" + BED3 + "\t1e-20\t500.0\t.\t120\t9\t1e-18\t3.21", [(*PLAIN[:4], 120)]),
    "multiinter": ("a.bed", BED3 + "\t2\t1,2\t1\t1", [PLAIN]),
    "bedGraph of peaks": ("a.bedGraph", "track type=bedGraph\n" + BED3 + "\t12.5", [(*PLAIN[:4], 12.5)]),
    # two regions in a line: the first counts
    "intersect -wo of BED4 and BED5": ("a.bed", f"{BED4}\t{OTHER}\tdnase7\t812\t600", [PLAIN]),
    "intersect -wo of BED3 and BED6": ("a.bed", f"{BED3}\t{OTHER}\tdnase7\t812\t+\t600", [PLAIN]),
    "intersect -wo of BED6 and BED3": ("a.bed", f"{BED6}\t{OTHER}\t600", [SCORED]),
    "the same of Ensembl": ("a.bed", f"{BED6}\t{OTHER}\t600".replace("chr", ""), [("21", *SCORED[1:])]),
    "intersect -wao without overlap": ("a.bed", f"{BED6}\t.\t-1\t-1\t0", [SCORED]),
    "intersect -wao with and without": ("a.bed", f"{BED4}\t{OTHER}\t600\n{BED4}\t.\t-1\t-1\t0", [PLAIN, PLAIN]),
    "intersect -wa -wb of BED3": ("a.bed", f"{BED3}\t{OTHER}", [PLAIN]),
    "closest -d of BED4": ("a.bed", f"{BED4}\tchr21\t5\t80\t9825320", [PLAIN]),
    # lines and fields
    "browser and track": ("a.bed", f"browser position chr21\ntrack name=a\n{BED3}\ntrack b=2\n{BED3}", [PLAIN, PLAIN]),
    "contigs called track": (
        "a.bed",
        "track_1\t5\t9\nbrowser.2\t5\t9\ntrack\t5\t9",
        [(name, 5, 9, -1, None) for name in ("track_1", "browser.2", "track")],
    ),
    "empty names": ("a.bed", BED3 + "\t\n" + BED4, [PLAIN, PLAIN]),
    "trailing tabs": ("a.bed", BED3 + "\t\t\n" + BED3, [PLAIN, PLAIN]),
    "comments between": ("a.bed", f"# a\n{BED3}\n\n#b\n{BED3}\n\n", [PLAIN, PLAIN]),
    "quotes of R": ("a.bed", '"chr21"\t9825400\t9826400\t"peak 1"', [PLAIN]),
    "1e+05": ("a.bed", "chr1\t1e+05\t100200", [("chr1", 100000, 100200, -1, None)]),
    "floats": ("a.bed", "chr1\t100.0\t200.0", [("chr1", 100, 200, -1, None)]),
    "byte order mark": ("a.bed", "\ufeff" + BED3, [PLAIN]),
    "CRLF": ("a.narrowPeak", f"track name=a\r\n{NARROW}\r\n", [ROW]),
    "old Mac": ("a.bed", f"{BED3}\r{BED3}\r", [PLAIN, PLAIN]),
    "no line end": ("a.bed", f"{BED3}\n{BED3}", [PLAIN, PLAIN]),
    "names with blanks": ("a.bed", BED3 + "\tpeak 1 of 2\t500\t+", [SCORED]),
    "alternative contigs": ("a.bed", "HLA-A*01:01:01:01\t5\t9", [("HLA-A*01:01:01:01", 5, 9, -1, None)]),
}  # fmt: skip

# name of the file, its lines, words of the error
REFUSED = {
    "MACS .xls": ("a_peaks.xls", "# by MACS\nchr\tstart\tend\tlength\tabs_summit\nchr1\t1\t9\t9\t5", "MACS.*1-based"),
    "MACS .xls renamed": ("a.txt", "chr\tstart\tend\tlength\tpileup\nchr1\t1\t9\t9\t5", "MACS.*1-based"),
    "MACS .xls without header": ("a.txt", "chr1\t101\t300\t200\t150\t31.0\t12.5\t8.1\t9.9\tp1", "MACS.*1-based"),
    "HOMER": ("a.txt", "#PeakID\tchr\nchr21-1\tchr21\t9825401\t9826400\t+\t31.2\t0.9\t55.0", "HOMER.*1-based.*pos2bed"),
    "HOMER annotation": ("a.txt", "PeakID (cmd=a.pl)\tChr\tStart\tEnd\tStrand\n1\tchr1\t5\t9\t+", "HOMER.*pos2bed"),
    "SAF": ("a.saf", "GeneID\tChr\tStart\tEnd\tStrand\np1\tchr1\t101\t300\t.", "SAF.*1-based.*awk"),
    "SAF without header": ("a.saf", "p1\tchr1\t101\t300\t.", "SAF.*1-based.*awk"),
    "GRanges": ("a.tsv", "seqnames\tstart\tend\twidth\tstrand\nchr1\t101\t300\t200\t*", "GRanges.*1-based.*export"),
    "UCSC database": ("a.txt", f"585\t{NARROW}", "bin.*cut -f2-"),
    "BEDPE": ("loops.bedpe", "chr1\t100\t200\tchr1\t900\t999\tl\t5\t+\t-", "BEDPE.*cut"),
    "BEDPE between chromosomes": ("loops.bed", "chr1\t100\t200\tchr2\t900\t999\tl\t5\t+\t-", "BEDPE.*cut"),
    "BEDPE of loops": ("loops.txt", "chr1\t100\t200\tchr1\t900\t999", "BEDPE.*cut"),
    "GFF": ("a.gff", "chr1\tmacs\tpeak\t101\t300\t5\t.\t.\tID=1", "GFF"),
    "VCF": ("a.vcf", "##fileformat=VCFv4.2\n#CHROM\tPOS\nchr1\t5\t.\tA\tC", "VCF"),
    "SAM": ("a.sam", "@HD\tVN:1.6\nr1\t0\tchr1\t5\t60\t9M", "SAM"),
    "wiggle": ("a.wig", "fixedStep chrom=chr1 start=1 step=1\n5\n6", "wiggle"),
    "broadPeak and a count, not named": ("a.bed", BROAD + "\t4", "count.*cut -f1-9"),
    "one column": ("a.txt", "chr1:100-200", "three columns"),
    "commas in numbers": ("a.bed", "chr1\t1,000\t2,000", "without commas"),
    "a header": ("a.bed", f"chrom\tstart\tend\n{BED3}", "# before"),
    "no chromosome": ("a.bed", "\t100\t200", "no name"),
    "zip": ("a.bed", zipfile.ZipFile, "zip.*unzip"),
    "workbook": ("a.xlsx", b"PK\x03\x04" + bytes(26) + b"[Content_Types].xml", "Excel.*tab-separated"),
    "old workbook": ("a.bed", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), "Excel.*tab-separated"),
    "bzip2": ("a.bed.bz2", bz2.compress(BED3.encode()), "bzip2.*bunzip2"),
    "xz": ("a.bed.xz", lzma.compress(BED3.encode()), "xz"),
    "zstd": ("a.bed.zst", b"\x28\xb5\x2f\xfd" + bytes(9), "zstd"),
    "UTF-16": ("a.bed", BED3.encode("utf-16"), "UTF-16.*iconv"),
    "UTF-16 without mark": ("a.bed", BED3.encode("utf-16-le"), "UTF-16.*iconv"),
    "bigBed": ("a.bb", struct.pack("<I", 0x8789F2EB) + bytes(60), "bigBed.*bigBedToBed"),
    "bigBed of another machine": ("a.bb", struct.pack(">I", 0x8789F2EB) + bytes(60), "bigBed.*bigBedToBed"),
    "bigWig": ("a.bw", struct.pack("<I", 0x888FFC26) + bytes(60), "bigWig.*bigWigToBedGraph"),
    "BAM": ("a.bam", gzip.compress(b"BAM\1" + bytes(60)), "BAM"),
}  # fmt: skip


def written(tmp_path, name, content):
    path = tmp_path / name
    if content is zipfile.ZipFile:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("a.bed", BED3)
        content = packed.getvalue()
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def rows_of(peaks):
    return [(*row[:4], None if np.isnan(row[4]) else row[4]) for row in peaks.itertuples(index=False)]


@pytest.mark.parametrize("case", READ)
def test_a_file_means_these_peaks(tmp_path, case):
    name, text, peaks = READ[case]
    path = written(tmp_path, name, text)
    assert rows_of(read_peaks(path)) == peaks
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert rows_of(read_peaks(path)) == peaks


@pytest.mark.parametrize("case", REFUSED)
def test_another_format_is_named(tmp_path, case):
    name, content, words = REFUSED[case]
    path = written(tmp_path, name, content)
    with pytest.raises(ValueError, match=words) as caught:
        read_peaks(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("case", [case for case, (name, *_) in READ.items() if name.endswith("narrowPeak")])
def test_bioframe_reads_the_same_regions(tmp_path, case):
    """bioframe, where it reads the file: it knows neither blanks between columns nor two of the quirks of signals."""
    name, text, peaks = READ[case]
    first = text.split("\n")[0]
    if case in ("separated by blanks", "CRLF") or "\t" not in first:
        pytest.skip("bioframe reads tabs alone")
    columns = ["chrom", "start", "end", "name", "score", "strand", "fc", "-log10p", "-log10q", "relSummit"]
    columns += [f"more{i}" for i in range(first.count("\t") - 9)]
    table = bioframe.read_table(written(tmp_path, name, text), names=columns)
    assert table[["chrom", "start", "end"]].values.tolist() == [list(row[:3]) for row in peaks]
    np.testing.assert_array_equal(table["relSummit"].fillna(-1), [row[3] for row in peaks])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_is_read_once(tmp_path):
    """As process substitution gives one: <(zcat peaks.gz)."""
    for content in (NARROW.encode(), gzip.compress(NARROW.encode())):
        pipe = tmp_path / f"pipe{len(content)}"
        os.mkfifo(pipe)
        writer = threading.Thread(target=pipe.write_bytes, args=(content,))
        writer.start()
        assert rows_of(read_peaks(pipe)) == [ROW]
        writer.join()


def test_summits_that_are_all_zero_are_warned_of(tmp_path):
    with pytest.warns(UserWarning, match="every summit is 0"):
        read_peaks(written(tmp_path, "a.narrowPeak", NARROW.replace("\t300", "\t0")))
