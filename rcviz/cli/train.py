"""rcviz train: train a model on a dataset; files beside the model allow repeating the run."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rcviz._core.files import atomic_write, check_target, remove
from rcviz.cli.messages import answer, answering, records, remark, remark_above_bar
from rcviz.cli.options import AsJson, Device, Loss, SplitBy, TrainOn, ValidateOn, given, settings_of, split_of

if TYPE_CHECKING:
    from rcviz.cli.settings import Settings
    from rcviz.models.network import SequenceModel
    from rcviz.sequences.sequence_set import SequenceSet
    from rcviz.sequences.splits import Splits


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
    loss: Loss = None,
    output_is: Annotated[
        str | None, typer.Option(help="Scale of the outputs, logit or value; by default that of the labels.")
    ] = None,
    augmentation: Annotated[str | None, typer.Option(help="none or revcomp.")] = None,
    patience: Annotated[int | None, typer.Option(help="Stop after this many epochs without improvement.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of starting weights and sample order.")] = None,
    device: Device = None,
    by: SplitBy = None,
    chr_train: TrainOn = None,
    chr_valid: ValidateOn = None,
    chr_test: Annotated[
        list[str] | None, typer.Option("--test", help="Chromosomes for the test, rest, or none.")
    ] = None,
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
    options = locals()
    with answering():
        from rcviz.models.config import ModelConfig
        from rcviz.training.config import TrainConfig

        flags = {
            "model": {**settings_of(ModelConfig, options), **given(preset=preset, seed=seed)},
            "train": {**settings_of(TrainConfig, options), **given(preset=preset)},
            "split": split_of(by, chr_train, chr_valid, chr_test),
        }
        _train(data, out, config, flags, checkpoint, as_json=as_json)


def _train(
    source: Path, out: Path, config: Path | None, flags: dict[str, Any], checkpoint: Path | None, *, as_json: bool
) -> None:
    from rcviz._core.tables import save_table
    from rcviz.analysis.card import metrics_by_part, model_card
    from rcviz.cli.settings import divide, is_complete, read_config, resolve
    from rcviz.models.network import build_model
    from rcviz.models.storage import save_model
    from rcviz.sequences.sequence_set import SequenceSet
    from rcviz.training.loop import fit

    inputs = [source] if config is None else [source, config]
    check_target(out, "the model", inputs=inputs, ending=".safetensors")
    sections = {} if config is None else read_config(config)
    state = checkpoint or _beside(out, "checkpoint.safetensors")
    files = {name: _beside(out, name) for name in ("config.json", "history.json", "evaluation.csv")}
    targets = {"the checkpoint": state, **{f"the file {name}": path for name, path in files.items()}}
    for what, path in targets.items():
        others = [other for other in targets.values() if other is not path]
        # The configuration that an earlier run of this name wrote may be replaced by that of this run.
        replaces = config is not None and path is files["config.json"] and is_complete(config)
        check_target(path, what, inputs=[*([source] if replaces else inputs), out, *others])
    data = SequenceSet.load(source, memory_map=True)
    if data.labels is None:
        raise ValueError(f"{source} has no labels; make the dataset with rcviz windows")
    settings = resolve(sections, flags, data)
    if data.label_kind == "value":
        remark(f"the labels are values: the model has output_is={settings.model.output_is}, loss={settings.train.loss}")
    parts = divide(data, settings.split)
    model = build_model(settings.model, seed=settings.model_seed)
    seconds = _seconds(model, parts, settings)
    history = fit(
        model, parts.train, parts.valid, settings.train, checkpoint=state,
        on_start=lambda: remark_above_bar(_announcement(data, parts, settings, seconds)),
    )  # fmt: skip

    table = metrics_by_part(model, parts)
    card = model_card(model, parts, name=source.name, training=history, split=settings.split, metrics=table)
    save_model(model, out, card=card)
    described = {"rcviz": version("rcviz"), "data": str(source), **settings.sections()}
    with atomic_write(files["config.json"]) as temporary:
        temporary.write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
    history.save(files["history.json"])
    save_table(table, files["evaluation.csv"])
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


def _seconds(model: "SequenceModel", parts: "Splits", settings: "Settings") -> float | None:
    """Measure how long the training will take; None where it cannot start, of which it says the reason itself."""
    from rcviz.training.expected_time import expected_seconds

    try:
        return expected_seconds(model, parts.train, parts.valid, settings.train)
    except (ValueError, RuntimeError, ArithmeticError, MemoryError):
        return None


def _announcement(data: "SequenceSet", parts: "Splits", settings: "Settings", seconds: float | None) -> str:
    """Describe what will be trained: numbers of each class, weight of positives, dropped windows and time."""
    from rcviz.training.expected_time import duration

    sizes = ", ".join(f"{name} {len(part):,}" for name, part in parts._asdict().items())
    lines = [f"sequences: {sizes}"]
    if data.label_kind == "binary":
        lines += [
            f"{row.task}: {row.n_positive:,} positives and {row.n_negative:,} negatives to train on "
            f"({row.ratio:.3g} negatives per positive); the loss of positives has the weight "
            f"{settings.train.positive_weight:g} (--positive-weight)"
            for row in parts.train.summary().itertuples()
        ]
    counts = data.provenance.get("counts") if data.provenance.get("source") == "peak_windows" else None
    for kind in ("positive", "negative"):
        of_kind = counts.get(kind) if isinstance(counts, dict) else None
        if of_kind and (read := of_kind.get("read")):
            dropped = {
                reason.replace("_", " "): n
                for reason, n in of_kind.items()
                if n and reason not in ("read", "kept", "not_needed", "near_peaks")
            }
            if dropped:
                listed = ", ".join(f"{reason} {n / read:.1%}" for reason, n in dropped.items())
                lines.append(f"of {read:,} {kind} regions were dropped when the dataset was made: {listed}")
    if seconds is not None:
        config = settings.train
        most = "" if config.patience is None else "at most "
        lines.append(
            f"expected time: {most}{duration(seconds)} for {config.epochs} epochs of {config.samples_per_epoch:,}"
        )
    return "\n".join(lines)


def _beside(model: Path, name: str) -> Path:
    return model.with_name(f"{model.stem}.{name}")
