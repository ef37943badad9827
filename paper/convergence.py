"""Whether trainings had ended when they stopped: how many had their best epoch last, and so were still improving."""

import pandas as pd

from paper.tables import Results, is_again, trained_again

MOSTLY = 0.5
"""Trainings are not trained out when more than this share of them ended at their best epoch."""


def trainings_of(runs: pd.DataFrame) -> pd.DataFrame:
    """Return one row per training: averages over both strands are made from a training that has a row."""
    return runs[~runs["strategy"].str.startswith("posthoc")]


def still_improving(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the trainings of a table whose best epoch was their last."""
    trained = trainings_of(runs)
    return trained[trained["best_epoch"] == trained["n_epochs"]]


def share_improving(runs: pd.DataFrame) -> float:
    """Return the share of trainings that ended at their best epoch; 0 where there are none."""
    n_improving, n = _counts(runs)
    return n_improving / n if n else 0.0


def not_trained_out(runs: pd.DataFrame) -> bool:
    """Whether most trainings ended at their best epoch, so that their order is how fast they learn."""
    return share_improving(runs) > MOSTLY


def improving_text(runs: pd.DataFrame) -> str:
    """Write how many trainings ended at their best epoch: ``98 of 105 trainings ended at their best epoch``."""
    n_improving, n = _counts(runs)
    return f"{n_improving} of {n} trainings ended at their best epoch"


def best_trained(results: Results) -> dict[str, pd.DataFrame]:
    """Return tables by the names of the figures; of a figure trained twice, those of which fewer were improving."""
    first, again = _first(results), trained_again(results)
    leading = _leading(again, first)
    return {**first, **{name: table for name, table in again.items() if _figure(name) in leading}}


def less_trained(results: Results) -> dict[str, pd.DataFrame]:
    """Return the tables that :func:`best_trained` leaves out, by the names of the figures."""
    first, again = _first(results), trained_again(results)
    leading = _leading(again, first)
    return {
        name: (first if _figure(name) in leading else again)[name]
        for name in first
        if name in again and f"{_figure(name)}_runs" in first
    }


def _first(results: Results) -> dict[str, pd.DataFrame]:
    return {name: table for name, table in results.items() if not is_again(name)}


def _leading(again: Results, first: Results) -> set[str]:
    """Return the figures of whose later trainings fewer were improving, or that have no other."""
    return {
        _figure(name)
        for name in again
        if name.endswith("_runs") and (name not in first or share_improving(again[name]) < share_improving(first[name]))
    }


def _counts(runs: pd.DataFrame) -> tuple[int, int]:
    """Count the trainings whose best epoch was their last, and all trainings."""
    trained = ~runs["strategy"].str.startswith("posthoc")
    return int((trained & (runs["best_epoch"] == runs["n_epochs"])).sum()), int(trained.sum())


def _figure(name: str) -> str:
    return name.partition("_")[0]
