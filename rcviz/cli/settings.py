"""Settings of a training run, from a file and from flags: sections [model], [train] and [split].

Flags override the file, and the file overrides the preset. The result is complete, so that written to a file it
describes the same run.
"""

import dataclasses
import json
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rcviz._core.checks import LARGEST_INT64, brief, check_choice, check_settings, check_whole, quoted
from rcviz.models.config import ModelConfig
from rcviz.sequences.sequence_set import SequenceSet
from rcviz.sequences.splits import Splits, split, split_by_chromosome
from rcviz.training.config import TrainConfig

PRESETS = ("chipseq", "one_layer", "simulated")
RANDOM = {"train": 0.7, "valid": 0.15, "test": 0.15, "seed": 0}

_OF_DATA = ("sequence_length", "n_tasks")
_OF_PRESET = ("kernel_sizes", "pool_size", "pool_stride")
_OF_ARCHITECTURE = ("head", "freeze_output")
_FOR_VALUES = {"output_is": "value", "freeze_output": False}  # an output that is frozen at one cannot learn a scale
_KNOWN = {
    "model": ["preset", "seed", *(field.name for field in dataclasses.fields(ModelConfig))],
    "train": ["preset", *(field.name for field in dataclasses.fields(TrainConfig))],
    "split": ["preset", "train", "valid", "test", "seed"],  # chromosomes, or shares and a seed
}
_PARTS = ("train", "valid", "test")
_NOTES = ("rcviz", "data")  # information for the reader, without effect

Sections = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Settings:
    """A complete description of a run.

    Attributes
    ----------
    model : ModelConfig
    model_seed : int
        Seed of the starting weights.
    train : TrainConfig
    split : dict
        As in the section of the file.
    """

    model: ModelConfig
    model_seed: int
    train: TrainConfig
    split: dict[str, Any]

    def sections(self) -> dict[str, dict[str, Any]]:
        """Sections of a file that describes the same run."""
        return {
            "model": {**dataclasses.asdict(self.model), "seed": self.model_seed},
            "train": dataclasses.asdict(self.train),
            "split": self.split,
        }


def read_config(path: Path) -> dict[str, dict[str, Any]]:
    """Read a configuration: JSON if the name ends in ``.json``, otherwise TOML.

    Raises
    ------
    ValueError
        If it cannot be read, or has an unknown section or key, naming both.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        kind = "JSON" if path.suffix == ".json" else "TOML (the name of a JSON file must end in .json)"
        raise ValueError(f"{path} is not {kind}: {brief(error)}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} must hold the sections {', '.join(_KNOWN)}, got a {type(content).__name__}")
    check_settings(str(path), [name for name in content if name not in _NOTES], list(_KNOWN))
    sections = {name: values for name, values in content.items() if name in _KNOWN}
    for name, values in sections.items():
        if not isinstance(values, dict):
            raise ValueError(f"{path}: {name} must be a section, [{name}], got {quoted(values)}")
        check_settings(f"{path}: [{name}]", values, _KNOWN[name])
        for key, value in values.items():
            _check_numbers(f"{path}: {key} of [{name}]", value)
    return sections


def _check_numbers(what: str, value: Any) -> None:
    """Refuse whole numbers of more than 64 bits, also in a list or a table."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in parts:
        _check_numbers(what, part)
    if isinstance(value, int) and not -LARGEST_INT64 <= value <= LARGEST_INT64:
        raise ValueError(f"{what} has a whole number of {value.bit_length()} bits, expected at most 63")


def is_complete(path: Path) -> bool:
    """Return True for a configuration that ``rcviz train`` wrote, with the version of rcviz in it."""
    return path.suffix == ".json" and "rcviz" in json.loads(path.read_text(encoding="utf-8"))


def resolve(config: Sections, flags: Sections, data: SequenceSet) -> Settings:
    """Combine preset, file and flags for a dataset, which determines length, number of tasks and kind of labels.

    ``flags`` has only the flags that were given. One flag about the split replaces the file's whole section, and
    ``--preset`` and ``--seed`` are keys of [model] and [train]. A ValueError if the settings are not valid, or
    contradict the data or each other.
    """
    model, train = dict(config.get("model", {})), dict(config.get("train", {}))
    asked = flags.get("model", {})
    if "preset" in asked:
        decided = [name for name in _OF_PRESET if name in model]
        if decided:
            raise ValueError(
                f"--preset {asked['preset']} contradicts the configuration's {decided[0]}; leave out one of the two"
            )
    if asked.get("architecture", model.get("architecture")) != model.get("architecture"):
        for name in _OF_ARCHITECTURE:  # their defaults depend on the architecture, which has changed
            model.pop(name, None)
    model |= asked
    train |= flags.get("train", {})
    for name, value in zip(_OF_DATA, (data.length, len(data.task_names)), strict=True):
        if model.pop(name, value) != value:
            raise ValueError(
                f"the configuration is for another dataset: its {name} is {config['model'][name]!r:.60}, "
                f"that of the data {value}; leave it out of [model], or choose the other dataset"
            )
        model[name] = value
    if data.label_kind == "value":
        model, train = {**_FOR_VALUES, **model}, {"loss": "mse", **train}
    if train.get("loss", "bce") != "bce":  # the preset's weight of positives belongs to classes
        train = {"positive_weight": 1.0, **train}
    training = _train_config(train)
    model_seed = model.pop("seed", training.seed)
    for what, seed in (("model", model_seed), ("train", training.seed)):
        check_whole(f"the seed of [{what}]", seed, 0)
    chosen = _split_section(flags.get("split") or config.get("split") or {})
    return Settings(_model_config(model), model_seed, training, chosen)


