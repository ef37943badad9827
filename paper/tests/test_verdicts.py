"""Verdicts from seeds, against counts by hand."""

from math import comb

import numpy as np
import pandas as pd
import pytest

from paper.tests.made_tables import ABOVE, BELOW, runs
from paper.verdicts import (
    Verdict,
    both_or_one,
    compare_metrics,
    compare_seeds,
    judge,
    n_shown_of_several,
)


def pair(a, b):
    return compare_seeds(pd.Series(a), pd.Series(b), "a", "b", "auROC")


# 3 of 3 above: p = 1/20. 2, 3 and 5 of the ranks 1 to 5 in a sample of three: 4 of 10 deals reach a sum of 10.
SHOWN = pair([4.0, 5.0, 6.0], [1.0, 2.0, 3.0])
UNSURE = pair([2.0, 3.0, 5.0], [1.0, 4.0])


def test_p_values_are_counts_of_deals():
    assert SHOWN.p_value == pytest.approx(1 / 20)
    assert UNSURE.p_value == pytest.approx(4 / 10)
    assert pair(ABOVE, BELOW).p_value == pytest.approx(1 / comb(20, 10)) == pytest.approx(5.413e-6, rel=1e-3)
    assert pair(BELOW, ABOVE).p_value == 1


def test_what_a_comparison_says():
    assert SHOWN.effect == 3
    assert SHOWN.separated
    assert SHOWN.shown
    assert not UNSURE.separated
    assert not UNSURE.shown
    assert SHOWN.smallest_p == 1 / 20
    assert UNSURE.smallest_p == 1 / 10


def test_arms_are_compared_by_their_columns():
    table = runs({"RC": [0.9, 0.8], "standard": [0.7]}, valid_auprc=[1.0, 2.0, 3.0])
    found = compare_metrics(table, "RC", "standard", "valid_auprc", where="CTCF")
    assert (found.metric, found.where) == ("validation auPRC", "CTCF")
    assert (found.values_a.tolist(), found.values_b.tolist()) == ([1.0, 2.0], [3.0])
    assert compare_metrics(table, "RC", "siamese", "valid_auroc") is None
    unknown = table.assign(test_auroc=np.nan)
    assert compare_metrics(unknown, "RC", "standard", "test_auroc") is None


def test_a_claim_holds_when_every_comparison_is_shown():
    assert judge([SHOWN, SHOWN, SHOWN]) is Verdict.HOLDS
    assert judge([pair(BELOW, ABOVE)]) is Verdict.NOT
    assert judge([None, None]) is Verdict.UNKNOWN


def test_a_comparison_without_data_is_not_shown():
    assert judge([pair(ABOVE, BELOW), None]) is Verdict.IN_PART


def test_one_of_several_counts_only_after_holms_correction():
    assert judge([SHOWN, UNSURE]) is Verdict.NOT  # 0.05 is above 0.05 / 2
    assert judge([pair(ABOVE, BELOW), UNSURE]) is Verdict.IN_PART


def test_holms_steps():
    # 1/252, 1/20 and 1: at most 0.05/3; not at most 0.05/2.
    five = pair(range(5, 10), range(5))
    assert five.p_value == pytest.approx(1 / 252)
    assert n_shown_of_several([pair(BELOW, ABOVE), SHOWN, five]) == 1
    assert n_shown_of_several([five, SHOWN]) == 2
    assert n_shown_of_several([SHOWN]) == 1


def test_seeds_in_order_that_are_too_few_for_the_test_are_no_refutation():
    two = pair([3.0, 4.0], [1.0, 2.0])  # at best 1/6
    assert not two.shown
    assert judge([two]) is Verdict.IN_PART
    assert judge([pair([1.0, 2.0], [3.0, 4.0])]) is Verdict.NOT


def test_seeds_in_order_that_are_too_few_for_the_correction_count_where_they_are_the_rule():
    """Decision 26: more seeds of the same kind do not make a verdict worse, and one lucky comparison makes none."""
    against = pair(BELOW, ABOVE)
    assert judge([SHOWN, SHOWN, UNSURE]) is Verdict.IN_PART
    assert judge([SHOWN, SHOWN, against, against]) is Verdict.NOT
    two = pair([3.0, 4.0], [1.0, 2.0])
    assert judge([two, two, against]) is Verdict.IN_PART
    assert judge([two, against, against]) is Verdict.NOT
    assert judge([two, None]) is Verdict.NOT


def test_halves_of_a_claim():
    assert both_or_one(True, True) is Verdict.HOLDS
    assert both_or_one(True, False) is Verdict.IN_PART
    assert both_or_one(False, False) is Verdict.NOT
