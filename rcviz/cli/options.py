"""Options that several commands have, and their values as the library takes them."""

import dataclasses
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

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
TrainOn = Annotated[
    list[str] | None, typer.Option("--train", help="Chromosomes to train on, such as chr1,chr2; may be repeated.")
]
ValidateOn = Annotated[list[str] | None, typer.Option("--valid", help="Chromosomes that select the best epoch.")]
Chromosomes = Annotated[
    list[str] | None, typer.Option(help="Use only windows of these, such as chr21,chr22; may be repeated.")
]


class OnceCommand(TyperCommand):
    """A command that refuses an option given twice, of which click would use the last without a word."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse as click does, after a look at how often each option was given."""
        *_, order = self.make_parser(ctx).parse_args(args=list(args))
        for param, n in Counter(order).items():
            if n > 1 and param.param_type_name == "option" and not (param.multiple or getattr(param, "is_flag", False)):
                ctx.fail(f"{param.opts[0]} was given {n} times and takes one value: give it once")
        return super().parse_args(ctx, args)


_LONGEST_SEED = 19  # digits of the largest seed


def several(option: str, texts: str | list[str] | None) -> list[str] | None:
    """Split the values of an option, which may be repeated, at commas; an error if one lists nothing."""
    if texts is None or texts == []:
        return None
    listed: list[str] = []
    for text in [texts] if isinstance(texts, str) else texts:
        parts = [part.strip() for part in text.split(",") if part.strip()]
        if not parts:
            raise ValueError(f"{option} is empty, got {text!r}: name at least one, or leave out {option}")
        listed += parts
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


def split_of(
    by: str | None, train: list[str] | None, valid: list[str] | None, test: list[str] | None
) -> dict[str, Any]:
    """Return the section [split] from its options."""
    return given(
        preset=by, train=several("--train", train), valid=several("--valid", valid), test=several("--test", test)
    )
