"""RevCompDropout1d: one draw for a channel and its RC partner, on all positions."""

import numpy as np
import oracles
import pytest
import torch
from drawn import numbers

import rcviz


@pytest.fixture
def drawing_again():
    """Repeat a call with the random numbers of the first one; torch's generator is not modified."""

    def again(layer, x):
        with torch.random.fork_rng():
            torch.manual_seed(5)
            return layer(x)

    return again


def dropped(x, kept, p):
    """Entry by entry: pair f of sequence n is either dropped or scaled, wherever it stands."""
    y = np.zeros_like(x)
    channels = x.shape[1]
    for n in range(len(x)):
        for c in range(channels):
            if kept[n, min(c, oracles.partner(c, channels))]:
                y[n, c] = x[n, c] / (1 - p)
    return y


@pytest.mark.parametrize("shape", [(200, 6, 5), (200, 6), (200, 2, 1)])
@pytest.mark.parametrize("p", [0.25, 0.5])
def test_a_pair_is_dropped_or_scaled(shape, p, drawing_again):
    x = numbers(*shape)
    y = drawing_again(rcviz.RevCompDropout1d(p).train(), torch.tensor(x)).numpy()
    kept = np.array([[np.any(y[n, f] != 0) for f in range(shape[1] // 2)] for n in range(shape[0])])
    np.testing.assert_allclose(y, dropped(x, kept, p), atol=1e-15)
    n_pairs = kept.size
    spread = (p * (1 - p) / n_pairs) ** 0.5
    assert abs((1 - kept.mean()) - p) < 4 * spread
    if shape[1] > 2:  # pairs and sequences are drawn by themselves
        assert len(np.unique(kept, axis=0)) == 2 ** (shape[1] // 2)


@pytest.mark.parametrize("shape", [(9, 6, 5), (9, 8)])
def test_strands_share_the_draw(shape, drawing_again):
    layer = rcviz.RevCompDropout1d(0.5).train()
    x = numbers(*shape)
    swap = oracles.opposite_strand if len(shape) == 3 else lambda y: np.stack([y[:, 7 - c] for c in range(8)], axis=1)
    here, there = (drawing_again(layer, torch.tensor(strand)).numpy() for strand in (x, swap(x)))
    np.testing.assert_array_equal(there, swap(here))
    assert (here == 0).any()
    assert (here != 0).any()


def test_nothing_is_dropped_in_evaluation():
    x = torch.tensor(numbers(3, 4, 5))
    assert torch.equal(rcviz.RevCompDropout1d(0.9).eval()(x), x)
    rcviz.assert_equivariant(rcviz.RevCompDropout1d(0.9), x)  # judged in evaluation


@pytest.mark.parametrize(("p", "share"), [(0.0, 1.0), (1.0, 0.0)])
def test_ends_of_the_scale(p, share):
    x = torch.tensor(numbers(3, 4, 5))
    torch.testing.assert_close(rcviz.RevCompDropout1d(p).train()(x), share * x)


def test_gradient_goes_where_the_values_went(drawing_again):
    x = torch.tensor(numbers(4, 6, 3), requires_grad=True)
    y = drawing_again(rcviz.RevCompDropout1d(0.5), x)
    y.sum().backward()
    np.testing.assert_allclose((x.grad * x).detach().numpy(), y.detach().numpy(), atol=1e-15)


@pytest.mark.usefixtures("as_users_run")
def test_refusals():
    for p in (-0.1, 1.5):
        with pytest.raises(ValueError, match=str(p)):
            rcviz.RevCompDropout1d(p)
    for training in (True, False):
        with pytest.raises(ValueError, match=r"(?s)(?=.*even)(?=.*5)"):
            rcviz.RevCompDropout1d(0.5).train(training)(torch.zeros(2, 5, 7))
    with pytest.raises(ValueError, match=r"batch, channels"):
        rcviz.RevCompDropout1d(0.5)(torch.zeros(4))
