"""rcviz train: train a model on a dataset; files beside the model allow repeating the run."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from rcviz._core.files import atomic_write, check_target, remove
from rcviz.cli.messages import AsJson, answer, answering, records, remark, several


def train(
    data: Annotated[Path, typer.Argument(help="Dataset, written by rcviz windows or SequenceSet.save.")],
    out: Annotated[Path, typer.Option(help="Model to write, *.safetensors.")],
    config: Annotated[
        Path | None, typer.Option(help="TOML or JSON with sections [model], [train], [split]; flags override it.")
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="Network and training: chipseq (default), one_layer or simulated.")
    ] = None,
    architecture: Annotated[str | None, typer.Option(help="revcomp (default) or standard.")] = None,
    n_filters: Annotated[int | None, typer.Option(help="Filters per convolution.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Largest number of epochs.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Learning rate of Adam.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Samples per step.")] = None,
    positive_weight: Annotated[float | None, typer.Option(help="Factor on the loss of positives.")] = None,
    augmentation: Annotated[str | None, typer.Option(help="none or revcomp.")] = None,
    patience: Annotated[int | None, typer.Option(help="Stop after this many epochs without improvement.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of starting weights and sample order.")] = None,
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
    chr_test: Annotated[str | None, typer.Option("--test", help="Chromosomes for the test, rest, or none.")] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="Written after every epoch and kept; by default beside the model and removed in the end."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train a network on a dataset; the same command, given again, continues a run that was killed.

    MODEL.safetensors also holds a card: data, split, metrics, strand gap, training (rcviz.read_model_card). Beside it
    are MODEL.config.json (pass it as --config for the same run), MODEL.history.json and MODEL.evaluation.csv.

    Example: rcviz train ctcf.safetensors --out model.safetensors --train chr21 --valid chr22 --epochs 20
    """
    both: dict[str, Any] = {"preset": preset, "seed": seed}
    flags: dict[str, dict[str, Any]] = {
        "model": {"architecture": architecture, "n_filters": n_filters, **both},
        "train": {
            "epochs": epochs,
            "learning_rate": learning_rate,
            "batch_size": batch_size,
            "positive_weight": positive_weight,
            "augmentation": augmentation,
            "patience": patience,
            "device": device,
            **both,
        },
        "split": {
            "preset": by,
            "train": several(chr_train),
            "valid": several(chr_valid),
            "test": several(chr_test),
        },
    }
    given = {name: {key: value for key, value in values.items() if value is not None} for name, values in flags.items()}
    with answering():
        _train(data, out, config, given, checkpoint, as_json=as_json)


def _train(
    source: Path, out: Path, config: Path | None, flags: dict[str, Any], checkpoint: Path | None, *, as_json: bool
) -> None:
    from rcviz.analysis.card import metrics_by_part, model_card
    from rcviz.cli.settings import divide, read_config, resolve
    from rcviz.models.network import build_model
    from rcviz.models.storage import save_model
    from rcviz.sequences.sequence_set import SequenceSet
    from rcviz.training.loop import fit

    state = checkpoint or _beside(out, "checkpoint.safetensors")
    inputs = [source] if config is None else [source, config]
    check_target(out, "the model", inputs=inputs, ending=".safetensors")
    check_target(state, "the checkpoint", inputs=[*inputs, out])
    given = {} if config is None else read_config(config)
    data = SequenceSet.load(source, memory_map=True)
    if data.labels is None:
        raise ValueError(f"{source} has no labels; make the dataset with rcviz windows")
    settings = resolve(given, flags, data)
    parts = divide(data, settings.split)
    model = build_model(settings.model, seed=settings.model_seed)
    if state.exists():
        remark(f"continuing from the checkpoint {state}")
    history = fit(model, parts.train, parts.valid, settings.train, checkpoint=state)

    table = metrics_by_part(model, parts)
    card = model_card(model, parts, name=source.name, training=history, split=settings.split, metrics=table)
    files = {name: _beside(out, name) for name in ("config.json", "history.json", "evaluation.csv")}
    save_model(model, out, card=card)
    _write(files["config.json"], _described(settings.sections(), source))
    history.save(files["history.json"])
    _write(files["evaluation.csv"], table.to_csv(index=False))
    if checkpoint is None:
        remove(state)
    sizes = {name: len(part) for name, part in parts._asdict().items()}
    text = (
        f"{table.to_string(index=False, float_format='{:.4f}'.format)}\n\n"
        f"Best epoch {history.best_epoch} of {len(history.records)}. Written: {out}, and beside it "
        f"{', '.join(path.name for path in files.values())}.\n"
        f"Next: rcviz inspect {out} {source} --html report.html"
    )
    values = {
        "model": out,
        **{name.partition(".")[0]: path for name, path in files.items()},
        "n_sequences": sizes,
        "epochs": len(history.records),
        "best_epoch": history.best_epoch,
        "metrics": records(table),
        "settings": settings.sections(),
    }
    answer(text, values, as_json=as_json)


def _described(sections: dict[str, Any], source: Path) -> str:
    from importlib.metadata import version

    return json.dumps({"rcviz": version("rcviz"), "data": str(source), **sections}, indent=1) + "\n"


def _beside(model: Path, name: str) -> Path:
    return model.with_name(f"{model.stem}.{name}")


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
