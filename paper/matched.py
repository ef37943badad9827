"""Sharing and its rivals with the same heads, paired: every replicate has a simulated data set of its own.

A replicate is one seed: of the data set, its division, starting weights and the order of the samples. All its arms
share the data, so that arms are compared by their differences within replicates. Only replicates that have every arm
but :data:`ADDED` are used.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from paper.figures import AVERAGED, HEADS
from paper.inference import Paired, paired
from paper.scores import GIVEN, LOGITS_AVERAGED, PROBABILITIES_AVERAGED
from paper.tables import Results
from paper.verdicts import by_arm
from rcviz.sweeps.compare import ALPHA

FLAT, SUM = HEADS
"""The two heads, as they are named in arms."""
SHARING = "sharing, 20 filters"
TREATMENTS = {
    "standard, 20 filters": ("standard-20", ""),
    "standard, 40 filters": ("standard-40", ""),
    "averaged, 20 filters": ("standard-20", AVERAGED["logit"]),
    "averaged, 40 filters": ("standard-40", AVERAGED["logit"]),
    "siamese, 20 filters": ("standard-20, siamese", ""),
    "siamese, 40 filters": ("standard-40, siamese", ""),
    SHARING: ("RC-20", ""),
}
"""How the two strands are treated, by the arm's network and by what is done to its predictions."""
SIAMESE = "siamese, 20 filters"
ADDED = "siamese, 40 filters"
"""A treatment that may have fewer replicates than the others."""
EQUAL_CHANNELS = "standard, 40 filters"
"""The standard network with as many channels as the one that shares."""
BASES = (EQUAL_CHANNELS, "standard, 20 filters")
"""The standard networks of the published comparison: as many channels, then as many filters, as the one that shares."""

TABLES = ("matched_runs", "matched_scores", "matched_perfect")
_STRANDS = {"posthoc": LOGITS_AVERAGED, "posthoc_probability": PROBABILITIES_AVERAGED}
_AVERAGED = re.compile(f", (?:{'|'.join(AVERAGED.values())})$")


@dataclass(frozen=True)
class Contrast:
    """A question about the treatment of strands and the head: the first arm's score minus the second's.

    Arms are (treatment, head), as in :data:`TREATMENTS` and :data:`paper.figures.HEADS`.
    """

    words: str
    a: tuple[str, str]
    b: tuple[str, str]


def published(base: str) -> Contrast:
    """Return sharing with its head minus a standard network with its own, "standard, 20 filters" or with 40."""
    return Contrast("the published comparison: sharing and the weighted sum", (SHARING, SUM), (base, FLAT))


def head_alone(base: str) -> Contrast:
    """Return what the weighted sum does for a standard network."""
    return Contrast("the head alone", (base, SUM), (base, FLAT))


def beyond_head(base: str) -> Contrast:
    """Return sharing minus a standard network with the same head."""
    return Contrast("sharing beyond the head: both with the weighted sum", (SHARING, SUM), (base, SUM))


def beyond_averaging(base: str) -> Contrast:
    """Return sharing minus a standard network with the same head, both strands averaged after training."""
    return Contrast("sharing beyond head and averaging", (SHARING, SUM), (_averaged(base), SUM))


def beyond_siamese(base: str) -> Contrast:
    """Return sharing minus a siamese network of as many filters with the same head; the same for every base."""
    return Contrast("sharing beyond head and siamese training", (SHARING, SUM), (SIAMESE, SUM))


def decomposition(base: str) -> list[Contrast]:
    """Return what makes up the published difference from a standard network."""
    return [
        published(base),
        head_alone(base),
        Contrast("averaging alone, after training", (_averaged(base), FLAT), (base, FLAT)),
        Contrast("head and averaging", (_averaged(base), SUM), (base, FLAT)),
        beyond_head(base),
        Contrast("sharing without the head: both flattened", (SHARING, FLAT), (base, FLAT)),
        beyond_averaging(base),
        beyond_siamese(base),
        Contrast("the head under sharing", (SHARING, SUM), (SHARING, FLAT)),
    ]


def _averaged(base: str) -> str:
    return base.replace("standard", "averaged")


