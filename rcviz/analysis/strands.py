"""Does a model say the same about both strands of a molecule, and if not, which filters disagree (section 2.2.1)."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, UInt8
from torch import nn

from rcviz._core.memory import reuse_memory
from rcviz.analysis.contributions import filter_contributions
from rcviz.analysis.neurons import At
from rcviz.models.batches import batches_of_logits, concatenate_batches, to_numpy
from rcviz.models.prediction import predict
from rcviz.models.runtime import evaluating
from rcviz.sequences.alphabet import reverse_complement
from rcviz.sequences.sequence_set import SequenceSet, as_sequence_set


@dataclass(frozen=True)
class StrandAgreement:
    """Predictions for both strands of the same sequences.

    Attributes
    ----------
    forward, reverse : ndarray (N, T)
        Predictions for the sequences as given and for their reverse complements.
    labels : ndarray (N, T) or None
    task_names : tuple of str
    threshold : float
        A prediction of at least this is a yes.
    names : ndarray (N,) of str, or None
        Of the sequences.

    Examples
    --------
    >>> agreement = rcviz.strand_agreement(standard, parts.test)
    >>> agreement.table.columns.tolist()
    ['sequence', 'name', 'task', 'label', 'forward', 'reverse', 'gap', 'flips']
    >>> ax = agreement.plot()
    """

    forward: Float[np.ndarray, "sequences tasks"]
    reverse: Float[np.ndarray, "sequences tasks"]
    labels: Float[np.ndarray, "sequences tasks"] | None
    task_names: tuple[str, ...]
    threshold: float
    names: np.ndarray | None = None

    @cached_property
    def gap(self) -> Float[np.ndarray, "sequences tasks"]:
        """Absolute difference of the two strands."""
        return np.abs(self.forward - self.reverse)

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
        """Pearson's correlation of the two strands, by task; NaN where all predictions for a strand are the same."""
        both = [values.astype(float) for values in (self.forward, self.reverse)]
        one, other = (values - values.mean(axis=0) for values in both)
        varies = (np.ptp(both[0], axis=0) > 0) & (np.ptp(both[1], axis=0) > 0)
        spread = np.sqrt((one**2).sum(axis=0) * (other**2).sum(axis=0))
        return np.divide((one * other).sum(axis=0), spread, out=np.full(spread.shape, np.nan), where=varies)

    @cached_property
    def flips(self) -> Bool[np.ndarray, "sequences tasks"]:
        """Whether the decision at ``threshold`` is another one on the other strand."""
        return (self.forward >= self.threshold) != (self.reverse >= self.threshold)

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per sequence and task, largest gap first.

        Columns: sequence, name (where the sequences have names), task, label, forward, reverse, gap, flips.
        """
        n_sequences, n_tasks = self.forward.shape
        labels = np.full(self.forward.shape, np.nan) if self.labels is None else self.labels
        columns = {
            "sequence": np.repeat(np.arange(n_sequences), n_tasks),
            **({} if self.names is None else {"name": np.repeat(self.names, n_tasks)}),
            "task": np.tile(np.array(self.task_names, dtype=object), n_sequences),
            "label": labels.ravel(),
            "forward": self.forward.ravel(),
            "reverse": self.reverse.ravel(),
            "gap": self.gap.ravel(),
            "flips": self.flips.ravel(),
        }
        return pd.DataFrame(columns).sort_values("gap", ascending=False, kind="stable").reset_index(drop=True)

    @property
    def flipped(self) -> pd.DataFrame:
        """The rows of :attr:`table` whose decision flips: which sequences, their labels and both predictions."""
        return self.table[self.table["flips"]].drop(columns="flips").reset_index(drop=True)

    def summary(self) -> pd.DataFrame:
        """Report one row per task: task, n (sequences), correlation, max_gap, mean_gap, n_flips, share_flips."""
        columns = {
            "task": list(self.task_names),
            "n": len(self.forward),
            "correlation": self.correlation,
            "max_gap": self.gap.max(axis=0),
            "mean_gap": self.gap.mean(axis=0),
            "n_flips": self.flips.sum(axis=0),
            "share_flips": self.flips.mean(axis=0),
        }
        return pd.DataFrame(columns)

    def plot(self, ax: Any = None, *, task: int | str = 0) -> Any:
        """Draw forward against reverse for one task, see :func:`rcviz.plot_strands`."""
        from rcviz.plots.strands import plot_strands

        index = self.task_names.index(task) if task in self.task_names else task
        if isinstance(index, str) or not 0 <= index < len(self.task_names):
            raise ValueError(f"there is no task {task}; the tasks are {', '.join(self.task_names)}, counted from 0")
        labels = None if self.labels is None else self.labels[:, index]
        return plot_strands(self.forward[:, index], self.reverse[:, index], labels, ax, threshold=self.threshold)


@reuse_memory()
def strand_agreement(
    model: nn.Module,
    data: Any,
    *,
    output: Literal["probability", "logit"] = "probability",
    threshold: float | None = None,
    batch_size: int = 500,
) -> StrandAgreement:
    """Predict sequences and their reverse complements, and compare (Figure 4).

    Parameters
    ----------
    model : nn.Module
        Maps one-hot ``(batch, 4, length)`` to logits ``(batch, tasks)``; left as found.
    data : SequenceSet, list of str, codes (N, L) or one-hot (N, 4, L)
    output : "probability" or "logit"
        What to compare.
    threshold : float, optional
        From which prediction on the answer is yes, to count the decisions that flip; by default a probability of 0.5,
        a logit of 0. A prediction that lies on it may flip by rounding alone.
    batch_size : int
        Sequences in memory at a time.

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
    with evaluating(model):  # both strands with the same weights, should another thread be training them
        forward = predict(model, data, batch_size=batch_size, output=output)
        reverse = _predict_other_strand(model, data.codes, batch_size, output)
    if data.labels is not None and data.labels.shape[1] != forward.shape[1]:
        raise ValueError(
            f"the model gives {forward.shape[1]} outputs a sequence, but the data has {data.labels.shape[1]} tasks: "
            f"{', '.join(data.task_names)}"
        )
    names = data.task_names if data.labels is not None else tuple(f"task_{task}" for task in range(forward.shape[1]))
    if threshold is None:
        threshold = 0.5 if output == "probability" else 0.0
    known = data.table.get("name")
    return StrandAgreement(
        forward, reverse, data.labels, names, threshold, None if known is None else known.to_numpy(dtype=object)
    )


