"""RevCompKmers1d against its definition, word by word as letters."""

import itertools

import numpy as np
import oracles
import pytest
import torch
from drawn import filled, numbers, one_hot, other_strand

import rcviz

COMPLEMENT = {"A": "T", "C": "G", "G": "C", "T": "A"}


def rc(word):
    return "".join(COMPLEMENT[base] for base in reversed(word))


def words_in_order(k):
    """Alphabetic; of a word and its RC the earlier one, then the RCs of all these from the last to the first."""
    first = [word for word in map("".join, itertools.product("ACGT", repeat=k)) if word <= rc(word)]
    return [*first, *(rc(word) for word in reversed(first))]


def read(x, k):
    """Product of what a word picks of each column; half of it in either channel of a word that is its own RC."""
    words = words_in_order(k)
    y = np.zeros((len(x), len(words), x.shape[2] - k + 1))
    for n, c, p in np.ndindex(*y.shape):
        y[n, c, p] = 0.5 if words[c] == rc(words[c]) else 1.0
        for step, base in enumerate(words[c]):
            y[n, c, p] *= x[n, "ACGT".index(base), p + step]
    return y


@pytest.mark.parametrize(("k", "n_channels"), [(1, 4), (2, 20), (3, 64), (4, 272)])
def test_words_and_their_order(k, n_channels):
    layer = rcviz.RevCompKmers1d(k)
    assert layer.n_channels == n_channels == 4**k + (0 if k % 2 else 2**k)
    assert list(layer.kmers) == words_in_order(k)
    for c, word in enumerate(layer.kmers):
        assert layer.kmers[oracles.partner(c, n_channels)] == rc(word)
    own = [word for word in layer.kmers if word == rc(word)]
    assert len(own) == (0 if k % 2 else 2 * 2**k)
    assert len(set(layer.kmers)) == 4**k
    assert not layer.state_dict()


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_matches_oracle(k):
    """On one-hot bases, and on any numbers: the product is what is defined."""
    layer = rcviz.RevCompKmers1d(k).double()
    for x in (one_hot(3, 9), torch.tensor(numbers(2, 4, 7))):
        np.testing.assert_allclose(layer(x).numpy(), read(x.numpy(), k), atol=1e-12)
        np.testing.assert_allclose(
            layer(other_strand(x)).numpy(), oracles.opposite_strand(layer(x).numpy()), atol=1e-12
        )
    for dtype in (torch.float32, torch.bfloat16):
        low = rcviz.RevCompKmers1d(k)(one_hot(3, 9).to(dtype))
        assert low.dtype == dtype
        np.testing.assert_array_equal(low.float().numpy(), read(one_hot(3, 9).numpy(), k))


@pytest.mark.filterwarnings("ignore:1 of 5 letters")
def test_by_hand():
    """GAATTC: the words of two are GA, AA, AT (its own RC), TT, TC; with an N nothing is read over it."""
    layer = rcviz.RevCompKmers1d(2)
    found = [
        {layer.kmers[c]: float(column[c]) for c in np.flatnonzero(column)}
        for column in layer(torch.tensor(rcviz.one_hot(["GAATTC"])))[0].T.numpy()
    ]
    assert found == [{"GA": 1.0}, {"AA": 1.0}, {"AT": 0.5}, {"TT": 1.0}, {"TC": 1.0}]
    column = layer(torch.tensor(rcviz.one_hot(["AT"])))[0, :, 0]
    assert [layer.kmers[c] for c in np.flatnonzero(column)] == ["AT", "AT"]
    unknown = layer(torch.tensor(rcviz.one_hot(["GANTC"])))[0].sum(0)
    assert unknown.tolist() == [1.0, 0.0, 0.0, 1.0]


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_every_position_sums_to_one(k):
    """Also where bases have probabilities."""
    chances = np.random.default_rng(2).dirichlet(np.ones(4), size=(2, 8)).transpose(0, 2, 1)
    total = rcviz.RevCompKmers1d(k).double()(torch.tensor(chances)).sum(1)
    np.testing.assert_allclose(total.numpy(), np.ones((2, 8 - k + 1)), atol=1e-12)


def test_a_filter_reads_a_palindrome_with_the_mean_of_two_weights():
    words, conv = rcviz.RevCompKmers1d(2).double(), filled(rcviz.RevCompConv1d(20, 1, 1, bias=False))
    weight = dict(zip(range(20), conv.weight[0, :, 0].tolist(), strict=True))
    places = [c for c, word in enumerate(words.kmers) if word == "GC"]
    assert len(places) == 2
    y = conv(words(torch.tensor(rcviz.one_hot(["GC"], dtype="float64"))))[0, :, 0]
    assert y.tolist() == pytest.approx([sum(weight[c] for c in places) / 2] * 2, abs=1e-12)


@pytest.mark.usefixtures("as_users_run")
def test_refusals():
    for k in (0, 2.0, True):
        with pytest.raises(ValueError, match="k must be"):
            rcviz.RevCompKmers1d(k)
    with pytest.raises(ValueError, match=r"(?s)(?=.*5 bases)(?=.*length of 4)(?=.*smaller k)"):
        rcviz.RevCompKmers1d(5)(torch.zeros(1, 4, 4))
    with pytest.raises(ValueError, match="channels are last"):
        rcviz.RevCompKmers1d(2)(torch.zeros(1, 9, 4))
