"""rcviz experiment: a figure of the paper in, its tables out; killed at any time, the same command goes on."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rcviz.cli.messages import FAILED, AsJson, answer, answering, records, remark, several

if TYPE_CHECKING:
    import pandas as pd


def experiment(
    figure: Annotated[str, typer.Argument(help="fig2 to fig6, fig7a, fig7b, fig7 for both, or choices.")],
    scale: Annotated[
        str, typer.Option(help="paper: its own numbers; quick: the same shape in minutes, without data.")
    ] = "paper",
    seeds: Annotated[str, typer.Option(help="How many, from 0 on, or which, such as 0,3,4.")] = "10",
    store: Annotated[Path, typer.Option(help="Folder of the records, one a run.")] = Path("runs/experiments"),
    out: Annotated[Path, typer.Option(help="Folder for the tables, made of all the figure's records.")] = Path(
        "results"
    ),
    data: Annotated[
        Path | None,
        typer.Option(help="Folder with CTCF.safetensors, SPI1.safetensors, MAX.safetensors of rcviz windows."),
    ] = None,
    arms: Annotated[
        list[str] | None, typer.Option(help="all (default), paper (without the rivals), or names, once for each.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Most epochs, instead of the scale's.")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Runs at a time, by default one a core.")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:N or mps.")] = "cpu",
    as_json: AsJson = False,
) -> None:
    """Train and measure every arm of a figure of the paper, each seed anew, and write what came out as tables.

    Every finished run is kept and never done again; killed at any time, the same command goes on where it was. On a
    cluster, call rcviz.run_experiment with backend="dask".

    Example: rcviz experiment fig3 --scale quick --seeds 2 --out quick_results
    """
    with answering():
        from rcviz.experiments.runner import FailedRunsWarning, run_experiment
        from rcviz.experiments.tables import write_tables

        failed = None
        with warnings.catch_warnings():
            warnings.simplefilter("error", FailedRunsWarning)
            try:
                run_experiment(
                    figure,
                    scale=scale,  # type: ignore[arg-type]
                    seeds=_seeds(seeds),
                    store=store,
                    data=data,
                    arms=_arms(arms),
                    epochs=epochs,
                    n_jobs=jobs,
                    device=device,
                )
            except FailedRunsWarning as warning:
                failed = warning
                remark(f"rcviz: {failed}")
        written = write_tables(figure, store, out, scale=scale)  # type: ignore[arg-type]
        table = _runs(written)
        told = f"{_summary(table)}\n\nWritten: {', '.join(map(str, written))}."
        answer(told, {"tables": written, "runs": records(table)}, as_json=as_json)
    if failed is not None:
        raise typer.Exit(FAILED)


def _seeds(text: str) -> int | list[int]:
    listed = several(text) or []
    if not all(part.isdecimal() for part in listed) or not listed:
        raise ValueError(f"--seeds must be how many, such as 10, or which, such as 0,3,4, got {text!r}")
    return int(text) if "," not in text else [int(part) for part in listed]


def _arms(names: list[str] | None) -> Any:
    """One of the two words, or names."""
    return names[0] if names is not None and len(names) == 1 else names or "all"


def _runs(written: list[Path]) -> "pd.DataFrame":
    """The tables of runs as they were written."""
    import pandas as pd

    return pd.concat([pd.read_csv(path) for path in written if path.stem.endswith("_runs")], ignore_index=True)


def _summary(table: "pd.DataFrame") -> str:
    """Mean over seeds of every arm."""
    keys = ["figure", "arm", "dataset", "fraction"]
    scores = ["valid_auroc", "valid_auprc", "test_auroc", "gap_max", "wall_seconds"]
    means = table.groupby(keys, sort=False)[scores].mean().reset_index()
    return means.to_string(index=False, float_format="{:.4g}".format)
