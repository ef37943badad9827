"""A run: an arm, a seed and the sequences, with a name that everything which determines its numbers goes into."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from rcviz.experiments.arms import Arm, Scale, Table, every_arm, tables_of
from rcviz.experiments.sources import Source, source_of
from rcviz.training.config import TrainConfig


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training of a sweep.

    Attributes
    ----------
    arm : Arm
    seed : int
        Of the starting weights, of the order of the samples, and of the share of the training set.
    source : Source
    scale : "paper" or "quick"
    tables : tuple of "strands" or "filters"
        What any figure shows of this training.
    """

    arm: Arm
    seed: int
    source: Source
    scale: Scale
    tables: tuple[Table, ...] = ()

    @property
    def training(self) -> TrainConfig:
        """The arm's training with the run's seed."""
        return dataclasses.replace(self.arm.training, seed=self.seed)

    @cached_property
    def id(self) -> str:
        """Digest of all that determines the numbers: the same training in two figures is one run."""
        return run_id(self.arm, self.seed, self.source.fingerprint, self.source.parts)


def run_id(arm: Arm, seed: int, fingerprint: str, parts: Iterable[Any]) -> str:
    """Sixteen hexadecimal digits; settings at their defaults do not count, so that a new setting changes no name."""
    described = {
        "model": _settings(arm.model),
        "training": _settings(arm.training),
        "strategy": arm.strategy,
        "fraction": arm.fraction,
        "seed": seed,
        "data": fingerprint,
        "parts": [sorted(part) if isinstance(part, tuple | list) else part for part in parts],
    }
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:16]


def runs_of(arms: Iterable[Arm], seeds: Iterable[int], *, scale: Scale, data: Path | None) -> list[Run]:
    """Every run of a sweep once, all arms of the first seed first, then those of the next."""
    arms, sources = list(arms), dict[tuple[str, str], Source]()
    for arm in arms:
        if (arm.dataset, arm.split) not in sources:
            sources[arm.dataset, arm.split] = source_of(arm, scale, data)
    settings = {(arm.training.epochs, arm.training.device) for arm in arms}
    others = [other for epochs, device in settings for other in every_arm(scale=scale, epochs=epochs, device=device)]
    shown = {id(arm): tables_of(arm, others) for arm in arms}
    return [
        Run(arm=arm, seed=seed, source=sources[arm.dataset, arm.split], scale=scale, tables=shown[id(arm)])
        for seed in seeds
        for arm in arms
    ]


def _settings(config: Any) -> dict[str, Any]:
    fields = dataclasses.fields(config)
    return {
        field.name: value
        for field in fields
        if field.name != "seed" and (value := getattr(config, field.name)) != field.default
    }
