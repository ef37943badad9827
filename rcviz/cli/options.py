"""Options that several commands have, and their values as the library takes them."""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else, on standard output.")]
Device = Annotated[str | None, typer.Option(help="auto (default), cpu, cuda, cuda:N or mps.")]
Loss = Annotated[
    str | None, typer.Option(help="bce for classes (default); for labels that are values mse (default) or poisson.")
]
SplitBy = Annotated[
    str | None,
    typer.Option(
        "--split", help="chr1/chr17/rest, chr21/chr22/rest, rest/chr1/chr2 (train/valid/test), or random (default)."
    ),
]
TrainOn = Annotated[str | None, typer.Option("--train", help="Chromosomes to train on, such as chr1,chr2.")]
ValidateOn = Annotated[str | None, typer.Option("--valid", help="Chromosomes that select the best epoch.")]


_LONGEST_SEED = 19  # digits of the largest seed


def several(option: str, text: str | None) -> list[str] | None:
    """Split an option's value at commas; an error if it was given and lists nothing."""
    if text is None:
        return None
    listed = [part.strip() for part in text.split(",") if part.strip()]
    if not listed:
        raise ValueError(f"{option} is empty, got {text!r}: name at least one, or leave out {option}")
    return listed


def seed_list(text: str) -> int | list[int]:
    """Read ``--seeds``: a number of seeds, or a list of them."""
    listed = several("--seeds", text) or []
    if not all(part.isascii() and part.isdecimal() and len(part) < _LONGEST_SEED for part in listed):
        raise ValueError(f"--seeds must be a number of seeds, such as 5, or a list, such as 0,3,4, got {text!r}")
    return int(text) if "," not in text else [int(part) for part in listed]


def given(**options: Any) -> dict[str, Any]:
    """Return the options that were given."""
    return {name: value for name, value in options.items() if value is not None}


def settings_of(kind: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that were given and are settings of a dataclass such as :class:`rcviz.TrainConfig`."""
    return given(**{field.name: options.get(field.name) for field in dataclasses.fields(kind)})


def split_of(by: str | None, train: str | None, valid: str | None, test: str | None) -> dict[str, Any]:
    """Return the section [split] from its options."""
    return given(
        preset=by, train=several("--train", train), valid=several("--valid", valid), test=several("--test", test)
    )
