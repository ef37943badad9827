"""Every reader of files from other people: files that it accepts, its call, and what must hold of its result."""

import dataclasses
import gzip
import hashlib
import json
import math
import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

CODES = np.random.default_rng(1).integers(0, 5, (6, 40)).astype(np.uint8)
RUN = "0123456789abcdef"
LONGEST = 1500
"""Characters of an error; a longer one repeats the file."""


class Reader(NamedTuple):
    """A reader: the name of its file, contents that it accepts, a call, and whether its errors name the file."""

    file: str
    seeds: Callable[[Path], list[bytes]]
    read: Callable[[Path], Any]
    names_file: bool = True


def judge(reader: Reader, path: Path) -> str | None:
    """Read a file; return None for a correct result or an error of one sentence, otherwise what is wrong."""
    try:
        reader.read(path)
    except (ValueError, OSError) as error:
        message = str(error)
        if isinstance(error, UnicodeError | json.JSONDecodeError):
            return f"raw {type(error).__name__}: {message[:200]}"
        if not message.strip() or "\n" in message.strip() or len(message) > LONGEST:
            return f"not one sentence: {type(error).__name__}: {message[:300]!r}"
        if reader.names_file and path.name not in message and path.parent.name not in message:
            return f"the file is not named: {type(error).__name__}: {message[:300]}"
        return None
    except Exception as error:  # any other kind of error is a fault
        return f"{type(error).__name__}: {str(error)[:300]}"
    return None


def written(folder: Path, write: Callable[[Path], Any]) -> bytes:
    """Return what a function writes, the same bytes in every process."""
    path = folder / "seed"
    write(path)
    content = path.read_bytes()
    if content[8:9] != b"{":
        return content
    # safetensors writes its metadata in an order that differs from process to process.
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    return len(text).to_bytes(8, "little") + text + content[8 + size :]


# ---------------------------------------------------------------- sets of sequences


def _sets(folder):
    import rcviz

    coordinates = {"chrom": ["chr1"] * 6, "start": np.arange(6), "end": np.arange(6) + 40}
    full = rcviz.SequenceSet(
        CODES,
        [1, 0, np.nan, 1, 0, 1],
        names=[f"s{i}" for i in range(6)],
        **coordinates,
        provenance={"a": [1, {"b": 2}]},
    )
    simulated = rcviz.simulate_motifs(n_per_motif=2, length=100, seed=1)
    return [written(folder, data.save) for data in (full, rcviz.SequenceSet(CODES), simulated)]


def _set(path, *, memory_map=False):
    import rcviz

    data = rcviz.SequenceSet.load(path, memory_map=memory_map)
    assert data.codes.shape == (len(data), data.length)
    assert len(data) == 0 or data.codes.max(initial=0) <= 4
    assert len(data.table) == len(data)
    assert data.labels is None or data.labels.shape == (len(data), len(data.task_names))
    repr(data), data.summary(), data.reverse_complement(), data.subset(slice(0, 2))
    return data


# ---------------------------------------------------------------- models


def small_config(architecture="revcomp", **changes):
    import rcviz

    settings = {"sequence_length": 40, "n_filters": 2, "kernel_sizes": (5, 3), "pool_size": 6, "pool_stride": 4}
    return rcviz.ModelConfig(architecture=architecture, **settings | changes)


def _card(config):
    import rcviz

    row = {"part": "test", "task": "CTCF", "n": 6, "n_positive": 3, "n_negative": 3, "auroc": 0.5, "auprc": None}
    return rcviz.ModelCard(
        config=config,
        data={"name": "CTCF", "fingerprint": "0" * 64, "tasks": ["CTCF"]},
        split={"train": ["chr21"]},
        metrics=[row],
        strand_gap={"part": "test", "n": 6, "max": 1e-7, "mean": 1e-8},
        training={"epochs": 2, "best_epoch": 1},
        rcviz="0.1.0",
        notes="none",
    )


def _models(folder):
    import rcviz

    found = []
    for architecture, carded in (("revcomp", True), ("standard", False)):
        config = small_config(architecture, n_tasks=2)
        model, card = rcviz.build_model(config), _card(config) if carded else None
        found.append(written(folder, lambda path, model=model, card=card: rcviz.save_model(model, path, card=card)))
    return found


def _model(path):
    import rcviz

    model = rcviz.load_model(path)
    card = rcviz.read_model_card(path)
    if model.config.sequence_length < 10_000:
        assert rcviz.predict(model, np.zeros((2, model.config.sequence_length), np.uint8)).shape[0] == 2
    assert rcviz.count_parameters(model) >= 0
    if card is not None:
        card.table, card.markdown()
    return model


def _training():
    import torch

    import rcviz

    model = rcviz.build_model(small_config())
    return model, torch.optim.Adam(model.parameters(), lr=1e-3), rcviz.TrainConfig(epochs=3, batch_size=3)


def _record(epoch=1):
    from rcviz.training.history import EpochRecord, Metrics

    return EpochRecord(epoch, Metrics(0.5, 0.5, 0.5), Metrics(0.4, 0.6, 0.6), 1, 6, 0.25)


def _checkpoints(folder):
    import torch

    from rcviz.training.checkpoint import State, digest_of_weights, save_checkpoint

    model, optimizer, config = _training()
    start = digest_of_weights(model.state_dict())
    model(torch.ones(3, 4, 40)).sum().backward()
    optimizer.step()
    weights = model.state_dict()
    digests = start, digest_of_weights(weights)
    state = State((_record(),), weights, (), digests, weights, optimizer.state_dict()["state"])
    return [written(folder, lambda path: save_checkpoint(path, state, model, config, "data"))]


