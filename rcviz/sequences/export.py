"""Sets as BED and FASTA files, and several sets as one."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rcviz._core.checks import quoted
from rcviz._core.files import atomic_write
from rcviz._core.shapes import UInt8
from rcviz.sequences.alphabet import decode

if TYPE_CHECKING:
    import pandas as pd

_AT_ONCE = 4096


def write_bed(table: "pd.DataFrame", path: str | os.PathLike[str]) -> None:
    """Write coordinates and names, the columns of a set, as BED4."""
    columns = bed_columns(table)
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{chrom}\t{start}\t{end}\t{name}\n" for chrom, start, end, name in zip(*columns, strict=True))


def bed_columns(table: "pd.DataFrame") -> tuple[list[str], list[int], list[int], list[str]]:
    """Return chromosome, start, end and name (``chrom:start-end`` by default) of each sequence."""
    missing = [column for column in ("chrom", "start", "end") if column not in table]
    if missing:
        raise ValueError(
            f"a BED file needs coordinates, and this set has no {', '.join(missing)}: give chrom=, start= and end= "
            f"when making it, or write CSV or FASTA"
        )
    chrom, start, end = table["chrom"].tolist(), table["start"].tolist(), table["end"].tolist()
    names = table["name"] if "name" in table else [f"{c}:{s}-{e}" for c, s, e in zip(chrom, start, end, strict=True)]
    names = [_one_field(name, "\t\r\n") or "." for name in names]
    return [_one_field(name, " \t\r\n") for name in chrom], start, end, names


def write_fasta(codes: UInt8[np.ndarray, "n length"], table: "pd.DataFrame", path: str | os.PathLike[str]) -> None:
    """Write the sequences as FASTA, one line each, named by their coordinates where they have such."""
    if {"chrom", "start", "end"} <= set(table):
        names = [f"{c}:{s}-{e}" for c, s, e in zip(table["chrom"], table["start"], table["end"], strict=True)]
        given = table["name"].tolist() if "name" in table else names
        names = [name if name == other else f"{name} {other}" for name, other in zip(names, given, strict=True)]
    else:
        names = table["name"].tolist() if "name" in table else [f"sequence_{row}" for row in range(len(codes))]
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        for first in range(0, len(codes), _AT_ONCE):
            rows = slice(first, first + _AT_ONCE)
            for name, letters in zip(names[rows], decode(np.asarray(codes[rows])), strict=True):
                file.write(f">{_one_field(name, chr(9) + chr(13) + chr(10))}\n{letters}\n")


def _one_field(text: str, separators: str) -> str:
    """Replace characters that would begin another field or line."""
    return "".join("_" if letter in separators else letter for letter in text)


def concatenated(sets: Sequence[Any], task_names: Sequence[str] | None) -> dict[str, Any]:
    """Return the fields of the SequenceSet that holds several; a task that one lacks is unknown in it."""
    sets = list(sets)
    if not sets:
        raise ValueError("expected at least one set to concatenate, got none")
    lengths = list(dict.fromkeys(data.length for data in sets))
    if len(lengths) > 1:
        raise ValueError(f"all sets must have sequences of one length, got {', '.join(map(str, lengths))} bp")
    labelled = [data for data in sets if data.labels is not None]
    kinds = {data.label_kind for data in labelled}
    if len(kinds) > 1:
        raise ValueError("labels of classes and of values cannot be in one set: concatenate sets of one label_kind")
    tasks = list(dict.fromkeys(name for data in labelled for name in data.task_names))
    if task_names is not None:
        wanted = [task_names] if isinstance(task_names, str) else list(task_names)
        if sorted(wanted) != sorted(tasks):
            raise ValueError(
                f"task_names must be those of the sets, in the order wanted, {', '.join(tasks)}; got {quoted(wanted)}"
            )
        tasks = wanted
    labels = None
    if labelled:
        labels = np.full((sum(map(len, sets)), len(tasks)), np.nan, dtype=np.float32)
        first = 0
        for data in sets:
            for column, name in enumerate(data.task_names):
                assert data.labels is not None
                labels[first : first + len(data), tasks.index(name)] = data.labels[:, column]
            first += len(data)
    tables = [data.table for data in sets]
    shared = [column for column in ("name", "chrom", "start", "end") if all(column in table for table in tables)]
    return {
        "codes": np.concatenate([data.codes for data in sets]),
        "labels": labels,
        "task_names": tasks or None,
        **({"label_kind": kinds.pop()} if kinds else {}),
        **{
            "names" if column == "name" else column: np.concatenate([table[column].to_numpy() for table in tables])
            for column in shared
        },
        "provenance": {"source": "concat", "parts": [data.provenance for data in sets]},
    }
