"""The page's section on how far trainings went, and what is missing."""

from collections.abc import Iterator
from functools import cache

import numpy as np
import pandas as pd

from paper.claims import epochs_text, on_gpu
from paper.convergence import still_improving, trainings_of
from paper.figures import Shown, arms_of
from paper.markup import markdown
from paper.tables import GPU, TRAINED_AGAIN, Results
from paper.verdicts import PAPER_SEEDS
from rcviz.training.config import TrainConfig

PATIENCE = TrainConfig.simulated().patience or 10
"""Epochs without a better one after which the paper ends a training on simulated data."""

GPU_MINUTES = 9.0
"""What all trainings on the GPU took by the clock, beside each other: docs/decisions/0028-twice.md."""

_KEYS = ["arm", "dataset", "fraction", "seed"]


def trainings_section(results: Results) -> Iterator[str]:
    """Yield the section as paragraphs."""
    yield "## How far the trainings went\n"
    rows = [
        _row(f"{figure.replace('fig', 'Figure ')}", results[f"{name}_runs"], results.get(name))
        for figure in ("fig3", *TRAINED_AGAIN[:1], "fig5", *TRAINED_AGAIN[1:])
        for name in (f"{figure}{GPU}", figure)
        if f"{name}_runs" in results
    ]
    if not rows:
        yield "Not measured here yet.\n"
        return
    yield (
        "The paper's networks on simulated data end when validation was no better for "
        f"{PATIENCE} epochs; those on ChIP-seq data after a fixed number, the paper's as well as ours. A training that "
        "ended at its best epoch was broken off while it improved, and one whose best epoch was among the last may "
        "have been. *Gain* is how much the best validation auROC rose in the last quarter of the epochs: differences "
        "between networks that are not larger may be learning speed.\n"
    )
    heads = ["figure", "trained for", "trainings", "ended at their best epoch"]
    yield markdown([*heads, f"no better for {PATIENCE} epochs", "mean gain", "largest gain"], rows)
    yield from _of_sizes(results)
    yield from _missing(results)


def _row(figure: str, runs: pd.DataFrame, history: pd.DataFrame | None) -> list[str]:
    trained = trainings_of(runs)
    done = int((trained["n_epochs"] - trained["best_epoch"] >= PATIENCE).sum())
    gains = [] if history is None else _gains(trained, history)
    return [
        figure,
        epochs_text(trained) + (", on a GPU" if on_gpu(trained) else ""),
        str(len(trained)),
        f"{len(still_improving(runs))} ({len(still_improving(runs)) / len(trained):.0%})",
        f"{done} ({done / len(trained):.0%})",
        *([f"{np.mean(gains):+.4f}", f"{max(gains):+.4f}"] if len(gains) else ["", ""]),
    ]


def _gains(trained: pd.DataFrame, history: pd.DataFrame) -> list[float]:
    """Return how much the best validation auROC of each training rose in the last quarter of its epochs."""
    valid = history[history["split"] == "valid"].merge(trained[[*_KEYS, "n_epochs"]], on=_KEYS)
    early = valid[valid["epoch"] <= 0.75 * valid["n_epochs"]]
    return list((valid.groupby(_KEYS)["auroc"].max() - early.groupby(_KEYS)["auroc"].max()).dropna())


def _of_sizes(results: Results) -> Iterator[str]:
    """Say at which training sizes networks of the longer training were still improving."""
    runs = results.get(f"fig6{GPU}_runs")
    if runs is not None:
        shares = {size: runs[runs["fraction"] == size] for size in sorted(set(runs["fraction"].astype(float)))}
        sizes = "; ".join(f"at {100 * size:g}% {_n_of_n(own)}" for size, own in shares.items())
        yield f"Figure 6 on the GPU, trainings that ended at their best epoch by training size: {sizes}.\n"


def _n_of_n(runs: pd.DataFrame) -> str:
    return f"{len(still_improving(runs))} of {len(trainings_of(runs))}"


