"""Tables of trained networks: each run stored once in compressed CSV files, and read as each figure shows them.

A folder of results holds, for one or more figures whose names its files begin with,

- ``*_runs.csv.gz``: a row for each training, and for each average of both strands' predictions (columns :data:`RUNS`);
- ``*_epochs.csv.gz``: a row for each training, epoch and split (columns :data:`EPOCHS`);
- ``*_strands.csv.gz``: run, sequence (its place in the test set), label, and the probabilities forward and reverse, of
  the first seed (Figure 4);
- ``*_scores.csv.gz``: run, then the columns of :func:`paper.scores.score_parts` ("matched");
- ``*_perfect.csv.gz``: seed, then the columns of :func:`paper.scores.score_perfect`, of the data sets of "matched";
- ``*_filters.csv.gz``: run, filter, rank (from one), score, palindromicity, verdict, ctcf_similarity, ctcf_p_value (to
  CTCF_known1), then the mean-centred weights, A0 to T14, by base and position (Figure 5).

The column `run` joins them, and `figures` names the figures that show a run. Beside them are ``epoch_costs.csv`` (what
an epoch costs each arm, by ``benchmarks/epoch_costs.py``) and ``table_1.csv`` (windows counted for Table 1, by
``benchmarks/paper_windows.py``). The folder ``gpu/`` holds what was trained a second time, on a GPU.
"""

import gzip
import os
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from paper.figures import FIGURES, Scale, arms_of
from rcviz._core.checks import brief
from rcviz._core.files import atomic_write

FOLDER = Path(__file__).parent / "results"
"""The committed tables."""

RUNS = [
    *("run", "figures", "arm", "strategy", "n_parameters", "dataset", "fraction", "seed", "chromosomes"),
    *("n_train", "n_train_positive", "best_epoch", "n_epochs"),
    *("valid_auroc", "valid_auprc", "test_auroc", "test_auprc", "gap_max", "gap_mean"),
    *("wall_seconds", "cpu_seconds", "peak_memory_mb", "cpu", "threads", "scale", "code"),
]
"""`strategy` as in :class:`paper.figures.Shown`; `chromosomes`: how sequences were divided, stand-ins named as such;
`n_train_positive`: labels of all tasks; metrics of the best epoch's weights, mean over tasks, NaN without a test set;
`gap_max` and `gap_mean`: between the probabilities of the two strands, validation set; `wall_seconds`: of all epochs;
`cpu_seconds`: NaN for a run that was interrupted; `cpu`: and the GPU if one was used; `code`: version and digest."""
EPOCHS = ["run", "epoch", "split", "loss", "auroc", "auprc", "seconds"]
"""`split`: "train" or "valid"; `seconds`: of the whole epoch."""
COSTS = "epoch_costs"
TRAINED_AGAIN = ("fig4", "fig6", "fig7a", "fig7b")
"""Figures that were trained a second time, on a GPU: for longer, or with more seeds."""

Trainings = dict[str, pd.DataFrame]
"""Each run once: "runs", "epochs", and where a figure needs them "strands", "filters", "scores" and "perfect"."""
Results = Mapping[str, pd.DataFrame]
"""Tables of each figure by name: "fig3" (every epoch), "fig3_runs", "fig4_strands", "fig5_filters", "fig6_gpu_runs",
"epoch_costs", "table_1" and so on; those that were not measured yet are missing."""

GPU = "_gpu"
_KINDS = {
    "runs": ("run", "figures", "arm", "seed"),
    "epochs": tuple(EPOCHS),
    "strands": ("run", "sequence", "label", "forward", "reverse"),
    "filters": ("run", "filter", "rank", "score"),
    "scores": ("run", "part", "strands", "task", "auroc"),
    "perfect": ("seed", "part", "task", "auroc", "auprc", "brier"),
}
_SINGLE = {COSTS: ("setting", "arm", "repeat", "cpu_seconds", "cpu"), "table_1": ("factor",)}


def by_figure(trainings: Trainings) -> dict[str, pd.DataFrame]:
    """Make the tables of each figure: its rows with arm, data set, fraction, seed, and whether the paper shows the arm.

    For each figure such as "fig4" its epochs as "fig4", its runs as "fig4_runs", and "fig4_strands", "fig5_filters",
    "matched_scores" or "matched_perfect" where they were measured. Figure 2 has the tables of Figure 3.
    """
    runs = trainings["runs"]
    tables = {}
    for figure in FIGURES:
        own = runs[[figure in names for names in runs["figures"].str.split()]]
        if own.empty:
            continue
        own = _in_order(own, figure)
        tables[f"{figure}_runs"] = own
        trained = own[~own["strategy"].str.startswith("posthoc")]
        described = trained[["run", "arm", "paper", "dataset", "fraction", "seed"]]
        if figure == "matched" and "perfect" in trainings:
            tables["matched_perfect"] = trainings["perfect"]
        for kind, needed in (("epochs", figure), ("strands", "fig4"), ("filters", "fig5"), ("scores", "matched")):
            if kind in trainings and figure == needed:
                table = described.merge(trainings[kind], on="run")
                if len(table):
                    tables[figure if kind == "epochs" else f"{figure}_{kind}"] = table.drop(columns="run")
    copies = {name.replace("fig3", "fig2"): table for name, table in tables.items() if name.startswith("fig3")}
    return {**copies, **tables}


