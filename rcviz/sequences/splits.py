"""Split a set into training, validation and test parts, at random or by chromosome."""

import warnings
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from rcviz._core.changes import with_default_errors
from rcviz._core.checks import check_choice, check_real, generator_of, quoted
from rcviz._core.shapes import Int
from rcviz.sequences.annotations import toggle_chr
from rcviz.sequences.checks import check_classes
from rcviz.sequences.duplicates import find_leaks
from rcviz.sequences.sequence_set import SequenceSet, as_sequence_set

_REST = "rest"
_TOLERATED_OVERLAP = 0.05
"""Share of windows that may overlap across parts: of positions drawn from a whole genome a few always do."""
_PRESETS = ("chr1/chr17/rest", "chr21/chr22/rest", "rest/chr1/chr2")


class Splits(NamedTuple):
    """The three parts of a data set; no sequence is in two of them."""

    train: SequenceSet
    valid: SequenceSet
    test: SequenceSet


@with_default_errors
def split(
    data: Any,
    *,
    train: float | int = 0.4,
    valid: float | int = 0.3,
    test: float | int = 0.3,
    seed: int | np.integer | np.random.Generator = 0,
) -> Splits:
    """Split a set at random (section 3.2: 40% to train, 30% to validate, 30% to test).

    Parameters
    ----------
    data : SequenceSet, or anything :func:`as_sequence_set` takes
    train, valid, test : float
        Shares of all sequences; the rest, if any, is not used.
    seed : int or numpy Generator

    Returns
    -------
    Splits
        Each part in shuffled order and of the class of ``data``.

    Warns
    -----
    UserWarning
        When more than a twentieth of the windows overlap a window of another part.

    Raises
    ------
    ValueError
        When a share is not above 0, their sum is above 1, or a part would have no sequences, or no positives or no
        negatives of a labelled task.

    Examples
    --------
    >>> import rcviz
    >>> parts = rcviz.split(rcviz.load_example("ctcf"), train=0.7, valid=0.15, test=0.15, seed=0)
    >>> [len(part) for part in parts]
    [1750, 375, 375]
    """
    data = as_sequence_set(data)
    shares = {"train": train, "valid": valid, "test": test}
    for name, share in shares.items():
        check_real(name, share)
    total = sum(shares.values())
    if not (all(share > 0 for share in shares.values()) and total <= 1 + 1e-9):
        given = ", ".join(f"{name}={share:g}" for name, share in shares.items())
        raise ValueError(f"train, valid and test must be above 0 and at most 1 in sum, got {given} (sum {total:g})")
    bounds = np.rint(np.cumsum(list(shares.values())) * len(data)).astype(int)
    order = generator_of(seed).permutation(len(data))
    parts = dict(zip(shares, np.split(order, bounds)[:3], strict=True))
    splits = _divide(data, parts, fix="use another seed, a larger share or more sequences")
    n_shared = _n_overlapping_across(data, parts.values())
    if n_shared > _TOLERATED_OVERLAP * len(data):
        warnings.warn(
            f"{n_shared:,} of {len(data):,} windows overlap a window of another part, so metrics will "
            f"look too good: split by chromosome, with split_by_chromosome or rcviz train --train, --valid, --test",
            stacklevel=2,
        )
    return splits


def _n_overlapping_across(data: SequenceSet, parts: Iterable[Int[np.ndarray, " items"]]) -> int:
    """Count windows that overlap the next one along the genome, in another part; 0 without coordinates."""
    if not {"chrom", "start", "end"} <= set(data.table):
        return 0
    part_of = np.full(len(data), -1)
    for number, items in enumerate(parts):
        part_of[items] = number
    along = data.table.assign(part=part_of)[part_of >= 0].sort_values(["chrom", "start"], kind="stable")
    here, after = along.iloc[:-1], along.iloc[1:]
    same = here["chrom"].to_numpy() == after["chrom"].to_numpy()
    shared = after["start"].to_numpy() < here["end"].to_numpy()
    return int(np.count_nonzero(same & shared & (here["part"].to_numpy() != after["part"].to_numpy())))


