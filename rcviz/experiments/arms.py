"""Every arm of Figures 2 to 7 as configuration, rivals that the paper does not show, choices that it leaves open."""

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args

from rcviz._core.checks import check_choice, check_positive, check_whole
from rcviz.models.config import Architecture, ModelConfig
from rcviz.training.config import TrainConfig

Strategy = Literal["shared", "none", "augmented", "siamese"]
Scale = Literal["paper", "quick"]
Table = Literal["strands", "filters"]

FRACTIONS = (0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Shares of the training set in Figure 6."""
POSITIVE_WEIGHTS = {"CTCF": 5.0, "SPI1": 5.0, "MAX": 16.5}
"""Of every factor (section 3.4.2)."""

TASKS_APART = "simulated, tasks shuffled apart"
"""The simulated dataset whose noisy labels were permuted for each task by itself."""
CHOICES: dict[str, dict[str, Any]] = {
    "torch's batch norm": {"batchnorm_momentum": 0.1, "batchnorm_eps": 1e-5},
    "starts of Keras 1": {"initializer": "keras1"},
    "tasks shuffled apart": {},
}
"""Where the paper's text allows another reading than rcviz's presets, and what of the network changes with it."""

# The quick scale: what ten minutes on two cores allow. The networks for 200 bp are those of the quickstart.
_QUICK_NETWORK = {"sequence_length": 200, "pool_size": 31}
_QUICK_EPOCHS = {"simulated": 40, "chipseq": 20}


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One line, bar or panel of a figure: what is trained, on what.

    Attributes
    ----------
    figure : str
        One of :data:`FIGURES`.
    name : str
        Such as "RC-20" or "standard-20, augmented"; with dataset and fraction it names one arm of the figure.
    strategy : "shared", "none", "augmented" or "siamese"
        How the two strands are dealt with: parameters shared; not at all; the training set doubled with reverse
        complements; both strands shown and their logits averaged, in training as well.
    model : ModelConfig
    training : TrainConfig
        Its seed is that of the run.
    dataset : str
        "simulated", or the factor.
    split : str
        "random", or one of the presets of :func:`rcviz.split_by_chromosome`.
    fraction : float
        Share of the training set that is used.
    paper : bool
        Whether the paper shows this arm; the others are rivals.
    tables : tuple of "strands" or "filters"
        What the figure shows of the trained network besides its scores.
    """

    figure: str
    name: str
    strategy: Strategy
    model: ModelConfig
    training: TrainConfig
    dataset: str
    split: str
    fraction: float = 1.0
    paper: bool = True
    tables: tuple[Table, ...] = ()

    def trains_as(self, other: "Arm") -> bool:
        """Whether both arms, perhaps of two figures, are the same training."""
        nameless = [dataclasses.replace(arm, figure="", name="", paper=True, tables=()) for arm in (self, other)]
        return nameless[0] == nameless[1]


def arms_of(figure: str, *, scale: Scale = "paper", epochs: int | None = None, device: str = "cpu") -> tuple[Arm, ...]:
    """Every arm of a figure, those of the paper first.

    Parameters
    ----------
    figure : str
        "fig2" to "fig6", "fig7a", "fig7b", or "fig7" for both; "choices" is Figure 3 under other choices where the
        paper leaves one open.
    scale : "paper" or "quick"
        The paper's own numbers, or the same shape in minutes: fewer epochs, and one-layer networks on 200 bp in place
        of the three-layer ones of ChIP-seq.
    epochs : int, optional
        Most epochs, instead of those of the scale.
    device : str
        As in :class:`rcviz.TrainConfig`.
    """
    check_choice("scale", scale, get_args(Scale))
    if epochs is not None:
        check_positive("epochs", epochs)
    make = _Maker(scale, epochs, device)
    return tuple(arm for name in figures_of(figure) for arm in FIGURES[name](make, name))


def figures_of(figure: str) -> tuple[str, ...]:
    """Names of the figures that a name stands for: "fig7" has two parts."""
    check_choice("figure", figure, (*FIGURES, "fig7"))
    return ("fig7a", "fig7b") if figure == "fig7" else (figure,)


def chosen_arms(arms: Iterable[Arm], names: str | Sequence[str]) -> tuple[Arm, ...]:
    """Keep arms: "all", "paper" (those that the paper shows), or names such as ``["RC-20"]``."""
    arms = tuple(arms)
    if isinstance(names, str) and names in ("all", "paper"):
        return tuple(arm for arm in arms if arm.paper or names == "all")
    wanted = [names] if isinstance(names, str) else list(names)
    known = tuple(dict.fromkeys(arm.name for arm in arms))
    for name in wanted:
        if name not in known:
            raise ValueError(f"there is no arm {name!r}; choose all, paper, or some of {'; '.join(known)}")
    return tuple(arm for arm in arms if arm.name in wanted)


def seeds_of(seeds: int | Iterable[int]) -> tuple[int, ...]:
    """Seeds of a sweep: so many from zero on, or those that are listed."""
    if isinstance(seeds, int):
        check_positive("seeds", seeds)
        return tuple(range(seeds))
    listed = tuple(seeds)
    for seed in listed:
        check_whole("every seed", seed, 0)
    if not listed or len(set(listed)) < len(listed):
        raise ValueError(f"seeds must be a number of seeds or a list of different ones, got {listed}")
    return listed


def tables_of(arm: Arm, others: Iterable[Arm]) -> tuple[Table, ...]:
    """What any figure shows of this training: it is done once, whichever figure asks for it first."""
    return tuple(sorted({table for other in (arm, *others) if other.trains_as(arm) for table in other.tables}))


@cache
def every_arm(*, scale: Scale = "paper", epochs: int | None = None, device: str = "cpu") -> tuple[Arm, ...]:
    """The arms of all figures."""
    return tuple(arm for figure in FIGURES for arm in arms_of(figure, scale=scale, epochs=epochs, device=device))


@dataclass(frozen=True)
class _Maker:
    """Makes arms at one scale."""

    scale: Scale
    epochs: int | None
    device: str

    def simulated(
        self,
        figure: str,
        n_filters: int,
        strategy: Strategy,
        *,
        paper: bool = True,
        dataset: str = "simulated",
        **changes: Any,
    ) -> Arm:
        """Section 3.4.1."""
        training = TrainConfig.simulated(**self._training(strategy, "simulated"))
        model = ModelConfig.simulated(_architecture(strategy), n_filters=n_filters, **changes)
        return self._arm(figure, strategy, model, training, dataset, "random", paper=paper)

    def chipseq(
        self,
        figure: str,
        n_filters: int,
        strategy: Strategy,
        *,
        split: str,
        dataset: str = "CTCF",
        one_layer: bool = False,
        fraction: float = 1.0,
        paper: bool = True,
        tables: tuple[Table, ...] = (),
    ) -> Arm:
        """Section 3.4.2, and with ``one_layer`` section 3.5."""
        weight = POSITIVE_WEIGHTS[dataset]
        training = TrainConfig.chipseq(positive_weight=weight, **self._training(strategy, "chipseq"))
        preset = ModelConfig.one_layer if one_layer or self.scale == "quick" else ModelConfig.chipseq
        changes = _QUICK_NETWORK if self.scale == "quick" else {}
        model = preset(_architecture(strategy), n_filters=n_filters, **changes)
        split = "random" if self.scale == "quick" else split
        return self._arm(
            figure, strategy, model, training, dataset, split, fraction=fraction, paper=paper, tables=tables
        )

    def _arm(
        self,
        figure: str,
        strategy: Strategy,
        model: ModelConfig,
        training: TrainConfig,
        dataset: str,
        split: str,
        *,
        fraction: float = 1.0,
        paper: bool,
        tables: tuple[Table, ...] = (),
    ) -> Arm:
        name = f"{'RC' if strategy == 'shared' else 'standard'}-{model.n_filters}"
        return Arm(
            figure=figure,
            name=f"{name}, {strategy}" if strategy in ("augmented", "siamese") else name,
            strategy=strategy,
            model=model,
            training=training,
            dataset=dataset,
            split=split,
            fraction=fraction,
            paper=paper,
            tables=tables,
        )

    def _training(self, strategy: Strategy, kind: str) -> dict[str, str | int]:
        settings: dict[str, str | int] = {
            "augmentation": "revcomp" if strategy == "augmented" else "none",
            "device": self.device,
        }
        epochs = _QUICK_EPOCHS[kind] if self.scale == "quick" and self.epochs is None else self.epochs
        return settings if epochs is None else {**settings, "epochs": epochs}


def _architecture(strategy: Strategy) -> Architecture:
    return "revcomp" if strategy == "shared" else "standard"


_SIMULATED: list[tuple[int, Strategy]] = [(20, "shared"), (20, "none"), (40, "none")]


def _simulated(make: _Maker, figure: str) -> list[Arm]:
    """Figures 2 and 3 show the same trainings: learning curves, and where they end."""
    rivals: list[tuple[int, Strategy]] = [(20, "augmented"), (40, "augmented"), (20, "siamese")]
    return [make.simulated(figure, *arm) for arm in _SIMULATED] + [
        make.simulated(figure, *arm, paper=False) for arm in rivals
    ]


def _choices(make: _Maker, figure: str) -> list[Arm]:
    """Figure 3 where the paper leaves a choice open, and another one is made than in the presets."""
    arms = []
    for (choice, changes), arm in itertools.product(CHOICES.items(), _SIMULATED):
        dataset = TASKS_APART if choice == "tasks shuffled apart" else "simulated"
        made = make.simulated(figure, *arm, dataset=dataset, **changes)
        arms.append(dataclasses.replace(made, name=f"{made.name}, {choice}"))
    return arms


def _strands(make: _Maker, figure: str) -> list[Arm]:
    arms: list[tuple[Strategy, bool]] = [("none", True), ("augmented", True), ("shared", True), ("siamese", False)]
    return [
        make.chipseq(figure, 16, strategy, split="chr1/chr17/rest", paper=paper, tables=("strands",))
        for strategy, paper in arms
    ]


def _filters(make: _Maker, figure: str) -> list[Arm]:
    arms: list[tuple[int, Strategy]] = [(8, "shared"), (16, "augmented"), (8, "augmented")]
    return [make.chipseq(figure, *arm, split="chr21/chr22/rest", one_layer=True, tables=("filters",)) for arm in arms]


def _training_size(make: _Maker, figure: str) -> list[Arm]:
    arms: list[tuple[int, Strategy]] = [(16, "shared"), (16, "none"), (32, "none")]
    return [
        make.chipseq(figure, *arm, split="chr1/chr17/rest", fraction=fraction)
        for fraction, arm in itertools.product(FRACTIONS, arms)
    ]


# Two rivals of the RC network of 16 filters at its memory, and one of its number of filters.
_RIVALS: list[tuple[int, Strategy]] = [(16, "augmented"), (32, "augmented"), (16, "siamese")]


def _widths(make: _Maker, figure: str) -> list[Arm]:
    shown: list[tuple[int, Strategy]] = [
        *[(n_filters, "shared") for n_filters in (8, 16, 32)],
        *[(n_filters, "none") for n_filters in (8, 16, 32, 64)],
    ]
    split = "chr1/chr17/rest"
    return [make.chipseq(figure, *arm, split=split) for arm in shown] + [
        make.chipseq(figure, *arm, split=split, paper=False) for arm in _RIVALS
    ]


def _factors(make: _Maker, figure: str) -> list[Arm]:
    shown: list[tuple[int, Strategy]] = [(16, "shared"), (16, "none"), (32, "none")]
    factors = tuple(POSITIVE_WEIGHTS) if make.scale == "paper" else ("CTCF",)  # the bundled example has one
    return [
        make.chipseq(figure, *arm, dataset=factor, split="rest/chr1/chr2", paper=arm in shown)
        for factor, arm in itertools.product(factors, [*shown, *_RIVALS])
    ]


FIGURES: dict[str, Callable[[_Maker, str], list[Arm]]] = {
    "fig2": _simulated,
    "fig3": _simulated,
    "fig4": _strands,
    "fig5": _filters,
    "fig6": _training_size,
    "fig7a": _widths,
    "fig7b": _factors,
    "choices": _choices,
}
