"""Readers of sequences, motifs, peaks, lists of files and settings, and of the records of sweeps."""

import gzip
import hashlib
import json
import math
import os
import re
from pathlib import Path

import numpy as np
from reliability.reader import Reader, written

# ---------------------------------------------------------------- sequences, motifs, peaks


def _fasta(folder):
    plain = b">chr1:0-12 first\nACGTNNNNACGT\n>chr1:5-17\nACGT\nacgtRYAC\n"
    return [plain, gzip.compress(plain, mtime=0), plain.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + plain]


def _windows(path):
    import rcviz

    data = rcviz.SequenceSet.from_fasta(path)
    assert len(data) > 0
    assert data.length > 0
    return data


def _genomes(folder):
    plain = b">chr1 first\nACGTNNNNACGT\nACGTac\n>chr2\nACGTACGT\nTTTT\n"
    return [plain, gzip.compress(plain, mtime=0), plain.replace(b"\n", b"\r\n"), plain + b"\n\n"]


def _genome(path):
    from rcviz.genome.fasta import Genome

    cache = Path(os.environ["RCVIZ_CACHE"])
    cache.mkdir(exist_ok=True)
    try:
        genome = Genome(path)
        for chrom, length in genome.lengths.items():
            assert genome.read([chrom], [0], length).max() <= 4
    finally:
        left = list(cache.iterdir())
        for file in left:
            file.unlink()
        assert all(file.suffix in (".codes", ".fai") for file in left), left
    return genome


def _motifs(write, *, more=()):
    def seeds(folder):
        import rcviz

        motifs = [rcviz.load_motif(name) for name in ("GATA_known6", "ELF1_known2")]
        text = written(folder, lambda path: getattr(rcviz, write)(motifs, path))
        return [text, gzip.compress(text, mtime=0), *more]

    return seeds


def _motif_reader(read):
    def call(path):
        import rcviz

        motifs = getattr(rcviz, read)(path)
        assert motifs
        for motif in motifs:
            assert motif.name
            assert motif.probabilities.shape == (4, motif.width)
            assert (motif.probabilities >= 0).all()
            assert np.allclose(motif.probabilities.sum(axis=0), 1)
            motif.reverse_complement(), repr(motif)
        return motifs

    return call


MEME_FULL = (
    b"MEME version 5.3.3\n\nALPHABET= ACGT\n\nstrands: + -\n\nBackground letter frequencies (from uniform):\n"
    b"A 0.25000 C 0.25000 G 0.25000 T 0.25000\n\nMOTIF MA0004.1 Arnt\n"
    b"letter-probability matrix: alength= 4 w= 2 nsites= 20 E= 0\n 0.2 0.8 0 0\n 0.95 0 0.05 0\n"
    b"URL http://jaspar.genereg.net/matrix/MA0004.1\n"
)
JASPAR_BARE = b">MA0004.1 Arnt\n4 19 0\n16 0 20\n0 1 0\n0 0 0\n"
TRANSFAC_FULL = (
    b"VV  x\nXX\n//\nAC  M1\nXX\nID  V$A\nNA  A\nXX\nPO  A C G T\n01  1 2 3 4 N\n02  0 0 0 9 T\nXX\nBF  T1\nXX\n//\n"
)


def _peak_files(folder):
    narrow = b"".join(
        b"chr%d\t%d\t%d\tpeak%d\t1000\t.\t%.1f\t-1\t3.2\t%d\n" % (i, 100 * i, 100 * i + 90, i, 7.5 + i, i)
        for i in range(1, 5)
    )
    bed = b"track name=x\n# comment\nchr1\t0\t50\nchr2\t10\t20\n"
    return [
        narrow,
        gzip.compress(narrow, mtime=0),
        bed,
        bed.replace(b"\t", b" "),
        b"chr1\t1\t5\tn\t3\nchr1\t7\t9\tm\t2.5\n",
    ]


def _peaks(path):
    import rcviz

    peaks = rcviz.read_peaks(path)
    assert len(peaks) > 0
    assert (peaks["start"] >= 0).all()
    assert (peaks["end"] > peaks["start"]).all()
    assert peaks["signal"].isna().all() or np.isfinite(peaks["signal"]).all()
    return peaks


