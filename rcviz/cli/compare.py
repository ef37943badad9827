"""rcviz compare: does parameter sharing help on a dataset? After a kill, the same command continues."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rcviz._core.files import check_ending, check_target
from rcviz.cli.messages import FAILED, AsJson, answer, answering, records, several

if TYPE_CHECKING:
    import pandas as pd

    from rcviz.sweeps.result import Sweep

_PICTURES = (".png", ".svg", ".pdf")


def compare(
    data: Annotated[Path, typer.Argument(help="Dataset that rcviz windows or SequenceSet.save wrote.")],
    n_filters: Annotated[int, typer.Option(min=1, help="Filters per convolution of the shared network.")] = 16,
    seeds: Annotated[str, typer.Option(help="Number of seeds (0, 1, ...), or a list such as 0,3,4.")] = "5",
    metric: Annotated[str, typer.Option(help="auroc or auprc.")] = "auroc",
    epochs: Annotated[int | None, typer.Option(min=1, help="Largest number of epochs (default 100).")] = None,
    patience: Annotated[
        int | None, typer.Option(min=1, help="Stop after this many epochs without improvement (default 10).")
    ] = None,
    samples_per_epoch: Annotated[int | None, typer.Option(min=1, help="Samples per epoch (default 5000).")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Samples per step (default 100).")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Learning rate of Adam (default 0.001).")] = None,
    device: Annotated[str | None, typer.Option(help="auto (default), cpu, cuda, cuda:N or mps.")] = None,
    by: Annotated[
        str | None,
        typer.Option(
            "--split", help="chr1/chr17/rest, chr21/chr22/rest, rest/chr1/chr2 (train/valid/test), or random (default)."
        ),
    ] = None,
    chr_train: Annotated[
        str | None, typer.Option("--train", help="Chromosomes to train on, such as chr1,chr2.")
    ] = None,
    chr_valid: Annotated[str | None, typer.Option("--valid", help="Chromosomes that select the best epoch.")] = None,
    chr_test: Annotated[str | None, typer.Option("--test", help="Chromosomes for the test, or rest (default).")] = None,
    store: Annotated[Path, typer.Option(help="Folder of the records, one per run; finished runs are not repeated.")] = (
        Path("runs/compare")
    ),
    out: Annotated[
        Path | None, typer.Option(help="Folder for comparison.csv, test.csv, runs.csv and epochs.csv.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Figure to write, *.png, *.svg or *.pdf.")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Runs at a time, by default one per core.")] = None,
    as_json: AsJson = False,
) -> None:
    """Find out whether parameter sharing helps on a dataset: six strategies for the two strands, several seeds.

    All networks have the same shape, which follows from the length of the sequences. The best epoch of each is
    evaluated on the test part. Finished runs are kept in the store: after a kill, the same command continues. On a
    cluster, call rcviz.compare_strategies with backend="dask".

    Example: rcviz compare ctcf.safetensors --train chr21 --valid chr22 --out comparison --plot comparison.png
    """
    given: dict[str, Any] = {
        "epochs": epochs,
        "patience": patience,
        "samples_per_epoch": samples_per_epoch,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "device": device,
    }
    training = {name: value for name, value in given.items() if value is not None}
    named = {"preset": by, "train": several(chr_train), "valid": several(chr_valid), "test": several(chr_test)}
    parts = {name: value for name, value in named.items() if value is not None}
    with answering():
        from rcviz._core.checks import check_choice
        from rcviz.cli.settings import RANDOM, divide
        from rcviz.sequences.sequence_set import SequenceSet
        from rcviz.sweeps.strategies import compare_strategies

        check_choice("--metric", metric, ("auroc", "auprc"))
        listed = _seeds(seeds)
        if plot is not None:
            check_target(plot, "the figure", inputs=[data], ending=check_ending(plot, _PICTURES))
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
        sequences = SequenceSet.load(data, memory_map=True)
        if sequences.labels is None:
            raise ValueError(f"{data} has no labels to learn; make the dataset with rcviz windows")
        splits = divide(sequences, RANDOM if parts in ({}, {"preset": "random"}) else parts)
        result = compare_strategies(
            splits, n_filters=n_filters, seeds=listed, training=training, store=store, n_jobs=jobs
        )
        table = result.comparisons(metric=metric)
        written = _write(result, table, out)
        if plot is not None:
            written.append(_draw(result, metric, plot))
        sentence = result.summary(metric=metric)
        text = f"{_arms(result)}\n\n{_table(table, metric)}\n\n{sentence}"
        if written:
            text += f"\n\nWritten: {', '.join(map(str, written))}."
        values = {
            "summary": sentence,
            "metric": metric,
            "comparison": records(table),
            "test": records(result.test),
            "n_sequences": {name: len(part) for name, part in splits._asdict().items()},
            "files": written,
        }
        answer(text, values, as_json=as_json)
    if len(result.failures):  # the warning has named the first
        raise typer.Exit(FAILED)


def _seeds(text: str) -> int | list[int]:
    listed = several(text) or []
    if not all(part.isdecimal() for part in listed) or not listed:
        raise ValueError(f"--seeds must be a number of seeds, such as 5, or a list, such as 0,3,4, got {text!r}")
    return int(text) if "," not in text else [int(part) for part in listed]


def _write(result: "Sweep", table: "pd.DataFrame", folder: Path | None) -> list[Path]:
    """Write the tables, each atomically."""
    from rcviz._core.tables import save_table

    if folder is None:
        return []
    tables = {"comparison": table, "test": result.test, "runs": result.runs, "epochs": result.table}
    written = [folder / f"{name}.csv" for name in tables]
    for path, content in zip(written, tables.values(), strict=True):
        save_table(content, path)
    return written


def _draw(result: "Sweep", metric: str, path: Path) -> Path:
    import matplotlib as mpl

    mpl.use("agg")
    from rcviz.plots.saving import save_figure

    save_figure(result.plot(metric=metric), path)
    return path


def _arms(result: "Sweep") -> str:
    """Describe the arms, one per line."""
    width = max(map(len, result.arms))
    return "\n".join(f"{name:<{width}}  {arm.description}" for name, arm in result.arms.items())


def _table(table: "pd.DataFrame", metric: str) -> str:
    """Return the table for people: the sharing network against each other one."""

    def number(form: str) -> Any:
        return lambda value: "" if value != value else format(value, form)

    forms = {"mean": ".4f", "sd": ".4f", "difference": "+.4f", "low": "+.4f", "high": "+.4f", "p_value": ".2g"}
    shown = table.rename(columns={"mean": f"test {metric}"})
    formatters = {f"test {metric}" if name == "mean" else name: number(form) for name, form in forms.items()}
    return shown.to_string(index=False, formatters=formatters)
