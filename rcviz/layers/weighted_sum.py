"""Weighted sum over positions, with one positional profile per channel (section 3.1.3)."""

from math import sqrt

import torch
from jaxtyping import Float
from torch import Tensor, nn

from rcviz._core.checks import check_features, check_positive
from rcviz.layers import pairing
from rcviz.layers.initializers import uniform_
from rcviz.layers.plain import current, in_order, with_weights
from rcviz.layers.symmetry import NO_SYMMETRY, PAIRED, Symmetry


class WeightedSum1d(nn.Module):
    """Sum every channel over its positions with learned weights, ``y_c = sum_i w_ic x_ic`` (section 3.1.3, equation 1).

    With ``revcomp=True`` an RC channel uses its partner's profile reversed, and the output channels ``i`` and
    ``n_channels - 1 - i`` are RC partners again: the RC of the input gives the outputs in opposite order.

    Parameters
    ----------
    n_channels : int
        Channels of the input; even with ``revcomp=True``.
    length : int
        Positions of the input.
    revcomp : bool
        Tie the profiles of RC partners.
    symmetric : bool
        Make every profile its own mirror image; an odd length's central weight is stored and used once.
    bias : bool
        One bias per channel (per channel pair with ``revcomp=True``), starting at zero. The paper uses none.
    smoothness : float
        Factor of :meth:`smoothness_penalty`, which training adds to the loss.

    Attributes
    ----------
    weight : Parameter (n_channels / 2, length) with ``revcomp=True``, else (n_channels, length)
        With ``symmetric=True`` only the first ``ceil(length / 2)`` positions are stored.

    Examples
    --------
    >>> import torch, rcviz
    >>> rcviz.WeightedSum1d(40, 9)(torch.randn(2, 40, 9)).shape
    torch.Size([2, 40])
    """

    draws_random = False

    def __init__(
        self,
        n_channels: int,
        length: int,
        *,
        revcomp: bool = True,
        symmetric: bool = False,
        bias: bool = False,
        smoothness: float = 0.0,
    ) -> None:
        super().__init__()
        check_positive("n_channels", n_channels)
        check_positive("length", length)
        if smoothness < 0:
            raise ValueError(f"smoothness must be at least 0, got {smoothness}")
        stored = pairing.require_even(n_channels, "WeightedSum1d with revcomp=True") if revcomp else n_channels
        self.n_channels, self.length = n_channels, length
        self.revcomp, self.symmetric, self.smoothness = revcomp, symmetric, smoothness
        self.weight = nn.Parameter(torch.empty(stored, (length + 1) // 2 if symmetric else length))
        self.bias = nn.Parameter(torch.empty(stored)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new starting weights, ``U(-s, s)`` with ``s = sqrt(6 / (channels * length))`` (section 3.7)."""
        uniform_(self.weight, sqrt(6 / (self.n_channels * self.length)))
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def expanded_weight(self) -> Float[Tensor, "channels length"]:
        """Weight of every channel at every position, (n_channels, length)."""
        weight: Tensor = current(self, "weight")
        if self.symmetric:
            weight = torch.cat([weight, weight[:, : self.length // 2].flip(1)], dim=1)
        return pairing.tie_positions(weight) if self.revcomp else weight

    def expanded_bias(self) -> Float[Tensor, " channels"] | None:
        """Bias of every channel, (n_channels,), or None."""
        bias: Tensor | None = current(self, "bias")
        return pairing.tie_channels(bias) if self.revcomp and bias is not None else bias

    def smoothness_penalty(self) -> Float[Tensor, ""]:
        """``smoothness`` times the mean absolute difference of neighbouring stored positions."""
        weight: Tensor = current(self, "weight")
        if weight.shape[1] < 2:
            return weight.new_zeros(())
        return self.smoothness * weight.diff(dim=1).abs().mean()

    def forward(self, x: Float[Tensor, "..."]) -> Float[Tensor, "batch channels"]:
        """Sum over positions."""
        check_features(x.shape, self.n_channels, self.length)
        y = (x * self.expanded_weight()).sum(dim=2)
        bias = self.expanded_bias()
        return y if bias is None else y + bias

    @property
    def symmetry(self) -> Symmetry:
        """Paired channels with ``revcomp=True``; otherwise none."""
        return PAIRED if self.revcomp else NO_SYMMETRY

    def to_plain(self) -> nn.Module:
        """Return a convolution of every channel by itself, as wide as the input, and a flattening."""
        n = self.n_channels
        return in_order(layer=with_weights(nn.Conv1d, n, n, self.length, layer=self, groups=n), flatten=nn.Flatten())

    def extra_repr(self) -> str:
        """Describe the layer in ``print(model)``."""
        return f"{self.n_channels}, {self.length}, revcomp={self.revcomp}, symmetric={self.symmetric}"
