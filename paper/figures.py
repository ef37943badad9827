"""What Figures 2 to 7 show, as arms of sweeps: the paper's own, rivals of sharing, and choices that are left open."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from rcviz._core.checks import check_choice, check_positive
from rcviz.models.config import ModelConfig
from rcviz.sweeps.arms import Arm
from rcviz.training.config import TrainConfig

Strategy = Literal["shared", "none", "augmented", "siamese"]
Scale = Literal["paper", "quick"]

FRACTIONS = (0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Shares of the training set in Figure 6."""
POSITIVE_WEIGHTS = {"CTCF": 5.0, "SPI1": 5.0, "MAX": 16.5}
"""Class weight of each factor (section 3.4.2)."""
TABLE_1 = {"CTCF": (44_982, 225_533), "SPI1": (42_938, 203_960), "MAX": (12_542, 206_628)}
"""Positives and negatives of each factor, as printed in Table 1."""

TASKS_SEPARATE = "simulated, tasks shuffled separately"
"""The simulated data set whose noisy labels were permuted for each task separately."""
SET_PER_SEED = "simulated, a data set per seed"
"""Simulated data in which every seed has a data set and a division of its own, so that arms are paired by seed."""
CHOICES: dict[str, dict[str, Any]] = {
    "torch's batch norm": {"batchnorm_momentum": 0.1, "batchnorm_eps": 1e-5},
    "starting weights of Keras 1": {"initializer": "keras1"},
    "tasks shuffled separately": {},
}
"""Where the paper's text allows another reading than rcviz's presets, and what changes in the network."""

AVERAGED = {"logit": "both strands averaged", "probability": "both strands' probabilities averaged"}
"""What is appended to the name of an arm whose predictions for both strands are averaged after training."""

