"""When is RC weight sharing worth it? Against its rivals, at equal memory and at equal training time."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from paper.tables import Results
from paper.verdicts import Comparison, by_seed, compare_metrics, compare_seeds
from rcviz.metrics import rank_sum_test
from rcviz.sweeps.compare import ALPHA


@dataclass(frozen=True)
class Setting:
    """Data and number of filters of the RC network for which all rivals were trained, in the tables of `figure`."""

    name: str
    figure: str
    dataset: str
    n_filters: int

    @property
    def shared(self) -> str:
        """Name of the arm that shares parameters."""
        return f"RC-{self.n_filters}"


SETTINGS = (
    Setting("simulated", "fig3", "simulated", 20),
    Setting("CTCF", "fig7b", "CTCF", 16),
    Setting("SPI1", "fig7b", "SPI1", 16),
    Setting("MAX", "fig7b", "MAX", 16),
)

RIVALS = {
    "no strand handling": "standard-{double}",
    "augmentation": "standard-{double}, augmented",
    "post-hoc averaging": "standard-{double}, both strands averaged",
    "augmentation and post-hoc averaging": "standard-{double}, augmented, both strands averaged",
    "a siamese network": "standard-{same}, siamese",
}
"""Arms that hold as many channels in training: twice the filters, or as many on both strands."""

SMALLER = {
    "no strand handling at half the channels": "standard-{same}",
    "augmentation at half the channels": "standard-{same}, augmented",
}
"""Arms of as many filters, which hold half as many channels and are quicker."""


@dataclass(frozen=True)
class Contest:
    """A comparison of sharing, the first of the `pair`, with one rival, in words, in one setting."""

    setting: Setting
    rival: str
    pair: Comparison

    @property
    def p_value(self) -> float:
        """Exact two-sided rank-sum test: either may be ahead."""
        return rank_sum_test(self.pair.values_a, self.pair.values_b, alternative="two-sided")

    @property
    def outcome(self) -> str:
        """Whether sharing is "ahead", "behind", "even": no difference is shown, "open": so few seeds can show none."""
        n, m = len(self.pair.values_a), len(self.pair.values_b)
        if 2 / math.comb(n + m, n) > ALPHA:
            return "open"
        if self.p_value > ALPHA:
            return "even"
        return "ahead" if self.pair.effect > 0 else "behind"


def rivals_of(setting: Setting) -> dict[str, str]:
    """Return the arms of equal memory, by description."""
    return _named(RIVALS, setting)


def trained_rivals(setting: Setting) -> dict[str, str]:
    """Return the arms of equal memory or less that have a training of their own, which averages have not."""
    trained = {words: name for words, name in RIVALS.items() if "averag" not in words}
    return _named({**trained, **SMALLER}, setting)


def _named(rivals: Mapping[str, str], setting: Setting) -> dict[str, str]:
    double, same = 2 * setting.n_filters, setting.n_filters
    return {words: name.format(double=double, same=same) for words, name in rivals.items()}


def runs_of_setting(setting: Setting, results: Results) -> pd.DataFrame | None:
    """Return the networks of a setting, or None if none of them shares parameters."""
    runs = results.get(f"{setting.figure}_runs")
    if runs is None:
        return None
    runs = runs[(runs["dataset"] == setting.dataset) & (runs["fraction"] == 1)]
    return runs if (runs["arm"] == setting.shared).any() else None


def equal_memory(results: Results, metric: str = "valid_auroc") -> list[Contest]:
    """Compare sharing with every rival that has as many channels, by a metric of the epoch kept."""
    return [
        Contest(setting, words, pair)
        for setting in SETTINGS
        if (runs := runs_of_setting(setting, results)) is not None
        for words, arm in rivals_of(setting).items()
        if (pair := compare_metrics(runs, setting.shared, arm, metric, where=setting.name)) is not None
    ]


@dataclass(frozen=True)
class Budget:
    """Training time of a setting, and what each arm reached in it.

    Attributes
    ----------
    totals : Series
        Median CPU seconds of every arm's whole training, the quickest first, whose time is the budget.
    ranges : dict of (float, float)
        The same with the cheapest and with the dearest epoch among the repeats of the measurement.
    scores : dict of Series
        Best validation auROC within the budget, by seed; NaN for a seed that finished no epoch in it.
    """

    setting: Setting
    totals: pd.Series
    ranges: dict[str, tuple[float, float]]
    scores: dict[str, pd.Series]

    @property
    def seconds(self) -> float:
        """CPU time that the quickest arm took in all, median over its seeds."""
        return float(self.totals.iloc[0])


def equal_time(results: Results, costs: pd.DataFrame | None) -> Iterator[Budget]:
    """Yield what every trained arm of a setting reaches in the time in which the quickest had finished.

    `costs` has what an epoch costs each arm (``benchmarks/epoch_costs.py``): the times of trainings that ran beside
    others, on several machines, cannot be compared.
    """
    for setting in SETTINGS:
        history = results.get(setting.figure)
        if history is None or costs is None:
            continue
        clock = _clock(setting, history, costs)
        totals = clock.groupby(["arm", "seed"])["elapsed"].max().groupby("arm").median().sort_values()
        if setting.shared not in totals or len(totals) < 2:
            continue
        within = clock.assign(auroc=clock["auroc"].where(clock["elapsed"] <= totals.iloc[0]))
        best = within.groupby(["arm", "seed"])["auroc"].max()
        ranges = {str(arm): _range(str(arm), setting, total, costs) for arm, total in totals.items()}
        yield Budget(setting, totals, ranges, {str(arm): best[arm] for arm in totals.index})


def largest_ratio(costs: pd.DataFrame) -> float:
    """Return the ratio of the dearest to the cheapest repeat of the arm of which it is largest."""
    seconds = costs.groupby(["setting", "arm"])["cpu_seconds"]
    return float((seconds.max() / seconds.min()).max())


def _range(arm: str, setting: Setting, total: float, costs: pd.DataFrame) -> tuple[float, float]:
    seconds = costs[(costs["setting"] == setting.name) & (costs["arm"] == arm.removesuffix(", augmented"))][
        "cpu_seconds"
    ]
    return total * seconds.min() / seconds.median(), total * seconds.max() / seconds.median()


def gpu_costs(again: Results) -> pd.DataFrame:
    """Return what an epoch took on the GPU, in wall time of networks that shared it: setting, arm, cpu_seconds."""
    rows = [
        history[(history["dataset"] == setting.dataset) & (history["fraction"] == 1)].assign(setting=setting.name)
        for setting in SETTINGS
        if (history := again.get(setting.figure)) is not None
    ]
    columns = {"seconds": "cpu_seconds"}
    return pd.concat(rows)[["setting", "arm", "seconds"]].rename(columns=columns) if rows else pd.DataFrame()


def contests_in_time(budget: Budget) -> list[Contest]:
    """Compare sharing with every other arm within the budget."""
    setting = budget.setting
    pairs = {
        words: compare_seeds(
            budget.scores[setting.shared], budget.scores[arm], setting.shared, arm, "validation auROC", setting.name
        )
        for words, arm in trained_rivals(setting).items()
        if arm in budget.scores
    }
    return [Contest(setting, words, pair) for words, pair in pairs.items() if pair is not None]


def by_rival(contests: Sequence[Contest]) -> dict[str, list[Contest]]:
    """Return the contests with each rival."""
    rivals = dict.fromkeys(contest.rival for contest in contests)
    return {words: [contest for contest in contests if contest.rival == words] for words in rivals}


def worth_it(contests: Sequence[Contest]) -> str:
    """Sum up the contests with one rival.

    "worth it": ahead in most settings, behind in none; "not worth it": behind in most, ahead in none; "no difference is
    shown": even in all; "it depends": anything else. Open contests are left out; if most are open, so is the answer.
    """
    n_settings = len(contests)
    contests = [contest for contest in contests if contest.outcome != "open"]
    if not contests or 2 * len(contests) < n_settings:
        return "open, with so few seeds,"
    ahead, behind = ([contest.outcome for contest in contests].count(outcome) for outcome in ("ahead", "behind"))
    if ahead > len(contests) / 2 and not behind:
        return "worth it"
    if behind > len(contests) / 2 and not ahead:
        return "not worth it"
    return "it depends" if ahead or behind else "no difference is shown"


def outcomes(contests: Sequence[Contest]) -> str:
    """Say in which settings sharing is ahead of a rival, even, or behind, and by how much."""
    where = {
        outcome: [
            f"{contest.setting.name} ({contest.pair.effect:+.4f})" for contest in contests if contest.outcome == outcome
        ]
        for outcome in ("ahead", "even", "behind", "open")
    }
    return "; ".join(f"{outcome} on {', '.join(names)}" for outcome, names in where.items() if names)


def _clock(setting: Setting, history: pd.DataFrame, costs: pd.DataFrame) -> pd.DataFrame:
    """Return validation at every epoch with the CPU seconds since the training began: arm, seed, auroc, elapsed."""
    medians = costs[costs["setting"] == setting.name].groupby("arm")["cpu_seconds"].median()
    arms = {setting.shared, *trained_rivals(setting).values()}
    chosen = history["arm"].isin(arms) & (history["dataset"] == setting.dataset)
    valid = history[chosen & (history["split"] == "valid") & (history["fraction"] == 1)]
    cost = valid["arm"].str.removesuffix(", augmented").map(medians).astype(float)  # reverse complements cost nothing
    return valid[["arm", "seed", "auroc"]].assign(elapsed=valid["epoch"] * cost)[cost.notna()]


def strand_gaps(results: Results) -> dict[str, float]:
    """Return the largest gap between the strands' probabilities in any setting, of sharing and of each rival."""
    gaps: dict[str, list[float]] = {}
    for setting in SETTINGS:
        runs = runs_of_setting(setting, results)
        if runs is not None:
            for words, arm in {"sharing": setting.shared, **rivals_of(setting)}.items():
                gaps.setdefault(words, []).extend(by_seed(runs, arm, "gap_max").dropna())
    return {words: float(np.max(values)) for words, values in gaps.items() if values}
