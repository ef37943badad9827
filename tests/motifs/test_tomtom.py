"""Tomtom written as in the paper, by loops over columns, alignments and scores, in fractions; and cases by hand."""

from collections import Counter
from fractions import Fraction
from math import floor, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rcviz.motifs.tomtom import tomtom

EYE = np.eye(4)


def merged(columns):
    """Columns by what they are equal to: every base's range has 100 bins, and the first column of each kind counts."""
    low = [min(column[base] for column in columns) for base in range(4)]
    high = [max(column[base] for column in columns) for base in range(4)]
    first = {}
    for column in columns:
        bins = tuple(round((column[base] - low[base]) / ((high[base] - low[base]) or 1) * 99) for base in range(4))
        yield first.setdefault(bins, column)


def closeness(one, other):
    squares = sum(value * value for value in one) + sum(value * value for value in other)
    for a, b in zip(one, other, strict=True):
        squares -= 2 * a * b
    return -sqrt(max(squares, 0))


def median_of(values):
    """Mean of the values in that of 1000 bins in which half of them is reached."""
    low, high = min(values), max(values)
    if low == high:
        return low
    bins = [int((value - low) / (high - low) * 999) for value in values]
    counts = Counter(bins)
    reached = 0
    for place in sorted(counts):
        reached += counts[place]
        if reached >= len(values) / 2:
            return sum(value for value, at in zip(values, bins, strict=True) if at == place) / counts[place]
    raise AssertionError


def sums(rows):
    """How often each sum occurs among all choices of one score per row."""
    total = Counter({0: 1})
    for counts in rows:
        following = Counter()
        for one, n in total.items():
            for other, m in counts.items():
                following[one + other] += n * m
        total = following
    return total


def by_loops(query, targets):
    """P-value, offset, overlap and strand of each target."""
    strands = [target.T.tolist() for target in (*targets, *(target[::-1, ::-1] for target in targets))]
    background = list(merged([column for strand in strands for column in strand]))
    places = iter(background)
    strands = [[next(places) for _ in strand] for strand in strands]
    query = query.T.tolist()
    width = len(query)

    rows = [[closeness(column, other) for other in background] for column in query]
    medians = [median_of(row) for row in rows]
    least = floor(min(min(row) - median for row, median in zip(rows, medians, strict=True)))
    largest = max(max(row) - median for row, median in zip(rows, medians, strict=True))
    scale = floor(100 / max(largest - least, 1))

    def score(index, column):
        return floor((closeness(query[index], column) - (medians[index] + least)) * scale + 0.5)

    overhang = -least * scale
    scores = [Counter(score(index, column) for column in background) for index in range(width)]

    def alignments(length):
        """Offset, and the columns of the query that are aligned."""
        for offset in range(-length + 1, width):
            yield offset, range(max(offset, 0), min(offset + length, width))

    found = []
    for number, target in enumerate(targets):
        length = target.shape[1]
        best = []
        for strand, columns in enumerate((strands[number], strands[number + len(targets)])):
            for offset, aligned in alignments(length):
                total = sum(score(index, columns[index - offset]) for index in aligned)
                best.append((total + overhang * (width - len(aligned)), len(aligned), -strand, offset))
        total, overlap, strand, offset = max(best)
        below = Fraction(1)
        for _, aligned in alignments(length):
            spread = sums(scores[index] for index in aligned)
            n_below = sum(n for step, n in spread.items() if step + overhang * (width - len(aligned)) < total)
            below *= Fraction(n_below, len(background) ** len(aligned))
        found.append((float(1 - below**2), offset, overlap, strand == -1))
    return found


def one_hot_motif(rng, width):
    return EYE[:, rng.integers(0, 4, width)]


def motif_in_tenths(rng, width):
    return rng.multinomial(10, [0.25] * 4, width).T / 10


def motif_of_one_base(rng, width):
    return EYE[:, [0] * width]


def random_motif(rng, width):
    return rng.dirichlet([0.5] * 4, width).T


def equal_bases(rng, width):
    return np.full((4, width), 0.25)


KINDS = [one_hot_motif, motif_in_tenths, motif_of_one_base, random_motif, equal_bases]


@settings(max_examples=50, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(KINDS),
    st.sampled_from(KINDS),
    st.lists(st.integers(1, 4), min_size=1, max_size=2),
    st.lists(st.integers(1, 6), min_size=1, max_size=4),
)
def test_agrees_with_plain_loops(seed, kind, other, query_widths, target_widths):
    rng = np.random.default_rng(seed)
    queries = [kind(rng, width) for width in query_widths]
    targets = [other(rng, width) for width in target_widths]
    result = tomtom(queries, targets)
    for row, query in enumerate(queries):
        expected = list(zip(*by_loops(query, targets), strict=True))
        np.testing.assert_allclose(result.p_value[row], expected[0], rtol=1e-10)
        assert [part[row].tolist() for part in result[1:]] == [list(values) for values in expected[1:]]


@pytest.mark.parametrize("width", [1, 2, 3, 30])
def test_by_hand_a_column_that_half_of_all_columns_match(width):
    """Columns are A or, on the other strand, T: the best of the alignments is A with probability 1 - 2^-width."""
    result = tomtom([EYE[:, [0]]], [EYE[:, [0] * width]])
    assert result.p_value[0, 0] == pytest.approx(1 - 0.25**width, rel=1e-12)


@pytest.mark.parametrize("width", [4, 28, 100])
def test_by_hand_a_small_p_value_keeps_its_precision(width):
    """Every base makes up a quarter of the columns, and only one alignment can match all columns."""
    motif = EYE[:, [2, 0, 3, 1] * (width // 4)]
    result = tomtom([motif], [motif])
    assert result.p_value[0, 0] == pytest.approx(
        1 - (1 - 4.0**-width) ** 2 if width < 10 else 2 * 4.0**-width, rel=1e-12
    )


def test_queries_do_not_depend_on_each_other():
    rng = np.random.default_rng(0)
    queries, targets = ([random_motif(rng, width) for width in widths] for widths in ((1, 30, 8), (3, 9, 20, 41)))
    together = tomtom(queries, targets)
    for row, query in enumerate(queries):
        for part, alone in zip(together, tomtom([query], targets), strict=True):
            np.testing.assert_array_equal(part[row], alone[0])
