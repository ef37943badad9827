"""One record per finished run: a JSON file, written atomically and named after the run."""

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np

from rcviz._core.files import atomic_write, remove, remove_unfinished

FORMAT = "rcviz.sweep.run.v1"

Record = dict[str, Any]


class Store:
    """A folder of records, created if it does not exist; several sweeps may use it at once."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder

    def read(self, run_id: str) -> Record | None:
        """Read the record of a run; None where there is none, or where the file is not a record."""
        try:
            record = json.loads(self._record(run_id).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError, RecursionError):
            return None
        whole = isinstance(record, dict) and record.get("format") == FORMAT and record.get("id") == run_id
        return record if whole else None

    def read_all(self) -> list[Record]:
        """Read every record, in the order of their names."""
        names = sorted(path.stem for path in self.folder.glob("*.json") if re.fullmatch(r"[0-9a-f]{16}", path.stem))
        return [record for name in names if (record := self.read(name)) is not None]

    def write(self, record: Record) -> Record:
        """Store a finished run, unless another sweep has stored it; its checkpoint and old failure are removed."""
        run_id = record["id"]
        kept = self.read(run_id)
        if kept is None:
            _write(self._record(run_id), {"format": FORMAT, **record})
        remove(self.checkpoint(run_id))
        remove(self._failure(run_id))
        return kept or record

    def write_failure(self, failure: Record) -> None:
        """Store the error of a failed run, for people to read; the next sweep tries the run again."""
        _write(self._failure(failure["id"]), failure)

    def tidy(self) -> None:
        """Remove incomplete files of killed sweeps, and checkpoints of runs that another sweep has finished."""
        remove_unfinished(self.folder)
        for path in self.folder.glob("*.checkpoint.safetensors"):
            if self.read(path.name.partition(".")[0]) is not None:
                remove(path)

    def checkpoint(self, run_id: str) -> Path:
        """Return the file that holds the state of an unfinished run."""
        return self.folder / f"{run_id}.checkpoint.safetensors"

    def _record(self, run_id: str) -> Path:
        return self.folder / f"{run_id}.json"

    def _failure(self, run_id: str) -> Path:
        return self.folder / f"{run_id}.failed.json"


def as_json(value: Any) -> Any:
    """Convert values to JSON types: numpy's to Python's, tuples to lists, NaN to None; infinities are refused."""
    if isinstance(value, dict):
        return {str(name): as_json(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(entry) for entry in value]
    if isinstance(value, np.ndarray | np.generic):
        return as_json(value.tolist())
    if isinstance(value, float) and math.isnan(value):
        return None
    return value


def _write(path: Path, content: Record) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
