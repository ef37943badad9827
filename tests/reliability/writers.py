"""All functions of rcviz that write a file, by the name of the file; what they write depends on a seed alone."""

import dataclasses

import numpy as np

import rcviz
from rcviz.sequences.storage import open_writer
from rcviz.sweeps.store import Store
from rcviz.training.checkpoint import State, digest_of_weights, save_checkpoint
from rcviz.training.history import EpochRecord, Metrics

RUN = "0123456789abcdef"
TRAINING = rcviz.TrainConfig(epochs=3, batch_size=20, samples_per_epoch=80)


class Things:
    """The contents, all made from a seed."""

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        codes = rng.integers(0, 4, (40, 60), dtype=np.uint8)
        self.data = rcviz.SequenceSet(codes, (codes[:, :2] > 1).astype(np.float32), names=list("ab" * 20))
        config = rcviz.ModelConfig.one_layer(
            "revcomp", n_filters=3, sequence_length=60, kernel_sizes=(7,), pool_size=9, n_tasks=2
        )
        self.model = rcviz.build_model(config, seed=seed)
        matrices = rng.dirichlet(np.ones(4), (3, 20)).transpose(0, 2, 1)
        self.motifs = [rcviz.Motif(f"motif{number}", matrix) for number, matrix in enumerate(matrices)]
        scores = [Metrics(*row) for row in rng.random((6, 3))]
        self.history = rcviz.History(
            TRAINING, tuple(EpochRecord(n + 1, scores[2 * n], scores[2 * n + 1], 1, 80, 0.5) for n in range(3))
        )


def _card(things, path):
    parts = rcviz.split(things.data, train=0.5, valid=0.25, test=0.25)
    card = rcviz.model_card(things.model, parts, name="random", training=things.history)
    rcviz.save_model(things.model, path, card=card)


def _checkpoint(things, path):
    weights, records = things.model.state_dict(), things.history.records
    digests = (digest_of_weights(weights),) * (len(records) + 1)
    save_checkpoint(path, State(records, weights, (), digests, weights, {}), things.model, TRAINING, "data")


def _growing(things, path):
    with open_writer(path, "SequenceSet", things.data.length) as growing:
        for block in np.array_split(things.data.codes, 4):
            growing.append(block)
        growing.fields = {"labels": things.data.labels, "task_names": list(things.data.task_names)}


def _record(things, path):
    Store(path.parent).write({"id": RUN, "history": [dataclasses.asdict(record) for record in things.history.records]})


def _failure(things, path):
    Store(path.parent).write_failure({"id": RUN, "error": "no memory", "traceback": str(things.data.codes)})


def _picture(things, path):
    rcviz.save_figure(things.history.plot(), path)


WRITERS = {
    "model.safetensors": lambda things, path: rcviz.save_model(things.model, path),
    "carded.safetensors": _card,
    "run.checkpoint.safetensors": _checkpoint,
    "set.safetensors": lambda things, path: things.data.save(path),
    "windows.safetensors": _growing,
    "history.json": lambda things, path: things.history.save(path),
    f"{RUN}.json": _record,
    f"{RUN}.failed.json": _failure,
    "epochs.csv": lambda things, path: rcviz.save_table(things.history.table, path),
    "epochs.parquet": lambda things, path: rcviz.save_table(things.history.table, path),
    "motifs.meme": lambda things, path: rcviz.write_meme(things.motifs, path),
    "motifs.jaspar": lambda things, path: rcviz.write_jaspar(things.motifs, path),
    "motifs.transfac": lambda things, path: rcviz.write_transfac(things.motifs, path),
    "curves.svg": _picture,
    "curves.pdf": _picture,
    "curves.png": _picture,
    "attributions.npz": lambda things, path: rcviz.save_modisco(things.model, things.data, path.parent),
    "model.onnx": lambda things, path: rcviz.export_onnx(things.model, path),
}
SLOW = ("model.onnx",)
"""Writers that take seconds; the short tests leave them out."""
