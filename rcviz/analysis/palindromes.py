"""Palindromic filters: is the motif a palindrome, or does the filter hold both strands of another one (Figure 5)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from torch import nn

from rcviz._core.checks import check_index, check_positive
from rcviz.analysis.filters import FilterBank, as_filter_bank
from rcviz.analysis.searched import SearchedSequences, centered_sites, composition, search_classes
from rcviz.analysis.site_palindromes import FEWEST_SITES, SitePalindromes, compare_site_models
from rcviz.analysis.sites import ActivatingSites
from rcviz.motifs.motif import Motif
from rcviz.motifs.palindromicity import palindromicity, palindromicity_p_value, repetition
from rcviz.sequences.alphabet import reverse_complement
from rcviz.sequences.sequence_set import SequenceSet, as_sequence_set

SIGNIFICANCE = 0.05
"""Largest p-value of a filter that is treated as palindromic."""

LARGEST_LOSS = 0.05
"""Largest share of their information that palindromic sites may lose under a self-complementary PWM."""

LARGEST_UPPER_LOSS = 0.1
"""Largest upper end of the loss's interval at which sites are treated as palindromic."""

LEAST_BALANCE = 0.2
"""Least weight of the motif's weaker strand, relative to the stronger, in a filter with both strands."""

LEAST_REPETITION = 0.7
"""Least mean cosine of columns one to four apart in a filter of a repeat or a composition."""

LEAST_GENUINE_Z = 6.0
"""Least excess of palindromic sites over those in shuffled sequences, in standard deviations."""

LEAST_INFORMATION = 1.5
"""Least bits per site by which palindromic sites are more than background and chance."""

