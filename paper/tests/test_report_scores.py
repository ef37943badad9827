"""Tables under the figures: test beside validation, intervals, and effects over strata, on tables of known truth."""

import re

import numpy as np
import pandas as pd
import pytest

from paper.findings import Finding
from paper.inference import stratified_test
from paper.report_scores import AVERAGED, RIVALS, comparisons, figure_tables, scores_table, strata_of, strata_table
from paper.tests.made_tables import ABOVE, BELOW, runs
from paper.verdicts import Verdict, compare_metrics
from rcviz.sweeps.compare import welch_interval


def with_test(table, shift):
    """Test scores of each row, another number than validation's."""
    return table.assign(test_auroc=table["valid_auroc"] + shift, test_auprc=table["valid_auprc"] + 2 * shift)


def rows_of(text):
    """Cells of the rows of all tables, without their heads."""
    lines = [line for line in text.splitlines() if line.startswith("| ") and "---" not in line]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_a_comparison_of_validation_brings_the_one_of_the_test_set():
    table = runs({"RC-20": ABOVE, "standard-20": BELOW})
    table["test_auroc"] = np.where(table["arm"] == "RC-20", table["valid_auroc"] - 0.2, table["valid_auroc"])
    pair = compare_metrics(table, "RC-20", "standard-20", "valid_auroc", where="here")
    assert pair.effect == pytest.approx(0.1)
    assert pair.on_test.effect == pytest.approx(-0.1)
    assert (pair.on_test.metric, pair.on_test.where) == ("test auROC", "here")
    assert pair.on_test.on_test is None
    assert compare_metrics(table.drop(columns="test_auroc"), "RC-20", "standard-20", "valid_auroc").on_test is None


def test_comparisons_have_welchs_interval_and_the_test_set_beside():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.9, 0.01, 6), rng.normal(0.88, 0.02, 6)
    table = with_test(runs({"RC-20": a, "standard-20": b}), 0.0)
    table.loc[table["arm"] == "RC-20", "test_auroc"] += 0.05
    pair = compare_metrics(table, "RC-20", "standard-20", "valid_auroc")
    (_, row) = rows_of(comparisons("what", Finding("", "", Verdict.HOLDS, "", (pair,))))
    low, high = welch_interval(a, b)
    assert row[5] == f"{a.mean() - b.mean():+.4f} ({low:+.4f} to {high:+.4f})"
    assert row[7] == f"{a.mean() + 0.05 - b.mean():+.4f} ({low + 0.05:+.4f} to {high + 0.05:+.4f})"
    assert comparisons("what", Finding("", "", Verdict.UNKNOWN, "")) == ""


def test_scores_stand_by_part_and_averages_of_probabilities_are_left_out():
    table = with_test(runs({"RC-16": ABOVE, "standard-16": BELOW}), -0.05)
    more = table[table["arm"] == "standard-16"].assign(arm="other", strategy="posthoc_probability")
    heads, *rows = rows_of(scores_table(pd.concat([table, more])))
    assert heads == ["arm", "seeds", "validation auROC", "test auROC", "validation auPRC", "test auPRC"]
    assert [row[0] for row in rows] == ["RC-16", "standard-16"]
    assert rows[0][1:4] == ["10", "0.9050 (0.9000 to 0.9100)", "0.8550 (0.8500 to 0.8600)"]
    assert rows[0][5] == "0.8050 (0.8000 to 0.8100)"


def test_data_and_shares_are_told_apart_where_there_are_several():
    parts = [runs({"RC-16": ABOVE}, fraction=share, dataset="CTCF") for share in (0.05, 1.0)]
    heads, *rows = rows_of(scores_table(pd.concat(parts)))
    assert heads[:2] == ["share of the training set", "arm"]
    assert [row[0] for row in rows] == ["5%", "100%"]


def factors(n=3, gain=0.01):
    """Three factors whose levels differ by far more than the arms; sharing is ahead of every seed in each."""
    spread = np.linspace(0, 0.001, n)
    return pd.concat(
        runs({"RC-16": level + gain + spread, "standard-32": level + spread}, figure="fig7b", dataset=factor)
        for factor, level in {"CTCF": 0.9, "SPI1": 0.8, "MAX": 0.7}.items()
    )


def test_over_factors_ranks_are_within_them():
    """Of three seeds each, one of 20 assignments in each factor: 2 / 20^3, where no single factor shows anything."""
    table = factors()
    rows = [row for row in rows_of(strata_table("fig7b", table)) if row[:2] == ["twice as many filters", "test auROC"]]
    assert [row[2] for row in rows] == ["3"]
    assert rows[0][3].startswith("+0.0100 (+0.00")
    assert rows[0][4] == f"{2 / 20**3:.2g}"
    single = strata_of("fig7b", table[table["dataset"] == "CTCF"], "twice as many filters", "test_auroc")
    assert stratified_test([(a.to_numpy(), b.to_numpy()) for a, b in single]) == pytest.approx(0.1)


def test_widths_are_compared_with_standard_networks_of_their_own():
    table = runs({f"RC-{n}": ABOVE for n in (8, 16)} | {f"standard-{n}": BELOW for n in (8, 16, 32)}, figure="fig7a")
    strata = {rival: len(strata_of("fig7a", table, rival, "test_auroc")) for rival in RIVALS}
    assert strata == {"as many filters": 2, "twice as many filters": 2, AVERAGED: 0, "as many filters, siamese": 0}


def test_over_sizes_a_seed_is_one_unit():
    """Two of three seeds gain at every size and one loses: whole seeds cannot show it, as ranks within sizes might."""
    gains = np.array([0.03, 0.02, -0.01])
    parts = []
    for share, level in {0.05: 0.6, 0.4: 0.8, 1.0: 0.9}.items():
        base = level + np.array([0.0, 0.1, 0.2]) / 10
        parts.append(runs({"RC-16": base + gains, "standard-16": base}, figure="fig6", fraction=share))
    text = strata_table("fig6", pd.concat(parts))
    row = next(row for row in rows_of(text) if row[:2] == ["as many filters", "test auROC"])
    assert row[2:3] + row[4:6] == ["3", "3", "0.5"]  # signs of three seeds: 4 of 8 have a mean as far from zero
    half = 4.303 * gains.std(ddof=1) / np.sqrt(3)  # Student's t of two degrees of freedom
    assert row[3] == f"{gains.mean():+.4f} ({gains.mean() - half:+.4f} to {gains.mean() + half:+.4f})"
    assert row[7] == "0 of 3 sizes"


def test_both_sets_of_trainings_are_shown_and_figures_without_strata_have_none():
    first = factors(5).assign(best_epoch=80)
    again = factors(3)
    text = "\n".join(figure_tables("fig7b", {"fig7b_runs": first, "fig7b_gpu_runs": again}))
    assert re.findall(r"Scores of every arm in validation and test \(80 epochs; (\d+) of (\d+)", text) == [
        ("0", "18"),
        ("30", "30"),
    ]
    assert text.count("Sharing over all of the figure") == 2
    assert list(figure_tables("fig3", {})) == []
    assert strata_table("fig3", first) == ""
