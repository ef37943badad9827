"""How every command answers: a sentence and an exit code when something is wrong, text or JSON when it is not."""

import json
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import pandas as pd

FAILED, WRONG_INPUT, INTERRUPTED = 1, 2, 130

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else, on standard output.")]


@contextmanager
def answering() -> Iterator[None]:
    """Say in one line on standard error what went wrong or is doubtful, and end with the fitting exit code.

    What the library refuses ends with 2; what was wanting outside (a package, the network) or went astray in the
    numbers, with 1; an interrupt with 130. Anything else is a fault of rcviz and keeps its traceback.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("default", UserWarning)
        # A person at the command line wants the sentence, not the place in the code.
        warnings.showwarning = lambda message, *place, **more: remark(f"warning: {_one_line(str(message))}")
        try:
            yield
        except KeyboardInterrupt:
            raise _end("interrupted", INTERRUPTED) from None
        except (ConnectionError, ImportError, FloatingPointError) as error:
            raise _end(_said(error), FAILED) from error
        except (ValueError, OSError) as error:
            raise _end(_said(error), WRONG_INPUT) from error


def answer(told: str, values: Mapping[str, Any], *, as_json: bool) -> None:
    """Print what was done: for a person, or as one JSON object."""
    typer.echo(json.dumps(values, indent=1, allow_nan=False, default=os.fspath) if as_json else told)


def remark(text: str) -> None:
    """Say something on the way, on standard error, where no program reads."""
    typer.echo(text, err=True)


def records(frame: "pd.DataFrame") -> list[dict[str, Any]]:
    """Rows of a table as JSON can hold them: NaN is null."""
    return [dict(row) for row in json.loads(frame.to_json(orient="records", double_precision=15))]


def several(text: str | None) -> list[str] | None:
    """Split an option's value at commas."""
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def _said(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return _one_line(str(error)) or type(error).__name__


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _end(sentence: str, code: int) -> typer.Exit:
    remark(f"rcviz: {sentence}")
    return typer.Exit(code)
