"""Claims about ChIP-seq data: both strands (Figure 4), filters (5), training size (6), widths and factors (7)."""

from collections.abc import Sequence

import pandas as pd

from rcviz.experiments.claims import Claim, Finding, agreement_elsewhere, differences, p_text, spread
from rcviz.experiments.verdicts import (
    SCORES,
    Comparison,
    Verdict,
    both_or_one,
    by_seed,
    compare_scores,
    compare_seeds,
    judge,
)
from rcviz.plots.comparisons import metric_words

RC, SAME, DOUBLE, AUGMENTED = "RC-16", "standard-16", "standard-32", "standard-16, augmented"
RC_FILTERS, STANDARD_FILTERS, FEW_FILTERS = "RC-8", "standard-16, augmented", "standard-8, augmented"
"""Figure 5: one-layer networks, the standard ones trained on both strands."""

IDENTICAL = 1e-5
"""Largest gap between the two strands' probabilities that is rounding: float32 carries seven figures."""

WILD, CLEAR = 0.5, 0.1
"""Gaps between the two strands' probabilities that count as wildly different, and as different."""

RESEMBLES = 1e-3
"""Largest p-value of Tomtom at which a filter resembles a motif."""

TOP = 2
"""Best filters of a network whose palindromes are counted: the paper found them among the top two."""

SMALL = 0.2
"""Shares of the training set up to which it counts as small."""

WIDTHS = (8, 16, 32)
FACTORS = ("CTCF", "SPI1", "MAX")
TEST_SCORES = ("test_auroc", "test_auprc")


def _identical_strands(runs: pd.DataFrame) -> Finding:
    gap = by_seed(runs, RC, "gap_max")
    return Finding(
        f"largest gap over sequences and seeds {gap.max():.2g}",
        f"at most {IDENTICAL:g} in probability, in float32",
        Verdict.HOLDS if gap.max() <= IDENTICAL else Verdict.NOT,
        f"Of {len(gap)} networks.",
    )


def _different_strands(runs: pd.DataFrame) -> Finding:
    gap = by_seed(runs, SAME, "gap_max")
    return Finding(
        f"largest gap of a network {spread(gap)}",
        f"at least {WILD:g} in probability for every seed; in part: at least {CLEAR:g}",
        Verdict.HOLDS if gap.min() >= WILD else Verdict.IN_PART if gap.min() >= CLEAR else Verdict.NOT,
        f"Of {len(gap)} networks; the mean gap is {spread(by_seed(runs, SAME, 'gap_mean'))}.",
    )


def _augmentation(runs: pd.DataFrame) -> Finding:
    mean = compare_scores(runs, SAME, AUGMENTED, "gap_mean", what="mean gap between the strands")
    assert mean is not None
    left = by_seed(runs, AUGMENTED, "gap_max")
    uncured = bool(left.min() >= CLEAR)
    return Finding(
        f"mean gap {spread(mean.a)} without, {spread(mean.b)} with augmentation; largest gap left {spread(left)}",
        f"rank-sum of mean gaps, {p_text(mean.p_value)}; largest gap at least {CLEAR:g} for every seed",
        both_or_one(judge([mean]) is Verdict.HOLDS, uncured),
        f"A smaller mean gap is {'' if mean.shown else 'not '}shown; a gap is {'' if uncured else 'not '}left to all.",
        (mean,),
    )


def _resembles_ctcf(filters: pd.DataFrame, _: pd.DataFrame) -> Finding:
    top = filters[(filters["arm"] == RC_FILTERS) & (filters["rank"] == 1)]
    close = top["ctcf_p_value"] <= RESEMBLES
    share = float(close.mean())
    return Finding(
        f"{int(close.sum())} of {len(top)} top filters; similarity {spread(top['ctcf_similarity'].dropna())}",
        f"Tomtom, p at most {RESEMBLES:g} for every seed; in part: for half of them",
        Verdict.HOLDS if share == 1 else Verdict.IN_PART if share >= 0.5 else Verdict.NOT,
        f"{int((top['verdict'] == 'hybrid').sum())} of these top filters are hybrids themselves, their palindromicity "
        f"is {spread(top['palindromicity'])}.",
    )


def _cleaner(filters: pd.DataFrame, _: pd.DataFrame) -> Finding:
    top = filters[filters["rank"] == 1]
    pair = compare_scores(
        top, RC_FILTERS, STANDARD_FILTERS, "ctcf_similarity", what="similarity of the top filter to CTCF_known1"
    )
    if pair is None:
        return Finding("", "", Verdict.UNKNOWN, "No similarity is known.")
    return Finding(
        f"similarity {spread(pair.a)} against {spread(pair.b)}",
        f"rank-sum, {p_text(pair.p_value)}",
        judge([pair]),
        f"{STANDARD_FILTERS} has the better top filter in the mean." if pair.difference < 0 else "",
        (pair,),
    )


