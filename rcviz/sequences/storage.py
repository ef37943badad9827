"""A set of sequences as one safetensors file: arrays as tensors, everything else as JSON text in a byte tensor.

A table is one field per column, ``table.column``; text carries the suffix ``.json``.
"""

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from rcviz._files import written_whole

FORMAT = "rcviz.sequences"
VERSION = 1
_JSON = ".json"


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
    import pandas as pd
    from safetensors.numpy import save_file

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
    with written_whole(path) as temporary:
        save_file(tensors, temporary, {"format": FORMAT, "version": str(VERSION), "kind": kind})


def read_fields(path: str | os.PathLike[str]) -> tuple[str, dict[str, Any]]:
    """Read what :func:`write_fields` wrote; nothing in the file is executed.

    Returns
    -------
    kind : str
    fields : dict of arrays, DataFrames and JSON values

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When the file is no set of sequences of rcviz, is cut off or damaged, or is of a newer version.
    """
    import pandas as pd
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            kind = _checked_kind(path, file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - safe_open is no mapping
    except SafetensorError as error:
        raise ValueError(
            f"{path} is cut off or is not a safetensors file ({error}): save it again with SequenceSet.save"
        ) from error
    fields: dict[str, Any] = {}
    tables: dict[str, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        value = _read_json(path, name, tensor) if name.endswith(_JSON) else tensor
        table, _, column = name.removesuffix(_JSON).rpartition(".")
        (tables.setdefault(table, {}) if table else fields)[column] = value
    try:
        fields |= {name: pd.DataFrame(columns) for name, columns in tables.items()}
    except ValueError as error:
        raise ValueError(f"{path} is damaged: columns differ in length ({error}); save it again") from error
    return kind, fields


def _read_json(path: str | os.PathLike[str], name: str, tensor: np.ndarray) -> Any:
    try:
        return json.loads(tensor.tobytes())
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {name} is not JSON ({error}); save it again") from error


def _checked_kind(path: str | os.PathLike[str], metadata: Mapping[str, str]) -> str:
    if metadata.get("format") != FORMAT:
        raise ValueError(
            f"{path} is a safetensors file of another kind ({metadata.get('format', 'no format named')}): "
            f"expected one that SequenceSet.save wrote"
        )
    version = metadata.get("version", "")
    if version != str(VERSION):
        raise ValueError(
            f"{path} has format version {version!r} but this rcviz reads version {VERSION}: "
            f"use the rcviz that wrote it, or save it again"
        )
    return metadata.get("kind", "")
