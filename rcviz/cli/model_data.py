"""The part of a dataset on which a trained model is looked at: by default the test part of its own training."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rcviz._core.checks import check_choice

if TYPE_CHECKING:
    from rcviz.models.network import SequenceModel
    from rcviz.sequences.sequence_set import SequenceSet

_OF_SPLIT = ("train", "valid", "test", "seed")
PARTS = ("test", "valid", "train", "all")


class ChosenPart(NamedTuple):
    """Sequences, one sentence that describes them, and the code that selects them in a notebook."""

    sequences: "SequenceSet"
    sentence: str
    code: str


def load_for(model: Path, data: Path) -> "tuple[SequenceModel, SequenceSet]":
    """Load a model and a dataset that fits it in length and number of tasks."""
    from rcviz.models.storage import load_model
    from rcviz.sequences.sequence_set import SequenceSet

    network, sequences = load_model(model), SequenceSet.load(data, memory_map=True)
    wanted = network.config.sequence_length
    if sequences.length != wanted:
        raise ValueError(
            f"{model} reads sequences of {wanted:,} bp, but those in {data} have {sequences.length:,}: make windows of "
            f"that length (rcviz windows --width {wanted}), or train a model on these"
        )
    n_tasks = len(sequences.task_names)
    if n_tasks != network.config.n_tasks:
        raise ValueError(
            f"{model} has {network.config.n_tasks} outputs, but {data} has labels for {n_tasks} tasks: give data with "
            f"one label for each output"
        )
    return network, sequences


def choose_part(
    model: Path, data: Path, sequences: "SequenceSet", part: str | None, chromosomes: list[str] | None
) -> ChosenPart:
    """Select a part of the model's own data, chromosomes, or all of it; say whether the model was trained on it.

    Parameters
    ----------
    part : "test", "valid", "train" or "all", optional
        By default "test" if the data is that of the model's training, else all.
    chromosomes : list of str, optional
        Instead of a part.
    """
    if part is not None:
        check_choice("--part", part, PARTS)
    if chromosomes is not None:
        if part is not None:
            raise ValueError("--part and --chromosomes both choose sequences: give one of the two")
        return _of_chromosomes(model, data, sequences, chromosomes)
    own, problem = _own_parts(model, sequences)
    if own is None:
        if part not in (None, "all"):
            raise ValueError(f"--part {part} is not known: {problem}; choose chromosomes, or --part all")
        return ChosenPart(sequences, f"All {len(sequences):,} sequences of {data}: {problem}.", "")
    parts, split = own
    if part == "all":
        sentence = f"All {len(sequences):,} sequences of {data}: those of the training are among them."
        return ChosenPart(sequences, sentence, "")
    chosen = part or next(name for name in ("test", "valid", "train") if len(getattr(parts, name)))
    selected = getattr(parts, chosen)
    if not len(selected):
        raise ValueError(f"the model's {chosen} part is empty: choose another --part")
    notes = {
        "test": "the model was not trained on them",
        "valid": "the best epoch was selected on them, so metrics are somewhat too high",
        "train": "the model was trained on them, so metrics are too high",
    }
    sentence = f"The {len(selected):,} sequences of the model's own {chosen} part: {notes[chosen]}."
    return ChosenPart(selected, sentence, f"\ndata = {_code(split)}.{chosen}  # of the model's own training")


def _of_chromosomes(model: Path, data: Path, sequences: "SequenceSet", chromosomes: list[str]) -> ChosenPart:
    present = list(dict.fromkeys(sequences.table.get("chrom", ())))
    for name in chromosomes:
        if name not in present:
            raise ValueError(f"{data} has no windows of {name}; its chromosomes are: {', '.join(present) or 'none'}")
    selected = sequences.subset(sequences.table["chrom"].isin(chromosomes).to_numpy())
    own, problem = _own_parts(model, sequences)
    if own is None:
        note = problem
    else:
        trained = set(own[0].train.table.get("chrom", ())) & set(chromosomes)
        note = "the model was not trained on them"
        if trained:
            note = f"the model was trained on windows of {', '.join(sorted(trained))}, so metrics are too high"
    sentence = f"The {len(selected):,} sequences of {', '.join(chromosomes)}: {note}."
    return ChosenPart(selected, sentence, f'\ndata = data.subset(data.table["chrom"].isin({chromosomes!r}).to_numpy())')


def _own_parts(model: Path, sequences: "SequenceSet") -> tuple[tuple[Any, dict[str, Any]] | None, str]:
    """Divide the data as for the training, if it is the same data; otherwise say why that is not known."""
    import warnings

    from rcviz.cli.settings import divide
    from rcviz.models.storage import read_model_card
    from rcviz.training.checkpoint import fingerprint

    card = read_model_card(model)
    if card is None:
        return None, "the model has no card that names its training data; metrics are too high for sequences among them"
    if not card.split:
        return (
            None,
            "the model's card does not state how its data was split; metrics are too high for training sequences",
        )
    other = "they are not the data that the model was trained on, though single sequences may be in both"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the split itself, given when it was trained
            parts = divide(sequences, card.split)
    except ValueError:
        return None, other
    if fingerprint(*parts) != card.data["fingerprint"]:
        return None, other
    return (parts, dict(card.split)), ""


def _code(split: dict[str, Any]) -> str:
    """Write the call that divides the data."""
    is_random = any(isinstance(split.get(name), int | float) for name in ("train", "valid", "test"))
    if is_random:
        return f"rcviz.split(data, {_listed({name: split[name] for name in _OF_SPLIT if name in split})})"
    options = {name: split[name] for name in ("preset", *_OF_SPLIT[:3]) if name in split}
    if options.get("test") in (["none"], "none"):
        options["test"] = ()
    return f"rcviz.split_by_chromosome(data, {_listed(options)})"


def _listed(options: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in options.items())
