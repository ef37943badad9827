"""Sequences searched for the sites of filters by class, with shuffled sequences searched beside them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from rcviz.analysis.chance import Excess, excess_over_chance, shuffled_sequences
from rcviz.analysis.filters import FilterBank
from rcviz.analysis.sites import ActivatingSites
from rcviz.sequences.alphabet import UNKNOWN, reverse_complement
from rcviz.sequences.checks import positive_rows
from rcviz.sequences.sequence_set import SequenceSet

LEAST_CERTAINTY = 0.1
"""Least probability of a site that is used not to be there by chance."""

_FEWEST_CHANCE_SITES = 100


@dataclass(frozen=True)
class SearchedClass:
    """Sites in the sequences of one class, and in the same sequences shuffled.

    Attributes
    ----------
    name : str
        "all", "positives" or "negatives".
    sites, chance : ActivatingSites
    """

    name: str
    sites: ActivatingSites
    chance: ActivatingSites

    def excess(self, index: int) -> Excess:
        """Sites of one filter beyond chance."""
        return excess_over_chance(self.sites.strength[:, index], self.chance.strength[:, index])

    def rows_beyond_chance(self, index: int, excess: Excess) -> Int[np.ndarray, " sites"]:
        """Sequences that hold the filter's sites, strongest first, as far as they may be more than chance.

        Of more than ``sites.top``, a sample that is even in rank: the strongest ones alone show what the filter
        prefers, with its noise, and not what its motif is.
        """
        rows = self.sites.firing_sequences(index)
        beyond: np.ndarray = rows[excess.certainty[rows] >= LEAST_CERTAINTY]
        if len(beyond) <= self.sites.top:
            return beyond
        even: np.ndarray = beyond[np.linspace(0, len(beyond) - 1, self.sites.top).round().astype(np.int64)]
        return even

    def chance_rows(self, index: int, weakest: float) -> Int[np.ndarray, " shuffled"]:
        """Shuffled sequences with sites as strong as ``weakest``, or the 100 strongest."""
        strength = self.chance.strength[:, index]
        order = np.argsort(-strength, kind="stable")
        rows: np.ndarray = order[: max(int((strength >= weakest).sum()), _FEWEST_CHANCE_SITES)]
        return rows[np.isfinite(strength[rows])]


@dataclass(frozen=True)
class SearchedSequences:
    """Sites in all sequences, and by class.

    Attributes
    ----------
    sites : ActivatingSites
    classes : tuple of SearchedClass
    """

    sites: ActivatingSites
    classes: tuple[SearchedClass, ...]

    def stronger_class(self, index: int) -> tuple[SearchedClass, Excess]:
        """Class in which a larger share of the sequences holds a site of the filter that is not there by chance.

        A class without evidence counts only if no other has it.
        """
        excesses = [(part, part.excess(index)) for part in self.classes]

        def order(entry: tuple[SearchedClass, Excess]) -> tuple[bool, float]:
            _, excess = entry
            return excess.is_evident, excess.n_sites / len(excess.certainty) if excess.is_evident else excess.z

        return max(excesses, key=order)


def search_classes(
    bank: FilterBank, sites: ActivatingSites, data: SequenceSet | None, *, seed: int = 0
) -> SearchedSequences:
    """Search shuffled sequences, and divide sequences that were searched into positives and negatives, if labelled.

    Positive are those of any task; negative those that are positive for none, and negative for one at least.
    """
    classes = []
    has_window = np.isfinite(sites.best).any(axis=1)
    for name, of_class in _classes(data, has_window).items():
        rows = of_class & has_window
        part = sites if rows.all() else sites.subset(rows)
        shuffled = shuffled_sequences(_unknown_last(part.codes), seed)
        classes.append(SearchedClass(name, part, bank.activating_sites(shuffled, top=len(shuffled))))
    return SearchedSequences(sites, tuple(classes))


def _classes(data: SequenceSet | None, has_window: Bool[np.ndarray, " n"]) -> dict[str, Bool[np.ndarray, " n"]]:
    everything = {"all": np.ones(len(has_window), dtype=bool)}
    if data is None or data.labels is None or data.label_kind == "value":
        return everything
    positive = positive_rows(data)
    classes = {"positives": positive, "negatives": (data.labels == 0).any(axis=1) & ~positive}
    return {name: rows for name, rows in classes.items() if (rows & has_window).any()} or everything


def _unknown_last(codes: UInt8[np.ndarray, "n length"]) -> UInt8[np.ndarray, "n length"]:
    """Move unknown bases to the end: between known ones, a shuffle would leave no window without them."""
    order = np.argsort(codes == UNKNOWN, axis=1, kind="stable")
    moved: np.ndarray = np.take_along_axis(codes, order, axis=1)
    return moved


def centered_sites(
    sites: ActivatingSites, index: int | np.integer, shift: int, rows: Int[np.ndarray, " sites"] | None = None
) -> UInt8[np.ndarray, "sites L"]:
    """One filter's sites as it reads them, widened on one side by ``|shift|`` so that its centre is in their middle.

    Of all its sites, or the best windows of some sequences. Positions beyond the end of a sequence are unknown bases.
    """
    rows = sites.sequences(index) if rows is None else rows
    offsets = np.arange(min(0, shift), sites.width + max(0, shift))
    start, reverse = sites.start[rows, index][:, None], sites.reverse[rows, index]
    positions = start + np.where(reverse[:, None], sites.width - 1 - offsets, offsets)
    length = sites.codes.shape[1]
    codes = sites.codes[rows[:, None], positions.clip(0, length - 1)]
    codes[(positions < 0) | (positions >= length)] = UNKNOWN
    # The positions already run backwards on the reverse strand; only the letters remain to be complemented.
    codes[reverse] = reverse_complement(codes[reverse])[:, ::-1]
    return codes


def composition(codes: UInt8[np.ndarray, "sequences length"]) -> Float[np.ndarray, " 4"]:
    """Share of each base on both strands together; with a pseudocount, so that none is zero."""
    counts = np.bincount(codes.ravel(), minlength=UNKNOWN + 1)[:UNKNOWN] + 1.0
    counts += counts[::-1]
    shares: np.ndarray = counts / counts.sum()
    return shares
