"""Palindromic filters: is the motif a palindrome, or does the filter hold both strands of another one (Figure 5)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, UInt8
from torch import nn

from rcviz._core.checks import check_index, check_positive
from rcviz.analysis.filters import FilterBank, as_filter_bank
from rcviz.analysis.site_palindromes import FEWEST_SITES, SitePalindromes, compare_site_models
from rcviz.analysis.sites import ActivatingSites
from rcviz.motifs.motif import Motif
from rcviz.motifs.palindromicity import Palindromicity, palindromicity, palindromicity_p_value
from rcviz.sequences.alphabet import UNKNOWN, reverse_complement
from rcviz.sequences.checks import positive_rows
from rcviz.sequences.sequence_set import as_sequence_set

SIGNIFICANCE = 0.05
"""Largest p-value of a filter that is treated as palindromic."""

LARGEST_LOSS = 0.05
"""Largest share of their information that palindromic sites may lose under a self-complementary PWM."""

LEAST_BALANCE = 0.1
"""Least weight of the motif's weaker strand, relative to the stronger, in a filter with both strands."""


@dataclass(frozen=True)
class Palindromes:
    """Palindromicity of the filters of a bank, with a verdict on its cause.

    Attributes
    ----------
    weights : ndarray (F, 4, K)
        The mean-centred filters, in the order of the table.
    table : DataFrame
        One row per filter. From the weights:

        - ``filter``
        - ``palindromicity``: in [-1, 1], 1 only for an exact palindrome
        - ``center``: 0-based position about which the filter is most palindromic; a half lies between two positions
        - ``p_value``: share of permutations of its columns that are at least as palindromic
        - ``verdict``: "none", "genuine", "hybrid", or "unknown" where the decision needs sites and there are too few
        - ``shift``: positions that the filter's reverse complement is moved to the right for the best fit

        From its sites (NaN where there are fewer than 25):

        - ``n_sites``
        - ``information``: bits per site by which one PWM read on both strands predicts held-out sites
        - ``gain``: how many of these bits a self-complementary PWM loses
        - ``loss``: gain / information
        - ``strand_information``: bits of information that a site holds about its strand, from 0 to 1
        - ``balance``: weight of the motif's weaker strand in the filter relative to the stronger one, from 0 to 1; not
          informative where the sites are palindromes, as both strands are then the same
    motifs : tuple of Motif or None
        Motif of each filter's sites after their strands have been inferred, on its stronger strand. It is centred
        where the filter is most palindromic, and therefore up to ``|shift|`` wider; None if there are too few sites.

    Examples
    --------
    >>> result = rcviz.palindromes(model, filters=[0, 1])
    >>> result.table["filter"].tolist(), result.motifs
    ([0, 1], (None, None))
    >>> ax = result.plot(filter=1)
    """

    weights: Float[np.ndarray, "filters 4 width"]
    table: pd.DataFrame
    motifs: tuple[Motif | None, ...]

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Draw one ``filter`` above its reverse complement; ``options`` are those of :func:`rcviz.plot_palindrome`."""
        from rcviz.plots.palindromes import plot_palindrome
        from rcviz.plots.results import draw

        return draw(plot_palindrome, self, ax, options)


def palindromes(
    bank: FilterBank | nn.Module,
    data: Any = None,
    *,
    filters: Iterable[int | np.integer] | None = None,
    top: int = 500,
    n_permutations: int = 999,
    seed: int | np.integer = 0,
) -> Palindromes:
    """Measure how palindromic filters are, and decide from their sites whether the motif or only the filter is.

    A filter that detects a palindromic motif (*genuine*) and a filter that has learned both strands of another motif at
    once (*hybrid*, Figure 5c) can have the same weights. Their sites differ. The verdict has three steps:

    1. Are the weights palindromic? If the p-value is above 0.05: *none*.
    2. Are the sites palindromic? A self-complementary PWM is compared with one PWM read on both strands, by the
       likelihood of held-out sites. If the first keeps 95% of the information of the second: *genuine*.
    3. Does the filter hold both strands of that PWM? Its weights are regressed on the PWM's log-odds and on their
       reverse complement. If the smaller coefficient is at least a tenth of the larger: *hybrid*; otherwise *none*, as
       the filter is only as palindromic as its motif.

    Parameters
    ----------
    bank : FilterBank or nn.Module
        Filters, or a model, whose first convolution over the bases is used.
    data : SequenceSet, list of str, codes (N, L), one-hot (N, 4, L) or ActivatingSites, optional
        Sequences to search for sites. Of labelled data only the positives of any task are searched, if there are any:
        sites that occur by chance resemble the filter, and so make a palindromic filter look genuine. Without data, or
        with fewer than 25 sites, palindromic filters are "unknown": weights alone cannot separate hybrid from genuine.
        Of labels that are values none is positive, and all sequences are searched: select those with large values
        first, ``data.subset(data.upper_part(0.25))``.
    filters : indices, optional
        Filters of the bank to judge; by default all.
    top : int
        Largest number of sites per filter, one per sequence. The very best sites of a hybrid resemble both strands: use
        more than a small share of thousands of sequences.
    n_permutations : int
        Permutations of the columns for the p-value; its least value is ``1 / (n_permutations + 1)``.
    seed : int
        Seed of the permutations and of the starting points of the site models; rows do not depend on each other.

    Returns
    -------
    Palindromes

    Raises
    ------
    ValueError
        If a filter does not exist, the data has no sites, or the sites belong to another bank.

    Examples
    --------
    >>> result = rcviz.palindromes(standard, parts.test.positives(), filters=[0])
    >>> result.table["verdict"].item()
    'none'
    """
    check_positive("top", top)
    check_positive("n_permutations", n_permutations)
    bank = as_filter_bank(bank)
    asked = range(len(bank)) if filters is None else list(filters)
    for index in asked:
        check_index("filter", index, len(bank))
    chosen = [int(index) for index in asked]
    sites = _sites_to_judge(bank, data, top)
    rows, motifs = [], []
    for index in chosen:
        weights = palindromicity(bank.weights[index])
        p_value = palindromicity_p_value(bank.weights[index], n_permutations=n_permutations, seed=seed)
        n_sites, comparison = 0, None
        if sites is not None:
            codes = centered_sites(sites, index, weights.shift)
            n_sites = len(codes)
            if n_sites >= FEWEST_SITES:
                comparison = compare_site_models(codes, background=_composition(sites.codes), seed=seed)
        rows.append(_row(index, bank.weights[index], weights, p_value, n_sites, comparison))
        motifs.append(None if comparison is None else Motif(f"filter_{index}", comparison.motif))
    return Palindromes(bank.weights[chosen], pd.DataFrame(rows, columns=list(_COLUMNS)), tuple(motifs))


_COLUMNS = (
    *("filter", "palindromicity", "center", "p_value", "verdict", "shift"),
    *("n_sites", "information", "gain", "loss", "strand_information", "balance"),
)


def _sites_to_judge(bank: FilterBank, data: Any, top: int) -> ActivatingSites | None:
    if data is None:
        return None
    if not isinstance(data, ActivatingSites):
        data = as_sequence_set(data)
        positive = positive_rows(data)
        return bank.activating_sites(data.subset(positive) if positive.any() else data, top=top)
    if (data.n_filters, data.width) != (len(bank), bank.width):
        raise ValueError(
            f"the sites are of {data.n_filters} filters of {data.width} bp, but the bank has {len(bank)} of "
            f"{bank.width}; find them with the same bank, bank.activating_sites(data)"
        )
    return data


def _row(
    index: int,
    weights: Float[np.ndarray, "4 width"],
    palindrome: Palindromicity,
    p_value: float,
    n_sites: int,
    comparison: SitePalindromes | None,
) -> tuple[Any, ...]:
    of_weights = (index, palindrome.score, palindrome.center, p_value)
    if comparison is None:
        return *of_weights, _verdict(p_value), palindrome.shift, n_sites, *(float("nan"),) * 5
    balance = strand_balance(weights, comparison, palindrome.shift)
    verdict = _verdict(p_value, comparison.loss, balance)
    of_sites = (comparison.information, comparison.gain, comparison.loss, comparison.strand_information, balance)
    return *of_weights, verdict, palindrome.shift, n_sites, *of_sites


def _verdict(p_value: float, loss: float = float("nan"), balance: float = float("nan")) -> str:
    if p_value > SIGNIFICANCE:
        return "none"
    if np.isnan(loss):
        return "unknown"
    if loss <= LARGEST_LOSS:
        return "genuine"
    return "hybrid" if balance >= LEAST_BALANCE else "none"


def centered_sites(sites: ActivatingSites, index: int | np.integer, shift: int) -> UInt8[np.ndarray, "sites L"]:
    """One filter's sites as it reads them, widened on one side by ``|shift|`` so that its centre is in their middle.

    Positions beyond the end of a sequence are unknown bases.
    """
    rows = sites.sequences(index)
    offsets = np.arange(min(0, shift), sites.width + max(0, shift))
    start, reverse = sites.start[rows, index][:, None], sites.reverse[rows, index]
    positions = start + np.where(reverse[:, None], sites.width - 1 - offsets, offsets)
    length = sites.codes.shape[1]
    codes = sites.codes[rows[:, None], positions.clip(0, length - 1)]
    codes[(positions < 0) | (positions >= length)] = UNKNOWN
    # The positions already run backwards on the reverse strand; only the letters remain to be complemented.
    codes[reverse] = reverse_complement(codes[reverse])[:, ::-1]
    return codes


def strand_balance(weights: Float[np.ndarray, "4 width"], comparison: SitePalindromes, shift: int) -> float:
    """Weight of the sites' motif on its weaker strand in a filter, relative to the stronger strand; from 0 to 1.

    The weights are fitted by least squares with the motif's mean-centred log-odds and their reverse complement, so that
    the palindromic part of the motif is not treated as its other strand.
    """
    log_odds = np.log2(comparison.motif)
    log_odds -= log_odds.mean(axis=0)
    first = max(0, -shift)
    inside = slice(first, first + weights.shape[1])
    strands = np.stack([log_odds[:, inside].ravel(), reverse_complement(log_odds)[:, inside].ravel()], axis=1)
    weaker, stronger = np.sort(np.linalg.lstsq(strands, weights.ravel(), rcond=None)[0])
    return float(max(weaker, 0.0) / stronger) if stronger > 0 else 0.0


def _composition(codes: UInt8[np.ndarray, "sequences length"]) -> Float[np.ndarray, " 4"]:
    """Share of each base on both strands together; with a pseudocount, so that none is zero."""
    counts = np.bincount(codes.ravel(), minlength=UNKNOWN + 1)[:UNKNOWN] + 1.0
    counts += counts[::-1]
    shares: np.ndarray = counts / counts.sum()
    return shares
