"""Name filters in the background: Tomtom runs in a process of its own, so that its compiler cannot hold up a kernel."""

import hashlib
import io
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from rcviz.sequences.motifs import Motif, write_meme

_N_NEAREST = 5
_TIMEOUT = 600.0
_SCRIPT = """
import sys
from rcviz.sequences.motifs import read_meme
from rcviz.sequences.similarity import match_motifs
queries, targets, n_nearest = sys.argv[1:]
match_motifs(read_meme(queries), targets, n_nearest=int(n_nearest)).to_csv(sys.stdout, index=False)
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
        As :func:`rcviz.sequences.similarity.match_motifs` returns it, ``query`` being called ``filter``.
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

    def wait(self, timeout: float | None = None) -> None:
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
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder) / name for name in ("queries.meme", "targets.meme")]
            for motifs, path in zip((self._queries, self._targets), paths, strict=True):
                # Names may hold blanks or stand twice; places in the list do not.
                write_meme([Motif(str(place), motif.probabilities) for place, motif in enumerate(motifs)], path)
            self._process = subprocess.Popen(
                [sys.executable, "-c", _SCRIPT, *map(str, paths), str(_N_NEAREST)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            if self._stopped:
                self._process.kill()
            try:
                out, said = self._process.communicate(timeout=_TIMEOUT)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.communicate()
                raise
        if self._process.returncode:
            raise RuntimeError(said.strip().splitlines()[-1].partition(": ")[2] or said.strip())
        table = pd.read_csv(io.StringIO(out)).rename(columns={"query": "filter"})
        named = [self._targets[place] for place in table["motif"]]
        return table.assign(
            motif=[motif.name for motif in named], alternative_name=[motif.alternative_name for motif in named]
        )


def _digest(motifs: list[Motif]) -> str:
    parts = [part for motif in motifs for part in (motif.name.encode(), motif.probabilities.tobytes())]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()
