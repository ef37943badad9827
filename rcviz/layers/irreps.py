"""Channels of the irreducible types +1 and -1, and conversion from and to RC pairs (Mallet & Vert, NeurIPS 2021).

A pair of RC partners is of the *regular* type: on the other strand the two are exchanged. Their sum and their
difference are the irreducible types: on the other strand the sum is unchanged (type +1) and the difference changes its
sign (type -1). Positions are reversed in both cases. Every equivariant feature map consists of these two types;
here type +1 comes first.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from rcviz._core.checks import check_features, check_whole
from rcviz.layers import pairing
from rcviz.layers.plain import Shape, channels_of, fixed_mixing
from rcviz.layers.symmetry import Representation, Symmetry


class _ChangeOfBasis(nn.Module):
    """Base of the layers that mix the two channels of a pair."""

    draws_random = False

    def to_plain(self, shape: Shape | None = None) -> nn.Module:
        """Return a fixed convolution of width 1, in float64; ``shape`` gives the number of channels."""
        return fixed_mixing(self(torch.eye(channels_of(shape), dtype=torch.float64)[None])[0])


class PairsToIrreps1d(_ChangeOfBasis):
    """Turn ``n`` RC pairs into ``n`` channels of type +1 and ``n`` of type -1.

    Channel ``f`` becomes ``(x_f + x_g) / sqrt(2)`` and channel ``n + f`` becomes ``(x_f - x_g) / sqrt(2)``, ``g`` being
    the RC partner of ``f``: an orthonormal change of basis, without loss. Equivariant: the RC of the input gives
    the output with its positions reversed and its last ``n`` channels negated.

    Raises
    ------
    ValueError
        When called on an odd number of channels.

    Examples
    --------
    >>> import torch, rcviz
    >>> x = torch.randn(2, 16, 86)
    >>> torch.allclose(rcviz.IrrepsToPairs1d()(rcviz.PairsToIrreps1d()(x)), x, atol=1e-6)
    True
    """

    symmetry = Symmetry(input="paired", output="irreps")

    def forward(self, x: Float[Tensor, "batch channels length"]) -> Float[Tensor, "batch channels length"]:
        """Change the basis."""
        pairing.require_even(x.shape[1], "PairsToIrreps1d")
        return pairing.pairs_to_irreps(x)

    def reverse_output(self, y: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Return what the output would be for the reverse complement."""
        return reverse_irreps(y, y.shape[1] - y.shape[1] // 2, y.shape[1] // 2)


class IrrepsToPairs1d(_ChangeOfBasis):
    """Undo :class:`PairsToIrreps1d`: as many channels of type +1 as of type -1 become RC pairs again.

    Equivariant: the input with its positions reversed and its last half negated gives the RC of the output. Layers for
    RC pairs may follow.

    Raises
    ------
    ValueError
        When called on an odd number of channels.

    Examples
    --------
    >>> import torch, rcviz
    >>> rcviz.IrrepsToPairs1d()(torch.zeros(2, 16, 86)).shape
    torch.Size([2, 16, 86])
    """

    symmetry = Symmetry(input="irreps", output="paired")

    def forward(self, x: Float[Tensor, "batch channels length"]) -> Float[Tensor, "batch channels length"]:
        """Change the basis back."""
        pairing.require_even(x.shape[1], "IrrepsToPairs1d")
        return pairing.irreps_to_pairs(x)


class IrrepLayer1d(nn.Module):
    """Base of layers that keep ``n_plus`` channels of type +1, then ``n_minus`` of type -1; one may be zero."""

    draws_random = False

    def __init__(self, n_plus: int, n_minus: int) -> None:
        super().__init__()
        self.n_plus, self.n_minus = check_types(n_plus, n_minus)

    @property
    def symmetry(self) -> Symmetry:
        """Channels of type +1 and -1."""
        return Symmetry(input=types_of(self.n_minus), output=types_of(self.n_minus))

    def reverse_output(self, y: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Return what the output would be for the reverse complement."""
        return reverse_irreps(y, self.n_plus, self.n_minus)

    def extra_repr(self) -> str:
        """Describe the layer in ``print(model)``."""
        return f"n_plus={self.n_plus}, n_minus={self.n_minus}"


class IrrepActivation1d(IrrepLayer1d):
    """Apply ReLU to channels of type +1 and tanh to those of type -1.

    A channel of type -1 changes its sign on the other strand, one of type +1 does not (see :mod:`rcviz.layers.irreps`).
    Type -1 therefore needs an odd function, ``f(-x) = -f(x)``; after a ReLU it would have no type. Equivariant:
    reversed positions and negated channels of type -1 in the input give the same in the output.

    Parameters
    ----------
    n_plus, n_minus : int
        Channels of type +1, then of type -1; one of the two may be zero.

    Examples
    --------
    >>> import torch, rcviz
    >>> rcviz.IrrepActivation1d(1, 1)(torch.tensor([[[-2.0], [0.0]]])).flatten()
    tensor([0., 0.])
    """

    def forward(self, x: Float[Tensor, "..."]) -> Float[Tensor, "batch channels length"]:
        """Apply each function to its channels."""
        check_features(x.shape, self.n_plus + self.n_minus)
        return torch.cat([x[:, : self.n_plus].relu(), x[:, self.n_plus :].tanh()], dim=1)

    def to_plain(self) -> nn.Module:
        """Return a ReLU for channels of type +1 alone, a Tanh for those of type -1 alone."""
        if self.n_plus and self.n_minus:
            raise ValueError("it treats channels of type +1 and -1 differently, which no plain torch module does")
        return nn.ReLU() if self.n_plus else nn.Tanh()


def check_types(n_plus: int, n_minus: int) -> tuple[int, int]:
    """Refuse numbers of channels that are negative or both zero."""
    check_whole("n_plus", n_plus, 0)
    check_whole("n_minus", n_minus, 0)
    if not n_plus + n_minus:
        raise ValueError("n_plus and n_minus are both zero; give the number of channels of at least one type")
    return n_plus, n_minus


def types_of(n_minus: int) -> Representation:
    """Representation of channels of which ``n_minus`` are of type -1: without any, only positions are reversed."""
    return "irreps" if n_minus else "positions reversed"


def reverse_irreps(y: Float[Tensor, "..."], n_plus: int, n_minus: int) -> Float[Tensor, "..."]:
    """Channels of type +1 and -1 (batch, channels, length) as they are for the reverse complement."""
    check_features(y.shape, n_plus + n_minus)
    return pairing.reverse_positions(y) * signs_of(n_plus, n_minus, y)[:, None]


def signs_of(n_plus: int, n_minus: int, like: Tensor) -> Float[Tensor, " channels"]:
    """Type of every channel, +1 or -1."""
    return torch.cat([like.new_ones(n_plus), -like.new_ones(n_minus)])
