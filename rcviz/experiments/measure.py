"""One run from the starting weights to its record: trained, scored on both strands, looked into."""

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from rcviz.analysis.contributions import filter_contributions
from rcviz.analysis.filters import filter_bank
from rcviz.analysis.palindromes import palindromes
from rcviz.analysis.strands import StrandAgreement, strand_agreement
from rcviz.experiments.machine import code_version, forget_peak_memory, machine, peak_memory_mb
from rcviz.experiments.runs import Run
from rcviz.experiments.sources import load_parts
from rcviz.experiments.store import Record
from rcviz.layers.strategies import RevCompConjoined
from rcviz.metrics import score_tasks
from rcviz.models.network import SequenceModel, build_model, count_parameters
from rcviz.motifs.bundled import load_motif
from rcviz.sequences.sequence_set import SequenceSet
from rcviz.sequences.splits import Splits
from rcviz.training.loop import train_epochs

N_SHOWN = 10_000
"""Test sequences whose two predictions Figure 4 shows."""
KNOWN_MOTIF = "CTCF_known1"


def measure(run: Run, checkpoint: Path) -> Record:
    """Train a run, from its checkpoint on if there is one, and say everything that the tables need."""
    forget_peak_memory()
    parts = load_parts(run.source, run.seed, run.arm.fraction)
    network = build_model(run.arm.model, seed=run.seed)
    model: nn.Module = RevCompConjoined(network) if run.arm.strategy == "siamese" else network
    resumed, started = checkpoint.exists(), time.process_time()
    epochs = list(train_epochs(model, parts.train, parts.valid, run.training, checkpoint=checkpoint))
    seconds = {
        "wall": sum(epoch.seconds for epoch in epochs),
        "cpu": None if resumed else time.process_time() - started,  # what a killed process used is not known
    }
    return {
        "id": run.id,
        **_described(run, parts),
        "n_parameters": count_parameters(model),
        "best_epoch": epochs[-1].best_epoch,
        "history": [dataclasses.asdict(epoch) for epoch in epochs],
        **_scored(run, model, parts),
        "tables": _looked_into(run, network, model, parts),
        "seconds": seconds,
        "peak_memory_mb": peak_memory_mb(),
        "machine": machine(run.training.device),
        "code": code_version(),
    }


def _described(run: Run, parts: Splits) -> Record:
    arm, source = run.arm, run.source
    return {
        "scale": run.scale,
        "seed": run.seed,
        "strategy": arm.strategy,
        "dataset": arm.dataset,
        "fraction": arm.fraction,
        "model": dataclasses.asdict(arm.model),
        "training": dataclasses.asdict(run.training),
        "data": {
            "kind": source.kind,
            "place": Path(source.place).name,
            "fingerprint": source.fingerprint,
            "parts": source.parts,
            "chromosomes": source.sentence,
            **{f"n_{name}": len(part) for name, part in parts._asdict().items()},
            **{f"n_{name}_positive": _n_positive(part) for name, part in parts._asdict().items()},
        },
    }


def _n_positive(data: SequenceSet) -> int:
    """Positive labels of all tasks."""
    return int(np.count_nonzero(data.labels == 1))


def _scored(run: Run, model: nn.Module, parts: Splits) -> Record:
    """Scores of the best weights on the sequences as given and averaged over both strands; gaps between them."""
    scores: dict[str, Any] = {}
    gaps = {}
    for name, part in (("valid", parts.valid), ("test", parts.test)):
        if not len(part):
            continue
        both = strand_agreement(model, part, output="logit")
        scores[name] = _mean_scores(part, both.forward)
        if run.arm.strategy in ("none", "augmented"):
            scores.setdefault("conjoined", {})[name] = {
                output: _mean_scores(part, values) for output, values in averaged(both).items()
            }
        if name == "valid":
            logits = (both.forward, both.reverse)
            probabilities = [_probabilities(strand) for strand in logits]
            gaps = {"logit": _gap(*logits), "probability": _gap(*probabilities)}
    return {"scores": scores, "gap": gaps}


def averaged(both: StrandAgreement) -> dict[str, Float[np.ndarray, "sequences tasks"]]:
    """Average what a model says of the two strands: of their logits, and of their probabilities.

    Double precision: a mean of two probabilities near one would else be tied with others.
    """
    forward, reverse = both.forward.astype(np.float64), both.reverse.astype(np.float64)
    probability = (_probabilities(forward) + _probabilities(reverse)) / 2
    return {"logit": (forward + reverse) / 2, "probability": probability}


def _probabilities(logits: np.ndarray) -> np.ndarray:
    return torch.from_numpy(logits).sigmoid().numpy()


def _mean_scores(data: SequenceSet, predicted: np.ndarray) -> dict[str, float]:
    assert data.labels is not None
    table = score_tasks(data.labels, predicted, data.task_names)
    return {name: float(table[name].mean()) for name in ("auroc", "auprc")}


def _gap(forward: np.ndarray, reverse: np.ndarray) -> dict[str, float]:
    gap = np.abs(forward - reverse)
    return {"max": float(gap.max()), "mean": float(gap.mean())}


def _looked_into(run: Run, network: SequenceModel, model: nn.Module, parts: Splits) -> Record:
    tables: Record = {}
    if "strands" in run.tables and len(parts.test):
        tables["strands"] = _strands(model, parts.test)
    if "filters" in run.tables:
        tables["filters"] = _filters(network, parts.valid)
    return tables


def _strands(model: nn.Module, test: SequenceSet) -> dict[str, list[Any]]:
    """Probabilities of both strands (Figure 4), of the same test sequences for every run."""
    chosen = np.sort(np.random.default_rng(0).permutation(len(test))[:N_SHOWN])
    both = strand_agreement(model, test.subset(chosen))
    assert both.labels is not None
    columns = {"label": both.labels, "forward": both.forward, "reverse": both.reverse}
    return {"sequence": chosen.tolist(), **{name: values[:, 0].tolist() for name, values in columns.items()}}


def _filters(network: SequenceModel, valid: SequenceSet) -> list[Record]:
    """Every filter of the first layer, the one that adds most to the logit first (Figure 5)."""
    bank = filter_bank(network)
    positives = valid.positives()
    ranked = filter_contributions(network, valid).table[["filter", "score"]].assign(rank=range(1, len(bank) + 1))
    judged = palindromes(bank, positives).table[["filter", "palindromicity", "verdict"]]
    near = bank.match([load_motif(KNOWN_MOTIF)], data=positives, n_nearest=1)[["filter", "similarity", "p_value"]]
    near = near.rename(columns={"similarity": "ctcf_similarity", "p_value": "ctcf_p_value"})
    table = ranked.merge(judged, on="filter").merge(near, on="filter", how="left")
    rows: list[Record] = json.loads(table.to_json(orient="records", double_precision=15))  # NaN is null
    return [{**row, "weights": bank.weights[row["filter"]].tolist()} for row in rows]
