"""The page about reliability holds the measured results."""

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tables(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import reliability_tables

    yield reliability_tables
    for name in ("reliability_tables", "tables"):
        del sys.modules[name]


def test_the_page_holds_the_tables_of_the_files(tables):
    page = tables.PAGE.read_text()
    assert page == tables.filled(page, tables.TABLES), "run python benchmarks/reliability_tables.py"
    files = sorted(path.stem for path in tables.RESULTS.glob("*.json"))
    assert files == sorted(tables.TABLES), "every file has a table, and every table a file"


def test_the_commands_it_names_are_there(tables):
    page = tables.PAGE.read_text()
    scripts = [word for word in page.replace("`", " ").split() if word.endswith(".py")]
    assert len(scripts) >= 6
    for script in scripts:
        assert (ROOT / script).is_file(), script


def test_a_table_follows_its_file(tables, monkeypatch, tmp_path):
    """A kill that was not survived and a property that does not hold are shown."""
    for name, change in (
        ("kills", {"survived": 119, "faults": ["rcviz train: a half file was left"]}),
        ("properties", {"faults": ["both strands of a model: 0.5"]}),
    ):
        content = json.loads((tables.RESULTS / f"{name}.json").read_text()) | change
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    assert "| **all** | 120 | 119 |" in tables.TABLES["kills"]()
    assert "Faults: rcviz train: a half file was left" in tables.TABLES["kills"]()
    assert "Faults: both strands of a model: 0.5" in tables.TABLES["properties"]()
    assert tables.TABLES["stream"]() == "Not measured yet."


def test_packages_that_were_not_audited_are_named(tables):
    assert (
        tables.audit({"audited": 0, "unknown": [], "why": "no way there"}) == "Not audited by pip-audit: no way there."
    )
    assert "for none of 2 packages" in tables.audit({"audited": 0, "unknown": ["a", "b"], "vulnerable": {}})
    found = tables.audit({"audited": 3, "unknown": ["rcviz"], "vulnerable": {"a 1": ["X-1", "X-2"]}})
    assert found == (
        "pip-audit looked at 3 packages and found a 1: X-1, X-2. Not in its data, and so not audited: rcviz."
    )
