"""Filters are named by another process."""

import threading

import pandas as pd
import pytest

from rcviz import Motif, load_motif
from rcviz.motifs.similarity import as_motifs, match_motifs
from rcviz.widgets import _naming
from rcviz.widgets._naming import Naming

QUERIES = [load_motif("CTCF_known1"), load_motif("GATA_known6")]


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch):
    monkeypatch.setattr(_naming, "_cache", {})


def test_the_other_process_finds_what_this_one_finds():
    # Names that no file format would hold.
    targets = [Motif(f"motif {place} <\n>", motif.probabilities) for place, motif in enumerate(as_motifs()[:60])]
    ended = []
    naming = Naming(QUERIES, targets, lambda: ended.append(threading.current_thread()))
    naming.wait(240)
    assert (naming.error, len(ended)) == ("", 1)
    assert ended[0] is not threading.main_thread()
    here = match_motifs(QUERIES, targets).rename(columns={"query": "filter"})
    pd.testing.assert_frame_equal(naming.table, here, rtol=1e-12)

    again = Naming(QUERIES, targets, lambda: ended.append("again"))
    assert again.table is naming.table
    again.wait()
    assert len(ended) == 1


def test_an_error_of_the_other_process_is_told(monkeypatch):
    monkeypatch.setattr(_naming, "_SCRIPT", "raise ValueError('no such thing')")
    ended = []
    naming = Naming(QUERIES, QUERIES, lambda: ended.append(True))
    naming.wait(60)
    assert (naming.table, naming.error, ended) == (None, "no such thing", [True])


def test_a_process_that_dies_silently_is_told(monkeypatch):
    monkeypatch.setattr(_naming, "_SCRIPT", "import os; os._exit(3)")
    naming = Naming(QUERIES, QUERIES, lambda: None)
    naming.wait(60)
    assert naming.error == "the comparison ended with code 3"


def test_stop_ends_the_process_and_tells_nobody(monkeypatch):
    monkeypatch.setattr(_naming, "_SCRIPT", "import time; time.sleep(600)")
    ended = []
    naming = Naming(QUERIES, QUERIES, lambda: ended.append(True))
    naming.stop()
    naming.wait(60)
    assert not naming._thread.is_alive()
    assert (naming.table, ended) == (None, [])
