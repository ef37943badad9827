"""Gradient x input: what each base adds to a model's logit, on either strand of the same molecule."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from rcviz._core.checks import check_choice, check_positive
from rcviz._core.memory import reuse_memory
from rcviz.analysis.strands import task_of
from rcviz.models.batches import one_hot_batch, to_numpy
from rcviz.models.outputs import gradient, logits_of
from rcviz.models.runtime import differentiating, evaluating, exact_arithmetic
from rcviz.sequences.alphabet import decode, reverse_complement
from rcviz.sequences.sequence_set import SequenceSet, as_sequence_set

Strand = Literal["forward", "both"]


@dataclass(frozen=True)
class StrandAttributions:
    """What each base adds to one task's logit, read on either strand.

    Attributes
    ----------
    forward, reverse : ndarray (N, 4, L)
        In the unit of the logit; only the observed base is not zero. ``reverse`` is what the reverse complement got,
        turned back, so that the same place in both is the same base pair.
    codes : uint8 ndarray (N, L)
        The sequences.
    task : str

    Examples
    --------
    >>> found = rcviz.strand_attributions(model, parts.test.subset([0, 1]))
    >>> found.forward.shape
    (2, 4, 200)
    >>> ax = found.plot(sequence=1)
    """

    forward: Float[np.ndarray, "sequences 4 length"]
    reverse: Float[np.ndarray, "sequences 4 length"]
    codes: UInt8[np.ndarray, "sequences length"]
    task: str

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per base: sequence, position, base, forward, reverse, difference (forward minus reverse)."""
        n, length = self.codes.shape
        forward, reverse = self.forward.sum(axis=1), self.reverse.sum(axis=1)
        columns = {
            "sequence": np.repeat(np.arange(n), length),
            "position": np.tile(np.arange(length), n),
            "base": list("".join(decode(self.codes))),
            "forward": forward.ravel(),
            "reverse": reverse.ravel(),
            "difference": (forward - reverse).ravel(),
        }
        return pd.DataFrame(columns)

    def plot(self, ax: Any = None, *, sequence: int | np.integer = 0) -> Any:
        """Draw one sequence's two strands under each other on one scale, see :func:`rcviz.plot_filters`."""
        from rcviz.plots.filters import plot_filters

        if not 0 <= sequence < len(self.codes):
            raise ValueError(f"there is no sequence {sequence}; there are {len(self.codes)}, counted from 0")
        strands = [self.forward[sequence], self.reverse[sequence]]
        names = ["forward", "reverse complement, turned back"]
        return plot_filters(strands, ax, names=names, columns=1, unit="of the logit")


def strand_attributions(
    model: nn.Module, data: Any, *, task: int | np.integer | str = 0, batch_size: int = 100
) -> StrandAttributions:
    """Attribute a logit to the bases of both strands: mean-centred gradient times input.

    The gradient at each position is taken minus its mean over the four bases, then multiplied by the one-hot input.
    That is, to first order, how much the logit would fall if the base were replaced by the average of the four. The
    centring is no matter of taste: one-hot columns always sum to one, so that adding the same number to a position's
    four weights (and taking it from the bias) changes no prediction, but changes the uncentred product; mean-centred
    filters (section 3.5) are treated likewise.

    Parameters
    ----------
    model : nn.Module
        Maps one-hot ``(batch, 4, length)`` to logits ``(batch, tasks)``; left as found.
    data : SequenceSet, list of str, codes (N, L) or one-hot (N, 4, L)
    task : int or str
        Which logit, by index or by name.
    batch_size : int
        Sequences in memory at a time.

    Returns
    -------
    StrandAttributions
        An unknown base (N) gets zero. For an RC model ``forward`` and ``reverse`` are the same, but for the ties that
        repeats in a sequence make in a max-pool: of two equal maxima, each strand counts the one it meets first.

    Raises
    ------
    ValueError
        For a task that is not there, or no sequences.

    Examples
    --------
    >>> found = rcviz.strand_attributions(standard, parts.test.subset([0]))
    >>> found.table.columns.tolist()
    ['sequence', 'position', 'base', 'forward', 'reverse', 'difference']
    """
    data, index, name = _asked(data, task, batch_size)
    x = data.one_hot()
    with evaluating(model):  # both strands with the same weights, should another thread be training them
        forward = _centred_gradients(model, data.codes, index, batch_size) * x
        reverse = _centred_gradients(model, reverse_complement(data.codes), index, batch_size) * reverse_complement(x)
    return StrandAttributions(forward, reverse_complement(reverse), data.codes, name)


def hypothetical_attributions(
    model: nn.Module,
    data: Any,
    *,
    task: int | np.integer | str = 0,
    strands: Strand = "forward",
    batch_size: int = 100,
) -> Float[np.ndarray, "sequences 4 length"]:
    """Attribute a logit to all four bases at every position, whichever is there: the mean-centred gradient.

    At the observed bases they are what :func:`strand_attributions` gives; the others say what a change would do, to
    first order. TF-MoDISco finds motifs in them, see :func:`rcviz.save_modisco`.

    Parameters
    ----------
    model, data, task, batch_size
        As in :func:`strand_attributions`.
    strands : "forward" or "both"
        For the sequences as given, or the mean with what their reverse complements get, turned back. For an RC model
        they are the same.

    Returns
    -------
    ndarray (N, 4, L)
        In the unit of the logit; the four of a position sum to zero.

    Examples
    --------
    >>> rcviz.hypothetical_attributions(model, parts.test.subset(range(3)), strands="both").shape
    (3, 4, 200)
    """
    check_choice("strands", strands, get_args(Strand))
    data, index, _ = _asked(data, task, batch_size)
    with evaluating(model):
        forward = _centred_gradients(model, data.codes, index, batch_size)
        if strands == "forward":
            return forward
        reverse = _centred_gradients(model, reverse_complement(data.codes), index, batch_size)
    return (forward + reverse_complement(reverse)) / 2


def _asked(data: Any, task: int | np.integer | str, batch_size: int) -> tuple[SequenceSet, int, str]:
    """Sequences, index and name of the task."""
    check_positive("batch_size", batch_size)
    data = as_sequence_set(data)
    if not len(data):
        raise ValueError("there are no sequences; the selection that made the data is empty")
    return data, *task_of(data, task)


@reuse_memory()
def _centred_gradients(
    model: nn.Module, codes: UInt8[np.ndarray, "sequences length"], task: int, batch_size: int
) -> Float[np.ndarray, "sequences 4 length"]:
    starts = range(0, len(codes), batch_size)
    with evaluating(model), exact_arithmetic():
        batches = (one_hot_batch(codes[start : start + batch_size], model) for start in starts)
        return np.concatenate([_centred_gradient(model, x, task) for x in batches])


def _centred_gradient(
    model: nn.Module, x: Float[Tensor, "batch 4 length"], task: int
) -> Float[np.ndarray, "batch 4 length"]:
    with differentiating(model):
        x.requires_grad_()
        logits = logits_of(model, x.clone())  # the clone lets a model work in place on its input
        if task >= logits.shape[1]:
            raise ValueError(f"there is no task {task}; the model has {logits.shape[1]}, counted from 0")
        slopes = gradient(logits[:, task], x, "the sequence")
    return to_numpy(slopes - slopes.mean(dim=1, keepdim=True))