def _lists(folder):
    return [
        b'[[file]]\nkey = "a"\nurl = "https://host/some/peaks.narrowPeak.gz"\nabout = "peaks"\nsize = 12\n'
        b'[[file]]\nkey = "b"\nurl = "http://host/chr21.fa.gz"\nabout = "x"\nsize = 3\nsha256 = "' + b"0" * 64 + b'"\n'
    ]


def _sources(path):
    from rcviz.genome.download import RECORD, choose, read_sources

    sources = read_sources(str(path))
    for source in sources:
        assert re.fullmatch(r"\w[\w.+-]*", source.name, re.ASCII), source.name
        assert source.name != RECORD
        assert isinstance(source.size, int)
        f"{source.key:6} {source.size:>13,}  {source.sha256 or '':64}  {source.url}"
    assert len({source.name for source in sources}) == len(sources)
    return choose(sources, [source.key for source in sources])


CONFIG = """[model]
preset = "chipseq"
n_filters = 4
kernel_sizes = [15, 14]
seed = 3
[train]
epochs = 2
learning_rate = 0.001
patience = 3
[split]
train = 0.5
valid = 0.25
test = 0.25
seed = 1
"""


def _configs(folder):
    return [CONFIG.encode(), b'[split]\ntrain = ["chr1"]\nvalid = "chr2"\n[model]\narchitecture = "standard"\n']


def _settings(path):
    import rcviz
    from rcviz.cli.settings import divide, read_config, resolve

    chroms = ["chr1", "chr2", "chr3"] * 4
    data = rcviz.SequenceSet(np.zeros((12, 307), np.uint8), [0, 1] * 6, chrom=chroms, start=range(12), end=range(1, 13))
    settings = resolve(read_config(path), {}, data)
    parts = divide(data, settings.split)
    assert sum(map(len, parts)) == 12
    return settings.sections()


# ---------------------------------------------------------------- sweeps

RUN = "0123456789abcdef"


def _run_records(folder):
    record = {"format": "rcviz.sweep.run.v1", "id": RUN, "arms": ["RC"], "seed": 1, "epochs": [{"auroc": 0.5}]}
    return [json.dumps(record, indent=1).encode()]


def _run_record(path):
    from rcviz.sweeps.store import Store

    store = Store(path.parent)
    record = store.read(RUN)
    assert record is None or (record["id"] == RUN and record["format"] == "rcviz.sweep.run.v1")
    assert store.read_all() == ([] if record is None else [record]) or _has_nan(record)


def _has_nan(value):
    if isinstance(value, dict | list):
        return any(map(_has_nan, value.values() if isinstance(value, dict) else value))
    return isinstance(value, float) and math.isnan(value)


def _checksum_lists(folder):
    digest = hashlib.sha256(b"").hexdigest()
    return [json.dumps({"a": digest, "chr21.fa": digest}).encode()]


def _checksums(path):
    from rcviz.genome.download import _read_record

    return _read_record(path.parent)


TEXT_READERS = {
    "fasta": Reader("windows.fa", _fasta, _windows),
    "genome": Reader("genome.fa", _genomes, _genome),
    "meme": Reader("motifs.meme", _motifs("write_meme", more=(MEME_FULL,)), _motif_reader("read_meme")),
    "jaspar": Reader("motifs.jaspar", _motifs("write_jaspar", more=(JASPAR_BARE,)), _motif_reader("read_jaspar")),
    "transfac": Reader("motifs.txt", _motifs("write_transfac", more=(TRANSFAC_FULL,)), _motif_reader("read_transfac")),
    "peaks": Reader("a.bed", _peak_files, _peaks),
    "sources": Reader("list.toml", _lists, _sources),
    "checksums": Reader("checksums.json", _checksum_lists, _checksums),
    "settings": Reader("train.toml", _configs, _settings, names_file=False),
    "run_record": Reader(f"{RUN}.json", _run_records, _run_record),
}
