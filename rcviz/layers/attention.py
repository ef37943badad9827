"""Self-attention in which every head has a partner that reads the other strand."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from rcviz._core.checks import check_positive, check_whole
from rcviz.layers import pairing
from rcviz.layers.conv import RevCompConv1d
from rcviz.layers.plain import refuse_plain
from rcviz.layers.symmetry import PAIRED


class RevCompSelfAttention1d(nn.Module):
    """Multi-head self-attention over positions, tied between the strands.

    The channels are split, in order, among ``2 * n_heads`` heads. Heads ``h`` and ``2 * n_heads - 1 - h`` then hold RC
    partners: an offset of ``d`` positions for the one is an offset of ``-d`` for the other. Query, key, value and
    output are tied convolutions of width 1. Equivariant: the RC of the input gives the RC of the output.

    Positions enter only through a learned bias for each head and offset, which is added before the softmax. The layer
    has neither a norm nor a shortcut; a block with both is in the examples.

    Parameters
    ----------
    n_channels : int
        Channels of the input and of the output, an even number; ``i`` and ``n_channels - 1 - i`` are RC partners.
    n_heads : int
        Heads that are stored and learned; a divisor of ``n_channels / 2``.
    max_distance : int
        Offsets from ``-max_distance`` to ``max_distance`` have separate biases; larger offsets share the last.

    Attributes
    ----------
    query, key, value, out : RevCompConv1d
    position : Parameter (n_heads, 2 * max_distance + 1)
        Biases for the offsets from ``-max_distance`` to ``max_distance``; start at zero.

    Raises
    ------
    ValueError
        If the number of channels is odd, or ``n_heads`` does not divide half of it.

    Examples
    --------
    >>> import torch, rcviz
    >>> attention = torch.nn.Sequential(rcviz.RevCompBatchNorm1d(16), rcviz.RevCompSelfAttention1d(16, n_heads=2))
    >>> block = rcviz.RevCompResidual1d(attention)
    >>> block(torch.zeros(2, 16, 47)).shape
    torch.Size([2, 16, 47])
    """

    symmetry = PAIRED
    draws_random = False

    def __init__(self, n_channels: int, n_heads: int, *, max_distance: int = 64) -> None:
        super().__init__()
        n_filters = pairing.require_even(n_channels, "RevCompSelfAttention1d")
        check_positive("n_heads", n_heads)
        check_whole("max_distance", max_distance, 0)
        if n_filters % n_heads:
            fits = [heads for heads in range(1, n_filters + 1) if n_filters % heads == 0]
            raise ValueError(
                f"n_heads must divide half of the {n_channels} channels, got {n_heads}; "
                f"use {' or '.join(map(str, fits))}"
            )
        self.n_channels, self.n_heads, self.max_distance = n_channels, n_heads, max_distance
        self.query = RevCompConv1d(n_channels, n_filters, 1)
        # A bias of the key would add the same to the scores of all positions, which does not change the softmax.
        self.key = RevCompConv1d(n_channels, n_filters, 1, bias=False)
        self.value = RevCompConv1d(n_channels, n_filters, 1)
        self.out = RevCompConv1d(n_channels, n_filters, 1)
        self.position = nn.Parameter(torch.zeros(n_heads, 2 * max_distance + 1))

    def reset_parameters(self) -> None:
        """Draw new starting weights from torch's global random state; position biases become zero."""
        for projection in (self.query, self.key, self.value, self.out):
            projection.reset_parameters()
        nn.init.zeros_(self.position)

    def expanded_position(self) -> Float[Tensor, "heads offsets"]:
        """Biases of all heads, (2 * n_heads, 2 * max_distance + 1): a partner has those of the opposite offsets."""
        return pairing.tie_positions(self.position)

    def forward(self, x: Float[Tensor, "..."]) -> Float[Tensor, "batch channels length"]:
        """Compute the attention of every position to all positions."""
        query, key, value = (self._heads(part(x)) for part in (self.query, self.key, self.value))
        positions = torch.arange(x.shape[2], device=x.device)
        offsets = (positions - positions[:, None]).clamp(-self.max_distance, self.max_distance) + self.max_distance
        bias = self.expanded_position()[:, offsets]
        y = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        return self.out(y.transpose(2, 3).flatten(1, 2))

    def _heads(self, x: Float[Tensor, "batch channels length"]) -> Float[Tensor, "batch heads length size"]:
        return x.unflatten(1, (2 * self.n_heads, -1)).transpose(2, 3)

    def to_plain(self) -> nn.Module:
        """Raise: no plain module has positions weighted by each other and by their distance."""
        refuse_plain("weights positions by each other")

    def extra_repr(self) -> str:
        """Describe the layer in ``print(model)``."""
        return f"{self.n_channels}, n_heads={self.n_heads}, max_distance={self.max_distance}"
