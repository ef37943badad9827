"""Test of the verdict: filters of known truth, and documents that report the measurement."""

import importlib
import json
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = (ROOT / "docs" / "palindromes.md").read_text()


def script(name):
    """A script of the benchmarks, which import each other from their folder."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))


@pytest.fixture(scope="module")
def benchmark():
    return script("palindromes")


@pytest.fixture(scope="module")
def cases():
    return script("palindrome_cases")


@pytest.fixture(scope="module")
def trained():
    return script("palindromes_trained")


@pytest.fixture(scope="module")
def results():
    return json.loads((RESULTS / "palindromes.json").read_text())


@pytest.mark.long
def test_verdicts_are_those_of_the_table(benchmark, results):
    """Only verdicts of the whole method show that the table is what the code gives now: a filter of each class."""
    for number, result in enumerate(results["classes"]):
        row = benchmark.judged(result["class"], benchmark.FIRST_SEED + number)
        assert row["verdict"] == result["by_seed"][number], (result["class"], number)


@pytest.mark.parametrize("seed", [20005, 20016, 20017])
def test_noise_of_a_filter_does_not_make_a_palindrome_of_all_sequences_a_hybrid(benchmark, cases, seed):
    """The strongest 500 of 2,000 sites are those that the noise prefers: of these filters they lose more than 5%."""
    row = benchmark.judged({"truth": "genuine", "share": 1.0}, seed, half=cases.DEVELOPMENT)
    assert row["verdict"] == "genuine"


def test_every_class_was_measured_on_the_half_that_was_not_developed_on(benchmark, cases, results):
    assert [result["class"] for result in results["classes"]] == list(benchmark.classes())
    assert [result["class"] for result in results["fewer sequences"]] == list(benchmark.fewer_sequences())
    table = cases.motif_table().set_index("name")
    for result in (*results["classes"], *results["fewer sequences"]):
        assert len(result["by_seed"]) == (benchmark.N_FEWER if "n" in result["class"] else benchmark.N_FILTERS)
        verdicts = pd.Series(result["by_seed"])
        assert verdicts.value_counts().to_dict() == {k: n for k, n in result["verdicts"].items() if n}
        assert tuple(result["right"]) == benchmark.right_verdicts(result["class"])
        assert (~verdicts.isin(result["right"])).sum() == result["wrong"] == len(result["named_wrong"])
        motifs = [row["motif"] for row in result["named_wrong"] if row["motif"] in table.index]
        assert set(table.loc[motifs, "half"]) <= {cases.TEST}


def test_what_is_absent_is_not_named_and_unknown_is_right_of_rare_motifs_only(benchmark):
    right = {
        (truth, share): benchmark.right_verdicts({"truth": truth, "share": share})
        for truth in ("ordinary", "genuine", "hybrid")
        for share in (0.0, 0.05, 0.1)
    }
    assert right["hybrid", 0.0] == right["genuine", 0.0] == ("unknown",)
    assert right["ordinary", 0.0] == ("none", "unknown")
    assert right["hybrid", 0.05] == ("hybrid", "unknown")
    assert right["genuine", 0.1] == ("genuine",)
    assert benchmark.right_verdicts({"truth": "TA"}) == ("low complexity",)
    assert benchmark.right_verdicts({"truth": "inactive"}) == ("inactive",)


def test_development_and_test_share_no_family_and_kinds_are_as_stated(cases):
    table = cases.motif_table()
    families = [set(table.loc[table["half"] == half, "family"]) for half in (cases.DEVELOPMENT, cases.TEST)]
    assert families[0].isdisjoint(families[1])
    assert (table.loc[table["kind"] == "palindromic", "palindromicity"] >= 0.9).all()
    assert (table.loc[table["kind"] == "non-palindromic", "palindromicity"] <= 0.5).all()
    assert not {"CCCCCC", "ATCAATCAA"} & {motif.consensus for motif in table["motif"]}


def test_exact_intervals(benchmark):
    """Clopper and Pearson: the rule of three for none of 40, and the beta quantiles for 2 of 40."""
    assert benchmark.share_with_interval(0, 40) == "0.0% (0.0% to 8.8%)"
    assert benchmark.share_with_interval(2, 40) == "5.0% (0.6% to 16.9%)"


def test_the_documents_say_what_was_measured(benchmark, trained, results):
    known = json.loads((RESULTS / "palindromes_trained.json").read_text())
    written = {name: make() for name, make in benchmark.tables(results).items()}
    written["trained"] = trained.known_truth_table(known)
    for name, text in written.items():
        assert f"<!-- {name} -->\n{text}\n<!-- end of {name} -->" in PAGE, name
    rows = "\n".join(line.strip() for line in PAGE.splitlines())
    real, number_of_sites = (
        pd.read_csv(RESULTS / "palindromes" / f"{name}.csv") for name in ("real_windows", "number_of_sites")
    )
    assert trained.as_markdown(trained.summary(real)) in rows
    assert trained.as_markdown(trained.sites_summary(number_of_sites)) in rows
    assert trained.findings(real) in PAGE


def test_the_notebook_quotes_the_real_windows(trained):
    real = pd.read_csv(RESULTS / "palindromes" / "real_windows.csv")
    notebook = json.loads((ROOT / "notebooks" / "04_palindromes.ipynb").read_text())
    words = "\n".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "markdown")
    assert trained.findings(real) in words
    assert trained.as_markdown(trained.summary(real)) in words
