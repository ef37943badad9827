"""Windows in which filters fire against the layer's own output, with stride and padding, for both strands."""

import numpy as np
import pytest
import torch
from torch import nn

import rcviz
from rcviz.analysis.hits import filter_hits


@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (3, 0), (2, 3)])
def test_hits_are_the_largest_activations_above_zero(stride, padding):
    torch.manual_seed(0)
    convolution = nn.Conv1d(4, 6, 7, stride=stride, padding=padding).double()
    with torch.no_grad():
        convolution.bias[3] = -50  # never fires
    model = nn.Sequential(convolution, nn.ReLU(), nn.AdaptiveMaxPool1d(1), nn.Flatten(), nn.Linear(6, 1).double())
    codes = np.random.default_rng(1).integers(0, 4, 61).astype(np.uint8)
    codes[30] = 4
    hits = filter_hits(rcviz.filter_bank(model, length=61), codes, list(range(6)))
    x = torch.from_numpy(rcviz.one_hot(codes[None], dtype="float64"))
    expected = []
    for index in range(6):
        for strand, read in (("+", x), ("-", x.flip(1, 2))):
            values = convolution(read)[0, index].detach().numpy()
            starts = np.arange(len(values)) * stride - padding
            known = read[0].sum(dim=0).numpy()
            whole = [0 <= start <= 54 and known[start : start + 7].all() for start in starts]
            values = np.where(whole, values, -np.inf)
            best = values.argmax()
            if values[best] > 0:
                start = starts[best] if strand == "+" else 54 - starts[best]
                expected.append((index, start, start + 7, strand, values[best]))
    assert {hit.filter for hit in hits} <= {0, 1, 2, 4, 5}
    assert [hit[:4] for hit in hits] == [row[:4] for row in expected]
    np.testing.assert_allclose([hit.strength for hit in hits], [row[4] for row in expected], atol=1e-9)


def test_a_sequence_that_is_shorter_than_the_filters_has_none():
    model = nn.Sequential(nn.Conv1d(4, 2, 7, padding=3), nn.ReLU(), nn.AdaptiveMaxPool1d(1), nn.Flatten())
    assert filter_hits(rcviz.filter_bank(model, length=20), np.zeros(5, np.uint8), [0, 1]) == []
