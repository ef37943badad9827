"""Under each figure of the page: scores of every arm in validation and test, comparisons, and tests over its strata."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from paper.claims import epochs_text
from paper.convergence import best_trained, improving_text, less_trained
from paper.findings import Finding, spread
from paper.inference import Interval, sign_flip_test, stratified_effect, stratified_test, student_interval
from paper.markup import markdown
from paper.rules_chipseq import WIDTHS
from paper.tables import Results
from paper.verdicts import METRICS, TEST_METRICS, Comparison, by_arm
from rcviz.plots.comparisons import metric_words

BOTH = tuple(metric for pair in zip(METRICS, TEST_METRICS, strict=True) for metric in pair)
"""Validation beside test."""


AVERAGED = "twice as many filters, both strands averaged"
RIVALS = {
    "as many filters": "standard-{n}",
    "twice as many filters": "standard-{twice}",
    AVERAGED: "standard-{twice}, both strands averaged",
    "as many filters, siamese": "standard-{n}, siamese",
}
"""Arms that sharing with n filters is compared with over all strata of a figure."""
_STRATA = {"fig6": "sizes", "fig7a": "widths", "fig7b": "factors"}
_N_FILTERS = 16  # of the network that shares, but in Figure 7a


def difference_text(effect: float, interval: Interval) -> str:
    """Write ``+0.0101 (+0.0087 to +0.0115)``; without the interval where there is none."""
    if not np.isfinite(interval).all():
        return f"{effect:+.4f}"
    low, high = interval
    return f"{effect:+.4f} ({low:+.4f} to {high:+.4f})"


def comparisons_table(pairs: Sequence[Comparison]) -> str:
    """Return comparisons with Welch's intervals, and beside those of validation what the test set gives."""
    rows = [
        [
            pair.where,
            pair.metric,
            pair.a,
            pair.b,
            f"{len(pair.values_a)} and {len(pair.values_b)}",
            *_compared(pair),
            *_compared(pair.on_test),
        ]
        for pair in pairs
    ]
    heads = ["", "what", "above", "below", "seeds", "difference of means (95% interval)", "p"]
    return markdown([*heads, "the same on the test set", "p"], rows)


def comparisons(summary: str, finding: Finding) -> str:
    """Return the comparisons behind a verdict, folded; empty where there are none."""
    return folded(summary, comparisons_table(finding.comparisons)) if finding.comparisons else ""


def figure_tables(figure: str, results: Results) -> Iterator[str]:
    """Yield the scores of a figure's arms, and tests over its strata, of both sets of trainings; figure as "fig6".

    Figure 2 has none: its trainings are those of Figure 3.
    """
    if figure == "fig2":
        return
    for tables in (best_trained(results), less_trained(results)):
        runs = tables.get(f"{figure}_runs")
        if runs is None:
            continue
        trained = f"{epochs_text(runs)}; {improving_text(runs)}"
        yield folded(f"Scores of every arm in validation and test ({trained}).", scores_table(runs))
        if strata := strata_table(figure, runs):
            yield folded(f"Sharing over all of the figure ({trained}).", strata)


def scores_table(runs: pd.DataFrame) -> str:
    """Return mean, least and greatest of every arm: validation and test, auROC and auPRC.

    Averages of probabilities are left out, which are near those of logits.
    """
    runs = runs[runs["strategy"] != "posthoc_probability"]
    keys = [key for key in ("dataset", "fraction") if len(runs[key].unique()) > 1]
    rows = []
    for names, own in runs.groupby([*keys, "arm"], sort=False):
        *where, arm = names
        places = [f"{value:.0%}" if key == "fraction" else str(value) for key, value in zip(keys, where, strict=True)]
        scores = [spread(values) if len(values := own[metric].dropna()) else "" for metric in BOTH]
        rows.append([*places, str(arm), str(len(own)), *scores])
    heads = ["share of the training set" if key == "fraction" else "data" for key in keys]
    return markdown([*heads, "arm", "seeds", *map(metric_words, BOTH)], rows)


def strata_of(figure: str, runs: pd.DataFrame, rival: str, metric: str) -> list[tuple[pd.Series, pd.Series]]:
    """Return the values of sharing and of a rival by seed, for each size, width or factor of a figure that has both."""
    return _pairs(_parts(figure, runs), rival, metric)


