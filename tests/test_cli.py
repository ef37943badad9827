"""The command line."""

import re
from importlib.metadata import version

import pandas as pd
import pytest
from typer.testing import CliRunner

import rcviz
import rcviz.cli


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
    assert models.loc["RC, 12 filters", "largest_strand_gap"] < 1e-5
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


@pytest.mark.parametrize("command", ["lab", "demo", "windows", "train", "inspect", "compare", "fetch"])
def test_help_shows_an_example(command):
    result = CliRunner().invoke(rcviz.cli.app, [command, "--help"])
    assert result.exit_code == 0
    assert f"Example: rcviz {command}" in result.output


def test_the_version_is_that_of_the_package():
    result = CliRunner().invoke(rcviz.cli.app, ["--version"])
    assert (result.exit_code, result.output) == (0, f"rcviz {version('rcviz')}\n")


def test_wrong_options_are_refused():
    result = CliRunner().invoke(rcviz.cli.app, ["demo", "--epochs", "0"])
    assert result.exit_code == 2
    assert "epochs" in result.output
