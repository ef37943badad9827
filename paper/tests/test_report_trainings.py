"""How far trainings went and what is missing, on tables whose truth is known."""

import pandas as pd
import pytest

from paper.report_trainings import negatives_text, trainings_section
from paper.tests.made_tables import history, runs, table_1


def rows_of(results, heading):
    """Cells of the first table below a heading."""
    text = "\n".join(trainings_section(results)).split(heading)[1]
    lines = [line for line in text.split("\n\n")[2].splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_trainings_that_ended_at_their_best_epoch_are_counted_and_what_they_gained():
    """Of twenty epochs the last five are the last quarter: one seed gains 0.1 in them, the other ended at epoch 2."""
    late, early = [0.5] * 15 + [0.6] * 5, [0.5, 0.7] + [0.6] * 18
    table = runs({"RC-16": [0.6, 0.7]}, dataset="CTCF").assign(best_epoch=[20, 2], n_epochs=20)
    curves = history({"RC-16": [([0.5] * 20, late), ([0.5] * 20, early)]}, dataset="CTCF")
    (row,) = rows_of({"fig7b_runs": table, "fig7b": curves}, "How far")
    assert row == ["Figure 7b", "20 epochs", "2", "1 (50%)", "1 (50%)", "+0.0500", "+0.1000"]


def test_averages_over_both_strands_are_no_trainings():
    table = runs({"standard-16": [0.6], "standard-16, both strands averaged": [0.7]}, dataset="CTCF")
    assert rows_of({"fig7b_runs": table}, "How far")[0][2] == "1"


def test_what_is_missing_is_counted_in_trainings_hours_and_minutes():
    """Figure 4 has three networks of ten seeds. Two seeds of one are here; 80 epochs of 36 s are 0.8 h."""
    arms = {"standard-16": [0.8, 0.8], "standard-16, augmented": [], "RC-16": []}
    here = runs(arms, figure="fig4", dataset="CTCF").assign(cpu_seconds=80 * 36.0)
    others = runs({"standard-16, augmented": [0.8], "RC-16": [0.8]}, figure="fig6", dataset="CTCF")
    results = {"fig4_runs": here, "fig6_runs": others.assign(cpu_seconds=8 * 36.0, n_epochs=8, fraction=0.05)}
    (row, *_) = rows_of(results, "What is missing")
    assert row[0] == "Figure 4"
    assert row[2:] == ["30", "2", "0", "28", "22", "unknown"]
    on_gpu = runs({"RC-16": [0.8] * 9}, figure="fig4", dataset="CTCF").assign(n_epochs=60, cpu="one and a GPU")
    row = rows_of({**results, "fig4_gpu_runs": on_gpu}, "What is missing")[0]
    assert row[2:] == ["30", "2", "9", "28", "22", "37"]  # 9 minutes for 540 epochs


def test_negatives_at_peaks_are_shares_of_those_that_are_here():
    counts = {"n_negative_here": 1000, "n_negative_over_peak": [64, 92, 70], "n_negative_with_summit": 40}
    text = negatives_text({"table_1": table_1().assign(**counts, n_negative_over_positive=100)})
    assert "6.4% (CTCF), 9.2% (SPI1), 7.0% (MAX) overlap a reproducible peak" in text
    assert negatives_text({"table_1": table_1()}) == negatives_text({}) == ""


@pytest.mark.parametrize("results", [{}, {"fig2": pd.DataFrame()}])
def test_without_trainings_it_says_so(results):
    assert "Not measured here yet" in "".join(trainings_section(results))
