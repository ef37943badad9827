"""Compare filters with known motifs in the background: Tomtom runs in a separate process, as it compiles for long."""

import hashlib
import io
import json
import subprocess
import sys
import threading
from collections.abc import Callable

import pandas as pd

from rcviz.motifs.motif import Motif

_N_NEAREST = 5
_TIMEOUT = 600.0
_SCRIPT = """
import json, sys
from rcviz.motifs.motif import Motif
from rcviz.motifs.similarity import match_motifs
queries, targets = ([Motif(str(place), rows) for place, rows in enumerate(rows)] for rows in json.load(sys.stdin))
match_motifs(queries, targets, n_nearest=int(sys.argv[1])).to_csv(sys.stdout, index=False)
"""
_cache: dict[str, pd.DataFrame] = {}


class Naming:
    """One comparison of filters with known motifs, started at once; results are cached for the same motifs.

    Parameters
    ----------
    queries, targets : list of Motif
    on_end : callable
        Called when the comparison has ended, from another thread; not called for a cached result.

    Attributes
    ----------
    table : DataFrame or None
        As :func:`rcviz.motifs.similarity.match_motifs` returns it, with ``query`` renamed to ``filter``.
    error : str
        Reason why there is no table.
    """

    def __init__(self, queries: list[Motif], targets: list[Motif], on_end: Callable[[], None]) -> None:
        self.table: pd.DataFrame | None = None
        self.error = ""
        self._queries, self._targets, self._on_end = queries, targets, on_end
        self._process: subprocess.Popen[str] | None = None
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="rcviz-naming", daemon=True)
        self._key = _digest(queries) + _digest(targets)
        if self._key in _cache:
            self.table = _cache[self._key]
        else:
            self._thread.start()

    def wait(self, timeout: float | int | None = None) -> None:
        """Wait until the comparison has ended."""
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def stop(self) -> None:
        """Stop the comparison; ``on_end`` is not called."""
        self._stopped = True
        if self._process is not None and self._process.poll() is None:
            self._process.kill()

    def _run(self) -> None:
        try:
            self.table = _cache[self._key] = self._match()
        except Exception as error:  # shown in the pane; it would be lost with the thread
            self.error = str(error) or type(error).__name__
        if not self._stopped:
            self._on_end()

    def _match(self) -> pd.DataFrame:
        # Matrices without their names, which may hold any characters; positions in the list identify them.
        matrices = [[motif.probabilities.tolist() for motif in motifs] for motifs in (self._queries, self._targets)]
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _SCRIPT, str(_N_NEAREST)],  # -P: import nothing from the notebook's folder
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        if self._stopped:
            self._process.kill()
        try:
            out, errors = self._process.communicate(json.dumps(matrices), timeout=_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            raise
        if self._process.returncode:
            last = (errors.strip().splitlines() or [f"the comparison ended with code {self._process.returncode}"])[-1]
            raise RuntimeError(last.partition("Error: ")[2] or last)
        table = pd.read_csv(io.StringIO(out)).rename(columns={"query": "filter"})
        nearest = [self._targets[place] for place in table["motif"]]
        return table.assign(
            motif=[motif.name for motif in nearest], alternative_name=[motif.alternative_name for motif in nearest]
        )


def _digest(motifs: list[Motif]) -> str:
    parts = [part for motif in motifs for part in (motif.name.encode(), motif.probabilities.tobytes())]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()
