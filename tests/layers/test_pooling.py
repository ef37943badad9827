"""Max- and average pooling: both strands must see the same windows, or the layers refuse. Pooling over both strands."""

import numpy as np
import oracles
import pytest
import torch
from drawn import numbers, other_strand
from torch.nn.functional import max_pool1d

import rcviz

POOLS = {"max": rcviz.RevCompMaxPool1d, "average": rcviz.RevCompAvgPool1d}


def avg_pool(x, k, s):
    """The windows of max-pooling; the mean of each."""
    y = np.zeros((*x.shape[:2], oracles.pooled_length(x.shape[2], k, s)))
    for n, c, p in np.ndindex(*y.shape):
        y[n, c, p] = sum(float(x[n, c, p * s + i]) for i in range(k)) / k
    return y


def global_pool(x, reduction):
    """Feature f: over every position of channel f and of its partner."""
    batch, channels, length = x.shape
    y = np.zeros((batch, channels // 2))
    for n, f in np.ndindex(*y.shape):
        values = [float(x[n, c, p]) for c in (f, oracles.partner(f, channels)) for p in range(length)]
        y[n, f] = max(values) if reduction == "max" else sum(values) / len(values)
    return y


def test_oracle_agrees_with_torch():
    x = numbers(2, 3, 23)
    for k, s in ((4, 4), (5, 2), (3, 7), (23, 1)):
        torchs = max_pool1d(torch.tensor(x), k, s).numpy()
        np.testing.assert_array_equal(oracles.max_pool(x, k, s), torchs)
        assert torchs.shape[2] == oracles.pooled_length(23, k, s)


@pytest.mark.parametrize("edge", ["strict", "trim"])
@pytest.mark.parametrize(
    ("length", "k", "s"), [(12, 4, 4), (12, 4, None), (13, 5, 2), (7, 7, 3), (9, 1, 2), (10, 2, 4)]
)
def test_whole_windows_match_oracle(length, k, s, edge):
    """The layer also works in float32 and on all-negative rows, where a padded zero would win."""
    pool = rcviz.RevCompMaxPool1d(k, s, edge=edge)
    x = numbers(2, 4, length) - 10.0
    want = oracles.max_pool(x, k, k if s is None else s)
    np.testing.assert_array_equal(pool(torch.tensor(x)).numpy(), want)
    single = torch.tensor(x, dtype=torch.float32)
    assert pool(single).dtype == torch.float32
    np.testing.assert_array_equal(pool(single).numpy(), want.astype(np.float32))


@pytest.mark.parametrize(("length", "k", "s", "rest"), [(14, 4, 4, 2), (19, 5, 5, 4), (986, 40, 20, 6)])
def test_trim_leaves_as_much_at_either_end(length, k, s, rest):
    x = numbers(1, 2, length)
    x[:, :, : rest // 2] = x[:, :, length - rest // 2 :] = 99.0  # what is left out must not be seen
    y = rcviz.RevCompMaxPool1d(k, s, edge="trim")(torch.tensor(x)).numpy()
    assert y.shape[2] == oracles.pooled_length(length, k, s)
    assert y.max() < 99.0
    np.testing.assert_array_equal(y, oracles.max_pool(x[:, :, rest // 2 : length - rest // 2], k, s))
    np.testing.assert_array_equal(y, oracles.max_pool_centred(x, k, s))


@pytest.mark.parametrize(
    ("length", "k", "s"), [(12, 4, None), (13, 5, 2), (7, 7, 3), (9, 1, 2), (14, 4, 4), (29, 8, 3)]
)
def test_averages_match_oracle(length, k, s):
    s_ = k if s is None else s
    rest = (length - k) % s_
    x = numbers(2, 4, length)
    want = avg_pool(x[:, :, rest // 2 : length - rest // 2], k, s_)
    pool = rcviz.RevCompAvgPool1d(k, s, edge="trim")
    np.testing.assert_allclose(pool(torch.tensor(x)).numpy(), want, atol=1e-12)
    single = pool(torch.tensor(x, dtype=torch.float32))
    assert single.dtype == torch.float32
    np.testing.assert_allclose(single.numpy(), want, atol=1e-6)


@pytest.mark.parametrize("kind", POOLS)
@pytest.mark.parametrize(("length", "k", "s"), [(12, 4, 4), (14, 4, 4), (986, 40, 20)])
def test_is_equivariant(length, k, s, kind):
    pool = POOLS[kind](k, s, edge="trim")
    x = numbers(2, 4, length)
    there = pool(torch.tensor(oracles.opposite_strand(x))).numpy()
    np.testing.assert_allclose(there, oracles.opposite_strand(pool(torch.tensor(x)).numpy()), atol=1e-12)


@pytest.mark.parametrize("kind", POOLS)
@pytest.mark.parametrize("length", [13, 14, 15])
def test_strict_refuses_any_remainder(length, kind):
    pool = POOLS[kind](4)
    with pytest.raises(ValueError, match=rf"{kind}-pooling.*{length}"):
        pool(torch.zeros(1, 2, length))


@pytest.mark.parametrize("kind", POOLS)
@pytest.mark.parametrize("length", [13, 15])
def test_trim_refuses_an_odd_remainder(length, kind):
    pool = POOLS[kind](4, edge="trim")
    with pytest.raises(ValueError, match=rf"{kind}-pooling.*{length}"):
        pool(torch.zeros(1, 2, length))


@pytest.mark.parametrize("reduction", ["max", "mean"])
@pytest.mark.parametrize("shape", [(3, 6, 5), (1, 2, 1), (2, 10, 8)])
def test_global_pooling_matches_oracle(shape, reduction):
    x = numbers(*shape) - 10.0  # all negative: a zero would win
    pool = rcviz.RevCompGlobalPool1d(reduction)
    y = pool(torch.tensor(x)).numpy()
    np.testing.assert_allclose(y, global_pool(x, reduction), atol=1e-12)
    np.testing.assert_allclose(pool(other_strand(torch.tensor(x))).numpy(), y, atol=1e-12)


@pytest.mark.usefixtures("as_users_run")
def test_refusals():
    for arguments in ((0,), (-3,), (4, 0)):
        with pytest.raises(ValueError, match=r"-3|0"):
            rcviz.RevCompMaxPool1d(*arguments)
    with pytest.raises(ValueError, match=r"(?s)(?=.*strict)(?=.*trim)"):
        rcviz.RevCompMaxPool1d(4, edge="pad")
    with pytest.raises(ValueError, match=r"(?s)(?=.*5)(?=.*4)"):
        rcviz.RevCompMaxPool1d(5)(torch.zeros(1, 2, 4))
    assert not list(rcviz.RevCompMaxPool1d(4).parameters())
    with pytest.raises(ValueError, match=r"(?s)(?=.*max)(?=.*mean)(?=.*sum)"):
        rcviz.RevCompGlobalPool1d("sum")
    with pytest.raises(ValueError, match=r"(?s)(?=.*even)(?=.*5)"):
        rcviz.RevCompGlobalPool1d()(torch.zeros(1, 5, 4))
