"""The verdict's own test: 200 filters of known truth, and documents that say what was measured."""

import importlib.util
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "results" / "palindromes"


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("palindromes_of_known_truth", ROOT / "benchmarks" / "palindromes.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_at_least_95_percent_of_200_filters_are_named_right(benchmark):
    filters = pd.DataFrame([benchmark.judged(seed) for seed in range(200)])
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
