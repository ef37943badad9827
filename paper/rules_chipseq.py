"""Claims about ChIP-seq data: both strands (Figure 4), training size (6), widths and factors (7)."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from paper.convergence import not_trained_out
from paper.findings import Finding, agreement_elsewhere, differences, p_text, spread, unmeasured
from paper.verdicts import (
    METRICS,
    TEST_METRICS,
    Comparison,
    Verdict,
    both_or_one,
    by_seed,
    compare_metrics,
    compare_seeds,
    judge,
)
from rcviz.plots.comparisons import metric_words

RC, SAME, DOUBLE, AUGMENTED = "RC-16", "standard-16", "standard-32", "standard-16, augmented"

IDENTICAL = 1e-5
"""Largest gap between the two strands' probabilities that is rounding: float32 carries seven figures."""

WILD, CLEAR = 0.5, 0.1
"""Gaps between the two strands' probabilities from which they are wildly different, and different."""

SMALL = 0.2
"""Largest share of the training set that is small."""

WIDTHS = (8, 16, 32)
FACTORS = ("CTCF", "SPI1", "MAX")


def identical_strands(runs: pd.DataFrame) -> Finding:
    """Judge whether predictions for both strands are the same up to rounding."""
    gap = by_seed(runs, RC, "gap_max")
    return Finding(
        f"largest gap over validation sequences and seeds {gap.max():.2g}",
        f"at most {IDENTICAL:g} in probability, in float32",
        Verdict.HOLDS if gap.max() <= IDENTICAL else Verdict.NOT,
        f"Of {_networks(gap)}.",
    )


def different_strands(runs: pd.DataFrame) -> Finding:
    """Judge whether predictions for both strands differ widely without sharing."""
    gap = by_seed(runs, SAME, "gap_max")
    return Finding(
        f"largest gap of a network on validation sequences {spread(gap)}",
        f"at least {WILD:g} in probability for every seed; in part: at least {CLEAR:g}",
        Verdict.HOLDS if gap.min() >= WILD else Verdict.IN_PART if gap.min() >= CLEAR else Verdict.NOT,
        f"Of {_networks(gap)}; the mean gap is {spread(by_seed(runs, SAME, 'gap_mean'))}.",
    )


def _networks(values: pd.Series) -> str:
    return "one network" if len(values) == 1 else f"{len(values)} networks"


def augmentation(runs: pd.DataFrame) -> Finding:
    """Judge whether augmentation makes the gap between the strands smaller, and leaves one."""
    mean = compare_metrics(runs, SAME, AUGMENTED, "gap_mean", what="mean gap between the strands")
    assert mean is not None
    left = by_seed(runs, AUGMENTED, "gap_max")
    uncured = bool(left.min() >= CLEAR)
    return Finding(
        f"mean gap on validation sequences {spread(mean.values_a)} without, {spread(mean.values_b)} with augmentation; "
        f"largest gap left {spread(left)}",
        f"rank-sum of mean gaps, {p_text(mean.p_value)}; largest gap at least {CLEAR:g} for every seed",
        both_or_one(judge([mean]) is Verdict.HOLDS, uncured),
        f"A smaller mean gap is {'' if mean.shown else 'not '}shown; a gap is {'' if uncured else 'not '}left to all.",
        (mean,),
    )


def higher_at_every_size(runs: pd.DataFrame) -> Finding:
    """Judge whether sharing is above both standard networks at every size of the training set."""
    sizes = {fraction: runs[runs["fraction"] == fraction] for fraction in _sizes(runs)}
    pairs, test = (
        [
            compare_metrics(own, RC, other, metric, where=_percent(fraction))
            for fraction, own in sizes.items()
            for metric in metrics
            for other in (SAME, DOUBLE)
        ]
        for metrics in (METRICS, TEST_METRICS)
    )
    measured = [pair for pair in pairs if pair is not None]
    n_above = sum(bool(np.median(pair.values_a) > np.median(pair.values_b)) for pair in measured)
    medians = f"Medians, which the paper draws, are above in {n_above} of {len(measured)}."
    finding = _of_many(pairs, " ".join(filter(None, [medians, agreement_elsewhere("Test chromosomes", test)])))
    return replace(finding, note=_learning_speed(runs, _sizes(runs)))