def split_by_chromosome(
    data: SequenceSet,
    *,
    train: str | Sequence[str] = (),
    valid: str | Sequence[str] = (),
    test: str | Sequence[str] = "rest",
    preset: str | None = None,
) -> Splits:
    """Split a set by chromosome, so that windows of different parts are not neighbours (section 3.3).

    Parameters
    ----------
    data : SequenceSet
        Must have chromosomes.
    train, valid, test : str or sequence of str
        Chromosome names. One of the three may be "rest": all chromosomes that the others do not name. With
        ``test=()`` the test part is empty.
    preset : {"chr1/chr17/rest", "chr21/chr22/rest", "rest/chr1/chr2"}, optional
        The paper's train, valid and test: of Figures 4, 6 and 7a, of Figure 5, and of Figure 7b. Replaces
        ``train`` and ``valid``, and ``test`` unless that is given.

    Returns
    -------
    Splits
        Each part in the order of ``data`` and of its class.

    Raises
    ------
    ValueError
        When chromosomes are unknown, named twice or missing, or a part would have no sequences, or no
        positives or no negatives of a labelled task.

    Warns
    -----
    UserWarning
        When a window is also in another part, as it is or reverse-complemented; see :func:`find_leaks`.

    Examples
    --------
    >>> import numpy as np, rcviz
    >>> rng = np.random.default_rng(0)
    >>> chrom = np.repeat(["chr1", "chr2", "chr3"], 4)
    >>> data = rcviz.SequenceSet(rng.integers(0, 4, (12, 50), dtype=np.uint8), [0, 1] * 6, chrom=chrom)
    >>> parts = rcviz.split_by_chromosome(data, train="rest", valid="chr1", test="chr2")
    >>> set(parts.train.table["chrom"])
    {'chr3'}
    """
    if preset is not None:
        check_choice("preset", preset, _PRESETS)
        if len(train) or len(valid):
            raise ValueError("preset already sets train and valid: give either preset, or train and valid")
        train, valid, preset_test = preset.split("/")
        test = preset_test if isinstance(test, str) and test == _REST else test
    chrom = as_sequence_set(data).table.get("chrom")
    if chrom is None:
        raise ValueError("data has no chromosomes: give chrom=... when creating the set, or use rcviz.split")
    present = list(dict.fromkeys(chrom))
    given = {"train": train, "valid": valid, "test": test}
    named = {part: [names] if isinstance(names, str) else list(names) for part, names in given.items()}
    rests = [part for part, names in named.items() if names == [_REST]]
    if len(rests) > 1:
        raise ValueError(f"only one part can be 'rest', got {' and '.join(rests)}: name the chromosomes of the other")

    owner: dict[str, str] = {}
    for part, names in named.items():
        if part in rests:
            continue
        _check_present(part, names, present)
        for name in names:
            if owner.setdefault(name, part) != part:
                raise ValueError(f"{name} is in both {owner[name]} and {part}: name it once")
    for name in present:
        if rests:
            owner.setdefault(name, rests[0])

    part_of = chrom.map(owner)
    parts = {part: np.flatnonzero(part_of == part) for part in given}
    without = () if named["test"] else ("test",)
    splits = _divide(data, parts, without=without, fix="name other chromosomes for it; test=() leaves test empty")
    _warn_about_leaks(splits)
    return splits


def _warn_about_leaks(splits: Splits) -> None:
    leaks = find_leaks(splits._asdict())
    if len(leaks):
        counts = (leaks["part"] + " in " + leaks["other_part"]).value_counts(sort=False)
        listed = ", ".join(f"{n:,} of {pair}" for pair, n in counts.items())
        warnings.warn(
            f"the same sequence, on the same or the other strand, is in several parts ({listed}), so metrics will look "
            f"too good; rcviz.find_leaks(splits) lists them",
            UserWarning,
            stacklevel=3,
        )


def _check_present(part: str, names: list[str], present: list[str]) -> None:
    unknown = [name for name in names if name not in present]
    if not unknown:
        return
    other_style = [toggle_chr(name) for name in unknown]
    fix = "choose from these"
    if all(name in present for name in other_style):
        fix = f"write {', '.join(map(quoted, other_style[:9]))} as in the data"
    named, available = ", ".join(map(quoted, unknown[:9])), ", ".join(present)[:400]
    raise ValueError(f"{part} names {named}, but the data has {available}: {fix}")


def _divide(data: SequenceSet, parts: dict[str, np.ndarray], *, fix: str, without: Collection[str] = ()) -> Splits:
    """Select the parts, each checked for sequences of both classes; those in ``without`` may be empty."""
    for part, index in parts.items():
        if part in without:
            continue
        if index.size == 0:
            raise ValueError(f"{part} would have none of the {len(data):,} sequences: {fix}")
        if data.labels is None:
            continue
        for task, labels in zip(data.task_names, data.labels.T, strict=True):
            check_classes(labels, "data", task, data.label_kind)
            check_classes(labels[index], part, task, data.label_kind, fix=fix)
    return Splits(**{part: data.subset(index) for part, index in parts.items()})
