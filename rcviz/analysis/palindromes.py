"""Palindromic filters: how palindromic, about which centre, and whether the motif or only the filter is (Figure 5)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, UInt8

from rcviz._core.checks import check_positive
from rcviz.analysis.filters import FilterBank
from rcviz.analysis.site_palindromes import FEWEST_SITES, SitePalindromes, compare_site_models
from rcviz.analysis.sites import ActivatingSites
from rcviz.motifs.motif import Motif
from rcviz.motifs.palindromicity import Palindromicity, palindromicity, palindromicity_p_value
from rcviz.sequences.alphabet import UNKNOWN, reverse_complement
from rcviz.sequences.sequence_set import as_sequence_set

SIGNIFICANCE = 0.05
"""Largest p-value of a filter that counts as palindromic."""

LARGEST_LOSS = 0.05
"""Share of their information that sites may lose to a self-complementary PWM and still count as palindromes."""

LEAST_BALANCE = 0.1
"""Weight of the motif's weaker strand, relative to the stronger, from which a filter counts as holding both."""


@dataclass(frozen=True)
class Palindromes:
    """How palindromic the filters of a bank are, and why.

    Attributes
    ----------
    weights : ndarray (F, 4, K)
        The mean-centred filters, in the order of the table.
    table : DataFrame
        One row per filter. From the weights:

        - ``filter``
        - ``palindromicity``: in [-1, 1], 1 only for an exact palindrome
        - ``center``: position about which the filter is most palindromic, from zero; halves lie between positions
        - ``p_value``: share of orders of its columns that are as palindromic
        - ``verdict``: "none", "genuine", "hybrid" or, where only sites could tell and there are none, "unknown"
        - ``shift``: positions that the filter's reverse complement moves to the right to fit best

        From its sites (NaN where there are fewer than 25):

        - ``n_sites``
        - ``information``: bits per site that one PWM seen from both strands tells about sites that it has not seen
        - ``gain``: how many of these a self-complementary PWM does not tell
        - ``loss``: gain / information
        - ``strand_information``: bits that a site tells about its strand, 0 if nothing, 1 if all
        - ``balance``: weight of the motif's weaker strand in the filter relative to the stronger one, 0 to 1; means
          little where the sites are palindromes and both strands look alike
    motifs : tuple of Motif or None
        What the sites of each filter show once their strands are told apart, its stronger strand, centred as the
        filter's palindrome is and so up to ``|shift|`` wider; None where there are no sites.

    Examples
    --------
    >>> found = rcviz.palindromes(rcviz.filter_bank(model), filters=[0, 1])
    >>> found.table["filter"].tolist(), found.motifs
    ([0, 1], (None, None))
    >>> ax = found.plot(filter=1)
    """

    weights: Float[np.ndarray, "filters 4 width"]
    table: pd.DataFrame
    motifs: tuple[Motif | None, ...]

    def plot(self, ax: Any = None, *, filter: int | np.integer | None = None) -> Any:  # noqa: A002 - the glossary's word
        """Draw one filter above its RC, by default the most palindromic; see :func:`rcviz.plot_palindrome`."""
        from rcviz.plots.palindromes import plot_palindrome

        asked = self.table["filter"].tolist()
        if filter is None:
            row = int(self.table["palindromicity"].fillna(-1).argmax())
        elif filter in asked:
            row = asked.index(filter)
        else:
            raise ValueError(f"filter {filter} is not in the table; its filters are {', '.join(map(str, asked))}")
        found = self.table.iloc[row]
        return plot_palindrome(
            self.weights[row], ax, title=f"filter {found['filter']}: {found['verdict']} (p = {found['p_value']:.2g})"
        )


