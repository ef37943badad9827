"""Name filters in the background: Tomtom runs in a process of its own, so that its compiler cannot hold up a kernel."""

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
_known: dict[str, pd.DataFrame] = {}


class Naming:
    """One comparison of filters with known motifs, begun at once; whoever asks again gets what is known.

    Parameters
    ----------
    queries, targets : list of Motif
    on_end : callable
        Called when the comparison has ended, from another thread unless it was known already.

    Attributes
    ----------
    table : DataFrame or None
        As :func:`rcviz.motifs.similarity.match_motifs` returns it, ``query`` being called ``filter``.
    error : str
        Why there is none.
    """

    def __init__(self, queries: list[Motif], targets: list[Motif], on_end: Callable[[], None]) -> None:
        self.table: pd.DataFrame | None = None
        self.error = ""
        self._queries, self._targets, self._on_end = queries, targets, on_end
        self._process: subprocess.Popen[str] | None = None
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="rcviz-naming", daemon=True)
        self._key = _digest(queries) + _digest(targets)
        if self._key in _known:
            self.table = _known[self._key]
        else:
            self._thread.start()

    def wait(self, timeout: float | int | None = None) -> None:
        """Wait until the comparison has ended."""
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def stop(self) -> None:
        """Give up; nobody is told."""
        self._stopped = True
        if self._process is not None and self._process.poll() is None:
            self._process.kill()

    def _run(self) -> None:
        try:
            self.table = _known[self._key] = self._match()
        except Exception as error:  # what went wrong is said in the pane, not lost with the thread
            self.error = str(error) or type(error).__name__
        if not self._stopped:
            self._on_end()

    def _match(self) -> pd.DataFrame:
        # Matrices without their names, which may be of any kind; places in the list tell them apart.
        matrices = [[motif.probabilities.tolist() for motif in motifs] for motifs in (self._queries, self._targets)]
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _SCRIPT, str(_N_NEAREST)],  # -P: no module of the notebook's folder
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        if self._stopped:
            self._process.kill()
        try:
            out, said = self._process.communicate(json.dumps(matrices), timeout=_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            raise
        if self._process.returncode:
            last = (said.strip().splitlines() or [f"the comparison ended with code {self._process.returncode}"])[-1]
            raise RuntimeError(last.partition("Error: ")[2] or last)
        table = pd.read_csv(io.StringIO(out)).rename(columns={"query": "filter"})
        named = [self._targets[place] for place in table["motif"]]
        return table.assign(
            motif=[motif.name for motif in named], alternative_name=[motif.alternative_name for motif in named]
        )


def _digest(motifs: list[Motif]) -> str:
    parts = [part for motif in motifs for part in (motif.name.encode(), motif.probabilities.tobytes())]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()
