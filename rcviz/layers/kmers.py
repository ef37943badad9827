"""Sequences as k-mers, in an order in which RC partners are partners."""

from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from rcviz._core.checks import check_features, check_positive
from rcviz.layers import pairing
from rcviz.layers.plain import refuse_plain
from rcviz.layers.symmetry import PAIRED
from rcviz.sequences.alphabet import BASES


class RevCompKmers1d(nn.Module):
    """Turn one-hot bases into one-hot k-mers, for convolutions that read k-mers instead of single bases.

    The first half of the channels are k-mers in alphabetic order, for each pair of RCs the earlier one; the second half
    are their RCs in opposite order, so that channels ``i`` and ``n_channels - 1 - i`` are RC partners and tied layers
    may follow. A k-mer that is its own RC, such as ACGT (these exist for even ``k`` only), has one channel in each
    half. Each of the two gets the value one half, so that every position still sums to one. Equivariant: the RC of the
    input gives the RC of the output.

    Each output is the product of the ``k`` inputs that belong to its k-mer. Every k-mer that contains an unknown base
    (an all-zero column) is zero; probabilities of bases give probabilities of k-mers, and gradients reach the bases.

    Parameters
    ----------
    k : int
        Length of a k-mer, in bases; memory grows as ``4 ** k``.

    Attributes
    ----------
    n_channels : int
        ``4 ** k``; for even ``k``, ``4 ** k + 2 ** k``.

    Examples
    --------
    >>> import torch, rcviz
    >>> words = rcviz.RevCompKmers1d(2)
    >>> words.kmers[:5], words.kmers[-5:]
    (('AA', 'AC', 'AG', 'AT', 'CA'), ('TG', 'AT', 'CT', 'GT', 'TT'))
    >>> words(torch.zeros(2, 4, 200)).shape
    torch.Size([2, 20, 199])
    """

    symmetry = PAIRED
    draws_random = False
    order: Tensor
    share: Tensor

    def __init__(self, k: int) -> None:
        super().__init__()
        check_positive("k", k)
        self.k = k
        forward = torch.arange(4**k)
        partner = _partners(k)
        first = forward[forward <= partner]
        order = pairing.pair_up(first, partner[first])
        self.register_buffer("order", order, persistent=False)
        self.register_buffer("share", torch.where(order == partner[order], 0.5, 1.0), persistent=False)

    @property
    def n_channels(self) -> int:
        """Channels of the output."""
        return len(self.order)

    @cached_property
    def kmers(self) -> tuple[str, ...]:
        """The k-mer of every channel."""
        places = [4**place for place in reversed(range(self.k))]
        return tuple("".join(BASES[index // place % 4] for place in places) for index in self.order.tolist())

    def forward(self, x: Float[Tensor, "..."]) -> Float[Tensor, "batch channels length_out"]:
        """Read the k-mer that starts at every position."""
        check_features(x.shape, 4)
        n_words = x.shape[2] - self.k + 1
        if n_words < 1:
            raise ValueError(f"a k-mer of {self.k} bases does not fit into a length of {x.shape[2]}; use a smaller k")
        words = x[:, :, :n_words]
        for start in range(1, self.k):
            words = (words[:, :, None] * x[:, None, :, start : start + n_words]).flatten(1, 2)
        return words[:, self.order] * self.share[:, None].to(x.dtype)

    def to_plain(self) -> nn.Module:
        """Raise: no plain torch module multiplies its inputs with each other."""
        refuse_plain("multiplies its inputs with each other")

    def extra_repr(self) -> str:
        """Describe the layer in ``print(model)``."""
        return f"k={self.k}"


def _partners(k: int) -> Int[Tensor, " words"]:
    """Alphabetic index of every k-mer's RC, whose first base is the complement of the k-mer's last."""
    rest = torch.arange(4**k)
    partner = torch.zeros_like(rest)
    for _ in range(k):
        partner = 4 * partner + (3 - rest % 4)
        rest = rest // 4
    return partner
