"""Labels, task names, coordinates, provenance and indices of sequences: checked and converted to one form."""

import json
import operator
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rcviz._core.checks import check_text, shown
from rcviz._core.shapes import Float32
from rcviz.sequences.alphabet import without_negative_strides

if TYPE_CHECKING:
    import pandas as pd

_SITE_COLUMNS = ("sequence", "motif", "start", "end", "strand")
LabelKind = Literal["binary", "value"]


def toggle_chr(chrom: str) -> str:
    """Add "chr" to the name of a chromosome, or remove it: "1" and "chr1" are the two styles of naming."""
    return chrom.removeprefix("chr") if chrom.startswith("chr") else f"chr{chrom}"


def checked_labels(labels: Any, n: int, kind: LabelKind = "binary") -> Float32[np.ndarray, "n n_tasks"]:
    """Return labels as float32 (n, n_tasks); of kind "binary" 0, 1 or NaN, of kind "value" any finite number or NaN."""
    if hasattr(labels, "detach"):
        labels = labels.detach().cpu().numpy()
    try:
        array = np.asarray(labels, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise ValueError(f"labels must be numbers 0, 1 or NaN of shape (n,) or (n, n_tasks): {error}") from None
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or len(array) != n or array.shape[1] == 0:
        raise ValueError(
            f"expected labels of shape ({n},) or ({n}, n_tasks), one row for each of the {n} sequences, "
            f"got {np.shape(labels)}"
        )
    wrong = np.isinf(array) if kind == "value" else ~((array == 0) | (array == 1) | np.isnan(array))
    if wrong.any():
        row, task = np.argwhere(wrong)[0]
        got = f"got {array[row, task]:g} at sequence {row}, task {task}"
        if kind == "value":
            raise ValueError(f"labels must be finite, or NaN (unknown), {got}: drop it, or label it NaN")
        raise ValueError(
            f'labels must be 0, 1 or NaN (unknown), {got}: for a regression pass label_kind="value", '
            f"for a classifier binarise first, for example labels > 0.5"
        )
    return without_negative_strides(array)


def numbered_tasks(count: int) -> tuple[str, ...]:
    """Name tasks that were given without names: "task_0", "task_1" and so on."""
    return tuple(f"task_{index}" for index in range(count))


def checked_task_names(task_names: Sequence[str] | None, n_tasks: int) -> tuple[str, ...]:
    """Return one name per task; by default "task_0", "task_1" and so on."""
    if task_names is None:
        return numbered_tasks(n_tasks)
    names = (task_names,) if isinstance(task_names, str) else tuple(task_names)
    are_text = all(isinstance(name, str) for name in names)
    if len(names) != n_tasks or not are_text or len(set(names)) != n_tasks:
        raise ValueError(f"expected {n_tasks} different task names, one per column of labels, got {shown(list(names))}")
    check_text("task_names", " ".join(names))
    return names


def checked_columns(n: int, **columns: Any) -> dict[str, np.ndarray]:
    """Return the given columns: ``names`` and ``chrom`` as object arrays of str, ``start`` and ``end`` as int64."""
    checked: dict[str, np.ndarray] = {}
    for key, values in columns.items():
        if values is None:
            continue
        if isinstance(values, str) or getattr(values, "ndim", 1) != 1 or len(values) != n:
            raise ValueError(f"expected {key} to have one value for each of the {n} sequences, got {_describe(values)}")
        if key in ("names", "chrom"):
            texts = [str(value) for value in values]
            check_text(key, " ".join(texts))
            checked[key] = np.array(texts, dtype=object)
            continue
        array = np.asarray(values)
        if n and array.dtype.kind not in "iu":
            raise ValueError(f"{key} must be integers, got {array.dtype}: round them, or drop rows without a value")
        checked[key] = array.astype(np.int64)
    start, end = checked.get("start"), checked.get("end")
    if start is not None and np.any(start < 0):
        raise ValueError(f"start must be at least 0, got {start.min()}: drop windows that extend beyond the chromosome")
    if start is not None and end is not None and np.any(end <= start):
        row = int(np.argmax(end <= start))
        raise ValueError(
            f"end must come after start, got {start[row]} to {end[row]} at sequence {row}: "
            f"positions are 0-based, half-open"
        )
    return checked


def _describe(values: Any) -> str:
    return repr(values) if isinstance(values, str) else f"shape {np.shape(values)}"


def checked_provenance(provenance: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return provenance as JSON gives it back, so that a loaded set equals the saved one."""
    try:
        plain: dict[str, Any] = json.loads(json.dumps(dict(provenance or {}), default=operator.methodcaller("item")))
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"provenance must be JSON-serialisable (text, numbers, lists, mappings): {error}") from error
    check_text("provenance", json.dumps(plain, ensure_ascii=False))
    return plain


def as_index(mask_or_index: Any, n: int) -> Any:
    """Return a mask, integers or a slice as something that NumPy indexes with; a mask becomes positions.

    Zeros and ones, one integer per sequence, are refused: they may be meant as a mask or as indices.
    """
    if isinstance(mask_or_index, slice):
        return mask_or_index
    index = np.atleast_1d(np.asarray(mask_or_index))
    if index.ndim == 1 and index.dtype == bool:
        if len(index) != n:
            raise ValueError(f"expected a mask of {n} values, one per sequence, got {len(index)}")
        return np.flatnonzero(index)
    if index.size == 0:
        return np.zeros(0, dtype=np.int64)
    if index.ndim != 1 or index.dtype.kind not in "iu":
        raise ValueError(
            f"expected a mask, integers or a slice, got {index.dtype} of shape {index.shape}: "
            f"use mask.astype(bool) or np.flatnonzero(...)"
        )
    if n > 1 and len(index) == n and np.isin(index, (0, 1)).all():
        raise ValueError(
            f"expected a mask of bool or indices, got the integers 0 and 1 for each of {n} sequences, which may be "
            f"either: use mask.astype(bool), or index - {n} for indices"
        )
    if index.min() < -n or index.max() >= n:
        raise ValueError(f"index {index.min() if index.min() < -n else index.max()} is out of range for {n} sequences")
    return index


def checked_sites(sites: "pd.DataFrame", n: int) -> "pd.DataFrame":
    """Return the columns of motif sites, which must refer to sequences 0 to ``n - 1``."""
    missing = [column for column in _SITE_COLUMNS if column not in sites]
    if missing:
        raise ValueError(
            f"sites needs the columns {', '.join(_SITE_COLUMNS)}, but {', '.join(missing)} is missing: add it"
        )
    are_text = all(isinstance(value, str) for column in ("motif", "strand") for value in sites[column])
    are_whole = all(sites[column].dtype.kind in "iu" for column in ("sequence", "start", "end"))
    if len(sites) and not (are_text and are_whole and set(sites["strand"]) <= {"+", "-"}):
        raise ValueError(
            'sites needs whole numbers as sequence, start and end, a motif\'s name and "+" or "-" as strand: '
            "see the sites of simulate_motifs"
        )
    if not sites["sequence"].between(0, n - 1).all():
        raise ValueError(f"sites refers to sequences outside 0 to {n - 1}: use indices of this set")
    return sites[list(_SITE_COLUMNS)].reset_index(drop=True)
