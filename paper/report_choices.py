"""The page's section on choices that the paper leaves open: Figure 3 under each, and whether claims depend on it."""

from collections.abc import Iterator

import pandas as pd

from paper.figures import CHOICES
from paper.findings import spread
from paper.markup import markdown
from paper.report_scores import difference_text
from paper.rules_simulated import DOUBLE, RC, SAME
from paper.tables import Results
from paper.verdicts import Comparison, by_seed, compare_metrics, judge

PRESETS = "rcviz's presets"

WORDS = {
    PRESETS: "batch norm of momentum 0.99 and epsilon 1e-3 as in Keras, Glorot starts, rows of labels shuffled whole",
    "torch's batch norm": "momentum 0.9 in Keras' sense, epsilon 1e-5",
    "starting weights of Keras 1": "convolutions start within sqrt(6 / (C F (K + 1))), by the original's order of axes",
    "tasks shuffled separately": "the labels of each task permuted separately",
}


def choices_section(results: Results) -> Iterator[str]:
    """Yield the section as paragraphs."""
    yield "## Where the paper leaves a choice open\n"
    tables = _by_choice(results)
    if len(tables) < 2:
        yield "Not measured here yet: only the presets were run.\n"
        return
    yield (
        "Figure 3 again, with one choice changed at a time: auROC of the best epoch in validation and test, "
        "differences of means with Welch's 95% interval, and two of the paper's claims by the same rules as above.\n"
    )
    first: dict[str, bool] = {}
    second: dict[str, bool] = {}
    rows = []
    for choice, runs in tables.items():
        above = [compare_metrics(runs, RC, other, "valid_auroc") for other in (SAME, DOUBLE)]
        more = compare_metrics(runs, DOUBLE, SAME, "valid_auroc")
        pairs = [pair for pair in (*above, more) if pair is not None]
        if len(pairs) < 3:
            continue
        first[choice] = judge(above) == "holds"
        second[choice] = pairs[2].shown
        values = [by_seed(runs, arm, metric) for metric in ("valid_auroc", "test_auroc") for arm in (RC, SAME, DOUBLE)]
        seeds = " and ".join(dict.fromkeys(str(len(value)) for value in values))
        p_above = max(pair.p_value for pair in pairs[:2])
        on_test = [_difference(pair.on_test) for pair in pairs[:2]]
        scores = map(spread, values)
        rows.append([f"{choice}: {WORDS[choice]}", seeds, *scores, f"{p_above:.3g}", *on_test, _difference(pairs[2])])
    arms = [f"{arm}, {part}" for part in ("validation", "test") for arm in (RC, SAME, DOUBLE)]
    differences = [f"{RC} minus {SAME}, test", f"{RC} minus {DOUBLE}, test", f"{DOUBLE} minus {SAME}"]
    yield markdown(["choice", "seeds", *arms, f"p, {RC} above both", *differences], rows)
    yield f"- {RC} is above both standard networks {_where(first)}.\n"
    gains = [choice for choice, shown in second.items() if shown]
    under = f"shown under {', '.join(gains)}, and under no other choice" if gains else "shown under no choice"
    yield f"- That 40 filters are better than 20 is {under}.\n"


def _by_choice(results: Results) -> dict[str, pd.DataFrame]:
    """Return the runs of Figure 3 under each choice, with the names of Figure 3."""
    tables = {}
    if "fig3_runs" in results:
        tables[PRESETS] = results["fig3_runs"]
    if "choices_runs" in results:
        runs = results["choices_runs"]
        for choice in CHOICES:
            own = runs[runs["arm"].str.endswith(f", {choice}")]
            if len(own):
                tables[choice] = own.assign(arm=own["arm"].str.removesuffix(f", {choice}"))
    return tables


def _difference(pair: Comparison | None) -> str:
    return "" if pair is None else f"{difference_text(pair.effect, pair.interval)}, p = {pair.p_value:.3g}"


def _where(held: dict[str, bool]) -> str:
    """Name the choices under which a claim holds."""
    yes = [choice for choice, holds in held.items() if holds]
    no = [choice for choice, holds in held.items() if not holds]
    if not no:
        return "under every choice"
    return f"under {', '.join(yes) or 'none of these choices'}; that is not shown under {', '.join(no)}"
