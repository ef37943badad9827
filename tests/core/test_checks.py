"""Arguments of other libraries keep their meaning."""

import numpy as np
import pandas as pd
import pytest
import torch

from rcviz._core.checks import as_numbers, base_columns, improper_column, shown

VALUES = np.array([[0.5, -1.25, 3.0], [0.0, 2.0, -0.75]])  # exact in bfloat16


@pytest.mark.parametrize(
    "given",
    [
        torch.tensor(VALUES, requires_grad=True),
        torch.nn.Parameter(torch.tensor(VALUES, dtype=torch.bfloat16)),
        torch.tensor(VALUES).half(),
        [torch.tensor(row, requires_grad=True) for row in VALUES],
        pd.DataFrame(VALUES),
        VALUES.tolist(),
        np.ma.masked_array(VALUES),
    ],
    ids=lambda given: type(given).__name__,
)
def test_numbers_of_any_library(given):
    numbers = as_numbers("x", given)
    assert numbers.dtype == np.float64
    np.testing.assert_array_equal(numbers, VALUES)


def test_what_a_masked_array_hides_is_nan():
    hidden = VALUES > 1
    numbers = as_numbers("x", np.ma.masked_array(VALUES.astype(np.float32), hidden))
    np.testing.assert_array_equal(numbers, np.where(hidden, np.nan, VALUES))


@pytest.mark.parametrize("given", [VALUES + 1j, "ACGT", [[1], [2, 3]], torch.zeros(2, device="meta"), {"a": 1}])
def test_what_is_not_numbers_is_named(given):
    with pytest.raises(ValueError, match=r"^x must be numbers"):
        as_numbers("x", given)


@pytest.mark.parametrize(
    ("columns", "labels", "letters"),
    [
        (["A", "C", "G", "T"], ["A", "C", "G", "T"], "ACGT"),
        (["t", "pos", "g", "c", "N", "a"], ["a", "c", "g", "t"], "ACGT"),
        (["A", "C", "G", "U", "-"], ["A", "C", "G", "U"], "ACGU"),
    ],
)
def test_columns_of_bases(columns, labels, letters):
    assert base_columns(columns) == (labels, letters)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["A", "C", "G"], "columns A, C, G and T"),
        (["A", "a", "C", "G", "T"], "A twice"),
        (list("ACDEFGHIKLMNPQRSTVWY"), "only nucleotides"),
    ],
)
def test_other_columns_are_refused(columns, message):
    with pytest.raises(ValueError, match=message):
        base_columns(columns)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([0.25, 0.25, 0.25, 0.25], None),
        ([0.33, 0.33, 0.33, 0.0], None),  # thirds
        ([0.26, 0.26, 0.25, 0.25], None),
        ([0.4, 0.4, 0.4, 0.4], "sum to 1, got 1.6 at position 1: divide"),
        ([3.0, 0.0, 7.0, 0.0], "look like counts: divide each column by its sum"),
        ([1.0, 1.0, 0.0, 0.0], "look like counts"),
        ([1.2, -0.2, 0.0, 0.0], r"in \[0, 1\], got 1.2 at A, position 1$"),
        ([np.inf, 0.0, 0.0, 0.0], "got inf at A, position 1$"),
    ],
)
def test_one_rule_for_probabilities(column, message):
    wrong = improper_column(np.array([[1.0, 0.0, 0.0, 0.0], column]).T)
    if message is None:
        assert wrong is None
    else:
        assert wrong[0] == 1
        with pytest.raises(ValueError, match=message):
            raise ValueError(wrong[1])


class Large:
    def __repr__(self):
        raise AssertionError("the whole object would be written")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, "3"),
        (np.float64(np.nan), repr(np.float64(np.nan))),
        ("core", "'core'"),
        ([(1, 2)], "[(1, 2)]"),
        (Large(), "Large"),
        ([Large()], "[Large]"),
        (np.zeros((4, 300)), "ndarray of shape (4, 300)"),
        (pd.DataFrame({"a": range(50)}), "DataFrame of shape (50, 1)"),
        (len, "builtin_function_or_method len"),
        (Large, "type Large"),
    ],
)
def test_what_came_is_shown_in_one_short_line(value, expected):
    assert shown(value) == expected
    assert len(shown([value] * 1000)) < 300
    assert "\n" not in shown(["\n" * 500, {"a": value}])
