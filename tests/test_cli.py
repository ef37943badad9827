"""The command line."""

import re
import subprocess

import pandas as pd
import pytest
from typer.testing import CliRunner

import rcviz
import rcviz.cli
import rcviz.cli._lab


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """One short demo: its folder and what it printed."""
    out = tmp_path_factory.mktemp("demo") / "new"
    result = CliRunner().invoke(rcviz.cli.app, ["demo", "--out", str(out), "--epochs", "2"])
    assert result.exit_code == 0, result.output
    return out, result.output


def test_demo_writes_models_tables_figures_and_a_page(demo):
    out, _ = demo
    assert {path.name for path in out.iterdir()} == {
        *("revcomp.safetensors", "standard.safetensors", "index.html"),
        *(f"{name}.csv" for name in ("models", "histories", "contributions", "strands")),
        *(f"{name}.png" for name in ("history", "strands", "contributions", "filters")),
    }
    assert all(path.stat().st_size > 100 for path in out.iterdir())


def test_demo_says_what_it_found_and_what_to_run_next(demo):
    out, printed = demo
    models = pd.read_csv(out / "models.csv").set_index("model")
    for name, row in models.iterrows():
        assert f"{name}: test auROC {row['test_auroc']:.3f}" in printed
    assert models.loc["RC, 8 filters", "largest_strand_gap"] < 1e-5
    assert "rcviz lab" in printed


def test_demo_models_predict_what_the_tables_say(demo):
    out, _ = demo
    parts = rcviz.split(rcviz.load_example("ctcf"), train=0.7, valid=0.15, test=0.15, seed=0)
    table = pd.read_csv(out / "models.csv")
    for key, auroc in zip(("revcomp", "standard"), table["test_auroc"], strict=True):
        model = rcviz.load_model(out / f"{key}.safetensors")
        assert rcviz.evaluate(model, parts.test)["auroc"].item() == pytest.approx(auroc)


def test_the_page_needs_nothing_else(demo):
    """No script, no style sheet, no picture from elsewhere."""
    html = (demo[0] / "index.html").read_text()
    assert html.count("<svg") == 4
    assert not re.search(r"<script|<link|<iframe|@import", html)
    assert not re.findall(r"""(?:src|href)=["'](?!#|data:)""", re.sub(r"xmlns[:a-z]*=\S+", "", html))


@pytest.fixture
def calls(monkeypatch):
    """Commands that would have been started, by a stand-in that ends with code 3 after one interrupt."""
    made = []

    class Server:
        def __init__(self, command):
            made.append(command)
            self.interrupted = False

        def wait(self):
            if not self.interrupted:
                self.interrupted = True
                raise KeyboardInterrupt
            return 3

    monkeypatch.setattr(subprocess, "Popen", Server)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    return made


def test_lab_opens_the_quickstart_and_hands_options_on(calls):
    result = CliRunner().invoke(rcviz.cli.app, ["lab", "--no-browser", "--port", "8890"])
    assert result.exit_code == 3  # JupyterLab's own
    (command,) = calls
    assert command[2:4] == ["jupyter", "lab"]
    assert command[4].endswith("notebooks/01_quickstart.ipynb")
    assert command[5:] == ["--no-browser", "--port", "8890"]


def test_root_may_open_it_too(calls, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 0)
    CliRunner().invoke(rcviz.cli.app, ["lab"])
    assert calls[0][-1] == "--allow-root"


def test_outside_a_checkout_tutorials_are_copied_once(calls, monkeypatch, tmp_path):
    installed = tmp_path / "site-packages" / "rcviz"
    (installed / "notebooks" / "paper").mkdir(parents=True)
    for name in ("01_quickstart.ipynb", "paper/fig2.ipynb"):
        (installed / "notebooks" / name).write_text("shipped")
    monkeypatch.setattr(rcviz.cli._lab, "__file__", str(installed / "cli" / "_lab.py"))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    CliRunner().invoke(rcviz.cli.app, ["lab"])
    mine = work / "rcviz-tutorials" / "01_quickstart.ipynb"
    mine.write_text("changed by a person")
    CliRunner().invoke(rcviz.cli.app, ["lab"])
    assert mine.read_text() == "changed by a person"
    assert (work / "rcviz-tutorials" / "paper" / "fig2.ipynb").read_text() == "shipped"


@pytest.mark.parametrize("command", ["lab", "demo", "windows", "train", "inspect", "experiment", "fetch"])
def test_help_shows_an_example(command):
    result = CliRunner().invoke(rcviz.cli.app, [command, "--help"])
    assert result.exit_code == 0
    assert f"Example: rcviz {command}" in result.output


def test_wrong_options_are_refused():
    result = CliRunner().invoke(rcviz.cli.app, ["demo", "--epochs", "0"])
    assert result.exit_code == 2
    assert "epochs" in result.output


def test_without_jupyterlab_the_command_that_installs_it_is_shown(calls, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = CliRunner().invoke(rcviz.cli.app, ["lab"])
    assert result.exit_code == 1
    assert 'pip install "rcviz[lab]"' in result.output
    assert not calls
