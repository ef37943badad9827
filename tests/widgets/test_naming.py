"""Filters are named in the background."""

import threading

import pandas as pd
import pytest

from rcviz import load_motif
from rcviz.motifs.similarity import as_motifs, match_motifs
from rcviz.widgets import _naming
from rcviz.widgets._naming import Naming

QUERIES = [load_motif("CTCF_known1"), load_motif("GATA_known6"), load_motif("CTCF")]


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch):
    monkeypatch.setattr(_naming, "_cache", {})


@pytest.mark.parametrize("at_a_time", [1, 2, 64])
def test_the_background_finds_what_a_call_finds(monkeypatch, at_a_time):
    monkeypatch.setattr(_naming, "_AT_A_TIME", at_a_time)
    targets = as_motifs()[:60]
    ended = []
    naming = Naming(QUERIES, targets, lambda: ended.append(threading.current_thread()))
    naming.wait(60)
    assert (naming.error, len(ended)) == ("", 1)
    assert ended[0] is not threading.main_thread()
    here = match_motifs(QUERIES, targets).rename(columns={"query": "filter"})
    pd.testing.assert_frame_equal(naming.table, here, rtol=1e-12)

    again = Naming(QUERIES, targets, lambda: ended.append("again"))
    assert again.table is naming.table
    again.wait()
    assert len(ended) == 1


def test_an_error_is_told(monkeypatch):
    def fail(*_, **__):
        raise ValueError("no such thing")

    monkeypatch.setattr(_naming, "match_motifs", fail)
    ended = []
    naming = Naming(QUERIES, QUERIES, lambda: ended.append(True))
    naming.wait(60)
    assert (naming.table, naming.error, ended) == (None, "no such thing", [True])


def test_stop_ends_the_comparison_and_tells_nobody(monkeypatch):
    begun, stopped = threading.Event(), threading.Event()

    def match(queries, targets, **options):
        begun.set()
        stopped.wait(60)
        return match_motifs(queries, targets, **options)

    monkeypatch.setattr(_naming, "match_motifs", match)
    monkeypatch.setattr(_naming, "_AT_A_TIME", 1)
    ended = []
    naming = Naming(QUERIES, QUERIES, lambda: ended.append(True))
    begun.wait(60)
    naming.stop()
    stopped.set()
    naming.wait(60)
    assert not naming._thread.is_alive()
    assert (naming.table, ended) == (None, [])