def palindromes(
    bank: FilterBank,
    data: Any = None,
    *,
    filters: Iterable[int | np.integer] | None = None,
    top: int = 500,
    n_permutations: int = 999,
    seed: int | np.integer = 0,
) -> Palindromes:
    """Say how palindromic filters are and, from their sites, whether the motif is a palindrome or only the filter.

    A filter that detects a palindromic motif (*genuine*) and one in which both strands of another motif have collapsed
    (*hybrid*, Figure 5c) can have the same weights. Their sites differ. The verdict asks three things in turn:

    1. Are the weights palindromic? If the p-value is above 0.05: *none*.
    2. Are the sites? A self-complementary PWM is compared with one PWM seen from both strands by the likelihood of
       sites that neither has seen. If the first keeps 95% of the information of the second: *genuine*.
    3. Does the filter hold both strands of that PWM? Its weights are regressed on the PWM's log-odds and on their
       reverse complement. If the smaller coefficient is at least a tenth of the larger: *hybrid*, else *none*, the
       filter being as palindromic as its motif happens to be.

    Parameters
    ----------
    bank : FilterBank
    data : SequenceSet or what passes for one, or ActivatingSites, optional
        Where to look for sites. Of labelled data only the positives of any task are searched, if there are any: sites
        that are there by chance look like the filter, and so make a palindromic one look genuine. Without data, or
        with fewer than 25 sites, palindromic filters are "unknown": weights alone cannot tell hybrid from genuine.
    filters : indices, optional
        Which filters of the bank; by default all.
    top : int
        Most sites of a filter, one a sequence. The very best sites of a hybrid resemble both strands: of thousands of
        sequences take more than a small share.
    n_permutations : int
        Orders of the columns that the p-value draws; the smallest that it can be is ``1 / (n_permutations + 1)``.
    seed : int
        Of the orders and of the models' starts; rows do not depend on each other.

    Returns
    -------
    Palindromes

    Raises
    ------
    ValueError
        For a filter that is not there, data without sites, or sites of another bank.

    Examples
    --------
    >>> found = rcviz.palindromes(rcviz.filter_bank(standard), parts.test.positives(), filters=[0])
    >>> found.table["verdict"].item()
    'none'
    """
    check_positive("top", top)
    check_positive("n_permutations", n_permutations)
    chosen = list(range(len(bank))) if filters is None else [int(index) for index in filters]
    for index in chosen:
        if not 0 <= index < len(bank):
            raise ValueError(f"there is no filter {index}; the filters are 0 to {len(bank) - 1}")
    sites = _sites_to_judge(bank, data, top)
    rows, motifs = [], []
    for index in chosen:
        found = palindromicity(bank.weights[index])
        p_value = palindromicity_p_value(bank.weights[index], n_permutations=n_permutations, seed=seed)
        n_sites, told = 0, None
        if sites is not None:
            codes = centered_sites(sites, index, found.shift)
            n_sites = len(codes)
            if n_sites >= FEWEST_SITES:
                told = compare_site_models(codes, background=_composition(sites.codes), seed=seed)
        rows.append(_row(index, bank.weights[index], found, p_value, n_sites, told))
        motifs.append(None if told is None else Motif(f"filter_{index}", told.motif))
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
        positive = np.zeros(len(data), bool) if data.labels is None else (data.labels == 1).any(axis=1)
        return bank.activating_sites(data.subset(positive) if positive.any() else data, top=top)
    if (data.n_filters, data.width) != (len(bank), bank.width):
        raise ValueError(
            f"the sites are of {data.n_filters} filters of {data.width} bp, the bank has {len(bank)} of {bank.width}; "
            "take them from the same bank, bank.activating_sites(data)"
        )
    return data


def _row(
    index: int,
    weights: Float[np.ndarray, "4 width"],
    found: Palindromicity,
    p_value: float,
    n_sites: int,
    told: SitePalindromes | None,
) -> tuple[Any, ...]:
    weights_say = (index, found.score, found.center, p_value)
    if told is None:
        return *weights_say, _verdict(p_value), found.shift, n_sites, *(float("nan"),) * 5
    balance = strand_balance(weights, told, found.shift)
    verdict = _verdict(p_value, told.loss, balance)
    sites_say = (told.information, told.gain, told.loss, told.strand_information, balance)
    return *weights_say, verdict, found.shift, n_sites, *sites_say


def _verdict(p_value: float, loss: float = float("nan"), balance: float = float("nan")) -> str:
    if p_value > SIGNIFICANCE:
        return "none"
    if np.isnan(loss):
        return "unknown"
    if loss <= LARGEST_LOSS:
        return "genuine"
    return "hybrid" if balance >= LEAST_BALANCE else "none"


def centered_sites(sites: ActivatingSites, index: int | np.integer, shift: int) -> UInt8[np.ndarray, "sites L"]:
    """Read one filter's sites as it does, widened on one side by ``|shift|`` so that its centre is in their middle.

    Positions beyond the end of a sequence are unknown bases.
    """
    rows = sites.sequences(index)
    offsets = np.arange(min(0, shift), sites.width + max(0, shift))
    start, reverse = sites.start[rows, index][:, None], sites.reverse[rows, index]
    positions = start + np.where(reverse[:, None], sites.width - 1 - offsets, offsets)
    length = sites.codes.shape[1]
    codes = sites.codes[rows[:, None], positions.clip(0, length - 1)]
    codes[(positions < 0) | (positions >= length)] = UNKNOWN
    # The positions run backwards on the reverse strand already; only the letters are left to complement.
    codes[reverse] = reverse_complement(codes[reverse])[:, ::-1]
    return codes


def strand_balance(weights: Float[np.ndarray, "4 width"], found: SitePalindromes, shift: int) -> float:
    """How much of the sites' motif a filter holds on the weaker strand, relative to the stronger; from 0 to 1.

    The coefficients come from a least-squares fit of the weights by the motif's mean-centred log-odds and by their
    reverse complement, so that what the motif itself has of a palindrome does not count as its other strand.
    """
    log_odds = np.log2(found.motif)
    log_odds -= log_odds.mean(axis=0)
    first = max(0, -shift)
    inside = slice(first, first + weights.shape[1])
    strands = np.stack([log_odds[:, inside].ravel(), reverse_complement(log_odds)[:, inside].ravel()], axis=1)
    weaker, stronger = np.sort(np.linalg.lstsq(strands, weights.ravel(), rcond=None)[0])
    return float(max(weaker, 0.0) / stronger) if stronger > 0 else 0.0


def _composition(codes: UInt8[np.ndarray, "sequences length"]) -> Float[np.ndarray, " 4"]:
    """Share of each base on both strands together, none of them zero."""
    counts = np.bincount(codes.ravel(), minlength=UNKNOWN + 1)[:UNKNOWN] + 1.0
    counts += counts[::-1]
    shares: np.ndarray = counts / counts.sum()
    return shares
