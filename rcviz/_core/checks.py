"""Checks of arguments that several packages use."""

import inspect
import reprlib
from collections.abc import Iterable, Sequence
from numbers import Integral, Number, Real
from pathlib import PurePath
from typing import Any

import numpy as np


def quoted(text: object, most: int = 60) -> str:
    """Quote text in an error message, shortened if it is long."""
    text = str(text)
    return repr(text if len(text) <= most else text[: most - 1] + "\N{HORIZONTAL ELLIPSIS}")


def brief(error: object) -> str:
    """Return the message of an error on one line, shortened if it is long."""
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else text[:199] + "\N{HORIZONTAL ELLIPSIS}"


class _Shown(reprlib.Repr):
    """Values of error messages: numbers, text and short collections as they are, of everything else the type."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = 80
        self.maxlevel = 3

    def repr_instance(self, x: Any, level: int) -> str:
        """Name the type of an object, and its shape; a large object would fill the screen."""
        if x is None or isinstance(x, Number | np.generic | PurePath) or getattr(x, "shape", None) == ():
            return brief(repr(x))
        name = type(x).__name__
        if isinstance(x, type) or inspect.isroutine(x):
            return f"{name} {x.__name__}"
        shape = getattr(x, "shape", None)
        return f"{name} of shape {tuple(shape)}" if isinstance(shape, tuple) else name


def shown(value: Any) -> str:
    """Return what came, for an error message, in one short line."""
    return brief(_SHOWN.repr(value))


_SHOWN = _Shown()


def check_text(what: str, text: Any) -> None:
    """Refuse what is not text, and text that no file can hold, as it has half of a surrogate pair."""
    if not isinstance(text, str):
        raise ValueError(f"{what} must be text, got {shown(text)}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        part = ascii(text[max(error.start - 20, 0) : error.start + 20])
        raise ValueError(
            f"{what} must be Unicode text, got {part}, in which one half of a surrogate pair stands alone: decode it "
            f"from its bytes again"
        ) from error


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Refuse a value outside a closed set, quoting the choices."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {shown(value)}")


def as_numbers(name: str, values: Any) -> np.ndarray:
    """Return values as a float64 array; an error if they are not numbers.

    Tensors are taken from any device, of any precision and with their gradients, without importing torch; what a
    masked array hides is NaN.
    """
    try:
        if getattr(getattr(values, "dtype", None), "kind", "") == "c":
            raise TypeError("complex numbers have no order")
        if np.ma.isMaskedArray(values):
            masked: Any = values
            return np.asarray(masked.astype(np.float64).filled(np.nan))
        return np.asarray(_off_device(values), dtype=np.float64)
    except (TypeError, ValueError, RuntimeError, NotImplementedError) as error:
        raise ValueError(f"{name} must be numbers, all rows of one length, got {shown(values)}") from error


def _off_device(values: Any) -> Any:
    """Return tensors, also those in a list, as arrays; other values as they are."""
    if hasattr(values, "detach") and hasattr(values, "cpu"):
        tensor = values.detach().cpu()
        return np.asarray(tensor.double() if tensor.is_floating_point() else tensor)  # numpy has no bfloat16
    if isinstance(values, list | tuple) and any(hasattr(value, "detach") for value in values):
        return [_off_device(value) for value in values]
    return values


def base_columns(columns: Iterable[Any]) -> tuple[list[Any], str]:
    """Return the labels of the columns A, C, G and T (or U) of a table of positions, and the letters.

    Lower case and other columns, such as N or a position, are allowed, as other tools write them.
    """
    labels = list(columns)
    by_letter: dict[str, Any] = {}
    for label in labels:
        letter = str(label).strip().upper()
        if letter in by_letter and letter in "ACGTU":
            raise ValueError(f"expected one column for each base, got {letter} twice: keep one")
        by_letter[letter] = label
    shown = ", ".join(map(str, labels[:6])) + (", ..." if len(labels) > 6 else "")
    others = [letter for letter in by_letter if len(letter) == 1 and letter.isalpha() and letter not in "ACGTUN"]
    if len(others) > 3:
        raise ValueError(f"expected columns A, C, G and T (or U), got {shown}: only nucleotides can be drawn")
    for letters in ("ACGT", "ACGU"):
        if all(letter in by_letter for letter in letters):
            return [by_letter[letter] for letter in letters], letters
    raise ValueError(
        f"expected a DataFrame with a row per position and columns A, C, G and T (or U), got columns {shown}; "
        "use df.T where the letters are the rows"
    )


_PRINTED_ROUNDING = 0.02 + 1e-9
"""How far four probabilities that were rounded to two decimals can be from a sum of 1."""


def improper_column(matrix: np.ndarray, letters: str = "ACGT") -> tuple[int, str] | None:
    """Return the first column that is not four probabilities, and what is wrong; None if all are.

    The one rule for every matrix that is given as probabilities: they are in [0, 1], and columns sum to 1 but for
    rounding to two decimals, after which they are normalised.
    """
    sums = matrix.sum(axis=0)
    outside = ~((matrix >= 0) & (matrix <= 1 + 1e-5))
    wrong = outside.any(axis=0) | ~(np.abs(sums - 1) <= _PRINTED_ROUNDING)
    if not wrong.any():
        return None
    column = int(wrong.argmax())
    if outside[:, column].any():
        row = int(outside[:, column].argmax())
        value = matrix[row, column]
        problem = f"probabilities must be in [0, 1], got {value:g} at {letters[row]}, position {column}"
    else:
        problem = f"every position must sum to 1, got {sums[column]:g} at position {column}"
    if not (matrix >= 0).all() or not np.isfinite(matrix).all():
        return column, problem
    counts = matrix.max() >= 1.5 or (matrix == np.rint(matrix)).all()
    return column, f"{problem}: {'these look like counts: ' if counts else ''}divide each column by its sum"


def look_like_counts(matrix: np.ndarray) -> bool:
    """Whether the columns of a (4, W) matrix are counts: whole numbers, or all of the same sum, such as percentages."""
    if not np.isfinite(matrix).all() or not (matrix >= 0).all() or matrix.max(initial=0.0) < 1.5:
        return False
    sums = matrix.sum(axis=0)
    if (matrix == np.rint(matrix)).all():
        return bool(sums.min() >= 0.5 * sums.max())
    return matrix.shape[1] > 1 and bool(np.ptp(sums) <= 1e-6 * sums.max())


def is_number(text: str) -> bool:
    """Return True if a text can be parsed as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def check_real(name: str, value: Any) -> None:
    """Refuse a value that is not one real number."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ValueError(f"{name} must be a number, got {shown(value)}")


def generator_of(seed: Any) -> np.random.Generator:
    """Return the generator of a seed, or the generator that was given."""
    try:
        if seed is not None and not isinstance(seed, bool):
            return np.random.default_rng(seed)
    except (TypeError, ValueError):
        pass
    raise ValueError(f"seed must be a whole number of at least 0 or a numpy Generator, got {shown(seed)}")


LARGEST_INT64 = 2**63 - 1


def check_positive(name: str, value: Any, *, most: int = LARGEST_INT64) -> None:
    """Refuse a value that is not a whole number from one to ``most``."""
    check_whole(name, value, 1, most=most)


def check_whole(name: str, value: Any, least: int, *, most: int = LARGEST_INT64) -> None:
    """Refuse a value that is not a whole number from ``least`` to ``most``, by default what 64 bits hold."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise ValueError(f"{name} must be a whole number, got {shown(value)}")
    number = int(value)
    if number < least:
        raise ValueError(f"{name} must be at least {least}, got {_shown(number)}")
    if number > most:
        raise ValueError(f"{name} must be at most {most}, got {_shown(number)}")


