"""Test of the verdict: 200 filters of known truth, and documents that report the measurement."""

import importlib.util
import json
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "palindromes"


def script(name):
    spec = importlib.util.spec_from_file_location(f"benchmarks_{name}", ROOT / "benchmarks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def benchmark():
    return script("palindromes")


@pytest.fixture(scope="module")
def trained():
    return script("palindromes_trained")


@pytest.mark.long
def test_verdicts_of_30_filters_are_those_of_the_table(benchmark):
    """Only verdicts of the whole method show that the table of 200 filters is what the code gives today."""
    table = pd.read_csv(RESULTS / "filters.csv").set_index("seed")
    for seed in range(30):
        row = benchmark.judged(seed)
        assert {name: row[name] for name in ("truth", "motif", "verdict")} == {
            name: table.loc[seed, name] for name in ("truth", "motif", "verdict")
        }, seed


def test_at_least_95_percent_of_200_filters_are_named_right(benchmark):
    filters = pd.read_csv(RESULTS / "filters.csv")
    assert filters["seed"].tolist() == list(range(200))
    assert filters["truth"].value_counts().between(66, 67).all()
    assert benchmark.share_right(filters) >= 0.95


def test_development_and_test_share_no_family_and_kinds_are_as_stated(benchmark):
    table = benchmark.motif_table()
    families = [set(table.loc[table["half"] == half, "family"]) for half in (benchmark.DEVELOPMENT, benchmark.TEST)]
    assert families[0].isdisjoint(families[1])
    assert (table.loc[table["kind"] == "palindromic", "palindromicity"] >= 0.9).all()
    assert (table.loc[table["kind"] == "non-palindromic", "palindromicity"] <= 0.5).all()
    drawn = pd.read_csv(RESULTS / "filters.csv")
    halves = table.set_index("name")["half"]
    assert set(halves[drawn["motif"]]) == {benchmark.TEST}


def test_the_documents_say_what_was_measured(benchmark, trained):
    words = (ROOT / "docs" / "palindromes.md").read_text()
    results = {path.stem: pd.read_csv(path) for path in RESULTS.glob("*.csv")}
    confusion = benchmark.confusion(results["filters"])
    pd.testing.assert_frame_equal(
        confusion, pd.read_csv(RESULTS / "confusion.csv", index_col="truth"), check_names=False, check_dtype=False
    )
    tables = [
        confusion,
        benchmark.harder_summary(results["harder"]),
        trained.summary(results["simulated"]),
        trained.summary(results["real_windows"]),
        trained.sites_summary(results["number_of_sites"]),
    ]
    rows = [line.strip() for line in words.splitlines()]
    for table in tables:
        assert benchmark.as_markdown(table) in "\n".join(rows)
    assert f"{benchmark.share_right(results['filters']):.1%} are named right" in words
    counts = results["ambiguous"]["verdict"].value_counts()
    assert f"none\n{counts['none']}, genuine {counts['genuine']} and hybrid {counts['hybrid']} times" in words
    assert trained.findings(results["real_windows"]) in words


def test_the_notebook_quotes_the_real_windows(benchmark, trained):
    real = pd.read_csv(RESULTS / "real_windows.csv")
    notebook = json.loads((ROOT / "notebooks" / "04_palindromes.ipynb").read_text())
    words = "\n".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "markdown")
    assert trained.findings(real) in words
    assert benchmark.as_markdown(trained.summary(real)) in words
