"""rcviz compare: does parameter sharing help on a dataset? After a kill, the same command continues."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rcviz._core.files import check_ending, check_target
from rcviz.cli.messages import FAILED, answer, answering, records
from rcviz.cli.options import AsJson, Device, Loss, SplitBy, TrainOn, ValidateOn, seed_list, settings_of, split_of

if TYPE_CHECKING:
    import pandas as pd

    from rcviz.sweeps.result import Sweep

_PICTURES = (".png", ".svg", ".pdf")
_TABLES = ("comparison", "test", "runs", "epochs")


def compare(
    data: Annotated[Path, typer.Argument(help="Dataset that rcviz windows or SequenceSet.save wrote.")],
    n_filters: Annotated[int, typer.Option(min=1, help="Filters per convolution of the shared network.")] = 16,
    seeds: Annotated[str, typer.Option(help="Number of seeds (0, 1, ...), or a list such as 0,3,4.")] = "5",
    metric: Annotated[
        str | None, typer.Option(help="auroc (default) or auprc; for values pearson (default), spearman or mse.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Largest number of epochs (default 100).")] = None,
    patience: Annotated[
        int | None, typer.Option(min=1, help="Stop after this many epochs without improvement (default 10).")
    ] = None,
    samples_per_epoch: Annotated[int | None, typer.Option(min=1, help="Samples per epoch (default 5000).")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Samples per step (default 100).")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Learning rate of Adam (default 0.001).")] = None,
    loss: Loss = None,
    device: Device = None,
    by: SplitBy = None,
    chr_train: TrainOn = None,
    chr_valid: ValidateOn = None,
    chr_test: Annotated[
        list[str] | None, typer.Option("--test", help="Chromosomes for the test, or rest (default).")
    ] = None,
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
    options = locals()
    with answering():
        parts = split_of(by, chr_train, chr_valid, chr_test)
        import matplotlib as mpl

        from rcviz._core.checks import check_choice
        from rcviz._core.tables import save_table
        from rcviz.cli.settings import RANDOM, divide
        from rcviz.plots.saving import save_figure
        from rcviz.sequences.sequence_set import SequenceSet
        from rcviz.sweeps.strategies import compare_strategies
        from rcviz.training.config import TrainConfig

        listed = seed_list(seeds)
        if plot is not None:
            check_target(plot, "the figure", inputs=[data], ending=check_ending(plot, _PICTURES))
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
        targets = {} if out is None else {name: out / f"{name}.csv" for name in _TABLES}
        for name, path in targets.items():
            check_target(path, f"the table {name}", inputs=[data])
        sequences = SequenceSet.load(data, memory_map=True)
        if sequences.labels is None:
            raise ValueError(f"{data} has no labels to learn; make the dataset with rcviz windows")
        metrics = ("auroc", "auprc") if sequences.label_kind == "binary" else ("pearson", "spearman", "mse")
        metric = metrics[0] if metric is None else metric
        check_choice("--metric", metric, metrics)
        splits = divide(sequences, RANDOM if parts in ({}, {"preset": "random"}) else parts)
        training = settings_of(TrainConfig, options)
        result = compare_strategies(
            splits, n_filters=n_filters, seeds=listed, training=training, store=store, n_jobs=jobs
        )
        table = result.comparisons(metric=metric)
        written = []
        contents = dict(zip(_TABLES, (table, result.test, result.runs, result.table), strict=True))
        for name, path in targets.items():
            save_table(contents[name], path)
            written.append(path)
        if plot is not None:
            mpl.use("agg")
            save_figure(result.plot(metric=metric), plot)
            written.append(plot)
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


def _arms(result: "Sweep") -> str:
    """Describe the arms, one per line."""
    width = max(map(len, result.arms))
    return "\n".join(f"{name:<{width}}  {arm.description}" for name, arm in result.arms.items())


def _table(table: "pd.DataFrame", metric: str) -> str:
    """Return the table for people: the sharing network against each other one."""
    forms = {"mean": "{:.4f}", "sd": "{:.4f}", "p_value": "{:.2g}"}
    forms |= dict.fromkeys(("difference", "low", "high"), "{:+.4f}")
    formatters = {name: form.format for name, form in forms.items()}
    shown = table.rename(columns={"mean": f"test {metric}"})
    formatters[f"test {metric}"] = formatters.pop("mean")
    return shown.to_string(index=False, formatters=formatters, na_rep="")