def _palindromic(filters: pd.DataFrame, _: pd.DataFrame) -> Finding:
    top = filters[filters["rank"] <= TOP]
    hybrid = top.assign(hybrid=(top["verdict"] == "hybrid").astype(float)).groupby(["arm", "seed"])["hybrid"].mean()
    pair = compare_seeds(
        hybrid[STANDARD_FILTERS], hybrid[RC_FILTERS], STANDARD_FILTERS, RC_FILTERS, f"share of hybrids in the top {TOP}"
    )
    assert pair is not None
    mirrored = top.groupby(["arm", "seed"])["palindromicity"].mean()
    usual = bool(pair.a.mean() >= 0.5)
    return Finding(
        f"share of hybrids {spread(pair.a)} against {spread(pair.b)}; palindromicity "
        f"{spread(mirrored[STANDARD_FILTERS])} against {spread(mirrored[RC_FILTERS])}",
        f"mean share at least one half, and above the RC network's by rank-sum, {p_text(pair.p_value)}",
        both_or_one(usual, judge([pair]) is Verdict.HOLDS),
        f"They are {'' if usual else 'not '}hybrids as a rule; that they are more often than under sharing is "
        f"{'' if pair.shown else 'not '}shown.",
        (pair,),
    )


def _single_palindrome(filters: pd.DataFrame, _: pd.DataFrame) -> Finding:
    mine = filters[filters["arm"] == FEW_FILTERS]
    positive = mine.assign(score=mine["score"].clip(lower=0)).sort_values(["seed", "rank"])
    dominance = positive.groupby("seed")["score"].agg(lambda scores: scores.iloc[0] / scores.sum())
    hybrid = positive[positive["rank"] == 1].set_index("seed")["verdict"] == "hybrid"
    usual, alone = bool(hybrid.mean() > 0.5), bool((hybrid & (dominance >= 0.5)).mean() > 0.5)
    return Finding(
        f"top filter a hybrid in {int(hybrid.sum())} of {len(hybrid)} networks; its share of the positive scores "
        f"{spread(dominance)}",
        "in more than half of the networks the top filter is a hybrid with half of the scores; in part: a hybrid",
        Verdict.HOLDS if alone else Verdict.IN_PART if usual else Verdict.NOT,
        f"Both are true of {int((hybrid & (dominance >= 0.5)).sum())} of {len(hybrid)} networks.",
    )


def _higher_at_every_size(runs: pd.DataFrame) -> Finding:
    pairs = [
        compare_scores(runs[runs["fraction"] == fraction], RC, other, metric, where=f"{100 * fraction:g}%")
        for fraction in _sizes(runs)
        for metric in SCORES
        for other in (SAME, DOUBLE)
    ]
    return _of_many(pairs, "Every size, score and standard network must be shown.")


def _slower(runs: pd.DataFrame) -> Finding:
    full = float(runs["fraction"].max())
    pairs, told = [], []
    for metric in SCORES:
        lost = {arm: _loss(runs, arm, metric, full) for arm in (RC, SAME, DOUBLE)}
        pairs += [
            compare_seeds(lost[other], lost[RC], other, RC, f"{metric_words(metric)} lost") for other in (SAME, DOUBLE)
        ]
        losses = ", ".join(f"{arm} {spread(values)}" for arm, values in lost.items() if len(values))
        told.append(f"{metric_words(metric)} lost: {losses}")
    known = [pair for pair in pairs if pair is not None]
    if not known:
        return Finding("", "", Verdict.UNKNOWN, "No seed has both small training sets and the whole one.")
    return Finding(
        "; ".join(told),
        f"each seed's score at {100 * full:g}% minus its mean over sizes up to {100 * SMALL:g}%; rank-sum that the "
        f"standard networks lose more, {', '.join(p_text(pair.p_value) for pair in known)}",
        judge(pairs),
        f"Shown in {sum(pair.shown for pair in known)} of {len(pairs)} comparisons.",
        tuple(known),
    )


def _loss(runs: pd.DataFrame, arm: str, metric: str, full: float) -> pd.Series:
    """What each seed loses: at the full size minus its mean over the small ones."""
    scores = {size: by_seed(runs[runs["fraction"] == size], arm, metric) for size in _sizes(runs)}
    small = [scores[size] for size in scores if size <= SMALL]
    return (scores[full] - sum(small) / len(small)).dropna() if small else pd.Series(dtype=float)


def _sizes(runs: pd.DataFrame) -> list[float]:
    return sorted(set(runs["fraction"].astype(float)))


