"""Every tutorial runs from top to bottom in a fresh kernel; what is committed is such a run, to be read anywhere."""

import ast
import re
import zlib
from pathlib import Path

import frontends
import pytest
from frontends import short

ROOT = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted([*ROOT.glob("*.ipynb"), *ROOT.parent.glob("paper/notebooks/*.ipynb")])
EXPLORERS = ("FilterExplorer(", "SequenceExplorer(", "StrandExplorer(", "TrainingCurves(", "TrainingMonitor(")
# What JupyterLab, VS Code and Colab have or load by themselves.
WIDGETS = {"@jupyter-widgets/base", "@jupyter-widgets/controls", "@jupyter-widgets/output", "anywidget"}
IMPORTS = {"IPython", "matplotlib", "numpy", "pandas", "pathlib", "rcviz", "torch"}
VIEW, STATE = (f"application/vnd.jupyter.widget-{kind}+json" for kind in ("view", "state"))

IN_BROWSER = {"01_quickstart", "06_any_model"}
"""Run by tests/browser, and not a second time here."""

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code_of(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def data_of(cells):
    return [output.get("data", {}) for cell in cells for output in cell.outputs]


@pytest.mark.notebook
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "path", [path for path in NOTEBOOKS if path.stem not in IN_BROWSER], ids=lambda path: path.stem
)
def test_runs_from_a_fresh_kernel(path, tmp_path):
    """Only a run shows that a tutorial works, here with few epochs; `make notebooks` runs it in full."""
    notebook = frontends.nbformat.read(path, as_version=4)
    for cell in code_of(notebook):
        cell.source = short(cell.source)
    resources = {"metadata": {"path": str(tmp_path)}}
    # Killed at its end, of which nothing is asked: to end by itself takes a kernel a second of computing.
    frontends.nbclient.NotebookClient(notebook, timeout=300, resources=resources, shutdown_kernel="immediate").execute()
    assert all(output.output_type != "error" for cell in code_of(notebook) for output in cell.outputs)
    shown = data_of(code_of(notebook))
    assert sum("image/png" in data for data in shown) >= 3
    assert any(VIEW in data for data in shown)
    used = {model["model_module"] for model in notebook.metadata.widgets[STATE]["state"].values()}
    assert used <= WIDGETS


@each_notebook
def test_the_first_cell_says_question_time_and_what_one_learns(path):
    first = frontends.nbformat.read(path, as_version=4).cells[0]
    assert first.cell_type == "markdown"
    assert re.match(
        r"# .+\n\n\*\*Question\.\*\* .+?\n\n\*\*Time\.\*\* .+?\n\n.*\*\*You learn\*\* ", first.source, re.DOTALL
    )


@each_notebook
def test_it_can_be_made_short_and_knows_nothing_of_tests(path):
    sources = [cell.source for cell in code_of(frontends.nbformat.read(path, as_version=4))]
    assert any(short(source) != source for source in sources)
    assert not any("environ" in source for source in sources)


@each_notebook
def test_nothing_is_shown_that_says_nothing(path):
    """No Axes, arrays or empty tables as text."""
    for cell in code_of(frontends.nbformat.read(path, as_version=4)):
        for data in data_of([cell]):
            assert not re.match(r"<Axes|Empty DataFrame|array\(|\[<", data.get("text/plain", "")), cell.source


@each_notebook
def test_what_is_committed_is_one_run_from_top_to_bottom(path):
    """After a change: make notebooks NOTEBOOKS=..., which keeps no state of widgets."""
    notebook = frontends.nbformat.read(path, as_version=4)
    cells = code_of(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert path.stat().st_size < 1_500_000
    assert "widgets" not in notebook.metadata


def test_the_wheel_can_hold_them():
    """After `make notebooks`, or release/small_pictures.py alone."""
    assert sum(len(zlib.compress(path.read_bytes())) for path in ROOT.glob("*.ipynb")) < 2_200_000


@each_notebook
def test_a_widget_has_a_picture_beside_it(path):
    """In its own cell or in the next one, for readers where no kernel runs."""
    cells = code_of(frontends.nbformat.read(path, as_version=4))
    for cell, after in zip(cells, [*cells[1:], cells[-1]], strict=True):
        if any(VIEW in data and data["text/plain"].startswith(EXPLORERS) for data in data_of([cell])):
            assert any("image/png" in data for data in data_of([cell, after])), cell.source


@each_notebook
def test_any_front_end_can_open_and_run_it(path):
    """What VS Code and Colab, which are not here, ask of a notebook."""
    notebook = frontends.nbformat.read(path, as_version=frontends.nbformat.NO_CONVERT)
    frontends.nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    assert (notebook.metadata.kernelspec.name, notebook.metadata.kernelspec.language) == ("python3", "python")
    for cell in code_of(notebook):
        tree = ast.parse(cell.source)  # refuses %magics and !commands
        named = [name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names]
        named += [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        assert {name.split(".")[0] for name in named} <= IMPORTS | ({"paper"} if "paper" in path.parts else set())
        texts = [
            node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
        assert not [text for text in texts if re.match(r"/|~|\.\./|[A-Za-z]:\\", text)]