def _parts(figure: str, runs: pd.DataFrame) -> list[tuple[dict[str, pd.DataFrame], int]]:
    """Return the scores of every arm for each size, width or factor, and the filters of the network that shares."""
    runs = runs[["arm", "seed", "fraction", "dataset", *BOTH]]
    if figure == "fig7a":
        arms = by_arm(runs)
        return [(arms, n) for n in WIDTHS]
    key = {"fig6": "fraction", "fig7b": "dataset"}[figure]
    return [(by_arm(own), _N_FILTERS) for _, own in runs.groupby(key, sort=False)]


def _pairs(
    parts: Sequence[tuple[dict[str, pd.DataFrame], int]], rival: str, metric: str
) -> list[tuple[pd.Series, pd.Series]]:
    named = [(arms, f"RC-{n}", RIVALS[rival].format(n=n, twice=2 * n)) for arms, n in parts]
    pairs = [(arms[a][metric].dropna(), arms[b][metric].dropna()) for arms, a, b in named if a in arms and b in arms]
    return [(a, b) for a, b in pairs if len(a) and len(b)]


def strata_table(figure: str, runs: pd.DataFrame) -> str:
    """Return the effect of sharing over the sizes, widths or factors of a figure; empty where it has none of these."""
    if figure not in _STRATA:
        return ""
    words = _STRATA[figure]
    describe = _over_sizes if figure == "fig6" else _over_others
    parts = _parts(figure, runs)
    rows = [
        [rival, metric_words(metric), str(len(strata)), *describe(strata)]
        for rival in RIVALS
        for metric in BOTH
        if (strata := _pairs(parts, rival, metric))
    ]
    if not rows:
        return ""
    heads = ["standard networks", "what", words, "mean difference (95% interval)"]
    if figure == "fig6":
        return (
            "RC minus standard networks within seeds, which share the sequences drawn for a size, mean over sizes; "
            "Student's interval over seeds. *p, seeds*: exact two-sided sign-flip test, all sizes of a seed together, "
            "since they share sequences and starting weights; n seeds cannot reach less than 2 / 2^n. *p, sizes*: "
            "exact two-sided van Elteren test, ranks within sizes, as if trainings of a seed on other sizes were of "
            "other seeds.\n\n" + markdown([*heads, "seeds", "p, seeds", "p, sizes", "every seed ahead"], rows)
        )
    return (
        f"RC minus standard networks, mean over {words}, with the Welch-Satterthwaite interval of that mean; p: exact "
        f"two-sided van Elteren test, ranks within {words}. Arms of a seed share the order of the samples only, and "
        "are not paired.\n\n" + markdown([*heads, "p"], rows)
    )


def arrays(strata: Sequence[tuple[pd.Series, pd.Series]]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return strata without their seeds."""
    return [(a.to_numpy(float), b.to_numpy(float)) for a, b in strata]


def _over_others(strata: Sequence[tuple[pd.Series, pd.Series]]) -> list[str]:
    return [difference_text(*stratified_effect(arrays(strata))), _p(stratified_test(arrays(strata)))]


def _over_sizes(strata: Sequence[tuple[pd.Series, pd.Series]]) -> list[str]:
    differences = [(a - b).dropna() for a, b in strata]
    seeds = pd.concat(differences, axis="columns").dropna().mean(axis="columns").to_numpy(float)
    if not len(seeds):
        return ["", "0", "", "", ""]
    n_ahead = sum((difference > 0).all() for difference in differences)
    return [
        difference_text(float(seeds.mean()), student_interval(seeds)),
        str(len(seeds)),
        _p(sign_flip_test(seeds)),
        _p(stratified_test(arrays(strata))),
        f"{n_ahead} of {len(strata)} sizes",
    ]


def _compared(pair: Comparison | None) -> list[str]:
    if pair is None:
        return ["", ""]
    return [difference_text(pair.effect, pair.interval), f"{pair.p_value:.4g}"]


def _p(p_value: float) -> str:
    return f"{p_value:.2g}"


def folded(summary: str, content: str) -> str:
    """Return content that opens on a click."""
    return f"<details><summary>{summary}</summary>\n\n{content}\n</details>\n"
