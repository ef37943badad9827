"""A set of sequences as one safetensors file: arrays as tensors, everything else as JSON text in a byte tensor.

A table is one field per column, ``table.column``; text carries the suffix ``.json``.
"""

import json
import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import UInt8

from rcviz._core.checks import brief, quoted
from rcviz._core.files import atomic_write
from rcviz._core.text_files import check_file

FORMAT = "rcviz.sequences"
VERSION = 1
_JSON = ".json"
_LARGEST_EMPTY = 1 << 31
_HALF_A_CHARACTER = re.compile(rb"\\u[dD][89a-fA-F]")  # JSON can spell it, and nothing else can hold it
_HEADER_ROOM = 4096  # for a header whose sizes are known last; blanks fill what it leaves


def write_fields(path: str | os.PathLike[str], kind: str, fields: Mapping[str, Any]) -> None:
    """Write named arrays and JSON-able values, whole or not at all; ``None`` is left out.

    Parameters
    ----------
    path : path-like
        By custom ``*.safetensors``; the folder must exist.
    kind : str
        Name of the class that the fields rebuild.
    fields : mapping of str to array (object arrays hold str), DataFrame or JSON-able value
        Names hold no dot.
    """
    from safetensors.numpy import save_file

    tensors = _tensors(fields)
    with atomic_write(path) as temporary:
        save_file(tensors, temporary, _metadata(kind))
        with temporary.open("r+b") as file:
            n_header = int.from_bytes(file.read(8), "little")
            header = _in_order(json.loads(file.read(n_header)))
            file.seek(8)
            file.write(header.ljust(n_header))