def _checkpoint(path):
    import torch

    from rcviz.training.checkpoint import read_checkpoint
    from rcviz.training.history import epoch_table

    model, optimizer, config = _training()
    state = read_checkpoint(path, model, config, "data")
    epoch_table(state.records), state.finished(config)
    model.load_state_dict(state.weights)
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state.optimizer})
    model(torch.ones(3, 4, 40)).sum().backward()
    optimizer.step()
    if state.best_weights:
        model.load_state_dict(state.best_weights)
    return state


def _histories(folder):
    import rcviz

    return [written(folder, rcviz.History(rcviz.TrainConfig(epochs=2, batch_size=3), (_record(), _record(2))).save)]


def _history(path):
    import rcviz

    history = rcviz.History.load(path)
    assert len(history.table) == 2 * len(history.records)
    assert not history.records or history.best.epoch == history.best_epoch
    return history


def _keras_files(folder):
    import keras_files

    layers = list(keras_files.plain_weights().items())
    config = {"config": [{"name": "batch_normalization_1", "epsilon": 1e-3}]}
    seeds = []
    for settings in ({"config": config}, {}, {"libver": "latest"}):
        settings |= {"keras": 2, "backend": "theano"}
        seeds.append(written(folder, lambda path, settings=settings: keras_files.write(path, layers, **settings)))
    return seeds


def _keras(path):
    import keras_files

    import rcviz

    return rcviz.load_keras_weights(keras_files.plain_model(), path)


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
    assert peaks["signal"].dtype.kind == "f"  # NaN where there is none, and inf as some callers write it
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
    assert sum(map(len, parts)) <= 12  # shares may leave sequences out, as does test = []
    model = rcviz.build_model(settings.model, seed=settings.model_seed)
    if rcviz.count_parameters(model) < 100_000 and settings.train.precision == "float32":
        small = {"epochs": 1, "samples_per_epoch": min(settings.train.samples_per_epoch, 4)}
        with suppress(FloatingPointError):  # a learning rate that is allowed and too large
            rcviz.fit(model, parts.train, parts.valid, dataclasses.replace(settings.train, **small), progress=False)
    return settings.sections()


def _run_records(folder):
    record = {"format": "rcviz.sweep.run.v1", "id": RUN, "seed": 1, "history": [{"auroc": 0.5}]}
    return [json.dumps(record, indent=1).encode()]


def _run_record(path):
    from rcviz.sweeps.store import Store

    store = Store(path.parent)
    record = store.read(RUN)
    assert record is None or record["id"] == RUN
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


VCF = b"""##fileformat=VCFv4.2
##contig=<ID=chr1,length=1000>
##INFO=<ID=AF,Number=A,Type=Float,Description="frequency">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO
chr1\t101\trs1\tA\tC,G\t.\tPASS\tAF=0.1,0.2
chr1\t205\t.\tAC\tA\t.\t.\t.
chr2\t7\trs2\tG\t<DEL>\t50\tPASS\t.
"""


def _variants(folder):
    import pysam

    with pysam.BGZFile(str(folder / "seed"), "w") as file:
        file.write(VCF)
    return [VCF, gzip.compress(VCF, mtime=0), (folder / "seed").read_bytes()]


def _alleles(path):
    from rcviz.genome.variants import alleles_of

    alleles = list(alleles_of(path))
    for allele in alleles:
        assert allele.pos >= 0
        assert all(isinstance(text, str) for text in (allele.chrom, allele.id, allele.ref, allele.alt))
    return alleles


HOMER = (
    b">GATA\tGATA1/motif\t6.5\n0.1\t0.1\t0.7\t0.1\n0.9\t0.03\t0.03\t0.04\n0.1\t0.1\t0.1\t0.7\n0.9\t0.03\t0.03\t0.04\n"
)
CLUSTER_BUSTER = b">m1\n10 0 0 5\n0 12 3 0\n1 1 13 0\n"

READERS = {
    "sequence_set": Reader("data.safetensors", _sets, _set),
    "mapped_set": Reader("data.safetensors", _sets, lambda path: _set(path, memory_map=True)),
    "model": Reader("model.safetensors", _models, _model),
    "checkpoint": Reader("run.safetensors", _checkpoints, _checkpoint),
    "history": Reader("history.json", _histories, _history),
    "keras": Reader("weights.h5", _keras_files, _keras, names_file=False),
    "fasta": Reader("windows.fa", _fasta, _windows),
    "genome": Reader("genome.fa", _genomes, _genome),
    "meme": Reader("motifs.meme", _motifs("write_meme", more=(MEME_FULL,)), _motif_reader("read_meme")),
    "jaspar": Reader("motifs.jaspar", _motifs("write_jaspar", more=(JASPAR_BARE,)), _motif_reader("read_jaspar")),
    "transfac": Reader("motifs.txt", _motifs("write_transfac", more=(TRANSFAC_FULL,)), _motif_reader("read_transfac")),
    "motifs": Reader("motifs.any", lambda folder: [HOMER, CLUSTER_BUSTER, MEME_FULL], _motif_reader("read_motifs")),
    "vcf": Reader("variants.vcf", _variants, _alleles),
    "peaks": Reader("a.bed", _peak_files, _peaks),
    "sources": Reader("list.toml", _lists, _sources),
    "checksums": Reader("checksums.json", _checksum_lists, _checksums),
    "settings": Reader("train.toml", _configs, _settings, names_file=False),
    "run_record": Reader(f"{RUN}.json", _run_records, _run_record),
}
