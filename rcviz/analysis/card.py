"""Make a model card: metrics of every part, the gap between the strands, and how the model was trained."""

import dataclasses
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import pandas as pd

from rcviz.analysis.strands import strand_agreement
from rcviz.models.card import COLUMNS, VALUE_COLUMNS, ModelCard
from rcviz.models.network import SequenceModel
from rcviz.models.runtime import copy_module
from rcviz.sequences.splits import Splits
from rcviz.training.checkpoint import fingerprint
from rcviz.training.config import TrainConfig
from rcviz.training.history import History
from rcviz.training.loop import evaluate


def model_card(
    model: SequenceModel,
    parts: Splits,
    *,
    name: str,
    training: History | TrainConfig,
    split: Mapping[str, Any] | None = None,
    metrics: pd.DataFrame | None = None,
    notes: str = "",
) -> ModelCard:
    """Make the card of a trained model: data, split, metrics (of classes or of values), float32 strand gap, training.

    Parameters
    ----------
    model : SequenceModel
        Not modified.
    parts : Splits
        Labelled parts from :func:`rcviz.split` or :func:`rcviz.split_by_chromosome`; some may be empty, not all.
    name : str
        Name of the data.
    training : History or TrainConfig
        Result of :func:`rcviz.fit`, or the configuration alone.
    split : mapping, optional
        How the parts were made, such as ``{"train": ["chr21"], "valid": ["chr22"]}``.
    metrics : DataFrame, optional
        Result of :func:`metrics_by_part`; computed by default.
    notes : str
        Anything else, such as the purpose of the model.

    Returns
    -------
    ModelCard
        Its strand gap is that of the test part, or of the last part that has sequences.

    Examples
    --------
    >>> training = rcviz.TrainConfig(epochs=1, batch_size=100, samples_per_epoch=200)
    >>> history = rcviz.fit(model, parts.train, parts.valid, training, progress=False)
    >>> card = rcviz.model_card(model, parts, name="CTCF, GM12878", training=history)
    >>> rcviz.save_model(model, "model.safetensors", card=card)
    """
    filled = {part: data for part, data in parts._asdict().items() if len(data)}
    if not filled:
        raise ValueError("parts must have sequences, all are empty; pass those of the training and the test")
    part, data = list(filled.items())[-1]
    agreement = strand_agreement(copy_module(model).float(), data)
    table = metrics_by_part(model, parts) if metrics is None else metrics
    if "n" not in table:  # of classes
        table = table.assign(n=[len(filled[part]) for part in table["part"]])
    table = table[list(VALUE_COLUMNS if "pearson" in table else COLUMNS)]
    records = table.astype(object).where(table.notna(), None).to_dict(orient="records")
    history = training if isinstance(training, History) else None
    settings = dataclasses.asdict(training.config if isinstance(training, History) else training)
    return ModelCard(
        config=model.config,
        data={"name": name, "fingerprint": fingerprint(*parts), "length": data.length, "tasks": list(data.task_names)},
        split=dict(split or {}),
        metrics=[{str(key): value for key, value in record.items()} for record in records],
        strand_gap={"part": part, "n": len(data), "max": agreement.max_gap, "mean": agreement.mean_gap},
        training={**settings, "best_epoch": None if history is None else history.best_epoch},
        rcviz=version("rcviz"),
        notes=notes,
    )


def metrics_by_part(model: SequenceModel, parts: Splits) -> pd.DataFrame:
    """Metrics of every part that has sequences: part, then the columns of :func:`rcviz.evaluate`."""
    tables = {name: evaluate(model, part) for name, part in parts._asdict().items() if len(part)}
    return pd.concat(tables, names=["part"]).reset_index("part")