class GrowingSet:
    """A set on its way into a file: codes are appended block by block, all else is given once at the end.

    Attributes
    ----------
    n : int
        Sequences appended so far.
    fields : dict
        What shall stand beside the codes, as in :func:`write_fields`.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.n = 0
        self.fields: dict[str, Any] = {}

    def append(self, codes: UInt8[np.ndarray, "n length"]) -> None:
        """Write some more sequences."""
        self._file.write(np.ascontiguousarray(codes).data)
        self.n += len(codes)


@contextmanager
def written_while_growing(path: str | os.PathLike[str], kind: str, length: int) -> Iterator[GrowingSet]:
    """Write the same file as :func:`write_fields`, with one block of codes in memory at a time, whole or not at all."""
    from safetensors.numpy import save

    with atomic_write(path) as temporary, temporary.open("r+b") as file:
        file.seek(8 + _HEADER_ROOM)
        growing = GrowingSet(file)
        yield growing
        # The rest is laid out by safetensors itself, and moved behind the codes.
        rest = save(_tensors(growing.fields), _metadata(kind))
        n_header = int.from_bytes(rest[:8], "little")
        header = json.loads(rest[8 : 8 + n_header])
        n_bytes = growing.n * length
        for name, entry in header.items():
            if name != "__metadata__":
                entry["data_offsets"] = [n_bytes + offset for offset in entry["data_offsets"]]
        header["codes"] = {"dtype": "U8", "shape": [growing.n, length], "data_offsets": [0, n_bytes]}
        file.write(rest[8 + n_header :])
        file.seek(0)
        file.write(_HEADER_ROOM.to_bytes(8, "little") + _in_order(header).ljust(_HEADER_ROOM))


def _in_order(header: dict[str, Any]) -> bytes:
    """Spell a header in one way: safetensors shuffles the metadata, and the same set should give the same file."""
    return json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _metadata(kind: str) -> dict[str, str]:
    return {"format": FORMAT, "version": str(VERSION), "kind": kind}


def _tensors(fields: Mapping[str, Any]) -> dict[str, np.ndarray]:
    import pandas as pd

    flat: dict[str, Any] = {}
    for name, value in fields.items():
        if isinstance(value, pd.DataFrame):
            flat |= {f"{name}.{column}": value[column].to_numpy() for column in value}
        else:
            flat[name] = value
    tensors: dict[str, np.ndarray] = {}
    for name, value in flat.items():
        if isinstance(value, np.ndarray) and value.dtype != object:
            tensors[name] = np.ascontiguousarray(value)
        elif value is not None:
            text = json.dumps(value.tolist() if isinstance(value, np.ndarray) else value)
            tensors[name + _JSON] = np.frombuffer(text.encode("utf-8"), dtype=np.uint8)
    return tensors


def read_fields(path: str | os.PathLike[str], *, mapped: Collection[str] = ()) -> tuple[str, dict[str, Any]]:
    """Read what :func:`write_fields` wrote; nothing in the file is executed.

    Parameters
    ----------
    path : path-like
    mapped : names of uint8 fields
        These are mapped into memory, read-only, and read from the file as they are used.

    Returns
    -------
    kind : str
    fields : dict of arrays, DataFrames and JSON values

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When the file is no set of sequences of rcviz, is cut off or damaged, is of a newer version, or would not go
        into this machine's memory.
    """
    import pandas as pd
    from safetensors import SafetensorError, safe_open

    check_file(path)
    if not mapped and Path(path).stat().st_size > _memory_of_machine():
        raise ValueError(f"{path} is larger than this machine's memory: load it with memory_map=True")
    try:
        with safe_open(path, framework="numpy") as file:
            kind = _checked_kind(path, file.metadata() or {})
            names = [name for name in file.keys() if name not in mapped]  # noqa: SIM118 - safe_open is no mapping
            for name in file.keys():  # noqa: SIM118
                _check_shape(path, name, file.get_slice(name).get_shape())
            tensors = {name: file.get_tensor(name) for name in names}
    except SafetensorError as error:
        raise ValueError(
            f"{path} is cut off or is not a safetensors file ({brief(error)}): "
            f"make it again with SequenceSet.save or rcviz windows"
        ) from error
    except (AttributeError, TypeError) as error:  # bfloat16 and float8, which NumPy lacks
        raise ValueError(f"{path} holds numbers of a type that no set has ({brief(error)}); make it again") from error
    fields: dict[str, Any] = {name: _mapped(path, name) for name in mapped}
    tables: dict[str, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        value = _read_json(path, name, tensor) if name.endswith(_JSON) else tensor
        table, _, column = name.removesuffix(_JSON).rpartition(".")
        (tables.setdefault(table, {}) if table else fields)[column] = value
    try:
        fields |= {name: pd.DataFrame(columns) for name, columns in tables.items()}
    except ValueError as error:
        raise ValueError(f"{path} is damaged: columns differ in length ({brief(error)}); make it again") from error
    return kind, fields


def _memory_of_machine() -> int:
    """Bytes of memory, as far as the system tells."""
    if not hasattr(os, "sysconf"):
        return 1 << 62
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _check_shape(path: str | os.PathLike[str], name: str, shape: list[int]) -> None:
    """Refuse an array that takes no place in the file and claims any number of rows."""
    if 0 in shape and max(shape) > _LARGEST_EMPTY:
        raise ValueError(f"{path} is damaged: {quoted(name)} is empty and claims {max(shape):,} rows; make it again")


def _mapped(path: str | os.PathLike[str], name: str) -> np.ndarray:
    """Map one tensor of a file that safetensors has found whole."""
    with Path(path).open("rb") as file:
        n_header = int.from_bytes(file.read(8), "little")
        entry = json.loads(file.read(n_header)).get(name)
    if entry is None or entry["dtype"] != "U8":
        raise ValueError(f"{path} is damaged: it has no {name} of one byte each; make it again")
    shape = tuple(entry["shape"])
    if 0 in shape:
        return np.empty(shape, dtype=np.uint8)
    # A plain view: slices of a memmap object are several times slower to make.
    offset = 8 + n_header + entry["data_offsets"][0]
    return np.memmap(path, dtype=np.uint8, mode="r", offset=offset, shape=shape).view(np.ndarray)


def _read_json(path: str | os.PathLike[str], name: str, tensor: np.ndarray) -> Any:
    try:
        value = json.loads(text := tensor.tobytes())
        if _HALF_A_CHARACTER.search(text):
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged: {quoted(name)} is not JSON ({brief(error)}); make it again") from error


def _checked_kind(path: str | os.PathLike[str], metadata: Mapping[str, str]) -> str:
    if metadata.get("format") != FORMAT:
        named = quoted(metadata["format"]) if "format" in metadata else "no format named"
        raise ValueError(
            f"{path} is a safetensors file of another kind ({named}): expected one that SequenceSet.save wrote"
        )
    version = metadata.get("version", "")
    if version != str(VERSION):
        raise ValueError(
            f"{path} has format version {quoted(version)} but this rcviz reads version {VERSION}: "
            f"use the rcviz that wrote it, or save it again"
        )
    return metadata.get("kind", "")
