"""Readers of safetensors and HDF5 files, and of a training's history: sets of sequences, models, checkpoints."""

import numpy as np
from reliability.reader import Reader, written

CODES = np.random.default_rng(1).integers(0, 5, (6, 40)).astype(np.uint8)


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
        scores=[row],
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
    from rcviz.training.checkpoint import Progress, digest_of_weights

    model = rcviz.build_model(small_config())
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    return model, optimizer, Progress(digest_of_weights(model.state_dict())), rcviz.TrainConfig(epochs=3, batch_size=3)


def _record(epoch=1):
    from rcviz.training.history import EpochRecord, Scores

    return EpochRecord(epoch, Scores(0.5, 0.5, 0.5), Scores(0.4, 0.6, 0.6), 1, 6, 0.25)


def _checkpoints(folder):
    import torch

    from rcviz.training.checkpoint import save_checkpoint

    model, optimizer, progress, config = _training()
    torch.manual_seed(0)
    model(torch.rand(3, 4, 40)).sum().backward()
    optimizer.step()
    progress.records.append(_record())
    progress.best_weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    return [written(folder, lambda path: save_checkpoint(path, model, optimizer, progress, config, "data"))]


def _checkpoint(path):
    import torch

    from rcviz.training.checkpoint import load_checkpoint
    from rcviz.training.history import epoch_table

    model, optimizer, _, config = _training()
    progress = load_checkpoint(path, model, optimizer, config, "data")
    epoch_table(progress.records), progress.finished(config)
    model(torch.rand(3, 4, 40)).sum().backward()
    optimizer.step()
    if progress.best_weights:
        model.load_state_dict(progress.best_weights)
    return progress


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


BINARY_READERS = {
    "sequence_set": Reader("data.safetensors", _sets, _set),
    "mapped_set": Reader("data.safetensors", _sets, lambda path: _set(path, memory_map=True)),
    "model": Reader("model.safetensors", _models, _model),
    "checkpoint": Reader("run.safetensors", _checkpoints, _checkpoint),
    "history": Reader("history.json", _histories, _history),
    "keras": Reader("weights.h5", _keras_files, _keras, names_file=False),
}
