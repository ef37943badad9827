"""What the paper leaves open: Figure 3 under every choice, and whether its claims depend on it."""

from collections.abc import Iterator

import pandas as pd

from paper.claims import spread
from paper.claims_simulated import DOUBLE, RC, SAME
from paper.figures import CHOICES
from paper.tables import Results
from paper.verdicts import Comparison, by_seed, compare_scores, judge
from paper.words import markdown

PRESETS = "rcviz's presets"

WORDS = {
    PRESETS: "batch norm of momentum 0.99 and epsilon 1e-3 as in Keras, Glorot starts, rows of labels shuffled whole",
    "torch's batch norm": "momentum 0.9 in Keras' sense, epsilon 1e-5",
    "starts of Keras 1": "convolutions start within sqrt(6 / (C F (K + 1))), as the original's order of axes had it",
    "tasks shuffled apart": "each task's labels permuted by itself",
}


def choices_section(results: Results) -> Iterator[str]:
    """The section as paragraphs."""
    yield "## Where the paper leaves a choice open\n"
    tables = _by_choice(results)
    if len(tables) < 2:
        yield "Not measured here yet: only the presets were run.\n"
        return
    yield (
        "Figure 3 again, with one choice changed at a time: validation auROC of the best epoch, and two of the paper's "
        "claims by the same rules as above.\n"
    )
    first: dict[str, bool] = {}
    second: dict[str, bool] = {}
    rows = []
    for choice, runs in tables.items():
        above = [compare_scores(runs, RC, other, "valid_auroc") for other in (SAME, DOUBLE)]
        more = compare_scores(runs, DOUBLE, SAME, "valid_auroc")
        pairs = [pair for pair in (*above, more) if pair is not None]
        if len(pairs) < 3:
            continue
        first[choice] = judge(above) == "holds"
        second[choice] = not pairs[2].shown
        values = [by_seed(runs, arm, "valid_auroc") for arm in (RC, SAME, DOUBLE)]
        seeds = " and ".join(dict.fromkeys(str(len(value)) for value in values))
        p_above = max(pair.p_value for pair in pairs[:2])
        rows.append([f"{choice}: {WORDS[choice]}", seeds, *map(spread, values), f"{p_above:.3g}", _told(pairs[2])])
    yield markdown(["choice", "seeds", RC, SAME, DOUBLE, f"p, {RC} above both", f"{DOUBLE} minus {SAME}"], rows)
    yield f"- {RC} is above both standard networks {_where(first)}.\n"
    yield f"- 40 filters are no better than 20 {_where(second)}.\n"


def _by_choice(results: Results) -> dict[str, pd.DataFrame]:
    """Runs of Figure 3 under each choice, named as without it."""
    tables = {}
    if "fig3_runs" in results:
        tables[PRESETS] = results["fig3_runs"]
    if "choices_runs" in results:
        runs = results["choices_runs"]
        for choice in CHOICES:
            mine = runs[runs["arm"].str.endswith(f", {choice}")]
            if len(mine):
                tables[choice] = mine.assign(arm=mine["arm"].str.removesuffix(f", {choice}"))
    return tables


def _told(pair: Comparison) -> str:
    return f"{pair.difference:+.4f}, p = {pair.p_value:.3g}"


def _where(held: dict[str, bool]) -> str:
    """Say under which choices something is so."""
    so = [choice for choice, holds in held.items() if holds]
    not_so = [choice for choice, holds in held.items() if not holds]
    if not not_so:
        return "under every choice"
    return f"under {', '.join(so) or 'none of these choices'}; that is not shown under {', '.join(not_so)}"
