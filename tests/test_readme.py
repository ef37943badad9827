"""The README holds: its Python runs; commands, links, pictures and verdicts are there."""

import inspect
import re
import subprocess
from pathlib import Path

import pytest
import typer

import rcviz
from paper.report import with_overview
from paper.tables import read_results
from rcviz.cli import app

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_its_python_runs(monkeypatch):
    """One block after the other, with one epoch instead of sixteen."""
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert [block.count("epochs=16") for block in blocks] == [1, 0]
    scope: dict[str, object] = {}
    for code in blocks:
        exec(compile(code.replace("epochs=16", "epochs=1"), "README.md", "exec"), scope)
    assert isinstance(scope["history"], rcviz.History)


def test_the_ten_lines_are_ten():
    (block, _) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len([line for line in block.splitlines() if line]) == 10


@pytest.mark.parametrize("target", sorted(set(re.findall(r"(?:^|`)make ([a-z-]+)", README, re.MULTILINE))))
def test_make_knows_the_command(target):
    done = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_rcviz_knows_its_commands():
    commands = typer.main.get_command(app).commands
    assert set(re.findall(r"(?:`|: )rcviz ([a-z]+)", README)) <= set(commands)


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_links_are_there(page):
    for target in re.findall(r"\]\(([^)]+)\)", (ROOT / page).read_text()):
        assert target.startswith("https://") or (ROOT / target).exists(), target


@pytest.mark.parametrize("explorer", ["filter_explorer", "strand_explorer", "sequence_explorer", "training_monitor"])
def test_there_is_a_picture_of_each_explorer(explorer):
    assert re.search(rf"!\[[^\]]+\]\(docs/pictures/{explorer}\.png\)", README)


def test_its_verdicts_are_those_of_the_tables():
    """If it fails after new tables: make report."""
    assert with_overview(README, read_results()) == README


def test_what_a_how_to_page_names_is_there():
    """Functions in its tables, and their settings."""
    page = (ROOT / "docs" / "howto" / "own_model.md").read_text()
    rows = re.findall(r"^\|(?:.*)\|(.*)\|$", page, re.MULTILINE)
    named = re.findall(r"`(\w+)(?:\(([^`]*)\))?`", " ".join(rows))
    assert len(named) >= 5
    for name, given in named:
        parameters = inspect.signature(getattr(rcviz, name)).parameters
        assert set(re.findall(r"(\w+)=", given)) <= set(parameters), name