# The quick scale: what ten minutes on two cores allow. The networks for 200 bp are those of the quickstart.
_QUICK_NETWORK = {"sequence_length": 200, "pool_size": 31}
_QUICK_EPOCHS = {"simulated": 40, "chipseq": 20}


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One line, bar or panel of a figure: an arm, and the data it is trained on.

    Attributes
    ----------
    name : str
        Such as "RC-20" or "standard-20, augmented"; with data set and fraction it names one arm of the figure.
    strategy : str
        How the two strands are treated: "shared" (parameters); "none"; "augmented" (the training set doubled with
        reverse complements); "siamese" (logits of both strands averaged, in training as well); "posthoc" and
        "posthoc_probability" (what both strands predict averaged after training, logits or probabilities).
    arm : Arm
        The network, its training, and the share of the training set that is used.
    dataset : str
        "simulated", or the factor.
    split : str
        "random", or one of the presets of :func:`rcviz.split_by_chromosome`.
    paper : bool
        Whether the paper shows this arm; the others are rivals.
    """

    name: str
    strategy: str
    arm: Arm
    dataset: str
    split: str
    paper: bool = True

    @property
    def training(self) -> tuple[Arm, str, str]:
        """Everything except the seed that determines the training: equal for the same training in two figures."""
        trained = self.arm if self.arm.strategy == "siamese" else replace(self.arm, strategy="as is", average="logit")
        return trained, self.dataset, self.split


def arms_of(figure: str, *, scale: Scale = "paper", epochs: int | None = None, device: str = "cpu") -> list[Shown]:
    """Return every arm of a figure, those of the paper first; averages of both strands follow their arm.

    Parameters
    ----------
    figure : str
        "fig3" to "fig6", "fig7a" or "fig7b"; "choices" is Figure 3 with other choices where the paper leaves one open;
        "matched" has sharing and its rivals with the same heads, each seed on a data set of its own.
    scale : "paper" or "quick"
        The paper's own numbers, or the same shape in minutes: fewer epochs, and one-layer networks on 200 bp in place
        of the three-layer ones of ChIP-seq.
    epochs : int, optional
        Most epochs, instead of those of the scale.
    device : str
        As in :class:`rcviz.TrainConfig`.
    """
    check_choice("figure", figure, tuple(FIGURES))
    check_choice("scale", scale, get_args(Scale))
    if epochs is not None:
        check_positive("epochs", epochs)
    trained = FIGURES[figure](_Maker(scale, epochs, device))
    return [arm for one in trained for arm in (one, *_averages(one))]


def figures_of(names: Iterable[str]) -> tuple[str, ...]:
    """Return the figures to train for: "fig7" has two parts, and "fig2" shows the trainings of "fig3"."""
    named = {"fig2": ("fig3",), "fig7": ("fig7a", "fig7b")}
    names = tuple(names)
    for name in names:
        check_choice("figure", name, ("fig2", *FIGURES, "fig7"))
    return tuple(dict.fromkeys(figure for name in names for figure in named.get(name, (name,))))


def choose_arms(shown: Iterable[Shown], names: str | Sequence[str]) -> list[Shown]:
    """Keep arms: "all", "paper" (without the rivals), or names such as ``["RC-20"]``; averages go with their arm."""
    shown = list(shown)
    if isinstance(names, str) and names in ("all", "paper"):
        wanted = {arm.training for arm in shown if arm.paper or names == "all"}
    else:
        listed = [names] if isinstance(names, str) else list(names)
        choices = tuple(dict.fromkeys(arm.name for arm in shown if not arm.strategy.startswith("posthoc")))
        for name in listed:
            if name not in choices:
                raise ValueError(f"arms: there is no arm {name!r}; choose all, paper, or some of {'; '.join(choices)}")
        wanted = {arm.training for arm in shown if arm.name in listed}
    return [arm for arm in shown if arm.training in wanted]


def _averages(shown: Shown) -> list[Shown]:
    """Return a standard network once more for each way of averaging what it predicts for both strands."""
    if shown.strategy not in ("none", "augmented"):
        return []
    return [
        replace(
            shown,
            name=f"{shown.name}, {words}",
            strategy="posthoc" if average == "logit" else "posthoc_probability",
            arm=replace(shown.arm, strategy="conjoined", average=average),  # type: ignore[arg-type]
            paper=False,
        )
        for average, words in AVERAGED.items()
    ]


@dataclass(frozen=True)
class _Maker:
    """Makes arms at one scale."""

    scale: Scale
    epochs: int | None
    device: str

    def simulated(self, n_filters: int, strategy: Strategy, *, paper: bool = True, **changes: Any) -> Shown:
        """Section 3.4.1."""
        training = TrainConfig.simulated(**self._training(strategy, "simulated"))
        model = ModelConfig.simulated(_architecture(strategy), n_filters=n_filters, **changes)
        return _shown(strategy, model, training, dataset="simulated", split="random", paper=paper)

    def chipseq(
        self,
        n_filters: int,
        strategy: Strategy,
        *,
        split: str,
        dataset: str = "CTCF",
        one_layer: bool = False,
        fraction: float = 1.0,
        paper: bool = True,
    ) -> Shown:
        """Section 3.4.2, and with ``one_layer`` section 3.5."""
        training = TrainConfig.chipseq(positive_weight=POSITIVE_WEIGHTS[dataset], **self._training(strategy, "chipseq"))
        quick = self.scale == "quick"
        preset = ModelConfig.one_layer if one_layer or quick else ModelConfig.chipseq
        model = preset(_architecture(strategy), n_filters=n_filters, **(_QUICK_NETWORK if quick else {}))
        split = "random" if quick else split
        return _shown(strategy, model, training, dataset=dataset, split=split, fraction=fraction, paper=paper)

    def _training(self, strategy: Strategy, kind: str) -> dict[str, Any]:
        settings = {"augmentation": "revcomp" if strategy == "augmented" else "none", "device": self.device}
        epochs = _QUICK_EPOCHS[kind] if self.scale == "quick" and self.epochs is None else self.epochs
        return settings if epochs is None else {**settings, "epochs": epochs}


def _shown(
    strategy: Strategy, model: ModelConfig, training: TrainConfig, *, fraction: float = 1.0, **where: Any
) -> Shown:
    name = f"{'RC' if strategy == 'shared' else 'standard'}-{model.n_filters}"
    arm = Arm(
        model=model,
        training=training,
        strategy="siamese" if strategy == "siamese" else "as is",
        fraction=fraction,
    )
    named = f"{name}, {strategy}" if strategy in ("augmented", "siamese") else name
    return Shown(name=named, strategy=strategy, arm=arm, **where)


def _architecture(strategy: Strategy) -> Literal["revcomp", "standard"]:
    return "revcomp" if strategy == "shared" else "standard"


_SIMULATED: list[tuple[int, Strategy]] = [(20, "shared"), (20, "none"), (40, "none")]


def _simulated(make: _Maker) -> list[Shown]:
    """Figures 2 and 3: learning curves, and where they end."""
    rivals: list[tuple[int, Strategy]] = [(20, "augmented"), (40, "augmented"), (20, "siamese")]
    return [make.simulated(*arm) for arm in _SIMULATED] + [make.simulated(*arm, paper=False) for arm in rivals]


HEADS: dict[str, Literal["flatten", "weighted_sum"]] = {"flattened": "flatten", "weighted sum": "weighted_sum"}
"""Layers between pooling and the dense layer, by what is appended to the name of an arm of "matched"."""


def _matched(make: _Maker) -> list[Shown]:
    """Figure 3 with both heads for every arm, and with a simulated data set for each seed."""
    arms: list[tuple[int, Strategy]] = [*_SIMULATED[1:], _SIMULATED[0], (20, "siamese"), (40, "siamese")]
    made = [
        (make.simulated(*arm, paper=False, head=head), words)
        for arm, (words, head) in itertools.product(arms, HEADS.items())
    ]
    return [replace(arm, name=f"{arm.name}, {words}", dataset=SET_PER_SEED) for arm, words in made]


def _choices(make: _Maker) -> list[Shown]:
    """Figure 3 with one choice made differently from the presets."""
    arms = []
    for (choice, changes), arm in itertools.product(CHOICES.items(), _SIMULATED):
        made = make.simulated(*arm, **changes)
        dataset = TASKS_SEPARATE if choice == "tasks shuffled separately" else made.dataset
        arms.append(replace(made, name=f"{made.name}, {choice}", dataset=dataset))
    return arms


def _strands(make: _Maker) -> list[Shown]:
    arms: list[tuple[Strategy, bool]] = [("none", True), ("augmented", True), ("shared", True), ("siamese", False)]
    return [make.chipseq(16, strategy, split="chr1/chr17/rest", paper=paper) for strategy, paper in arms]


def _filters(make: _Maker) -> list[Shown]:
    arms: list[tuple[int, Strategy]] = [(8, "shared"), (16, "augmented"), (8, "augmented")]
    return [make.chipseq(*arm, split="chr21/chr22/rest", one_layer=True) for arm in arms]


def _training_size(make: _Maker) -> list[Shown]:
    arms: list[tuple[int, Strategy]] = [(16, "shared"), (16, "none"), (32, "none")]
    return [
        make.chipseq(*arm, split="chr1/chr17/rest", fraction=fraction)
        for fraction, arm in itertools.product(FRACTIONS, arms)
    ]


# Two rivals of the RC network of 16 filters at its memory, and one with its number of filters.
_RIVALS: list[tuple[int, Strategy]] = [(16, "augmented"), (32, "augmented"), (16, "siamese")]


def _widths(make: _Maker) -> list[Shown]:
    own: list[tuple[int, Strategy]] = [
        *[(n_filters, "shared") for n_filters in (8, 16, 32)],
        *[(n_filters, "none") for n_filters in (8, 16, 32, 64)],
    ]
    return [make.chipseq(*arm, split="chr1/chr17/rest", paper=arm in own) for arm in [*own, *_RIVALS]]


def _factors(make: _Maker) -> list[Shown]:
    own: list[tuple[int, Strategy]] = [(16, "shared"), (16, "none"), (32, "none")]
    factors = tuple(POSITIVE_WEIGHTS) if make.scale == "paper" else ("CTCF",)  # the bundled example has one
    return [
        make.chipseq(*arm, dataset=factor, split="rest/chr1/chr2", paper=arm in own)
        for factor, arm in itertools.product(factors, [*own, *_RIVALS])
    ]


FIGURES: dict[str, Callable[[_Maker], list[Shown]]] = {
    "fig3": _simulated,
    "fig4": _strands,
    "fig5": _filters,
    "fig6": _training_size,
    "fig7a": _widths,
    "fig7b": _factors,
    "choices": _choices,
    "matched": _matched,
}
"""Figures by the functions that make their arms; Figure 2 shows the trainings of Figure 3."""
