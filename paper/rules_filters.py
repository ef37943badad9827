"""Claims about the filters of one-layer networks of CTCF (Figure 5)."""

import functools
from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Any

import pandas as pd

from paper.convergence import still_improving
from paper.findings import Finding, p_text, spread, unmeasured
from paper.verdicts import Verdict, both_or_one, compare_metrics, judge

RC_FILTERS, STANDARD_FILTERS, FEW_FILTERS = "RC-8", "standard-16, augmented", "standard-8, augmented"
"""One-layer networks, the standard ones trained on both strands."""

RESEMBLES = 1e-3
"""Largest p-value of Tomtom at which a filter resembles a motif."""

TOP = 2
"""Best filters of a network whose palindromes are counted: the paper shows them among the top two."""


Rule = Callable[[pd.DataFrame], Finding]


def _and_without_unfinished(*arms: str) -> Callable[[Rule], Callable[[pd.DataFrame, pd.DataFrame], Finding]]:
    """Make a rule on filters one that also says what it gives without the networks that were still improving."""

    def completed(rule: Rule) -> Callable[[pd.DataFrame, pd.DataFrame], Finding]:
        @functools.wraps(rule)
        def judged(filters: pd.DataFrame, runs: pd.DataFrame) -> Finding:
            finding = rule(filters)
            early = still_improving(runs[runs["arm"].isin(arms)])
            if early.empty or finding.verdict is Verdict.UNKNOWN:
                return finding
            left = filters.merge(early[["arm", "seed"]], how="left", on=["arm", "seed"], indicator=True)
            verdict = rule(filters[(left["_merge"] == "left_only").to_numpy()]).verdict
            text = "; ".join(_beside_others(row, runs) for row in early.to_dict("records"))
            same = "the same" if verdict is finding.verdict else str(verdict)
            return replace(finding, why=f"{finding.why} Not trained out: {text}. The verdict without: {same}.")

        return judged

    return completed


def _beside_others(row: dict[Hashable, Any], runs: pd.DataFrame) -> str:
    """Write the validation auROC of a network beside that of the other seeds."""
    others = runs[(runs["arm"] == row["arm"]) & (runs["seed"] != row["seed"])]["valid_auroc"]
    beside = f", others {others.min():.4f} to {others.max():.4f}" if len(others) else ""
    return f"{row['arm']}, seed {row['seed']} (validation auROC {row['valid_auroc']:.4f}{beside})"


@_and_without_unfinished(RC_FILTERS)
def resembles_ctcf(filters: pd.DataFrame) -> Finding:
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
        f"is {spread(top['palindromicity'])}. Of standard networks' {len(others)} top filters {pass_too} pass the same "
        "test.",
        note=f"so do {pass_too} of {len(others)} standard networks" if pass_too else "",
    )


@_and_without_unfinished(RC_FILTERS, STANDARD_FILTERS)
def cleaner(filters: pd.DataFrame) -> Finding:
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


@_and_without_unfinished(RC_FILTERS, STANDARD_FILTERS)
def palindromic(filters: pd.DataFrame) -> Finding:
    """Judge whether the standard network's top filters are hybrids, each more often than the RC network's."""
    top = filters[filters["rank"] <= TOP].assign(hybrid=lambda rows: (rows["verdict"] == "hybrid").astype(float))
    by_rank = [
        compare_metrics(
            top[top["rank"] == rank], STANDARD_FILTERS, RC_FILTERS, "hybrid", what=f"hybrids, filter {rank}"
        )
        for rank in range(1, TOP + 1)
    ]
    pairs = [pair for pair in by_rank if pair is not None]
    shares = top.groupby(["arm", "seed"])[["hybrid", "palindromicity"]].mean()
    hybrid, mirrored = shares["hybrid"], shares["palindromicity"]
    usual = bool(hybrid[STANDARD_FILTERS].mean() >= 0.5)
    counts = "; ".join(
        f"filter {rank} {int(pair.values_a.sum())} of {len(pair.values_a)} against {int(pair.values_b.sum())} of "
        f"{len(pair.values_b)}"
        for rank, pair in enumerate(pairs, 1)
    )
    left = [f"filter {rank}" for rank, pair in enumerate(pairs, 1) if not pair.shown]
    return Finding(
        f"hybrids: {counts}; palindromicity of the top {TOP} {spread(mirrored[STANDARD_FILTERS])} against "
        f"{spread(mirrored[RC_FILTERS])}",
        f"mean share at least one half, and each filter more often a hybrid than the RC network's by rank-sum, "
        f"{', '.join(p_text(pair.p_value) for pair in pairs)}",
        both_or_one(usual, judge(by_rank) is Verdict.HOLDS),
        f"They are {'' if usual else 'not '}hybrids as a rule. That they are so more often than under sharing is "
        + (f"not shown for {' and '.join(left)}." if left else "shown for each."),
        tuple(pairs),
        note=f"not more often than under sharing: {' and '.join(left)}" if usual and left else "",
    )


@_and_without_unfinished(FEW_FILTERS)
def single_palindrome(filters: pd.DataFrame) -> Finding:
    """Judge whether one hybrid has most of the positive scores in a network of 8 standard filters."""
    mine = filters[filters["arm"] == FEW_FILTERS]
    dominance = _dominance(mine)
    hybrid = mine[mine["rank"] == 1].set_index("seed")["verdict"].sort_index() == "hybrid"
    shared = _dominance(filters[filters["arm"] == RC_FILTERS])
    beside = f"{int((shared >= 0.5).sum())} of {len(shared)}"
    usual, alone = bool(hybrid.mean() > 0.5), bool((hybrid & (dominance >= 0.5)).mean() > 0.5)
    return Finding(
        f"top filter a hybrid in {int(hybrid.sum())} of {len(hybrid)} networks; its share of the positive scores "
        f"{spread(dominance)}",
        "in more than half of the networks the top filter is a hybrid with half of the scores; in part: a hybrid",
        Verdict.HOLDS if alone else Verdict.IN_PART if usual else Verdict.NOT,
        f"Both are true of {int((hybrid & (dominance >= 0.5)).sum())} of {len(hybrid)} networks. Its share of the "
        f"scores is four fifths in {int((dominance >= 0.8).sum())}, and that of an RC network's top filter is half in "
        f"{beside}.",
        note=f"half of the scores; the top filter has as much in {beside} RC networks" if alone and len(shared) else "",
    )


def _dominance(filters: pd.DataFrame) -> pd.Series:
    """Return the share of the positive scores that each seed's top filter has."""
    positive = filters.assign(score=filters["score"].clip(lower=0)).sort_values(["seed", "rank"])
    return positive.groupby("seed")["score"].agg(lambda scores: scores.iloc[0] / scores.sum())