def _every_width(runs: pd.DataFrame) -> Finding:
    chosen = [(f"RC-{n}", f"standard-{factor * n}", str(n)) for n in WIDTHS for factor in (1, 2)]
    pairs = [
        compare_scores(runs, rc, other, metric, where=f"{n} filters") for metric in SCORES for rc, other, n in chosen
    ]
    test = [compare_scores(runs, rc, other, metric) for metric in TEST_SCORES for rc, other, _ in chosen]
    return _of_many(pairs, agreement_elsewhere("Test chromosomes", test))


def _every_factor(runs: pd.DataFrame) -> Finding:
    parts = [(factor, runs[runs["dataset"] == factor], other) for factor in FACTORS for other in (SAME, DOUBLE)]
    pairs = [
        compare_scores(part, RC, other, metric, where=factor) for metric in SCORES for factor, part, other in parts
    ]
    test = [compare_scores(part, RC, other, metric) for metric in TEST_SCORES for _, part, other in parts]
    return _of_many(pairs, agreement_elsewhere("Test chromosomes", test))


def _of_many(pairs: Sequence[Comparison | None], why: str) -> Finding:
    """A claim that is many comparisons."""
    known = tuple(pair for pair in pairs if pair is not None)
    if not known:
        return Finding("", "", Verdict.UNKNOWN, "No two arms to compare are in the table yet.")
    missing = len(pairs) - len(known)
    lacking = f"{missing} of {len(pairs)} comparisons have no data yet. " if missing else ""
    return Finding(differences(known), "rank-sum for each", judge(pairs), lacking + why, known)


CLAIMS = (
    Claim(
        figure="Figure 4",
        section="2.2.1",
        said="Under sharing both strands of a sequence get the same prediction.",
        paper="on the diagonal",
        needs=("fig4_runs",),
        arms=(RC,),
        rule=_identical_strands,
    ),
    Claim(
        figure="Figure 4",
        section="2.2.1",
        said="Standard networks can predict wildly different things for the two strands.",
        paper="scatter",
        needs=("fig4_runs",),
        arms=(SAME,),
        rule=_different_strands,
    ),
    Claim(
        figure="Figure 4",
        section="2.2.1",
        said="Augmentation with reverse complements alleviates that and does not cure it.",
        paper="scatter",
        needs=("fig4_runs",),
        arms=(SAME, AUGMENTED),
        rule=_augmentation,
    ),
    Claim(
        figure="Figure 5",
        section="2.2.2",
        said="The RC network's top filter strongly resembles CTCF_known1.",
        paper="logo",
        needs=("fig5_filters", "fig5_runs"),
        arms=(RC_FILTERS,),
        rule=_resembles_ctcf,
    ),
    Claim(
        figure="Figure 5",
        section="2.2.2",
        said="It is a cleaner CTCF motif than the standard network's top filter.",
        paper="logo",
        needs=("fig5_filters", "fig5_runs"),
        arms=(RC_FILTERS, STANDARD_FILTERS),
        rule=_cleaner,
    ),
    Claim(
        figure="Figure 5",
        section="2.2.2",
        said="The standard network's top filters are palindromes into which both strands of CTCF collapsed.",
        paper="top 2 of 16, one network shown",
        needs=("fig5_filters", "fig5_runs"),
        arms=(RC_FILTERS, STANDARD_FILTERS),
        rule=_palindromic,
    ),
    Claim(
        figure="Figure 5",
        section="2.2.2",
        said="With 8 filters as well: the standard network tends to one palindrome, and the others add little.",
        paper="not shown",
        needs=("fig5_filters", "fig5_runs"),
        arms=(FEW_FILTERS,),
        rule=_single_palindrome,
    ),
    Claim(
        figure="Figure 6",
        section="2.2.3",
        said="With 5% to 100% of the training set the RC network is above both standard ones.",
        paper="medians above throughout",
        needs=("fig6_runs",),
        rule=_higher_at_every_size,
    ),
    Claim(
        figure="Figure 6",
        section="2.2.3",
        said="Its performance drops off more slowly with less data.",
        paper="curves",
        needs=("fig6_runs",),
        rule=_slower,
    ),
    Claim(
        figure="Figure 7a",
        section="2.2.4",
        said="With 8, 16 and 32 filters the RC network is above standard ones with as many and twice as many.",
        paper="above in each",
        needs=("fig7a_runs",),
        rule=_every_width,
    ),
    Claim(
        figure="Figure 7b",
        section="2.2.4",
        said="So it is for CTCF, SPI1 and MAX.",
        paper="above in each",
        needs=("fig7b_runs",),
        rule=_every_factor,
    ),
)
