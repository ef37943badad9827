"""Trains the arms of figures as sweeps of rcviz, one for each data set."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from paper.data import load_splits
from paper.figures import SET_PER_SEED, Scale, Shown, arms_of, choose_arms, figures_of
from paper.measure import MEASURES
from paper.scores import score_perfect
from paper.tables import EPOCHS, RUNS, Trainings
from rcviz.sweeps.arms import seeds_of
from rcviz.sweeps.result import Sweep
from rcviz.sweeps.runner import sweep

DEFAULT_STORE = Path("runs/paper/store")


def run_figures(
    figures: str | Sequence[str],
    *,
    scale: Scale = "paper",
    seeds: int | Iterable[int] = 10,
    arms: str | Sequence[str] = "all",
    data: str | os.PathLike[str] | None = None,
    store: str | os.PathLike[str] | None = None,
    epochs: int | None = None,
    device: str = "cpu",
    backend: Any = None,
    n_jobs: int | None = None,
    progress: bool = True,
) -> Trainings:
    """Train and measure every arm of figures of the paper, and go on where an earlier call was stopped.

    Parameters
    ----------
    figures : str or list of str
        "fig2" to "fig6", "fig7a", "fig7b", "fig7" for both, "choices" or "matched". The same training in several
        figures is done once.
    scale, epochs, device
        As in :func:`paper.figures.arms_of`; the quick scale has fewer sequences and the bundled ChIP-seq example, too.
    arms : "all", "paper" or list of names
        All arms, those that the paper shows (without the rivals), or those named.
    data : path-like, optional
        Folder with ``CTCF.safetensors``, ``SPI1.safetensors`` and ``MAX.safetensors``, as rcviz windows writes them;
        for Figures 4 to 7 at scale "paper". Where they lack the paper's chromosomes, others are used, and
        the column `chromosomes` names them.
    seeds, store, backend, n_jobs, progress
        As in :func:`rcviz.sweep`; the store is by default ``runs/paper/store``.

    Returns
    -------
    dict of DataFrame
        As described in :mod:`paper.tables`; :func:`paper.tables.by_figure` makes the tables of each figure from it.

    Raises
    ------
    ValueError, FileNotFoundError
        Before anything is trained, when data are missing or an option does not fit.

    Examples
    --------
    >>> from paper.run import run_figures
    >>> from paper.tables import by_figure
    >>> tables = by_figure(run_figures("fig3", scale="quick", seeds=3, arms="paper"))  # doctest: +SKIP
    """
    seeds = seeds_of(seeds)
    names = figures_of([figures] if isinstance(figures, str) else figures)
    settings: dict[str, Any] = {"scale": scale, "epochs": epochs, "device": device}
    shown = choose_arms((arm for figure in names for arm in arms_of(figure, **settings)), arms)
    shown = list({(arm.name, arm.dataset, arm.split, arm.arm.fraction): arm for arm in shown}.values())
    places = dict.fromkeys((arm.dataset, arm.split) for arm in shown)
    folder = None if data is None else Path(data)
    groups = [
        (place, own_seeds, load_splits(*place, scale=scale, data=folder, seed=own_seeds[0]))
        for place in places
        for own_seeds in ([(seed,) for seed in seeds] if place[0] == SET_PER_SEED else [seeds])
    ]
    measures = {measure: {arm.training for arm in arms_of(figure, **settings)} for figure, measure in MEASURES.items()}
    tables: dict[str, list[pd.DataFrame]] = {}
    for (dataset, split), own_seeds, (parts, words) in groups:
        arms_here = {_key(arm): arm for arm in shown if (arm.dataset, arm.split) == (dataset, split)}
        result = sweep(
            {key: arm.arm for key, arm in arms_here.items()},
            parts,
            seeds=own_seeds,
            store=store or DEFAULT_STORE,
            backend=backend,
            n_jobs=n_jobs,
            measure={
                key: measure
                for key, arm in arms_here.items()
                for measure, trainings in measures.items()
                if arm.training in trainings
            },
            progress=progress,
        )
        constants = {"chromosomes": words, "scale": scale}
        for name, table in _tables_of(result, arms_here, constants).items():
            tables.setdefault(name, []).append(table)
        if dataset == SET_PER_SEED:
            tables.setdefault("perfect", []).append(score_perfect(parts).assign(seed=own_seeds[0]))
    trainings = {name: pd.concat(parts, ignore_index=True) for name, parts in tables.items()}
    trainings["runs"].insert(1, "figures", _figures_column(trainings["runs"], names, settings))
    return trainings


def _key(shown: Shown) -> str:
    """Return a name that is unique among the arms of a sweep."""
    return shown.name if shown.arm.fraction == 1 else f"{shown.name}, {shown.arm.fraction:.0%} of the training set"


def _tables_of(result: Sweep, arms: dict[str, Shown], constants: dict[str, str]) -> Trainings:
    """Return the tables of one sweep, each run stored once."""
    ids = {key: record["id"] for key, record in result.records.items()}
    runs = result.runs
    runs = runs.assign(run=[ids[key] for key in zip(runs["arm"], runs["seed"], strict=True)], **constants)
    for column in ("strategy", "dataset"):
        runs[column] = [getattr(arms[key], column) for key in runs["arm"]]
    runs["arm"] = [arms[key].name for key in runs["arm"]]
    tables = {"runs": runs.reindex(columns=[name for name in RUNS if name != "figures"])}
    first = {ids[key]: key for key in reversed(list(ids))}
    for name, table in {"epochs": result.table, **result.measured}.items():
        keys = list(zip(table["arm"], table["seed"], strict=True))
        once = [first[ids[key]] == key for key in keys]
        table = table.assign(run=[ids[key] for key in keys])[once]
        own = [str(column) for column in table if column not in ("run", "arm", "seed")]
        tables[name] = table[EPOCHS] if name == "epochs" else table[["run", *own]]
    return tables


def _figures_column(runs: pd.DataFrame, names: Iterable[str], settings: dict[str, Any]) -> list[str]:
    """Return the figures that show each run, separated by spaces."""
    showing: dict[tuple[str, str, float], list[str]] = {}
    for figure in names:
        for arm in arms_of(figure, **settings):
            showing.setdefault((arm.name, arm.dataset, arm.arm.fraction), []).append(figure)
    keys = zip(runs["arm"], runs["dataset"], runs["fraction"], strict=True)
    return [" ".join(showing[key]) for key in keys]
