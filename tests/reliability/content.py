"""What a job has left in its folder, without what a clock or the machine's memory says."""

import csv
import json
import os
from contextlib import suppress
from pathlib import Path

from safetensors import safe_open

CLOCKS = {"seconds", "wall_seconds", "cpu_seconds", "wall", "cpu", "peak_memory_mb", "code"}
"""What may differ between two runs of the same training; the code may be edited while tests run."""
INPUTS = "in"


def content(folder):
    """Everything that lies in a folder besides the inputs: by relative path, without what clocks say."""
    found = {}
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != INPUTS]
        for name in files:
            path = Path(place) / name
            with suppress(FileNotFoundError):  # what a killed run started may be at work still
                found[str(path.relative_to(folder))] = _said_by(path)
    return found


def _said_by(path):
    if is_unfinished(str(path)):
        return None
    if path.name.endswith("checkpoint.safetensors"):
        with safe_open(path, framework="numpy") as file:
            metadata = dict(file.metadata())
            metadata["records"] = _without_clocks(json.loads(metadata["records"]))
            return metadata, {name: file.get_tensor(name).tobytes() for name in file.keys()}  # noqa: SIM118
    if path.suffix == ".json":
        return _without_clocks(json.loads(path.read_text()))
    if path.suffix == ".csv":
        heads, *rows = csv.reader(path.read_text().splitlines())
        kept = [place for place, head in enumerate(heads) if head not in CLOCKS]
        return [[row[place] for place in kept] for row in (heads, *rows)]
    return path.read_bytes()


def _without_clocks(value):
    if isinstance(value, dict):
        return {name: _without_clocks(entry) for name, entry in value.items() if name not in CLOCKS}
    return [_without_clocks(entry) for entry in value] if isinstance(value, list) else value


def is_unfinished(path):
    return ".unfinished" in path