def _missing(results: Results) -> Iterator[str]:
    """Say which trainings the paper has of Figures 4, 6 and 7 and these tables have not, and what they would cost."""
    tables = {figure: _done(figure, results) for figure in TRAINED_AGAIN}
    everything = pd.concat(tables.values()).drop_duplicates([*_KEYS, "chromosomes", "n_epochs"])
    if everything.empty:
        return
    everything["gpu"] = everything["gpu"].astype(bool)
    per_epoch = everything.assign(seconds=everything["cpu_seconds"] / everything["n_epochs"])
    on_one_core = per_epoch[~per_epoch["gpu"]].groupby("arm")["seconds"].median()
    per_gpu_epoch = GPU_MINUTES / max(1, int(everything.loc[everything["gpu"], "n_epochs"].sum()))
    whole = TrainConfig.chipseq().epochs
    rows, seen = [], set[object]()
    for figure, done in tables.items():
        cells = [arm for arm in _papers_arms(figure) if arm.training not in seen]
        seen |= {arm.training for arm in cells}
        trained = dict(iter(done.groupby(["arm", "dataset", "fraction"])))
        mine = [trained.get((cell.name, cell.dataset, cell.arm.fraction), done.iloc[:0]) for cell in cells]
        complete = [int((own["n_epochs"] >= whole).sum()) for own in mine]
        lacking = [PAPER_SEEDS - min(n, PAPER_SEEDS) for n in complete]
        shorter = sum(int(((own["n_epochs"] < whole) & own["gpu"]).sum()) for own in mine)
        hours = sum(n * whole * on_one_core.get(cell.name, np.nan) for n, cell in zip(lacking, cells, strict=True))
        rows.append(
            [
                figure.replace("fig", "Figure "),
                _cells_text(cells),
                str(len(cells) * PAPER_SEEDS),
                str(sum(complete)),
                str(shorter),
                str(sum(lacking)),
                "unknown" if np.isnan(hours) else f"{hours / 3600:.2g}",
                f"{sum(lacking) * whole * per_gpu_epoch:.2g}" if everything["gpu"].any() else "unknown",
            ]
        )
    yield "### What is missing\n"
    yield (
        f"The paper's Figures 4, 6 and 7 are networks of {PAPER_SEEDS} seeds and {whole} epochs. A network that two "
        "figures share is counted in the first. Hours are those of one core, at the median CPU time of an epoch of the "
        "same arm in these tables. Minutes are those of the GPU that did the others, many at a time, if an epoch takes "
        "as long as it did in the mean.\n"
    )
    heads = ["figure", "networks", "trainings", f"here, {whole} epochs", "here, fewer, on a GPU", "missing"]
    yield markdown([*heads, "core hours", "GPU minutes"], rows)
    yield (
        "`python -m paper fig4 fig6 fig7 --arms paper --seeds 10 --device cuda --jobs 15 --data windows` trains them "
        "and can be interrupted. Rivals of equal memory would need as many seeds, and the smaller training sets of "
        "Figure 6 more epochs than the paper's if they are still improving then.\n"
    )


def _done(figure: str, results: Results) -> pd.DataFrame:
    """Return the trainings of a figure, from both its tables; the column `gpu` says which."""
    columns = [*_KEYS, "chromosomes", "n_epochs", "cpu_seconds"]
    tables = [
        trainings_of(results[name])[columns].assign(gpu=name != f"{figure}_runs")
        for name in (f"{figure}_runs", f"{figure}{GPU}_runs")
        if name in results
    ]
    return pd.concat(tables) if tables else pd.DataFrame(columns=[*columns, "gpu"])


@cache
def _papers_arms(figure: str) -> tuple[Shown, ...]:
    return tuple(arm for arm in arms_of(figure) if arm.paper)


def _cells_text(cells: list[Shown]) -> str:
    """Write the networks of a figure: ``RC-16, standard-16; CTCF; at 5%, 10%``."""
    names, factors = (dict.fromkeys(parts) for parts in zip(*((one.name, one.dataset) for one in cells), strict=True))
    sizes = [f"{100 * size:g}%" for size in sorted({one.arm.fraction for one in cells})]
    at = f"; at {', '.join(sizes)}" if len(sizes) > 1 else ""
    return f"{', '.join(names)}; {', '.join(factors)}{at}"


def negatives_text(results: Results) -> str:
    """Say how many negatives, by the paper's rule, lie at a peak all the same."""
    table = results.get("table_1")
    if table is None or "n_negative_over_peak" not in table:
        return ""
    parts = {
        "overlap a reproducible peak": "n_negative_over_peak",
        "contain its summit": "n_negative_with_summit",
        "overlap the window of a positive": "n_negative_over_positive",
    }
    words = []
    for what, column in parts.items():
        shares = table[column] / table["n_negative_here"]
        of_each = zip(table["factor"], shares, strict=True)
        words.append(f"{', '.join(f'{share:.1%} ({factor})' for factor, share in of_each)} {what}")
    return f"Of these negatives' windows {'; '.join(words)}."
