"""In-silico mutagenesis: every base to every other, on both strands of the same molecule."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from rcviz._core.checks import check_positive, check_whole
from rcviz.analysis.changed_windows import ChangedWindows
from rcviz.analysis.mutated_batch import CannotFollowError, MutatedBatch
from rcviz.analysis.tasks import Task, resolve_task
from rcviz.models.outputs import logits_of, warn_of_nan
from rcviz.models.prediction import one_hot_batch, to_numpy
from rcviz.models.runtime import check_module, evaluating, threads_for, uncompiled, weights_of
from rcviz.models.scale import one_warning, returned_scale, uncounted
from rcviz.models.settings import in_batches
from rcviz.sequences.alphabet import BASES, UNKNOWN
from rcviz.sequences.checks import check_not_empty
from rcviz.sequences.sequence_set import as_sequence_set
from rcviz.symmetry.comparison import rounding
from rcviz.symmetry.recording import warn_of_dependence
from rcviz.symmetry.strands import OtherStrand, declares_invariance

_TRIED = 8
"""Mutations that are computed in both ways."""

_WORTH_FOLLOWING = 300_000
"""Multiply-adds of a sequence, at most, up to which a whole pass takes less time than to follow a mutation."""

_REACHED = 41
"""Positions that are computed for a mutation, for an estimate: those of the third of the paper's convolutions."""