def _predict_other_strand(
    model: nn.Module, codes: UInt8[np.ndarray, "sequences length"], batch_size: int, output: str
) -> Float[np.ndarray, "sequences tasks"]:
    """Predict as :func:`rcviz.predict` does, turning batch by batch: all at once would be a second copy of the data."""
    batches = (codes[start : start + batch_size] for start in range(0, len(codes), batch_size))
    turned = (part for batch in batches for part in batches_of_logits(model, reverse_complement(batch), batch_size))
    logits = concatenate_batches(turned, len(codes))
    return to_numpy(logits.sigmoid() if output == "probability" else logits)


@dataclass(frozen=True)
class GapByFilter:
    """The gap between two strands' logits, split by filter.

    Attributes
    ----------
    forward, reverse : ndarray (N, F)
        Each filter's contribution to the logit of the sequence as given and of its reverse complement.
    logits_forward, logits_reverse : ndarray (N,)
    task : str
    layer : str
        The module whose output the contributions belong to.

    Examples
    --------
    >>> split = rcviz.gap_by_filter(standard, parts.test.subset([0]))
    >>> np.allclose(split.difference.sum(axis=1) + split.rest, split.logit_gap, atol=1e-5)
    True
    """

    forward: Float[np.ndarray, "sequences filters"]
    reverse: Float[np.ndarray, "sequences filters"]
    logits_forward: Float[np.ndarray, " sequences"]
    logits_reverse: Float[np.ndarray, " sequences"]
    task: str
    layer: str

    @cached_property
    def difference(self) -> Float[np.ndarray, "sequences filters"]:
        """What each filter adds to the forward logit more than to the reverse one."""
        return self.forward - self.reverse

    @cached_property
    def logit_gap(self) -> Float[np.ndarray, " sequences"]:
        """Forward logit minus reverse logit; unlike ``StrandAgreement.gap`` it keeps its sign."""
        return self.logits_forward - self.logits_reverse

    @cached_property
    def rest(self) -> Float[np.ndarray, " sequences"]:
        """What is left of the logit gap when all filters' differences are taken from it.

        Zero to rounding where everything after the activation is piecewise linear without a bias before the next
        nonlinearity, as in a network of one convolution; in deeper networks it says how far the split is from complete.
        """
        return self.logit_gap - self.difference.sum(axis=1)

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per filter, the one that disagrees most on top: filter, forward, reverse, difference, magnitude.

        All but the last are means over the sequences; ``magnitude`` is the mean absolute difference, so that opposite
        disagreements on two sequences do not cancel. Of one sequence it is the absolute ``difference``.
        """
        columns = {
            "filter": np.arange(self.forward.shape[1]),
            "forward": self.forward.mean(axis=0),
            "reverse": self.reverse.mean(axis=0),
            "difference": self.difference.mean(axis=0),
            "magnitude": np.abs(self.difference).mean(axis=0),
        }
        return pd.DataFrame(columns).sort_values("magnitude", ascending=False, kind="stable").reset_index(drop=True)

    def plot(self, ax: Any = None, *, top: int | None = None) -> Any:
        """Draw the split with its rest, see :func:`rcviz.plots.strands.plot_gap_by_filter`."""
        from rcviz.plots.strands import plot_gap_by_filter

        return plot_gap_by_filter(self.table, ax, rest=float(self.rest.mean()), top=top)


def gap_by_filter(
    model: nn.Module,
    data: Any,
    *,
    task: int | np.integer | str = 0,
    layer: nn.Module | str | None = None,
    at: At = "activation",
    batch_size: int = 100,
) -> GapByFilter:
    """Split the difference between the two strands' logits by filter, to see which of them disagree.

    A filter's share is its contribution (gradient times activation, section 3.5) on the sequence minus that on its
    reverse complement.

    Parameters
    ----------
    model : nn.Module
        Maps one-hot ``(batch, 4, length)`` to logits ``(batch, tasks)``; left as found.
    data : SequenceSet, list of str, codes (N, L) or one-hot (N, 4, L)
        One sequence or several; labels are not used.
    task : int or str
        Which logit, by index or by name.
    layer, at, batch_size
        As in :func:`rcviz.filter_contributions`.

    Returns
    -------
    GapByFilter

    Raises
    ------
    ValueError
        For a task or layer that is not there, or no sequences.

    Examples
    --------
    >>> split = rcviz.gap_by_filter(standard, parts.test.subset([0]))
    >>> split.table.columns.tolist()
    ['filter', 'forward', 'reverse', 'difference', 'magnitude']
    >>> ax = split.plot(top=5)
    """
    data = as_sequence_set(data)
    index, name = task_of(data, task)
    both = [SequenceSet(data.codes), SequenceSet(data.codes).reverse_complement()]
    forward, reverse = (
        filter_contributions(model, strand, task=index, layer=layer, at=at, batch_size=batch_size) for strand in both
    )
    logits = [predict(model, strand, batch_size=batch_size, output="logit")[:, index] for strand in both]
    return GapByFilter(forward.per_sequence, reverse.per_sequence, logits[0], logits[1], name, forward.layer)


def task_of(data: SequenceSet, task: int | np.integer | str) -> tuple[int, str]:
    """Index and name of a task, given as either; only labelled data know names."""
    if data.labels is not None:
        index = data.task_index(task)
        return index, data.task_names[index]
    if isinstance(task, str):
        raise ValueError(f"the data has no labels and so no task named {task!r}; give the task's index")
    if task < 0:
        raise ValueError(f"there is no task {task}; tasks are counted from 0")
    return int(task), f"task_{task}"
