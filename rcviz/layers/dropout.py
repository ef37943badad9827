"""Dropout that treats a channel and its RC partner as one."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from rcviz.layers import pairing
from rcviz.layers.plain import Shape
from rcviz.layers.symmetry import ANY


class RevCompDropout1d(nn.Dropout1d):
    """Drop whole channels in training, each together with its RC partner; the others are scaled by ``1 / (1 - p)``.

    Plain dropout may drop a filter on one strand and keep it on the other. Equivariant: for the same random numbers,
    the RC of the input gives the RC of the output. In evaluation mode nothing is dropped.

    Parameters
    ----------
    p : float
        Probability that a channel pair is dropped from a sequence.

    Raises
    ------
    ValueError
        For a probability outside [0, 1] and, when called, for an odd number of channels.

    Examples
    --------
    >>> import torch, rcviz
    >>> y = rcviz.RevCompDropout1d(0.5)(torch.ones(2, 16, 86))
    >>> torch.equal(y, y.flip(1))
    True
    """

    symmetry = ANY
    draws_random = True

    def __init__(self, p: float = 0.5) -> None:
        super().__init__(p)

    def forward(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Drop channels of a feature map (batch, channels, length) or of features (batch, channels)."""
        if x.ndim not in (2, 3):
            raise ValueError(f"expected (batch, channels, length) or (batch, channels), got {tuple(x.shape)}")
        n_pairs = pairing.require_even(x.shape[1], "RevCompDropout1d")
        if not self.training:
            return x
        kept = pairing.tie_channels(F.dropout(x.new_ones(x.shape[0], n_pairs), self.p))
        return x * (kept if x.ndim == 2 else kept[:, :, None])

    def to_plain(self, shape: Shape | None = None) -> nn.Module:
        """Return plain dropout, which in training draws for each channel alone."""
        return nn.Dropout(self.p) if shape is not None and len(shape) == 1 else nn.Dropout1d(self.p)

    def extra_repr(self) -> str:
        """Describe the layer in ``print(model)``."""
        return f"p={self.p}"