@dataclass(frozen=True)
class Mutagenesis:
    """Effects of all single mutations on one task's logit, or value, read on either strand.

    Attributes
    ----------
    forward, reverse : ndarray (N, 4, L)
        Output for the mutated sequence minus that for the sequence, by new base and position; zero for the base that is
        there. ``reverse`` holds the effects of the same mutations of the molecule when the model reads the reverse
        complement, at the forward position and under the forward base. If the model declares that the reverse
        complement exchanges tasks, they are those of the task's partner. NaN outside of ``region``.
    codes : uint8 ndarray (N, L)
        The sequences.
    task : str
    scale : "logit" or "value"
        Kind of number that changes; ``"value"`` if the model declares ``output_is="value"``.
    region : (int, int)
        First position that was mutated, and the first after it that was not.

    Examples
    --------
    >>> mutations = rcviz.mutagenesis(standard, parts.test.subset([0, 1]))
    >>> mutations.effects.shape
    (2, 4, 200)
    >>> ax = mutations.plot(sequence=1)
    """

    forward: Float[np.ndarray, "sequences 4 length"]
    reverse: Float[np.ndarray, "sequences 4 length"]
    codes: UInt8[np.ndarray, "sequences length"]
    task: str
    scale: Literal["logit", "value"]
    region: tuple[int, int]

    @cached_property
    def effects(self) -> Float[np.ndarray, "sequences 4 length"]:
        """Mean effect of both strands."""
        return self.forward + (self.reverse - self.forward) / 2

    @cached_property
    def gap(self) -> Float[np.ndarray, "sequences 4 length"]:
        """Absolute difference of the two strands' effects."""
        return np.abs(self.forward - self.reverse)

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per mutation: sequence, position, reference, alternative, forward, reverse, effect, gap."""
        start, end = self.region
        mutated = self.codes[:, start:end, None] != np.arange(4)
        sequence, position, base = np.nonzero(mutated)
        position += start
        letters = np.array([*BASES, "N"], dtype=object)
        numbers = {"forward": self.forward, "reverse": self.reverse, "effect": self.effects, "gap": self.gap}
        columns = {
            "sequence": sequence,
            "position": position,
            "reference": letters[self.codes[sequence, position]],
            "alternative": letters[base],
            **{name: values[sequence, base, position] for name, values in numbers.items()},
        }
        return pd.DataFrame(columns)

    def plot(self, subject: Any = None, /, *, ax: Any = None, sequence: int | np.integer = 0, **options: Any) -> Any:
        """Draw one sequence: ``.plot(1)`` is ``.plot(sequence=1)``, and ``.plot(ax)`` is ``.plot(ax=ax)``.

        ``options`` are those of :func:`rcviz.plot_mutagenesis`.
        """
        from rcviz.plots.mutagenesis import plot_mutagenesis
        from rcviz.plots.results import draw

        if isinstance(subject, int | np.integer):
            sequence = subject
        elif subject is not None:
            ax = subject
        return draw(plot_mutagenesis, self, ax, {"sequence": sequence, **options})


@in_batches
def mutagenesis(
    model: nn.Module,
    data: Any,
    *,
    task: int | np.integer | str = 0,
    region: tuple[int, int] | None = None,
    batch_size: int = 500,
) -> Mutagenesis:
    """Change every base to every other, and compute how the output changes, on both strands.

    Where a network begins with convolutions, as most do, only what a mutation can reach is computed for each of them,
    and the rest once per sequence; this is tried first on a few mutations, compared with whole sequences, and not used
    for a model for which the numbers differ. A model that declares that it gives both strands the same output, and
    does so, is run on one strand.

    Parameters
    ----------
    model : nn.Module
        Maps one-hot ``(batch, 4, length)`` to logits or values ``(batch, tasks)``; it is not modified.
    data : SequenceSet, list of str, codes (N, L) or one-hot (N, 4, L)
        For one sequence of a set: ``data.subset([index])``.
    task : int or str
        Task whose logit is used, by index or by name; without labels the names are ``task_0`` and so on.
    region : (int, int), optional
        Mutate only these positions, 0-based, the end not included; for long sequences.
    batch_size : int
        Number of mutated sequences that are computed at a time.

    Returns
    -------
    Mutagenesis
        The base that is there has the effect zero. At an unknown base (N) all four are mutations: their effects are
        those of knowing the base.

    Raises
    ------
    ValueError
        If the task does not exist, there are no sequences, or ``region`` is not a part of them.

    Examples
    --------
    >>> mutations = rcviz.mutagenesis(model, parts.test.subset([0]), region=(90, 110))
    >>> mutations.table.columns.tolist()
    ['sequence', 'position', 'reference', 'alternative', 'forward', 'reverse', 'effect', 'gap']
    >>> strongest = mutations.table.sort_values("effect").iloc[0]
    """
    check_positive("batch_size", batch_size)
    check_module(model)
    data = as_sequence_set(data)
    check_not_empty(data)
    asked = resolve_task(data, task)
    region = checked_region(region, data.length)
    with evaluating(model), uncompiled(model), one_warning():  # all mutations see the same weights
        with uncounted():
            warn_of_dependence(model, one_hot_batch(data.codes[: min(batch_size, 4)], model))
            one_strand = _same_on_both_strands(model, data.codes[:batch_size])
        forward = _effects(model, data.codes, asked, region, batch_size)
        reverse = forward if one_strand else _effects(OtherStrand(model), data.codes, asked, region, batch_size)
    missing = np.isnan(forward) | np.isnan(reverse)
    n_nan = int(missing[:, :, slice(*region)].any(axis=(1, 2)).sum())
    scale = returned_scale(model)
    warn_of_nan(n_nan, len(data), f"{scale}s of mutations")
    return Mutagenesis(forward, reverse, data.codes, asked.name, scale, region)


def checked_region(region: Any, length: int) -> tuple[int, int]:
    """Return first and last position of a part of the sequences, by default of all."""
    if region is None:
        return 0, length
    if not isinstance(region, tuple | list) or len(region) != 2:
        raise ValueError(f"region must be (start, end), 0-based positions of the sequences, got {region!r:.100}")
    for end in region:
        check_whole("region", end, 0)
    if not region[0] < region[1] <= length:
        raise ValueError(
            f"region must be (start, end) with start < end within sequences of {length:,} bp, got {tuple(region)}"
        )
    return int(region[0]), int(region[1])


def _same_on_both_strands(model: nn.Module, codes: UInt8[np.ndarray, "n length"]) -> bool:
    """Whether a model declares that it gives both strands the same output, and gives it to some sequences."""
    if not declares_invariance(model):
        return False
    row, position, base = _tried(codes[0], (0, codes.shape[1]))
    strands = model, OtherStrand(model)
    mutated, seen = (mutated_logits(strand, codes[:1], row, position, base, follow=False) for strand in strands)
    effects = (mutated - mutated[-1]).abs().amax(dim=0)
    x = one_hot_batch(codes, model)
    forward, reverse = (logits_of(strand, x) for strand in strands)
    return _same(mutated, seen, effects) and _same(forward, reverse, effects)


def _effects(
    model: nn.Module,
    codes: UInt8[np.ndarray, "sequences length"],
    task: Task,
    region: tuple[int, int],
    batch_size: int,
) -> Float[np.ndarray, "sequences 4 length"]:
    follow = weights_of(model) * codes.shape[1] > _WORTH_FOLLOWING and can_follow(model, codes[0], region)
    effects: Any = None
    for row, position, base in _mutations(codes, region, batch_size):
        rows, which = np.unique(row, return_inverse=True)
        # The sequences themselves are computed in the same way: what a mutation does not reach cancels exactly.
        n, unchanged = len(rows), np.zeros(len(rows), dtype=np.int64)
        mutations = (
            codes[rows],
            np.concatenate([np.arange(n), which]),
            np.concatenate([unchanged, position]),
            np.concatenate([codes[rows, 0], base]),
        )
        try:
            y = task.logits(mutated_logits(model, *mutations, follow=follow))
        except CannotFollowError:  # these sequences take another way through the model
            y = task.logits(mutated_logits(model, *mutations, follow=False))
        y = y.to(torch.promote_types(y.dtype, torch.float32))
        changes = to_numpy(y[n:] - y[:n][torch.from_numpy(which).to(y.device)])
        if effects is None:
            effects = np.full((len(codes), 4, codes.shape[1]), np.nan, dtype=changes.dtype)
            effects[:, :, slice(*region)] = 0
        effects[row, base, position] = changes
    return effects


def _mutations(
    codes: UInt8[np.ndarray, "sequences length"], region: tuple[int, int], batch_size: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """List sequence, position and new base of all mutations, in batches."""
    start, end = region
    at_once = max(1, batch_size // (3 * (end - start)))
    for first in range(0, len(codes), at_once):
        block = codes[first : first + at_once, start:end]
        row, position, base = np.nonzero(block[:, :, None] != np.arange(4))
        for at in range(0, len(row), batch_size):
            part = slice(at, at + batch_size)
            yield row[part] + first, position[part] + start, base[part].astype(np.uint8)


def mutated_logits(
    model: nn.Module,
    codes: UInt8[np.ndarray, "sequences length"],
    row: Int[np.ndarray, " mutations"],
    position: Int[np.ndarray, " mutations"],
    base: UInt8[np.ndarray, " mutations"],
    *,
    follow: bool,
) -> Float[Tensor, "mutations tasks"]:
    """Compute the logits of sequences with one base each replaced; the model must be in evaluation mode.

    Parameters
    ----------
    row, position, base : arrays (M,)
        Which sequence is mutated, where, and to what.
    follow : bool
        Compute only what a mutation reaches; see :func:`can_follow`.
    """
    if not follow:
        mutated = codes[row]
        mutated[np.arange(len(row)), position] = base
        with threads_for(model, mutated.size):
            return logits_of(model, one_hot_batch(mutated, model))
    with threads_for(model, codes.size + _REACHED * len(row)):
        x = one_hot_batch(codes, model)
        index, start = (torch.from_numpy(each.astype(np.int64)).to(x.device) for each in (row, position))
        windows = ChangedWindows(x, one_hot_batch(base[:, None], model), index, start, axis=2)
        return logits_of(model, MutatedBatch(windows))


def can_follow(model: nn.Module, codes: UInt8[np.ndarray, " length"], region: tuple[int, int]) -> bool:
    """Whether mutations can be followed through a model, which is tried with some mutations of one sequence."""
    row, position, base = _tried(codes, region)
    with uncounted():
        whole = mutated_logits(model, codes[None], row, position, base, follow=False)
        try:
            followed = mutated_logits(model, codes[None], row, position, base, follow=True)
        except Exception:  # a model of other libraries may raise anything for a tensor without memory
            return False
    if type(followed) is not Tensor or followed.shape != whole.shape:
        return False
    return _same(followed, whole, (whole - whole[-1]).abs().amax(dim=0))


def _tried(
    codes: UInt8[np.ndarray, " length"], region: tuple[int, int]
) -> tuple[Int[np.ndarray, " tried"], Int[np.ndarray, " tried"], UInt8[np.ndarray, " tried"]]:
    """Row, position and base of some mutations of one sequence; the last is none, and there is never only one."""
    position = np.unique(np.linspace(region[0], region[1] - 1, _TRIED).astype(np.int64))
    base = np.where(codes[position] == UNKNOWN, 0, (codes[position] + 1) % 4).astype(np.uint8)
    position, base = np.concatenate([position, position]), np.concatenate([base, codes[position]])
    return np.zeros(len(position), dtype=np.int64), position, base


def _same(one: Float[Tensor, "n tasks"], other: Float[Tensor, "n tasks"], effects: Float[Tensor, " tasks"]) -> bool:
    """Whether logits are equal up to rounding, which is small beside ``effects`` also where the logits are large."""
    size = other.abs().nan_to_num(posinf=0).amax(dim=0)
    least = 16 * torch.finfo(other.dtype).eps * size
    limit = torch.maximum(least, 1e-3 * effects.nan_to_num(posinf=0)).clamp(max=rounding(other))
    return bool((((one - other).abs() <= limit) | (one == other) | (one.isnan() & other.isnan())).all())
