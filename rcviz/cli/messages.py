"""Output of every command: text or JSON for a result, one sentence and an exit code for an error."""

import json
import os
import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from rcviz._core.checks import brief

if TYPE_CHECKING:
    import pandas as pd

FAILED, WRONG_INPUT, INTERRUPTED = 1, 2, 130


@contextmanager
def answering() -> Iterator[None]:
    """Print errors and warnings as one line on standard error, and exit with a code for the kind of error.

    Wrong input exits with 2; a missing package, a failed connection, too little memory or diverged numbers with 1; an
    interrupt with 130. Anything else is a bug of rcviz and keeps its traceback.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("default", UserWarning)
        # On the command line, the message matters and not the line of code.
        warnings.showwarning = lambda message, *place, **more: remark(f"warning: {_one_line(str(message))}")
        try:
            yield
        except KeyboardInterrupt:
            # After an interrupt inside exec(), with which data classes are made, Python ends by the signal instead of
            # with this code, even though the interrupt was caught. The next exec() resets that.
            exec("")
            raise _end("interrupted", INTERRUPTED) from None
        except MemoryError as error:
            raise _end(f"not enough memory: {_message(error)}", FAILED) from error
        except RuntimeError as error:
            if not re.search(r"allocate|out of memory", str(error)):
                raise
            raise _end(f"not enough memory: {brief(error)}", FAILED) from error
        except (ConnectionError, ImportError, FloatingPointError) as error:
            raise _end(_message(error), FAILED) from error
        except (ValueError, OSError) as error:
            raise _end(_message(error), WRONG_INPUT) from error


def answer(text: str, values: Mapping[str, Any], *, as_json: bool) -> None:
    """Print a result, as text or as one JSON object."""
    typer.echo(json.dumps(values, indent=1, allow_nan=False, default=os.fspath) if as_json else text)


def remark(text: str) -> None:
    """Print a message on standard error, which programs do not parse."""
    typer.echo(text, err=True)


def remark_above_bar(text: str) -> None:
    """Print a message as :func:`remark` does while a progress bar is shown, above it."""
    from tqdm.auto import tqdm

    with tqdm.external_write_mode(file=sys.stderr):
        remark(text)


def records(frame: "pd.DataFrame") -> list[dict[str, Any]]:
    """Convert the rows of a table to JSON values; NaN becomes null."""
    return [dict(row) for row in json.loads(frame.to_json(orient="records", double_precision=15))]


def _message(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return _one_line(str(error)) or type(error).__name__


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _end(sentence: str, code: int) -> typer.Exit:
    remark(f"rcviz: {sentence}")
    return typer.Exit(code)