def write_tables(trainings: Trainings, folder: str | os.PathLike[str]) -> list[Path]:
    """Write tables to a folder, atomically, and return the files: the same tables give the same bytes.

    Of "strands" the first seed is kept. Names of files begin with those of the figures.
    """
    root = Path(folder)
    root.mkdir(parents=True, exist_ok=True)
    runs = trainings["runs"]
    figures = {figure for names in runs["figures"] for figure in names.split()}
    name = "_".join(figure for figure in FIGURES if figure in figures)
    written = []
    for kind, table in trainings.items():
        if kind == "strands":
            table = table[table["run"].isin(runs.loc[runs["seed"] == runs["seed"].min(), "run"])]
        path = root / f"{name}_{kind}.csv.gz"
        text = table.to_csv(index=False, float_format="%.6g", lineterminator="\n")
        with atomic_write(path) as temporary:
            temporary.write_bytes(gzip.compress(text.encode(), mtime=0))
        written.append(path)
    return written


def read_results(folder: str | os.PathLike[str] = FOLDER) -> dict[str, pd.DataFrame]:
    """Read every table of a folder, as each figure shows it.

    A ValueError if a file in it is not such a table, or two files have runs of the same figure.
    """
    root = Path(folder)
    if not root.is_dir():
        raise FileNotFoundError(f"there is no folder {root}; give one that python -m paper wrote tables to")
    again = {}
    for name, table in _read_figures(root / "gpu").items():
        figure, underscore, rest = name.partition("_")
        if figure in TRAINED_AGAIN:
            again[f"{figure}{GPU}{underscore}{rest}"] = table
    single = {name: _read(path, needed) for name, needed in _SINGLE.items() if (path := root / f"{name}.csv").is_file()}
    return {**_read_figures(root), **again, **single}


def trained_again(results: Results) -> dict[str, pd.DataFrame]:
    """Return the tables of what was trained again on a GPU, by the names of the figures."""
    return {name.replace(GPU, ""): table for name, table in results.items() if is_again(name)}


def is_again(name: str) -> bool:
    """Whether a table is of what was trained again on a GPU."""
    return GPU in name


def _in_order(runs: pd.DataFrame, figure: str) -> pd.DataFrame:
    """Sort runs as the figure lists its arms, and add the column `paper`: whether the paper shows the arm."""
    scales: list[Scale] = ["quick", "paper"]
    listed = {
        (arm.name, arm.dataset, arm.arm.fraction): arm for scale in scales for arm in arms_of(figure, scale=scale)
    }
    places = {key: place for place, key in enumerate(listed)}
    keys = list(zip(runs["arm"], runs["dataset"], runs["fraction"], strict=True))
    shown = runs.assign(paper=[key in listed and listed[key].paper for key in keys])
    shown["place"] = [places.get(key, len(places)) for key in keys]
    return shown.sort_values(["place", "seed"], kind="stable").drop(columns=["place", "figures"]).reset_index(drop=True)


def _read_figures(folder: Path) -> dict[str, pd.DataFrame]:
    results: dict[str, pd.DataFrame] = {}
    for path in sorted(folder.glob("*_runs.csv.gz")):
        name = path.name.removesuffix("_runs.csv.gz")
        paths = {kind: path.with_name(f"{name}_{kind}.csv.gz") for kind in _KINDS}
        trainings = {kind: _read(place, _KINDS[kind]) for kind, place in paths.items() if place.is_file()}
        for table, content in by_figure(trainings).items():
            if table in results:
                raise ValueError(f"{path} has {table}, which another file of {folder} has as well; remove one of them")
            results[table] = content
    return results


def _read(path: Path, needed: tuple[str, ...]) -> pd.DataFrame:
    try:
        table = pd.read_csv(path)
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(
            f"{path} is not a table that can be read ({brief(error)}); make it again, or remove it"
        ) from error
    for column in needed:
        if column not in table:
            raise ValueError(f"{path} has no column {column!r}; make it again, or remove it")
    return table