@dataclass(frozen=True, eq=False)
class Matched:
    """The matched arms: ``table`` has a row for each arm and complete replicate.

    Columns are those of the runs, and means over tasks of :func:`paper.scores.score_parts` for the arm's treatment of
    the strands, named after their part, such as ``train_auroc``, ``test_clean_auroc`` and ``test_brier``.
    """

    table: pd.DataFrame
    perfect: pd.DataFrame

    @cached_property
    def replicates(self) -> list[int]:
        """The seeds that have every arm but :data:`ADDED`."""
        return sorted(self.table["seed"].unique())

    def has(self, treatment: str) -> bool:
        """Whether a treatment was trained, with both heads."""
        return {name_of(treatment, head) for head in HEADS} <= set(self.table["arm"])

    @cached_property
    def treatments(self) -> list[str]:
        """Those of :data:`TREATMENTS` that were trained."""
        return [treatment for treatment in TREATMENTS if self.has(treatment)]

    def values(self, treatment: str, head: str, metric: str) -> pd.Series:
        """Return one arm's metric, indexed by replicate."""
        return self._of_arms[name_of(treatment, head)][metric]

    @cached_property
    def _of_arms(self) -> dict[str, pd.DataFrame]:
        """The numbers of each arm, indexed by replicate."""
        return by_arm(self.table[["arm", *self.table.select_dtypes("number")]])

    def difference(self, contrast: Contrast, metric: str) -> Paired:
        """Return the paired difference that a contrast asks for."""
        pair = paired(self.values(*contrast.a, metric), self.values(*contrast.b, metric))
        assert pair is not None, contrast
        return pair

    def ceiling(self, part: str = "test", metric: str = "auroc") -> pd.Series:
        """Return what a perfect predictor reaches, mean over tasks, by replicate."""
        rows = self.perfect[(self.perfect["part"] == part) & self.perfect["seed"].isin(self.replicates)]
        return rows.groupby("seed")[metric].mean()


def name_of(treatment: str, head: str) -> str:
    """Return the name of an arm in the tables."""
    network, averaged = TREATMENTS[treatment]
    return ", ".join(filter(None, [network, head, averaged]))


def matched_of(results: Results) -> Matched | None:
    """Join the tables of the matched arms; None where they lack one, or no replicate is complete."""
    if any(name not in results for name in TABLES):
        return None
    runs, scores, perfect = (results[name] for name in TABLES)
    network = runs["arm"].str.replace(_AVERAGED, "", regex=True)
    runs = runs.assign(network=network, strands=[_STRANDS.get(strategy, GIVEN) for strategy in runs["strategy"]])
    values = [column for column in scores.select_dtypes("number") if column not in ("seed", "fraction", "paper")]
    parts = [
        own.groupby(["arm", "seed", "strands"])[values].mean().add_prefix(f"{part}_")
        for part, own in scores.groupby("part")
    ]
    means = pd.concat(parts, axis="columns")
    new = [column for column in means if column not in runs]
    table = runs.merge(
        means[new].reset_index().rename(columns={"arm": "network"}), on=["network", "seed", "strands"], how="left"
    )
    arms = {treatment: {name_of(treatment, head) for head in HEADS} for treatment in TREATMENTS}
    present = {seed: set(own["arm"]) for seed, own in table.groupby("seed")}
    needed = set().union(*(arms[treatment] for treatment in TREATMENTS if treatment != ADDED))
    complete = [seed for seed, own in present.items() if needed <= own]
    if not complete:
        return None
    both = [seed for seed in complete if arms[ADDED] <= present[seed]]
    own = table["arm"].isin(needed) & table["seed"].isin(complete)
    table = table[own | (table["arm"].isin(arms[ADDED]) & table["seed"].isin(both))]
    return Matched(table.reset_index(drop=True), perfect)


def rivals(matched: Matched, head: str = SUM) -> list[Contrast]:
    """Return sharing against every other treatment, with the same head."""
    return [
        Contrast(treatment, (SHARING, head), (treatment, head))
        for treatment in matched.treatments
        if treatment != SHARING
    ]


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number by Holm's method, in their order."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, p_values[place] * (len(p_values) - rank)))
        corrected[place] = largest
    return corrected


def outcome(pair: Paired, p_value: float, n_tests: int = 1) -> str:
    """Return "ahead" or "behind" where a difference is shown, "open" where so few replicates could not, else "even".

    ``p_value`` is the pair's, corrected for ``n_tests``.
    """
    if p_value > ALPHA:
        return "open" if n_tests * 2 / 2 ** len(pair.differences) > ALPHA else "even"
    return "ahead" if pair.effect > 0 else "behind"
