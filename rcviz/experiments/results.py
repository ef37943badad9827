"""The committed tables of finished experiments: where they are, and how they are read."""

import os
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from rcviz._core.checks import brief

Results = Mapping[str, pd.DataFrame]
"""Tables by name, such as "fig3_runs"; those that are not there yet are left out."""

FIGURES = ("fig2", "fig3", "fig4", "fig5", "fig6", "fig7a", "fig7b", "choices")
AGAIN = ("fig4", "fig6", "fig7a", "fig7b")
"""Figures that were trained a second time, on a GPU: for longer, or with more seeds."""
COSTS = "epoch_costs"
"""What an epoch costs the arms that are compared at equal training time."""
_AGAIN = "_gpu"
_TABLES = {
    **{name: f"{name}.csv" for figure in FIGURES for name in (figure, f"{figure}_runs")},
    **{f"{figure}{_AGAIN}{part}": f"gpu/{figure}{part}.csv" for figure in AGAIN for part in ("", "_runs")},
    "fig4_strands": "fig4_strands.csv",
    "fig5_filters": "fig5_filters.csv",
    COSTS: f"{COSTS}.csv",
    "table_1": "windows/table_1.csv",
}
_KEYS = {
    "table_1": ("factor",),
    COSTS: ("setting", "arm", "repeat", "cpu_seconds", "cpu"),
    "others": ("figure", "arm", "seed"),
}


def read_results(folder: str | os.PathLike[str]) -> dict[str, pd.DataFrame]:
    """Read every table that is in a folder of results.

    Returns
    -------
    dict of DataFrame
        ``fig2`` ... ``fig7b`` and ``choices`` (every epoch), ``fig2_runs`` ... (every training), ``fig4_gpu``,
        ``fig4_gpu_runs`` ... (those trained again on a GPU), ``fig4_strands``, ``fig5_filters``, ``epoch_costs`` and
        ``table_1``, as far as they are there.

    Raises
    ------
    FileNotFoundError
        When there is no such folder.
    ValueError
        When a file in it is no table.
    """
    root = Path(folder)
    if not root.is_dir():
        raise FileNotFoundError(
            f"there is no folder {root}: give the one that rcviz experiment writes tables to, --out"
        )
    return {name: _read(root / file) for name, file in _TABLES.items() if (root / file).is_file()}


def trained_again(results: Results) -> dict[str, pd.DataFrame]:
    """Of all tables those of what was trained again on a GPU, by the names of the figures."""
    return {name.replace(_AGAIN, ""): table for name, table in results.items() if _AGAIN in name}


def load_results(name: str) -> pd.DataFrame:
    """Load one of the tables that rcviz was published with: what its authors measured of the paper.

    Parameters
    ----------
    name : str
        "fig2" ... "fig7b" and "choices" have a row for each epoch and split, "fig2_runs" ... one for each training,
        "fig4_gpu", "fig4_gpu_runs" ... "fig7b_gpu_runs" the same of networks trained again on a GPU, "fig4_strands" the
        predictions for both strands, "fig5_filters" every filter, "epoch_costs" what an epoch costs, "table_1" the
        windows counted.

    Returns
    -------
    DataFrame
        Columns as in :mod:`rcviz.experiments.tables`.

    Raises
    ------
    ValueError
        When there is no such table, or its figure has not been measured yet.

    Examples
    --------
    >>> import rcviz
    >>> runs = rcviz.load_results("fig3_runs")
    >>> ax = rcviz.plot_architectures(runs[runs["paper"]])
    """
    if name not in _TABLES:
        raise ValueError(f"there is no table {name!r}; the tables are: {', '.join(_TABLES)}")
    path = published_folder() / _TABLES[name]
    if not path.is_file():
        figure = name.partition("_")[0]
        on_gpu = " --device cuda --out results/gpu" if _AGAIN in name else ""
        made = f"; rcviz experiment {figure}{on_gpu} makes it" if figure in FIGURES else ""
        raise ValueError(f"{name} has not been measured yet{made}")
    return _read(path)


def list_results() -> pd.DataFrame:
    """List the tables that :func:`load_results` knows.

    Returns
    -------
    DataFrame, one row per table
        table, n_rows (0 where its figure has not been measured yet).

    Examples
    --------
    >>> import rcviz
    >>> "fig3_runs" in rcviz.list_results()["table"].tolist()
    True
    """
    found = read_results(published_folder())
    return pd.DataFrame({"table": list(_TABLES), "n_rows": [len(found.get(name, ())) for name in _TABLES]})


def _read(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path)
    except ValueError as error:
        raise ValueError(f"{path} is no table that rcviz wrote ({brief(error)}); make it anew, or remove it") from error
    for column in _KEYS.get(path.stem, _KEYS["others"]):
        if column not in table:
            raise ValueError(f"{path} is no table that rcviz wrote (it has no {column}); make it anew, or remove it")
    return table


def published_folder() -> Path:
    """Where the tables are: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    checkout = package.parent / "results"
    return checkout if (package.parent / "pyproject.toml").is_file() else package / "results"
