"""RevCompMaxPool1d: both strands must see the same windows, or the layer refuses."""

import numpy as np
import oracles
import pytest
import torch
from torch.nn.functional import max_pool1d

import rcviz


def numbers(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape)


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


@pytest.mark.parametrize(("length", "k", "s"), [(12, 4, 4), (14, 4, 4), (986, 40, 20)])
def test_is_equivariant(length, k, s):
    pool = rcviz.RevCompMaxPool1d(k, s, edge="trim")
    x = numbers(2, 4, length)
    there = pool(torch.tensor(oracles.opposite_strand(x))).numpy()
    np.testing.assert_array_equal(there, oracles.opposite_strand(pool(torch.tensor(x)).numpy()))


@pytest.mark.parametrize("length", [13, 14, 15])
def test_strict_refuses_any_remainder(length):
    pool = rcviz.RevCompMaxPool1d(4)
    with pytest.raises(ValueError, match=str(length)):
        pool(torch.zeros(1, 2, length))


@pytest.mark.parametrize("length", [13, 15])
def test_trim_refuses_an_odd_remainder(length):
    pool = rcviz.RevCompMaxPool1d(4, edge="trim")
    with pytest.raises(ValueError, match=str(length)):
        pool(torch.zeros(1, 2, length))


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
