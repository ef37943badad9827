"""Claims about the filters of one-layer networks of CTCF (Figure 5)."""

import pandas as pd

from paper.findings import Finding, p_text, spread, unmeasured
from paper.verdicts import Verdict, both_or_one, compare_metrics, compare_seeds, judge

RC_FILTERS, STANDARD_FILTERS, FEW_FILTERS = "RC-8", "standard-16, augmented", "standard-8, augmented"
"""One-layer networks, the standard ones trained on both strands."""

RESEMBLES = 1e-3
"""Largest p-value of Tomtom at which a filter resembles a motif."""

TOP = 2
"""Best filters of a network whose palindromes are counted: the paper shows them among the top two."""


def resembles_ctcf(filters: pd.DataFrame, _: pd.DataFrame) -> Finding:
    """Judge whether the top filter under sharing resembles CTCF's motif."""
    top = filters[(filters["arm"] == RC_FILTERS) & (filters["rank"] == 1)]
    close = top["ctcf_p_value"] <= RESEMBLES
    share = float(close.mean())
    others = filters[(filters["arm"] != RC_FILTERS) & (filters["rank"] == 1)]
    pass_too = int((others["ctcf_p_value"] <= RESEMBLES).sum())
    return Finding(
        f"{int(close.sum())} of {len(top)} top filters; similarity {spread(top['ctcf_similarity'].dropna())}",
        f"Tomtom, p at most {RESEMBLES:g} for every seed; in part: for half of them",
        Verdict.HOLDS if share == 1 else Verdict.IN_PART if share >= 0.5 else Verdict.NOT,
        f"{int((top['verdict'] == 'hybrid').sum())} of these top filters are hybrids themselves, their palindromicity "
        f"is {spread(top['palindromicity'])}. Of standard networks' {len(others)} top filters {pass_too} pass as well.",
    )


def cleaner(filters: pd.DataFrame, _: pd.DataFrame) -> Finding:
    """Judge whether the top filter under sharing resembles CTCF's motif more than the standard network's."""
    top = filters[filters["rank"] == 1]
    pair = compare_metrics(
        top, RC_FILTERS, STANDARD_FILTERS, "ctcf_similarity", what="similarity of the top filter to CTCF_known1"
    )
    if pair is None:
        return unmeasured("No similarity is known.")
    mirrored = compare_metrics(
        top,
        STANDARD_FILTERS,
        RC_FILTERS,
        "palindromicity",
        what="palindromicity of the top filter, looked at afterwards",
    )
    assert mirrored is not None
    return Finding(
        f"similarity of the motifs of their sites {spread(pair.values_a)} against {spread(pair.values_b)}",
        f"rank-sum, {p_text(pair.p_value)}",
        judge([pair]),
        (f"{STANDARD_FILTERS} has the better top filter in the mean. " if pair.effect < 0 else "")
        + "A hybrid's sites can make a clean motif. Less of a palindrome, another reading of cleaner that was looked "
        f"at afterwards, is {'' if mirrored.shown else 'not '}shown: {spread(mirrored.values_b)} against "
        f"{spread(mirrored.values_a)}, {p_text(mirrored.p_value)}.",
        (pair, mirrored),
    )


def palindromic(filters: pd.DataFrame, _: pd.DataFrame) -> Finding:
    """Judge whether the standard network's top filters are hybrids of both strands."""
    top = filters[filters["rank"] <= TOP]
    hybrid = top.assign(hybrid=(top["verdict"] == "hybrid").astype(float)).groupby(["arm", "seed"])["hybrid"].mean()
    pair = compare_seeds(
        hybrid[STANDARD_FILTERS], hybrid[RC_FILTERS], STANDARD_FILTERS, RC_FILTERS, f"share of hybrids in the top {TOP}"
    )
    assert pair is not None
    mirrored = top.groupby(["arm", "seed"])["palindromicity"].mean()
    usual = bool(pair.values_a.mean() >= 0.5)
    return Finding(
        f"share of hybrids {spread(pair.values_a)} against {spread(pair.values_b)}; palindromicity "
        f"{spread(mirrored[STANDARD_FILTERS])} against {spread(mirrored[RC_FILTERS])}",
        f"mean share at least one half, and above the RC network's by rank-sum, {p_text(pair.p_value)}",
        both_or_one(usual, judge([pair]) is Verdict.HOLDS),
        f"They are {'' if usual else 'not '}hybrids as a rule; that they are more often than under sharing is "
        f"{'' if pair.shown else 'not '}shown.",
        (pair,),
    )


def single_palindrome(filters: pd.DataFrame, _: pd.DataFrame) -> Finding:
    """Judge whether one hybrid has most of the positive scores in a network of 8 standard filters."""
    mine = filters[filters["arm"] == FEW_FILTERS]
    dominance = _dominance(mine)
    hybrid = mine[mine["rank"] == 1].set_index("seed")["verdict"].sort_index() == "hybrid"
    shared = _dominance(filters[filters["arm"] == RC_FILTERS])
    usual, alone = bool(hybrid.mean() > 0.5), bool((hybrid & (dominance >= 0.5)).mean() > 0.5)
    return Finding(
        f"top filter a hybrid in {int(hybrid.sum())} of {len(hybrid)} networks; its share of the positive scores "
        f"{spread(dominance)}",
        "in more than half of the networks the top filter is a hybrid with half of the scores; in part: a hybrid",
        Verdict.HOLDS if alone else Verdict.IN_PART if usual else Verdict.NOT,
        f"Both are true of {int((hybrid & (dominance >= 0.5)).sum())} of {len(hybrid)} networks. Its share of the "
        f"scores is four fifths in {int((dominance >= 0.8).sum())}, and that of an RC network's top filter is half in "
        f"{int((shared >= 0.5).sum())} of {len(shared)}.",
    )


def _dominance(filters: pd.DataFrame) -> pd.Series:
    """Return the share of the positive scores that each seed's top filter has."""
    positive = filters.assign(score=filters["score"].clip(lower=0)).sort_values(["seed", "rank"])
    return positive.groupby("seed")["score"].agg(lambda scores: scores.iloc[0] / scores.sum())
