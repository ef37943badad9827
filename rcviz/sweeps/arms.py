"""An arm of a sweep: a network, its training, and its treatment of the two strands."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import nn

from rcviz._core.checks import check_choice, check_positive, check_whole, shown
from rcviz.layers.strategies import Average, RevCompConjoined
from rcviz.models.config import ModelConfig
from rcviz.models.network import build_model
from rcviz.models.settings import RandomStream
from rcviz.training.config import TrainConfig

Strategy = Literal["as is", "conjoined", "siamese"]


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One entry of a comparison: a network, its training, and its treatment of the two strands.

    Parameters
    ----------
    model : ModelConfig or callable
        The configuration of one of rcviz's networks, or any function ``seed -> nn.Module`` whose result maps one-hot
        ``(batch, 4, length)`` to logits ``(batch, tasks)``. It is called with torch's random numbers seeded by the
        seed, so that ``lambda seed: MyNetwork()`` is enough; torch's global random state is restored afterwards.
    training : TrainConfig
        Its own seed is not used: every run has one of the sweep's seeds.
    strategy : "as is", "conjoined" or "siamese"
        "conjoined": trained as it is; afterwards the predictions for a sequence and its reverse complement are
        averaged. "siamese": both strands are averaged in training as well. Arms that differ
        only in "as is" and "conjoined" share their training runs.
    average : "logit" or "probability"
        What "conjoined" and "siamese" average, see :class:`rcviz.RevCompConjoined`.
    fraction : float
        Share of the training part that is used, in (0, 1]. It is drawn with the run's seed: all arms of one seed get
        the same sequences, and a smaller share is part of a larger one.
    description : str
        A few words for readers, shown in tables; it does not affect the identity of a run.

    Raises
    ------
    ValueError
        If an argument is of the wrong type or out of range.

    Examples
    --------
    >>> import rcviz
    >>> size = {"sequence_length": 200, "pool_size": 31}
    >>> training = rcviz.TrainConfig(epochs=20, batch_size=100)
    >>> shared = rcviz.Arm(model=rcviz.ModelConfig.one_layer("revcomp", n_filters=8, **size), training=training)
    >>> mine = rcviz.Arm(
    ...     model=lambda seed: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(800, 1)), training=training
    ... )
    """

    model: ModelConfig | Callable[[int], nn.Module]
    training: TrainConfig
    strategy: Strategy = "as is"
    average: Average = "logit"
    fraction: float = 1.0
    description: str = ""

    def __post_init__(self) -> None:
        if isinstance(self.model, nn.Module) or not (isinstance(self.model, ModelConfig) or callable(self.model)):
            raise ValueError(
                f"model must be a ModelConfig or a function seed -> nn.Module, got {type(self.model).__name__}: every "
                f"seed needs a network with its own starting weights"
            )
        if not isinstance(self.training, TrainConfig):
            raise ValueError(f"training must be a TrainConfig, got {type(self.training).__name__}")
        check_choice("strategy", self.strategy, get_args(Strategy))
        check_choice("average", self.average, get_args(Average))
        if isinstance(self.fraction, bool) or not isinstance(self.fraction, int | float) or not 0 < self.fraction <= 1:
            raise ValueError(f"fraction must be a number in (0, 1], got {shown(self.fraction)}")

    def build(self, seed: int) -> nn.Module:
        """Build the network of one seed, before training."""
        if isinstance(self.model, ModelConfig):
            return build_model(self.model, seed=seed)
        with RandomStream(seed, torch.device("cpu")).drawing():
            network = self.model(seed)
        if not isinstance(network, nn.Module):
            raise ValueError(f"the model of an arm must give a torch.nn.Module, got {type(network).__name__}")
        return network

    def as_trained(self, network: nn.Module) -> nn.Module:
        """Return the module to train: the network itself, or for "siamese" the network applied to both strands."""
        return RevCompConjoined(network, average=self.average) if self.strategy == "siamese" else network


def seeds_of(seeds: int | Iterable[int]) -> tuple[int, ...]:
    """Return the seeds of a sweep: 0, 1, ... for a number, or those in a list."""
    if isinstance(seeds, int):
        check_positive("seeds", seeds)
        return tuple(range(seeds))
    try:
        listed = tuple(seeds)
    except TypeError as error:
        raise ValueError(f"seeds must be a number of seeds or a list of them, got {shown(seeds)}") from error
    for seed in listed:
        check_whole("every seed", seed, 0)
    if not listed or len(set(listed)) < len(listed):
        raise ValueError(f"seeds must be a number of seeds or a list of different ones, got {listed}")
    return tuple(int(seed) for seed in listed)


def checked_arms(arms: Any) -> dict[str, Arm]:
    """Return the arms of a sweep by name; refuse anything else."""
    if not isinstance(arms, dict) or not arms:
        raise ValueError(f"arms must be a dict from names to Arm with at least one entry, got {shown(arms)}")
    for name, arm in arms.items():
        if not isinstance(name, str) or not name.strip():
            raise ValueError(f"arms: every name must be a str, got {shown(name)}")
        if not isinstance(arm, Arm):
            raise ValueError(f"arms: {name!r} must be an Arm, got {type(arm).__name__}")
    return dict(arms)