def divide(data: SequenceSet, chosen: Mapping[str, Any]) -> Splits:
    """Split a dataset as described by the section [split]: by chromosome, by a preset of the paper, or at random.

    A test part of the remaining chromosomes is empty if train and valid leave none.
    """
    parts = {name: chosen[name] for name in _PARTS if name in chosen}
    if _is_random(chosen):
        return split(data, **parts, seed=chosen.get("seed", 0))
    if "seed" in chosen:
        raise ValueError("[split] has a seed but no shares; a seed belongs to shares such as train = 0.7")
    preset = chosen.get("preset")
    listed = {name: [names] if isinstance(names, str) else list(names) for name, names in parts.items()}
    if preset is None:
        named, last = [*listed.get("train", []), *listed.get("valid", [])], ["rest"]
    else:
        *named, rest = str(preset).split("/")
        last = [rest]
    last = listed.get("test", last)
    is_used_up = "rest" not in named and set(data.table.get("chrom", [""])) <= set(named)
    if last == ["none"] or (last == ["rest"] and is_used_up):
        parts["test"] = ()
    return split_by_chromosome(data, preset=preset, **parts)


def _is_random(chosen: Mapping[str, Any]) -> bool:
    """Tell whether parts are shares and not chromosomes."""
    are_shares = {isinstance(chosen[name], int | float) for name in _PARTS if name in chosen}
    if len(are_shares) == 2:
        raise ValueError("[split] has both shares and chromosomes; give train, valid and test all as one of these")
    return are_shares == {True}


def _split_section(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Complete the shares and the seed of a random split."""
    section = dict(chosen)
    if "preset" in section and not isinstance(section["preset"], str):
        raise ValueError(f"[split] preset must be text, got {quoted(section['preset'])}")
    for name in _PARTS:
        value = section.get(name, [])
        is_share = isinstance(value, int | float) and not isinstance(value, bool)
        names = value if isinstance(value, list | tuple) else [value]
        if not is_share and not all(isinstance(each, str) for each in names):
            raise ValueError(
                f'[split] {name} must be chromosomes, such as ["chr1", "chr2"], or a share, such as 0.7, '
                f"got {quoted(value)}"
            )
    is_random = section.get("preset") == "random" or not section or set(section) == {"seed"} or _is_random(section)
    if not is_random:
        return section
    section.pop("preset", None)
    section = {**_missing_shares(section), "seed": RANDOM["seed"], **section}
    check_whole("the seed of [split]", section["seed"], 0)
    return {name: section[name] for name in RANDOM}


def _missing_shares(section: Mapping[str, Any]) -> dict[str, float]:
    """Shares of the parts that are left out: together all that the others leave, halved if these are two."""
    given = {name: section[name] for name in _PARTS if name in section}
    absent = [name for name in _PARTS if name not in given]
    rest = 1 - sum(given.values())
    if not given:
        return {name: RANDOM[name] for name in absent}
    if absent and not rest > 0:
        listed = ", ".join(f"{name}={share:g}" for name, share in given.items())
        raise ValueError(
            f"[split] train, valid and test must be above 0 and at most 1 in sum, but {listed} leaves nothing for "
            f"{' and '.join(absent)}"
        )
    return {name: round(rest / len(absent), 12) for name in absent}


def _model_config(model: dict[str, Any]) -> ModelConfig:
    preset, architecture = model.pop("preset", "chipseq"), model.pop("architecture", "revcomp")
    check_choice("the model's preset", preset, PRESETS)
    if isinstance(model.get("kernel_sizes"), list):
        model["kernel_sizes"] = tuple(model["kernel_sizes"])
    model.setdefault("n_filters", 20 if preset == "simulated" else 16)
    return _made("model", getattr(ModelConfig, preset), architecture, **model)


def _train_config(train: dict[str, Any]) -> TrainConfig:
    preset = train.pop("preset", "chipseq")
    check_choice("the training's preset", preset, PRESETS)
    return _made("train", TrainConfig.simulated if preset == "simulated" else TrainConfig.chipseq, **train)


def _made(section: str, make: Callable[..., Any], *arguments: Any, **settings: Any) -> Any:
    try:
        return make(*arguments, **settings)
    except TypeError as error:
        raise ValueError(f"[{section}] has a value of the wrong type: {error}") from error
