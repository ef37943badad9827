"""Gradient times input: how much each base adds to a model's logit, on either strand of the same molecule."""

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from rcviz._core.checks import check_choice, check_index, check_positive
from rcviz.analysis.own_attributions import observed_attributions
from rcviz.analysis.tasks import Task, resolve_task
from rcviz.models.outputs import gradient, logits_of, warn_of_nan
from rcviz.models.prediction import concatenate_batches, map_batches, to_numpy
from rcviz.models.runtime import differentiating, evaluating
from rcviz.models.scale import one_warning, returned_scale
from rcviz.models.settings import in_batches
from rcviz.sequences.alphabet import decode, one_hot
from rcviz.sequences.checks import check_not_empty
from rcviz.sequences.sequence_set import SequenceSet, as_sequence_set
from rcviz.symmetry.strands import OtherStrand

Strand = Literal["forward", "both"]


@dataclass(frozen=True)
class StrandAttributions:
    """Contribution of each base to one task's logit, or value, read on either strand.

    Attributes
    ----------
    forward, reverse : ndarray (N, 4, L)
        In the unit of the logit; zero for all bases but the observed one. ``reverse`` holds the attributions of the
        reverse complement, aligned to the forward sequence, so that the same position in both is the same base pair.
        If the model declares that the reverse complement exchanges tasks, they are those of the task's partner.
    codes : uint8 ndarray (N, L)
        The sequences.
    task : str
    scale : "logit" or "value"
        Kind of number that is attributed; ``"value"`` if the model declares ``output_is="value"``.

    Examples
    --------
    >>> attributions = rcviz.strand_attributions(model, parts.test.subset([0, 1]))
    >>> attributions.forward.shape
    (2, 4, 200)
    >>> ax = attributions.plot(sequence=1)
    """

    forward: Float[np.ndarray, "sequences 4 length"]
    reverse: Float[np.ndarray, "sequences 4 length"]
    codes: UInt8[np.ndarray, "sequences length"]
    task: str
    scale: Literal["logit", "value"] = "logit"

    @classmethod
    def from_arrays(
        cls,
        forward: Any,
        reverse: Any,
        data: Any,
        *,
        task: int | np.integer | str = 0,
        scale: Literal["logit", "value"] = "logit",
    ) -> "StrandAttributions":
        """Take attributions that were computed elsewhere, such as by Captum or tangermeme, to draw and to compare them.

        Parameters
        ----------
        forward, reverse : array or tensor (N, 4, L) or (N, L)
            One number per observed base, or those of all four bases, of which the observed ones are used. Both are in
            forward coordinates: position i belongs to base i of the sequence as given, also on the reverse strand.
            ``rcviz.reverse_complement(array)`` brings attributions (N, 4, L) of the reverse complements there, and
            ``array[:, ::-1]`` those of shape (N, L).
        data : SequenceSet, list of str, codes (N, L) or one-hot (N, 4, L)
            The sequences as given.
        task : int or str
            Task that was attributed.
        scale : "logit" or "value"
            What was attributed.

        Raises
        ------
        ValueError
            If a shape does not fit the sequences, a number is not finite, or the numbers are at other bases than the
            observed ones, as where the reverse strand is in its own coordinates.

        Examples
        --------
        >>> few = parts.test.subset([0, 1])
        >>> own = rcviz.hypothetical_attributions(standard, few)
        >>> of_reverse = rcviz.hypothetical_attributions(standard, few.reverse_complement())
        >>> attributions = rcviz.StrandAttributions.from_arrays(own, rcviz.reverse_complement(of_reverse), few)
        >>> ax = attributions.plot(sequence=1)
        """
        check_choice("scale", scale, ("logit", "value"))
        data = as_sequence_set(data)
        check_not_empty(data)
        x = one_hot(data.codes, dtype="float64")
        of_forward = observed_attributions("forward", forward, data.codes)[:, None] * x
        of_reverse = observed_attributions("reverse", reverse, data.codes)[:, None] * x
        return cls(of_forward, of_reverse, data.codes, resolve_task(data, task).name, scale)

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

    def plot(self, ax: Any = None, *, sequence: int | np.integer = 0, **options: Any) -> Any:
        """Draw both strands of one sequence, one below the other; ``options`` are those of :func:`plot_filters`."""
        from rcviz.plots.filters import plot_filters
        from rcviz.plots.results import draw

        check_index("sequence", sequence, len(self.codes))
        strands = [self.forward[sequence], self.reverse[sequence]]
        names = ["forward", "reverse complement, in forward coordinates"]
        return draw(
            plot_filters, strands, ax, {"names": names, "columns": 1, "unit": f"of the {self.scale}", **options}
        )