def _shown(number: int) -> str:
    """Return a number in digits; of very large ones the size, as Python refuses to write more than 4,300 digits."""
    return str(number) if number.bit_length() <= 256 else f"a number of {number.bit_length()} bits"


def check_table(table: Any, columns: Sequence[str], rows: str) -> None:
    """Refuse a DataFrame without one of the columns, or without rows; ``rows`` is the word for a row."""
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise ValueError(f"expected columns {', '.join(columns)}, got a table without {', '.join(missing)}")
    if len(table) == 0:
        raise ValueError(f"expected at least one {rows}, got an empty table")


def check_features(shape: tuple[int, ...], n_channels: int, length: int | None = None) -> None:
    """Refuse a feature map that is not (batch, n_channels, length), with a hint if the channels are last."""
    if len(shape) == 3 and shape[1] == n_channels and length in (None, shape[2]):
        return
    hint = ""
    if len(shape) == 3 and shape[2] == n_channels and length in (None, shape[1]):
        hint = ": channels are last; use x.transpose(1, 2)"
    elif len(shape) == 3 and shape[1] == n_channels:
        hint = f": bring the sequences to a length of {length}, or build the model for {shape[2]}"
    wanted = f"(batch, {n_channels}, {'length' if length is None else length})"
    raise ValueError(f"expected {wanted}, got {tuple(shape)}{hint}")


def check_settings(what: str, names: Iterable[str], choices: Sequence[str]) -> None:
    """Refuse the name of a setting that does not exist, quoting those that do."""
    for name in names:
        if name not in choices:
            raise ValueError(f"{what} has no setting {quoted(name)}; the settings are: {', '.join(sorted(choices))}")


def check_options(what: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Refuse a keyword that a function or an explorer does not have, listing those it has."""
    choices = sorted(known)
    for name in names:
        if name not in choices:
            listed = f"; its options are: {', '.join(choices)}" if choices else ", and it has none"
            raise TypeError(f"{what} has no option {quoted(name)}{listed}")


def check_index(kind: str, index: Any, count: int) -> None:
    """Refuse the index of something, such as a filter, that does not exist; indices are 0-based."""
    if not _is_index(index, count):
        raise ValueError(f"there is no {kind} {shown(index)}: choose {_indices(count)}")


def task_index(task: Any, task_names: Sequence[str]) -> int:
    """Find the index of a task that is given by its name or by its 0-based index."""
    if isinstance(task, str) and task in task_names:
        return list(task_names).index(task)
    if _is_index(task, len(task_names)):
        return int(task)
    choices = f"{_indices(len(task_names))} or one of {', '.join(task_names)}"
    raise ValueError(f"there is no task {shown(task)}: choose {choices}")


def _is_index(index: Any, count: int) -> bool:
    return isinstance(index, int | np.integer) and not isinstance(index, bool) and 0 <= int(index) < count


def _indices(count: int) -> str:
    return "0" if count == 1 else f"0 to {count - 1}"