LEAST_GAINS = ((8.0, 3.0), (40.0, 2.0))
"""Least bits, over all sites, by which two strands of one motif predict them better than a palindrome, each with the
least excess of sites in standard deviations: of chance sites, neither strand is preferred."""


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
        - ``verdict``: "none", "genuine", "hybrid", "low complexity", "inactive", or "unknown"
        - ``shift``: positions that the filter's reverse complement is moved to the right for the best fit
        - ``repetition``: similarity of columns one to four apart, 1 for a repeat

        From the sequences (NaN without data):

        - ``sequences``: which of them hold more of its sites, and were therefore used: "all", "positives", "negatives"
        - ``fires_in``: share of all sequences in which the filter fires
        - ``excess``: number of sequences whose best site is not there by chance
        - ``excess_z``: evidence for these, in standard deviations of chance

        From the sites beyond chance (NaN where there are fewer than 25 to compare):

        - ``n_sites``: number of sites that were compared; some of them are there by chance
        - ``information``: bits per site by which one PWM read on both strands predicts held-out sites
        - ``gain``: how many of these bits a self-complementary PWM loses
        - ``loss``: gain / information, NaN where a site has less than half a bit
        - ``loss_low``, ``loss_high``: 90% interval of the loss, from resampled sites
        - ``strand_information``: bits of information that a site holds about its strand, from 0 to 1
        - ``balance``: weight of the motif's weaker strand in the filter relative to the stronger one, from 0 to 1; not
          informative where the sites are palindromes, as both strands are then the same
    motifs : tuple of Motif or None
        Motif of each filter's sites after their strands have been inferred, on its stronger strand. It is centred
        where the filter is most palindromic, and therefore up to ``|shift|`` wider; None if too few exceed chance.

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
    once (*hybrid*, Figure 5c) can have the same weights. Their sites differ. The verdict has six steps:

    1. Does the filter fire in any sequence? If not: *inactive*. A filter of a model fires where the activation behind
       the layer is above zero; one of a bank made by hand, where its weights and its bias give more than zero.
    2. Does it repeat itself after one to four positions? A repeat or a composition, such as TATATA, CpG or many G and
       C: *low complexity*.
    3. Are the weights palindromic? If the p-value is above 0.05: *none*.
    4. Does it find more than chance? Its best site of each sequence is compared with that of shuffled sequences with
       the same dinucleotides. Only the sites beyond chance are used from here on; if they are too few: *unknown*.
    5. Are the sites palindromic? A self-complementary PWM is compared with one PWM read on both strands, by the
       likelihood of held-out sites. If the first keeps 95% of the information of the second: *genuine*, or *unknown*
       where the interval of the loss reaches beyond 10%, or where the sites look like chance sites.
    6. Does the filter hold both strands of that PWM? Its weights are regressed on the PWM's log-odds and on their
       reverse complement. If the smaller coefficient is at least a fifth of the larger: *hybrid*; otherwise *none*, as
       the filter is only as palindromic as its motif.

    Parameters
    ----------
    bank : FilterBank or nn.Module
        Filters, or a model, whose first convolution over the bases is used.
    data : SequenceSet, list of str, codes (N, L), one-hot (N, 4, L) or ActivatingSites, optional
        Sequences to search for sites. Of labelled data the positives of any task and the negatives of all are searched
        apart, and a filter is judged on those where more of its sites exceed chance. Without data, palindromic filters
        are "unknown": weights alone cannot separate hybrid from genuine. Labels that are values make no classes, and
        all sequences are searched: ``data.subset(data.upper_part(0.25))`` selects those with large values.
    filters : indices, optional
        Filters of the bank to judge; by default all.
    top : int
        Largest number of sites per filter, one per sequence. Of more sites beyond chance a sample is used, even in
        rank from the strongest to the weakest: the strongest alone show what the filter prefers, with its noise, and
        those of a hybrid resemble both strands.
    n_permutations : int
        Permutations of the columns for the p-value; its least value is ``1 / (n_permutations + 1)``.
    seed : int
        Seed of the permutations, of the shuffled sequences and of the starting points of the site models; rows do not
        depend on each other.

    Returns
    -------
    Palindromes

    Raises
    ------
    ValueError
        If a filter does not exist, the data has no sites, or the sites belong to another bank.

    Examples
    --------
    >>> result = rcviz.palindromes(standard, parts.test, filters=[0])
    >>> result.table["verdict"].item()
    'none'
    """
    check_positive("top", top)
    check_positive("n_permutations", n_permutations)
    length = None
    if data is not None and not isinstance(data, ActivatingSites | SearchedSequences):
        data = as_sequence_set(data)
        length = data.length
    bank = as_filter_bank(bank, length=length)
    asked = range(len(bank)) if filters is None else list(filters)
    for index in asked:
        check_index("filter", index, len(bank))
    chosen = [int(index) for index in asked]
    searched = None if data is None else _searched(bank, data, top, int(seed))
    rows, motifs = [], []
    for index in chosen:
        weights = bank.weights[index]
        palindrome = palindromicity(weights)
        measured: dict[str, Any] = {
            "filter": index,
            "palindromicity": palindrome.score,
            "center": palindrome.center,
            "p_value": palindromicity_p_value(weights, n_permutations=n_permutations, seed=seed),
            "shift": palindrome.shift,
            "repetition": repetition(weights),
        }
        comparison = None
        if searched is not None:
            evidence, comparison = _evidence(searched, index, palindrome.shift, seed)
            measured |= evidence
        if searched is not None and comparison is not None:
            sign = float(searched.sites.firing.sign[index])
            measured |= _of_sites(comparison) | {
                "balance": strand_balance(sign * weights, comparison, palindrome.shift)
            }
        rows.append({**measured, "verdict": decide(measured)})
        motifs.append(None if comparison is None else Motif(f"filter_{index}", comparison.motif))
    table = pd.DataFrame(rows, columns=list(_COLUMNS)).fillna({"n_sites": 0}).astype({"n_sites": int})
    return Palindromes(bank.weights[chosen], table, tuple(motifs))


_COLUMNS = (
    *("filter", "palindromicity", "center", "p_value", "verdict", "shift", "repetition"),
    *("sequences", "fires_in", "excess", "excess_z"),
    *("n_sites", "information", "gain", "loss", "loss_low", "loss_high", "strand_information", "balance"),
)


def _searched(bank: FilterBank, data: Any, top: int, seed: int) -> SearchedSequences:
    if isinstance(data, SearchedSequences):
        return data
    if isinstance(data, SequenceSet):
        return search_classes(bank, bank.activating_sites(data, top=top), data, seed=seed)
    if (data.n_filters, data.width) != (len(bank), bank.width):
        raise ValueError(
            f"the sites are of {data.n_filters} filters of {data.width} bp, but the bank has {len(bank)} of "
            f"{bank.width}; find them with the same bank, bank.activating_sites(data)"
        )
    return search_classes(bank, data, None, seed=seed)


def _evidence(
    searched: SearchedSequences, index: int, shift: int, seed: int | np.integer
) -> tuple[dict[str, Any], SitePalindromes | None]:
    """Sites beyond chance of one filter, in the class where they are more; none of a filter that never fires."""
    fires_in = float(searched.sites.fires_in[index])
    if fires_in == 0:
        return {"fires_in": fires_in, "sequences": ""}, None
    part, excess = searched.stronger_class(index)
    rows = part.rows_beyond_chance(index, excess)
    measured = {
        "sequences": part.name,
        "fires_in": fires_in,
        "excess": excess.n_sites,
        "excess_z": excess.z,
        "n_sites": len(rows),
    }
    if len(rows) < FEWEST_SITES:
        return measured, None
    chance = part.chance_rows(index, float(part.sites.strength[rows[-1], index]))
    comparison = compare_site_models(
        centered_sites(part.sites, index, shift, rows),
        background=composition(part.sites.codes),
        certainty=excess.certainty[rows],
        chance=centered_sites(part.chance, index, shift, chance),
        seed=seed,
    )
    return measured, comparison


def _of_sites(comparison: SitePalindromes) -> dict[str, float]:
    low, high = comparison.loss_interval
    return {
        "information": comparison.information,
        "gain": comparison.gain,
        "loss": comparison.loss,
        "loss_low": low,
        "loss_high": high,
        "strand_information": comparison.strand_information,
        "evidence": comparison.evidence,
    }


def decide(measured: dict[str, Any]) -> str:
    """Verdict on a filter from its numbers in the table, with ``evidence``: the gain over all of its sites."""
    if measured.get("fires_in") == 0 or np.isnan(measured["palindromicity"]):
        return "inactive"
    if measured["repetition"] >= LEAST_REPETITION:
        return "low complexity"
    if measured["p_value"] > SIGNIFICANCE:
        return "none"
    loss = measured.get("loss", float("nan"))
    if loss <= LARGEST_LOSS:
        certain = measured["loss_high"] <= LARGEST_UPPER_LOSS and measured["information"] >= LEAST_INFORMATION
        return "genuine" if certain and measured["excess_z"] >= LEAST_GENUINE_Z else "unknown"
    if loss > LARGEST_LOSS and any(
        measured["evidence"] >= bits and measured["excess_z"] >= z for bits, z in LEAST_GAINS
    ):
        return "hybrid" if measured["balance"] >= LEAST_BALANCE else "none"
    return "unknown"


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
