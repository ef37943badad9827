"""One run from its starting weights to its record: trained, evaluated on both strands, measured."""

import dataclasses
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import nn

from rcviz._core.checks import shown
from rcviz.analysis.strands import StrandAgreement, strand_agreement
from rcviz.metrics import score_tasks, score_values
from rcviz.models.network import count_parameters
from rcviz.models.scale import returned_scale
from rcviz.sequences.splits import Splits
from rcviz.sweeps.arms import Arm
from rcviz.sweeps.machine import code_version, machine, peak_memory_mb, reset_peak_memory
from rcviz.sweeps.store import Record, as_json
from rcviz.training.checkpoint import digest_of_weights
from rcviz.training.config import TrainConfig
from rcviz.training.loop import train_epochs

Measure = Callable[[nn.Module, Splits], Mapping[str, pd.DataFrame]]


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training of a sweep.

    Attributes
    ----------
    arm : Arm
    seed : int
        Seed of the starting weights, of the order of the samples, and of the selected share of the training part.
    id : str
        Name of the run, see :func:`rcviz.sweeps.identity.run_id`.
    names : tuple of str
        Names of the arms that use this training.
    weights : str
        Digest of the weights that the arm's function draws, checked again in the worker; empty for a ModelConfig.
    measure : callable, optional
    """

    arm: Arm
    seed: int
    id: str
    names: tuple[str, ...]
    weights: str = ""
    measure: Measure | None = None

    @property
    def training(self) -> TrainConfig:
        """The arm's training with the run's seed."""
        return dataclasses.replace(self.arm.training, seed=self.seed)


def train_run(run: Run, splits: Splits, checkpoint: Path) -> Record:
    """Train a run, from its checkpoint if there is one, and return everything that the tables need.

    Raises
    ------
    ValueError
        When the arm's function builds another network than where the sweep was started, or ``measure`` does not
        return tables.
    """
    reset_peak_memory()
    if run.arm.fraction < 1:
        chosen = nested_subset(len(splits.train), run.arm.fraction, run.seed)
        splits = splits._replace(train=splits.train.subset(chosen))
    network = run.arm.build(run.seed)
    if run.weights and digest_of_weights(network.state_dict()) != run.weights:
        raise ValueError(
            f"the model of this arm draws other weights here than where the sweep was started (seed {run.seed}); give "
            f"all machines the same code and library versions, and draw weights from the seed alone"
        )
    model = run.arm.as_trained(network)
    resumed, started = checkpoint.exists(), time.process_time()
    epochs = list(train_epochs(model, splits.train, splits.valid, run.training, checkpoint=checkpoint))
    seconds = {
        "wall": sum(epoch.seconds for epoch in epochs),
        "cpu": None if resumed else time.process_time() - started,  # what a killed process used is not recorded
    }
    content = {
        "id": run.id,
        "arms": run.names,
        "seed": run.seed,
        "training": dataclasses.asdict(run.training),
        "data": _counted(splits),
        "n_parameters": count_parameters(model),
        "best_epoch": epochs[-1].best_epoch,
        "history": [dataclasses.asdict(epoch) for epoch in epochs],
        **_evaluated(model, splits, siamese=run.arm.strategy == "siamese"),
        "tables": {} if run.measure is None else _measured(run.measure(model, splits)),
        "seconds": seconds,
        "peak_memory_mb": peak_memory_mb(),
        "machine": machine(run.training.device),
        "code": code_version(),
    }
    record: Record = as_json(content)
    return record


def nested_subset(n: int, fraction: float, seed: int) -> Any:
    """Return the sorted indices of a share of ``n`` sequences; a smaller share of a seed is part of a larger one."""
    order = np.random.default_rng([seed, n]).permutation(n)
    return np.sort(order[: max(1, round(fraction * n))])


def averaged(both: StrandAgreement) -> dict[str, Float[np.ndarray, "sequences tasks"]]:
    """Average the logits of the two strands, and their probabilities; values have only the first; ``both`` holds them.

    Computed in float64: in float32, means of two probabilities near one would be tied with others.
    """
    forward, reverse = both.forward.astype(np.float64), both.reverse.astype(np.float64)
    if both.scale == "value":
        return {"logit": (forward + reverse) / 2}
    probability = (_probabilities(forward) + _probabilities(reverse)) / 2
    return {"logit": (forward + reverse) / 2, "probability": probability}


def _counted(splits: Splits) -> dict[str, int]:
    """Count the sequences of every part, and their positive labels of all tasks, which values do not have."""
    counts = {}
    for name, part in splits._asdict().items():
        counts[f"n_{name}"] = len(part)
        if splits.train.label_kind == "binary":
            counts[f"n_{name}_positive"] = 0 if part.labels is None else int(np.count_nonzero(part.labels == 1))
    return counts


def _evaluated(model: nn.Module, splits: Splits, *, siamese: bool) -> Record:
    """Evaluate the best weights by task, on the sequences as given and averaged over both strands; the strands' gap."""
    metrics, scale = {}, returned_scale(model)
    gaps: dict[str, dict[str, Any]] = {}
    score = score_values if splits.train.label_kind == "value" else score_tasks
    for name, part in (("valid", splits.valid), ("test", splits.test)):
        if not len(part):
            continue
        assert part.labels is not None
        both = strand_agreement(model, part, output=scale)
        predicted = {"as is": both.forward, **({} if siamese else averaged(both))}
        metrics[name] = {
            kind: score(part.labels, values, part.task_names).to_dict("records") for kind, values in predicted.items()
        }
        gaps[name] = {scale: _gap(both.forward, both.reverse)}
        if scale == "logit":
            gaps[name]["probability"] = _gap(_probabilities(both.forward), _probabilities(both.reverse))
    return {"metrics": metrics, "gap": gaps}


def _probabilities(logits: np.ndarray) -> np.ndarray:
    return torch.from_numpy(logits).sigmoid().numpy()


def _gap(forward: np.ndarray, reverse: np.ndarray) -> dict[str, float]:
    gap = np.abs(forward - reverse)
    return {"max": float(gap.max()), "mean": float(gap.mean())}


def _measured(tables: Any) -> dict[str, Any]:
    if not isinstance(tables, Mapping) or not all(isinstance(table, pd.DataFrame) for table in tables.values()):
        raise ValueError(
            f"measure must return a dict from names to DataFrames, got {type(tables).__name__} {shown(tables)}"
        )
    return {
        name: {
            "columns": {str(column): table[column].tolist() for column in table},
            "kinds": {str(column): str(table[column].dtype) for column in table if table[column].dtype.kind in "biuf"},
        }
        for name, table in tables.items()
    }
