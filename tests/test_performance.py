"""The page about performance holds the measured results."""

import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def tables(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import tables

    yield tables
    del sys.modules["tables"]


def test_the_page_holds_the_tables_of_the_files(tables):
    page = tables.PAGE.read_text()
    assert page == tables.filled(page), "run python benchmarks/tables.py"


def test_the_tutorial_holds_the_table_of_real_chromosomes(tables):
    text = tables.NOTEBOOK.read_text()
    assert json.loads(text) == json.loads(tables.filled_notebook(text)), "run python benchmarks/tables.py"


def test_a_table_follows_its_file(tables, monkeypatch):
    content = tables.load("speed.json")
    slower = {row: 100 * seconds for row, seconds in content["median_seconds"]["prediction"].items() if "RC" in row}
    content["median_seconds"]["prediction"] |= slower
    before = tables.targets("speed.json")
    monkeypatch.setattr(tables, "load", lambda name: content)
    after = tables.targets("speed.json")
    changed = [new for old, new in zip(before.splitlines(), after.splitlines(), strict=True) if old != new]
    assert len(changed) == 1
    assert "prediction" in changed[0]
    assert "**missed**" in changed[0]


def test_rows_that_were_not_measured_are_left_out(tables, monkeypatch):
    content = tables.load("speed.json")
    del content["median_seconds"]["logos"]
    monkeypatch.setattr(tables, "load", lambda name: content)
    assert "logos" not in tables.targets("speed.json")


def test_the_work_of_a_step_is_that_of_its_convolutions(tables):
    """Against torch's own count of forward and backward pass."""
    import torch
    from torch import nn
    from torch.utils.flop_counter import FlopCounterMode

    network = nn.Sequential(nn.Conv1d(4, 32, 15), nn.Conv1d(32, 32, 14), nn.Conv1d(32, 32, 14))
    with FlopCounterMode(display=False) as counted:
        network(torch.zeros(100, 4, 1000)).sum().backward()
    assert tables.CHIPSEQ_STEP["flop"] == counted.get_total_flops()
    with FlopCounterMode(display=False) as counted:
        nn.Conv1d(4, 40, 21)(torch.zeros(500, 4, 200)).sum().backward()
    assert tables.SIMULATED_STEP["flop"] == counted.get_total_flops()


def test_a_page_without_a_marker_is_refused(tables):
    with pytest.raises(ValueError, match="growth"):
        tables.filled(re.sub("<!-- growth -->", "", tables.PAGE.read_text()))


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.0123456, "12.3 ms"), (0.95, "950 ms"), (1.5, "1.5 s"), (26.03, "26 s")]
)
def test_seconds_have_three_digits(tables, seconds, words):
    assert tables.shown(seconds) == words
