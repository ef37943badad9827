"""Compare filters with known motifs in the background."""

import hashlib
import threading
from collections.abc import Callable

import pandas as pd

from rcviz.motifs.motif import Motif
from rcviz.motifs.similarity import match_motifs

_N_NEAREST = 5
_AT_A_TIME = 64  # queries between two looks at whether to stop, about a second
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

    def _run(self) -> None:
        tables = []
        try:
            for first in range(0, len(self._queries), _AT_A_TIME):
                if self._stopped:
                    return
                queries = self._queries[first : first + _AT_A_TIME]
                table = match_motifs(queries, self._targets, n_nearest=_N_NEAREST)
                tables.append(table.rename(columns={"query": "filter"}).assign(filter=table["query"] + first))
            self.table = _cache[self._key] = pd.concat(tables, ignore_index=True)
        except Exception as error:  # shown in the pane; it would be lost with the thread
            self.error = str(error) or type(error).__name__
        if not self._stopped:
            self._on_end()


def _digest(motifs: list[Motif]) -> str:
    parts = [part for motif in motifs for part in (motif.name.encode(), motif.probabilities.tobytes())]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()