def slower(runs: pd.DataFrame) -> Finding:
    """Judge whether sharing loses less with small training sets: in the mean over these, and at each of them."""
    full = float(runs["fraction"].max())
    small = [size for size in _sizes(runs) if size <= SMALL]
    means, text = [], []
    for metric in METRICS:
        lost = {arm: _loss(runs, arm, metric, small) for arm in (RC, SAME, DOUBLE)}
        means += [
            compare_seeds(lost[other], lost[RC], other, RC, f"{metric_words(metric)} lost", "mean of sizes")
            for other in (SAME, DOUBLE)
        ]
        losses = ", ".join(f"{arm} {spread(values)}" for arm, values in lost.items() if len(values))
        text.append(f"{metric_words(metric)} lost: {losses}")
    measured = [pair for pair in means if pair is not None]
    if not measured:
        return unmeasured("No seed has both small training sets and the whole one.")
    at_each = {size: _losses_at(runs, size) for size in small}
    verdicts = {_percent(size): judge(pairs) for size, pairs in at_each.items()}
    shown = [size for size, verdict in verdicts.items() if verdict is Verdict.HOLDS]
    left = [size for size in verdicts if size not in shown]
    in_mean = judge(means) is Verdict.HOLDS
    return Finding(
        "; ".join(text),
        f"each seed's score at {_percent(full)} minus its mean over sizes up to {_percent(SMALL)}; rank-sum that the "
        f"standard networks lose more, {', '.join(p_text(pair.p_value) for pair in measured)}; the same at each of "
        "these sizes",
        both_or_one(in_mean, not left),
        f"Shown in {sum(pair.shown for pair in measured)} of {len(means)} comparisons of means over sizes. "
        f"By itself in all comparisons at {_listed(shown) or 'none of these sizes'}"
        + (f", not at {_listed(left)}." if left and shown else "."),
        (*measured, *(pair for pairs in at_each.values() for pair in pairs if pair is not None)),
        note="; ".join(
            filter(None, [f"not shown at {_listed(left)}" if left and in_mean else "", _learning_speed(runs, small)])
        ),
    )


def _losses_at(runs: pd.DataFrame, size: float) -> list[Comparison | None]:
    """Compare what is lost at one size alone."""
    losses = {(metric, arm): _loss(runs, arm, metric, [size]) for metric in METRICS for arm in (RC, SAME, DOUBLE)}
    return [
        compare_seeds(
            losses[metric, other], losses[metric, RC], other, RC, f"{metric_words(metric)} lost", _percent(size)
        )
        for metric in METRICS
        for other in (SAME, DOUBLE)
    ]


def _learning_speed(runs: pd.DataFrame, sizes: Sequence[float]) -> str:
    """Name the sizes at which most trainings ended at their best epoch, so that the order is learning speed."""
    shown = runs[runs["paper"]] if "paper" in runs else runs
    early = [size for size in sizes if not_trained_out(shown[shown["fraction"] == size])]
    if not early or not_trained_out(shown):  # the whole table is called so elsewhere
        return ""
    return f"at {_listed(map(_percent, early))} not trained out: learning speed"


def _percent(fraction: float) -> str:
    return f"{100 * fraction:g}%"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _loss(runs: pd.DataFrame, arm: str, metric: str, sizes: Sequence[float]) -> pd.Series:
    """Return what each seed loses: at the full size minus its mean over these sizes."""
    runs = runs[["arm", "seed", "fraction", metric]]
    full = by_seed(runs[runs["fraction"] == runs["fraction"].max()], arm, metric)
    small = [by_seed(runs[runs["fraction"] == size], arm, metric) for size in sizes]
    return (full - sum(small) / len(small)).dropna() if small else pd.Series(dtype=float)


def _sizes(runs: pd.DataFrame) -> list[float]:
    return sorted(set(runs["fraction"].astype(float)))


def every_width(runs: pd.DataFrame) -> Finding:
    """Judge whether sharing is above at every width."""
    return _everywhere(
        [(f"{n} filters", runs, f"RC-{n}", f"standard-{factor * n}") for n in WIDTHS for factor in (1, 2)]
    )


def every_factor(runs: pd.DataFrame) -> Finding:
    """Judge whether sharing is above for every factor."""
    return _everywhere(
        [(factor, runs[runs["dataset"] == factor], RC, other) for factor in FACTORS for other in (SAME, DOUBLE)]
    )


def _everywhere(parts: Sequence[tuple[str, pd.DataFrame, str, str]]) -> Finding:
    """Return the finding for comparisons (where, runs, higher, lower), beside those of the test chromosomes."""
    pairs, test = (
        [compare_metrics(runs, a, b, metric, where=where) for metric in metrics for where, runs, a, b in parts]
        for metrics in (METRICS, TEST_METRICS)
    )
    return _of_many(pairs, agreement_elsewhere("Test chromosomes", test))


def _of_many(pairs: Sequence[Comparison | None], why: str) -> Finding:
    """Return the finding for a claim that is many comparisons."""
    measured = tuple(pair for pair in pairs if pair is not None)
    if not measured:
        return unmeasured("No two arms to compare are in the table yet.")
    missing = len(pairs) - len(measured)
    lacking = f"{missing} of {len(pairs)} comparisons have no data yet. " if missing else ""
    left = [f"{pair.where} {pair.metric}, {pair.a} over {pair.b}" for pair in measured if not pair.shown]
    text = f"Not shown: {'; '.join(left)}. " if left else ""
    return Finding(differences(measured), "rank-sum for each", judge(pairs), lacking + text + why, measured)
