"""Agreement of a model's predictions for the two strands, and the filters that disagree (section 2.2.1)."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from torch import nn

from rcviz._core.checks import shown
from rcviz.analysis.contributions import filter_contributions
from rcviz.analysis.neurons import At
from rcviz.analysis.strand_pass import StrandPass
from rcviz.analysis.tasks import model_tasks, resolve_task
from rcviz.models.prediction import predict
from rcviz.models.runtime import evaluating, find_module
from rcviz.models.scale import Scale, one_warning, returned_scale
from rcviz.models.settings import in_batches
from rcviz.sequences.annotations import LabelKind
from rcviz.sequences.sequence_set import SequenceSet, as_sequence_set
from rcviz.symmetry.strands import OtherStrand

THRESHOLDS: dict[Scale, float | None] = {"probability": 0.5, "logit": 0.0, "value": None}
"""Decision threshold on each scale."""


@dataclass(frozen=True)
class StrandAgreement:
    """Predictions for both strands of the same sequences.

    Attributes
    ----------
    forward, reverse : ndarray (N, T), or (N, T, L) of profiles
        Predictions for the sequences as given and for their reverse complements. If the model declares that the reverse
        complement exchanges tasks or positions, ``reverse`` holds them in the order of ``forward``.
    labels : ndarray (N, T) or None
        Those of the sequences, see ``label_kind``.
    task_names : tuple of str
    threshold : float or None
        Decision threshold: a prediction at or above it is positive. None for values and profiles, which decide nothing.
    names : ndarray (N,) of str, or None
        Names of the sequences.
    scale : "probability", "logit" or "value"
        Scale of the predictions and of their gaps.
    label_kind : "binary" or "value"
        Whether labels are classes, 1, 0 and NaN (unknown), or values.

    Examples
    --------
    >>> agreement = rcviz.strand_agreement(standard, parts.test)
    >>> agreement.table.columns.tolist()
    ['sequence', 'name', 'task', 'label', 'forward', 'reverse', 'gap', 'flips']
    >>> ax = agreement.plot()
    """

    forward: Float[np.ndarray, "sequences tasks *length"]
    reverse: Float[np.ndarray, "sequences tasks *length"]
    labels: Float[np.ndarray, "sequences tasks"] | None
    task_names: tuple[str, ...]
    threshold: float | None
    names: np.ndarray | None = None
    scale: Scale = "probability"
    label_kind: LabelKind = "binary"

    @cached_property
    def gap(self) -> Float[np.ndarray, "sequences tasks"]:
        """Absolute difference of the two strands; of profiles its mean over the positions."""
        return _of_sequence(np.abs(self.forward - self.reverse))

    @property
    def max_gap(self) -> float:
        """Largest gap of all sequences and tasks."""
        return float(self.gap.max())

    @property
    def mean_gap(self) -> float:
        """Mean gap of all sequences and tasks."""
        return float(self.gap.mean())

    @cached_property
    def correlation(self) -> Float[np.ndarray, " tasks"]:
        """Pearson's correlation of the two strands, by task; NaN where all predictions for a strand are the same.

        Of profiles it is taken over the positions of all sequences.
        """
        n_tasks = self.forward.shape[1]
        both = [np.moveaxis(each, 1, -1).reshape(-1, n_tasks).astype(float) for each in (self.forward, self.reverse)]
        one, other = (values - values.mean(axis=0) for values in both)
        varies = (np.ptp(both[0], axis=0) > 0) & (np.ptp(both[1], axis=0) > 0)
        spread = np.sqrt((one**2).sum(axis=0) * (other**2).sum(axis=0))
        return np.divide((one * other).sum(axis=0), spread, out=np.full(spread.shape, np.nan), where=varies)

    @cached_property
    def flips(self) -> Bool[np.ndarray, "sequences tasks"]:
        """Whether the two strands lie on different sides of ``threshold``; nowhere if there is none."""
        if self.threshold is None:
            return np.zeros(self.forward.shape[:2], dtype=bool)
        return (self.forward >= self.threshold) != (self.reverse >= self.threshold)

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per sequence and task, largest gap first.

        Columns: sequence, name (where the sequences have names), task, label, forward, reverse, gap, flips (where there
        is a threshold). Of profiles, forward and reverse are means over the positions.
        """
        n_sequences, n_tasks = self.forward.shape[:2]
        labels = np.full(self.gap.shape, np.nan) if self.labels is None else self.labels
        columns = {
            "sequence": np.repeat(np.arange(n_sequences), n_tasks),
            **({} if self.names is None else {"name": np.repeat(self.names, n_tasks)}),
            "task": np.tile(np.array(self.task_names, dtype=object), n_sequences),
            "label": labels.ravel(),
            "forward": _of_sequence(self.forward).ravel(),
            "reverse": _of_sequence(self.reverse).ravel(),
            "gap": self.gap.ravel(),
            **({} if self.threshold is None else {"flips": self.flips.ravel()}),
        }
        return pd.DataFrame(columns).sort_values("gap", ascending=False, kind="stable").reset_index(drop=True)

    @property
    def flipped(self) -> pd.DataFrame:
        """The rows of :attr:`table` whose decision flips: which sequences, their labels and both predictions."""
        if self.threshold is None:
            raise ValueError(
                "decisions need a threshold, and this agreement has none; pass one to strand_agreement(threshold=...)"
            )
        return self.table[self.table["flips"]].drop(columns="flips").reset_index(drop=True)

    def summary(self) -> pd.DataFrame:
        """Summarise each task in a row: task, n (sequences), correlation, max_gap, mean_gap, n_flips, share_flips.

        Without a threshold there are no flips to count, and the last two columns are missing.
        """
        columns = {"task": list(self.task_names), "n": len(self.forward), "correlation": self.correlation}
        columns |= {"max_gap": self.gap.max(axis=0), "mean_gap": self.gap.mean(axis=0)}
        if self.threshold is not None:
            columns |= {"n_flips": self.flips.sum(axis=0), "share_flips": self.flips.mean(axis=0)}
        return pd.DataFrame(columns)

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Draw forward against reverse for one ``task``; ``options`` are those of :func:`rcviz.plot_strands`."""
        from rcviz.plots.results import draw
        from rcviz.plots.strands import plot_strands

        return draw(plot_strands, self, ax, options)


def _of_sequence(values: Float[np.ndarray, "n tasks *length"]) -> Float[np.ndarray, "n tasks"]:
    return values.mean(axis=2) if values.ndim == 3 else values


@in_batches
def strand_agreement(
    model: nn.Module,
    data: Any,
    *,
    output: Scale | None = None,
    threshold: float | None = None,
    batch_size: int = 500,
) -> StrandAgreement:
    """Predict sequences and their reverse complements, and compare (Figure 4).

    Where the model declares that the reverse complement exchanges tasks or positions, as
    :class:`rcviz.RevCompConjoined` does for stranded tasks and profiles, each is compared with its partner. A warning
    names a model that draws random numbers in evaluation mode, or whose predictions depend on the other sequences of a
    batch: its gaps are not those of the strands.

    Parameters
    ----------
    model : nn.Module
        Maps one-hot ``(batch, 4, length)`` to logits or values ``(batch, tasks)``; it is not modified. Profiles
        ``(batch, tasks, length)`` need a model that declares what the reverse complement does to them.
    data : SequenceSet, list of str, codes (N, L) or one-hot (N, 4, L)
    output : "probability", "logit" or "value", optional
        Scale of the predictions that are compared; by default probabilities of a classifier, values of a model that
        declares ``output_is="value"``, and profiles as the model returns them.
    threshold : float, optional
        Decision threshold, to count the decisions that differ between the strands; by default a probability of 0.5, a
        logit of 0, and none for values and profiles. A prediction that is equal to it may flip by rounding alone.
    batch_size : int
        Number of sequences that are in memory as floats at a time.

    Returns
    -------
    StrandAgreement

    Examples
    --------
    >>> rcviz.strand_agreement(model, parts.test).max_gap < 1e-5
    True
    >>> summary = rcviz.strand_agreement(standard, parts.test).summary()
    >>> flipped = rcviz.strand_agreement(standard, parts.test, threshold=0.9).flipped
    """
    data = as_sequence_set(data)
    if threshold is not None and (isinstance(threshold, bool | str) or not np.isfinite(threshold)):
        raise ValueError(f"threshold must be a finite number on the scale of the predictions, got {shown(threshold)}")
    strands = StrandPass(model, data, output=output, batch_size=batch_size)
    if strands.profiles and threshold is not None:
        raise ValueError("threshold needs one prediction per task, and the model returns profiles; leave it out")
    with evaluating(model), one_warning():  # both strands with the same weights, if another thread trains them
        for _ in strands.batches():
            pass
    if threshold is None and not strands.profiles:
        threshold = THRESHOLDS[strands.scale]
    tasks = model_tasks(data, strands.forward.shape[1])
    names = data.table.get("name")
    names = None if names is None else names.to_numpy(dtype=object)
    return StrandAgreement(
        strands.forward, strands.reverse, data.labels, tasks, threshold, names, strands.scale, data.label_kind
    )


@dataclass(frozen=True)
class GapByFilter:
    """The gap between two strands' logits, or values of a regression, split by filter.

    Attributes
    ----------
    forward, reverse : ndarray (N, F)
        Each filter's contribution to the logit of the sequence as given and of its reverse complement.
    logits_forward, logits_reverse : ndarray (N,)
        The logits, or values. If the model declares that the reverse complement exchanges tasks, ``reverse`` and
        ``logits_reverse`` are those of the task's partner.
    task : str
    layer : str
        The module whose output the contributions belong to.
    at : str
        Begins with "activation" or "convolution", for the neurons that were taken, and says why.
    scale : "logit" or "value"
        Scale of all these numbers.

    Examples
    --------
    >>> split = rcviz.gap_by_filter(standard, parts.test.subset([0]))
    >>> np.allclose(split.difference.sum(axis=1) + split.rest, split.logit_difference, atol=1e-5)
    True
    """

    forward: Float[np.ndarray, "sequences filters"]
    reverse: Float[np.ndarray, "sequences filters"]
    logits_forward: Float[np.ndarray, " sequences"]
    logits_reverse: Float[np.ndarray, " sequences"]
    task: str
    layer: str
    at: str = ""
    scale: Literal["logit", "value"] = "logit"

    @cached_property
    def difference(self) -> Float[np.ndarray, "sequences filters"]:
        """Contribution of each filter to the forward logit minus that to the reverse one."""
        return self.forward - self.reverse

    @cached_property
    def logit_difference(self) -> Float[np.ndarray, " sequences"]:
        """Forward logit minus reverse logit; unlike ``StrandAgreement.gap`` it is signed."""
        return self.logits_forward - self.logits_reverse

    @cached_property
    def rest(self) -> Float[np.ndarray, " sequences"]:
        """Logit gap minus the differences of all filters.

        Zero up to rounding where everything after the activation is piecewise linear without a bias before the next
        nonlinearity, as in a network with one convolution. In deeper networks it shows how incomplete the split is.
        """
        return self.logit_difference - self.difference.sum(axis=1)

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per filter, the largest magnitude first: filter, forward, reverse, difference, magnitude.

        All but the last are means over the sequences; ``magnitude`` is the mean absolute difference, so that opposite
        differences on two sequences do not cancel. For one sequence it is the absolute ``difference``.
        """
        columns = {
            "filter": np.arange(self.forward.shape[1]),
            "forward": self.forward.mean(axis=0),
            "reverse": self.reverse.mean(axis=0),
            "difference": self.difference.mean(axis=0),
            "magnitude": np.abs(self.difference).mean(axis=0),
        }
        return pd.DataFrame(columns).sort_values("magnitude", ascending=False, kind="stable").reset_index(drop=True)

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Draw the split with its rest; ``options`` are those of :func:`rcviz.plots.strands.plot_gap_by_filter`."""
        from rcviz.plots.results import draw
        from rcviz.plots.strands import plot_gap_by_filter

        return draw(plot_gap_by_filter, self, ax, options)


@in_batches
def gap_by_filter(
    model: nn.Module,
    data: Any,
    *,
    task: int | np.integer | str = 0,
    layer: nn.Module | str | None = None,
    at: At = "auto",
    batch_size: int = 100,
) -> GapByFilter:
    """Split the difference between the two strands' logits, or values, by filter, to see which of them disagree.

    A filter's share is its contribution (gradient times activation, section 3.5) on the sequence minus that on its
    reverse complement.

    Parameters
    ----------
    model : nn.Module
        Maps one-hot ``(batch, 4, length)`` to logits ``(batch, tasks)``; it is not modified.
    data : SequenceSet, list of str, codes (N, L) or one-hot (N, 4, L)
        One sequence or several; labels are not used.
    task : int or str
        Task whose logit is used, by index or by name; without labels the names are ``task_0`` and so on.
    layer, at, batch_size
        As in :func:`rcviz.filter_contributions`.

    Returns
    -------
    GapByFilter

    Raises
    ------
    ValueError
        If the task or the layer does not exist, or there are no sequences.

    Examples
    --------
    >>> split = rcviz.gap_by_filter(standard, parts.test.subset([0]))
    >>> split.table.columns.tolist()
    ['filter', 'forward', 'reverse', 'difference', 'magnitude']
    >>> ax = split.plot(top=5)
    """
    data = as_sequence_set(data)
    asked = resolve_task(data, task)
    codes = SequenceSet(data.codes)
    scale, strands = returned_scale(model), (model, OtherStrand(model))
    module = None if layer is None else find_module(model, layer)[1]
    with evaluating(model), one_warning():  # both strands with the same weights, if another thread trains them
        forward, reverse = (
            filter_contributions(strand, codes, task=asked.index, layer=module, at=at, batch_size=batch_size)
            for strand in strands
        )
        logits = [predict(strand, codes, batch_size=batch_size, output=scale)[:, asked.index] for strand in strands]
    return GapByFilter(
        forward.per_sequence, reverse.per_sequence, logits[0], logits[1], asked.name, forward.layer, forward.at, scale
    )