@in_batches
def strand_attributions(
    model: nn.Module, data: Any, *, task: int | np.integer | str = 0, batch_size: int = 100
) -> StrandAttributions:
    """Attribute a logit, or value, to the bases of both strands: mean-centred gradient times input.

    The gradient at each position is taken minus its mean over the four bases, then multiplied by the one-hot input.
    That is, to first order, how much the logit would fall if the base were replaced by the average of the four. The
    centring is needed: one-hot columns always sum to one, so that adding the same number to the four weights of a
    position (and subtracting it from the bias) changes no prediction, but changes the uncentred product. Filters are
    mean-centred for the same reason (section 3.5).

    Parameters
    ----------
    model : nn.Module
        Maps one-hot ``(batch, 4, length)`` to logits ``(batch, tasks)``; it is not modified.
    data : SequenceSet, list of str, codes (N, L) or one-hot (N, 4, L)
    task : int or str
        Task whose logit is used, by index or by name; without labels the names are ``task_0`` and so on.
    batch_size : int
        Number of sequences that are in memory as floats at a time.

    Returns
    -------
    StrandAttributions
        An unknown base (N) gets zero. For an RC model ``forward`` and ``reverse`` are equal, except where two
        positions tie in a max-pooling, as in repeats: each strand then uses the one that it reads first.

    Raises
    ------
    ValueError
        If the task does not exist, or there are no sequences.

    Examples
    --------
    >>> attributions = rcviz.strand_attributions(standard, parts.test.subset([0]))
    >>> attributions.table.columns.tolist()
    ['sequence', 'position', 'base', 'forward', 'reverse', 'difference']
    """
    data, asked = _checked(data, task, batch_size)
    x = data.one_hot()
    with evaluating(model), one_warning():  # both strands with the same weights, if another thread trains them
        forward, reverse = (
            _centred_gradients(strand, data.codes, asked, batch_size) * x for strand in (model, OtherStrand(model))
        )
    return StrandAttributions(forward, reverse, data.codes, asked.name, returned_scale(model))


@in_batches
def hypothetical_attributions(
    model: nn.Module,
    data: Any,
    *,
    task: int | np.integer | str = 0,
    strands: Strand = "forward",
    batch_size: int = 100,
) -> Float[np.ndarray, "sequences 4 length"]:
    """Attribute a logit, or value, to all four bases at every position: the mean-centred gradient.

    At the observed bases they are those of :func:`strand_attributions`; the others estimate, to first order, the effect
    of a change to that base. TF-MoDISco finds motifs in them, see :func:`rcviz.save_modisco`.

    Parameters
    ----------
    model, data, task, batch_size
        As in :func:`strand_attributions`.
    strands : "forward" or "both"
        "forward": attributions of the sequences as given; "both": the mean of these and those of the reverse
        complements, aligned to the forward sequence. For an RC model the two are the same.

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
    data, asked = _checked(data, task, batch_size)
    with evaluating(model), one_warning():
        forward = _centred_gradients(model, data.codes, asked, batch_size)
        if strands == "forward":
            return forward
        reverse = _centred_gradients(OtherStrand(model), data.codes, asked, batch_size)
    return (forward + reverse) / 2


def _checked(data: Any, task: int | np.integer | str, batch_size: int) -> tuple[SequenceSet, Task]:
    check_positive("batch_size", batch_size)
    data = as_sequence_set(data)
    check_not_empty(data)
    return data, resolve_task(data, task)


def _centred_gradients(
    model: nn.Module, codes: UInt8[np.ndarray, "sequences length"], task: Task, batch_size: int
) -> Float[np.ndarray, "sequences 4 length"]:
    n_nan = [0]
    slopes = map_batches(partial(_centred_gradient, model, task, n_nan), model, codes, batch_size)
    result = to_numpy(concatenate_batches(slopes, len(codes)))
    warn_of_nan(n_nan[0], len(codes), f"{returned_scale(model)}s or attributions")
    return result


def _centred_gradient(
    model: nn.Module, task: Task, n_nan: list[int], x: Float[Tensor, "batch 4 length"]
) -> Float[Tensor, "batch 4 length"]:
    with differentiating(model):
        x.requires_grad_()
        logits = task.logits(logits_of(model, x.clone()))  # a clone, as a model may modify its input in place
        slopes = gradient(logits, x, "the sequence")
    n_nan[0] += int((logits.isnan() | slopes.isnan().flatten(1).any(dim=1)).sum())
    return slopes - slopes.mean(dim=1, keepdim=True)
