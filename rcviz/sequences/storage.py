"""The file format of a SequenceSet: safetensors, with arrays as tensors and everything else as JSON in byte tensors.

A table is stored as one field per column, ``table.column``; fields of JSON text end in ``.json``.
"""

import json
import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from rcviz._core.checks import brief, quoted
from rcviz._core.files import atomic_write
from rcviz._core.memory import machine_memory
from rcviz._core.shapes import UInt8
from rcviz._core.text_files import check_file

FORMAT = "rcviz.sequences"
VERSION = 1
_JSON = ".json"
_LARGEST_EMPTY = 1 << 31
_LONE_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")  # JSON can write a lone surrogate, UTF-8 cannot
_HEADER_ROOM = 4096  # for a header written last, when sizes are known; padded with blanks


def write_fields(path: str | os.PathLike[str], kind: str, fields: Mapping[str, Any]) -> None:
    """Write named arrays and JSON-serialisable values, atomically; fields that are None are omitted.

    Parameters
    ----------
    path : path-like
        Usually ends in ``.safetensors``; the folder must exist.
    kind : str
        Name of the class that is built from the fields.
    fields : mapping of str to array (object arrays contain str), DataFrame or JSON-serialisable value
        Names must not contain a dot.
    """
    from safetensors.numpy import save_file

    tensors = _tensors(fields)
    with atomic_write(path) as temporary:
        save_file(tensors, temporary, _metadata(kind))
        with temporary.open("r+b") as file:
            n_header = int.from_bytes(file.read(8), "little")
            header = _sorted_json(json.loads(file.read(n_header)))
            file.seek(8)
            file.write(header.ljust(n_header))


class SequenceWriter:
    """Writes a set to a file: codes are appended block by block, all other fields are set once.

    Attributes
    ----------
    n : int
        Number of sequences appended so far.
    fields : dict
        All fields but the codes, as in :func:`write_fields`.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.n = 0
        self.fields: dict[str, Any] = {}

    def append(self, codes: UInt8[np.ndarray, "n length"]) -> None:
        """Append a block of sequences."""
        self._file.write(np.ascontiguousarray(codes).data)
        self.n += len(codes)


@contextmanager
def open_writer(path: str | os.PathLike[str], kind: str, length: int) -> Iterator[SequenceWriter]:
    """Write the same file as :func:`write_fields` with one block of codes in memory at a time, atomically."""
    from safetensors.numpy import save

    with atomic_write(path) as temporary, temporary.open("r+b") as file:
        file.seek(8 + _HEADER_ROOM)
        writer = SequenceWriter(file)
        yield writer
        # safetensors lays out the other fields, which are then moved after the codes.
        rest = save(_tensors(writer.fields), _metadata(kind))
        n_header = int.from_bytes(rest[:8], "little")
        header = json.loads(rest[8 : 8 + n_header])
        n_bytes = writer.n * length
        for name, entry in header.items():
            if name != "__metadata__":
                entry["data_offsets"] = [n_bytes + offset for offset in entry["data_offsets"]]
        header["codes"] = {"dtype": "U8", "shape": [writer.n, length], "data_offsets": [0, n_bytes]}
        file.write(rest[8 + n_header :])
        file.seek(0)
        file.write(_HEADER_ROOM.to_bytes(8, "little") + _sorted_json(header).ljust(_HEADER_ROOM))


def _sorted_json(header: dict[str, Any]) -> bytes:
    """Write a header in sorted order: safetensors shuffles metadata, and the same set should give the same file."""
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
        These are mapped into memory, read-only, and read from the file when needed.

    Returns
    -------
    kind : str
    fields : dict of arrays, DataFrames and JSON values

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When the file is not a sequence set of rcviz, is truncated or damaged, has another format version, or is larger
        than this machine's memory.
    """
    import pandas as pd
    from safetensors import SafetensorError, safe_open

    check_file(path)
    if not mapped and Path(path).stat().st_size > machine_memory():
        raise ValueError(f"{path} is larger than this machine's memory: load it with memory_map=True")
    try:
        with safe_open(path, framework="numpy") as file:
            kind = _checked_kind(path, file.metadata() or {})
            names = [name for name in file.keys() if name not in mapped]  # noqa: SIM118 - safe_open is not a mapping
            for name in file.keys():  # noqa: SIM118
                _check_shape(path, name, file.get_slice(name).get_shape())
            tensors = {name: file.get_tensor(name) for name in names}
    except SafetensorError as error:
        raise ValueError(
            f"{path} is truncated or not a safetensors file ({brief(error)}): "
            f"create it again with SequenceSet.save or rcviz windows"
        ) from error
    except (AttributeError, TypeError) as error:  # bfloat16 and float8, which NumPy does not have
        raise ValueError(f"{path} has a field of an unexpected dtype ({brief(error)}); create it again") from error
    fields: dict[str, Any] = {name: _mapped(path, name) for name in mapped}
    tables: dict[str, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        value = _read_json(path, name, tensor) if name.endswith(_JSON) else tensor
        table, _, column = name.removesuffix(_JSON).rpartition(".")
        (tables.setdefault(table, {}) if table else fields)[column] = value
    try:
        fields |= {name: pd.DataFrame(columns) for name, columns in tables.items()}
    except ValueError as error:
        raise ValueError(f"{path} is damaged: columns differ in length ({brief(error)}); create it again") from error
    return kind, fields


def _check_shape(path: str | os.PathLike[str], name: str, shape: list[int]) -> None:
    """Refuse an array that needs no bytes in the file and claims billions of rows."""
    if 0 in shape and max(shape) > _LARGEST_EMPTY:
        raise ValueError(f"{path} is damaged: {quoted(name)} is empty and claims {max(shape):,} rows; create it again")


def _mapped(path: str | os.PathLike[str], name: str) -> np.ndarray:
    """Map one tensor of a file that safetensors has already validated."""
    with Path(path).open("rb") as file:
        n_header = int.from_bytes(file.read(8), "little")
        entry = json.loads(file.read(n_header)).get(name)
    if entry is None or entry["dtype"] != "U8":
        raise ValueError(f"{path} is damaged: it has no uint8 field {name}; create it again")
    shape = tuple(entry["shape"])
    if 0 in shape:
        return np.empty(shape, dtype=np.uint8)
    # A plain array: slicing a memmap object is several times slower.
    offset = 8 + n_header + entry["data_offsets"][0]
    return np.memmap(path, dtype=np.uint8, mode="r", offset=offset, shape=shape).view(np.ndarray)


def _read_json(path: str | os.PathLike[str], name: str, tensor: np.ndarray) -> Any:
    try:
        value = json.loads(text := tensor.tobytes())
        if _LONE_SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged: {quoted(name)} is not JSON ({brief(error)}); create it again") from error


def _checked_kind(path: str | os.PathLike[str], metadata: Mapping[str, str]) -> str:
    if metadata.get("format") != FORMAT:
        named = quoted(metadata["format"]) if "format" in metadata else "no format given"
        raise ValueError(
            f"{path} is a safetensors file of another format ({named}): expected one written by SequenceSet.save"
        )
    version = metadata.get("version", "")
    if version != str(VERSION):
        raise ValueError(
            f"{path} has format version {quoted(version)} but this rcviz reads version {VERSION}: "
            f"use the version of rcviz that wrote it, or save it again"
        )
    return metadata.get("kind", "")
