"""Divide a set into three parts, at random or by chromosome."""

import warnings
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int

from rcviz._core.checks import check_choice, quoted
from rcviz.sequences.annotations import in_other_style
from rcviz.sequences.duplicates import find_leaks
from rcviz.sequences.sequence_set import SequenceSet, as_sequence_set

_REST = "rest"
_FEW = 0.05
"""Share of windows that may overlap across parts: of places drawn from a whole genome some always do."""
_PRESETS = ("chr1/chr17/rest", "chr21/chr22/rest", "rest/chr1/chr2")


class Splits(NamedTuple):
    """Three parts of one set that share no sequence."""

    train: SequenceSet
    valid: SequenceSet
    test: SequenceSet


def split(
    data: Any,
    *,
    train: float | int = 0.4,
    valid: float | int = 0.3,
    test: float | int = 0.3,
    seed: int | np.integer | np.random.Generator = 0,
) -> Splits:
    """Divide a set at random (section 3.2: 40% to train, 30% to validate, 30% to test).

    Parameters
    ----------
    data : SequenceSet, or anything :func:`as_sequence_set` takes
    train, valid, test : float
        Shares of all sequences; what they leave is not used.
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
        When a share is not above 0, all exceed 1 together, or a part would have no sequence, or no positive or no
        negative of a labelled task.

    Examples
    --------
    >>> import rcviz
    >>> parts = rcviz.split(rcviz.load_example("ctcf"), train=0.7, valid=0.15, test=0.15, seed=0)
    >>> [len(part) for part in parts]
    [1750, 375, 375]
    """
    data = as_sequence_set(data)
    shares = {"train": train, "valid": valid, "test": test}
    total = sum(shares.values())
    if not (all(share > 0 for share in shares.values()) and total <= 1 + 1e-9):
        given = ", ".join(f"{name}={share:g}" for name, share in shares.items())
        raise ValueError(f"shares must be above 0 and at most 1 together, got {given} (sum {total:g})")
    bounds = np.rint(np.cumsum(list(shares.values())) * len(data)).astype(int)
    order = np.random.default_rng(seed).permutation(len(data))
    parts = dict(zip(shares, np.split(order, bounds)[:3], strict=True))
    splits = _divide(data, parts, mend="use another seed, a larger share or more sequences")
    n_shared = _n_overlapping_across(data, parts.values())
    if n_shared > _FEW * len(data):
        warnings.warn(
            f"{n_shared:,} of {len(data):,} windows overlap the next one, which is in another part, so that scores "
            f"look too good: divide by chromosome, with split_by_chromosome or rcviz train --train, --valid, --test",
            stacklevel=2,
        )
    return splits


def _n_overlapping_across(data: SequenceSet, parts: Iterable[Int[np.ndarray, " items"]]) -> int:
    """Count windows whose next one along the genome overlaps them and is in another part; none without places."""
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
    """Divide a set by chromosome, so that no part has seen the neighbourhood of another (section 3.3).

    Parameters
    ----------
    data : SequenceSet
        With chromosomes.
    train, valid, test : str or sequence of str
        Chromosome names; one of the three may be "rest", all chromosomes that the others do not name. ``test=()`` goes
        without: that part is then empty.
    preset : {"chr1/chr17/rest", "chr21/chr22/rest", "rest/chr1/chr2"}, optional
        The paper's train, valid and test: of Figures 4, 6 and 7a, of Figure 5, and of Figure 7b. Instead of
        ``train`` and ``valid``; a ``test`` that is given counts.

    Returns
    -------
    Splits
        Each part in the order of ``data`` and of its class.

    Raises
    ------
    ValueError
        When chromosomes are unknown, named twice or missing, or a part would have no sequence, or no
        positive or no negative of a labelled task.

    Warns
    -----
    UserWarning
        When a window is found again in another part, as it is or reverse-complemented; see :func:`find_leaks`.

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
            raise ValueError("preset names train and valid already: give either preset or train and valid")
        train, valid, preset_test = preset.split("/")
        test = preset_test if isinstance(test, str) and test == _REST else test
    chrom = as_sequence_set(data).table.get("chrom")
    if chrom is None:
        raise ValueError("these sequences have no chromosomes: give chrom=... when making the set, or use rcviz.split")
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
                raise ValueError(f"{name} is both in {owner[name]} and in {part}: name it once")
    for name in present:
        if rests:
            owner.setdefault(name, rests[0])

    part_of = chrom.map(owner)
    parts = {part: np.flatnonzero(part_of == part) for part in given}
    without = () if named["test"] else ("test",)
    splits = _divide(data, parts, without=without, mend="name other chromosomes for it, or test=() to go without")
    _warn_of_leaks(splits)
    return splits


def _warn_of_leaks(splits: Splits) -> None:
    leaks = find_leaks(splits._asdict())
    if len(leaks):
        counts = (leaks["part"] + " in " + leaks["other_part"]).value_counts(sort=False)
        listed = ", ".join(f"{n:,} of {pair}" for pair, n in counts.items())
        warnings.warn(
            f"the same sequence, on one strand or the other, is in several parts ({listed}): scores there look better "
            f"than they are; rcviz.find_leaks(splits) lists them",
            UserWarning,
            stacklevel=3,
        )


def _check_present(part: str, names: list[str], present: list[str]) -> None:
    unknown = [name for name in names if name not in present]
    if not unknown:
        return
    other_style = [in_other_style(name) for name in unknown]
    mend = "name some of these"
    if all(name in present for name in other_style):
        mend = f"write {', '.join(map(quoted, other_style[:9]))} as the data do"
    named, known = ", ".join(map(quoted, unknown[:9])), ", ".join(present)[:400]
    raise ValueError(f"{part} names {named}, but the data have {known}: {mend}")


def _divide(data: SequenceSet, parts: dict[str, np.ndarray], *, mend: str, without: Collection[str] = ()) -> Splits:
    """Take the parts, once every one is known to be of use; some may have been left empty on purpose."""
    for part, index in parts.items():
        if part in without:
            continue
        if index.size == 0:
            raise ValueError(f"{part} would have none of the {len(data):,} sequences: {mend}")
        if data.labels is None:
            continue
        for task, labels in zip(data.task_names, data.labels.T, strict=True):
            for value, kind in ((1, "positive"), (0, "negative")):
                if not np.any(labels[index] == value):
                    in_all = np.count_nonzero(labels == value)
                    raise ValueError(f"{part} would have no {kind} of task {task!r} (all data have {in_all}): {mend}")
    return Splits(**{part: data.subset(index) for part, index in parts.items()})
