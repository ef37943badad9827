"""Dense layer whose outputs are the same for both strands (section 3.1.4)."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from rcviz._core.checks import check_positive
from rcviz.layers import pairing
from rcviz.layers.initializers import glorot_limit, uniform_
from rcviz.layers.plain import current, with_weights
from rcviz.layers.symmetry import Symmetry


class RevCompLinear(nn.Module):
    """Dense layer that gives RC partners among its inputs one weight (section 3.1.4).

    Invariant: if the RC of the sequence gives the inputs in opposite order, the outputs are the same for both strands,
    and later layers need no tying.

    Parameters
    ----------
    in_features : int
        Inputs, an even number; ``i`` and ``in_features - 1 - i`` are RC partners.
    out_features : int
        Outputs, the same for both strands.
    bias : bool
        One bias per output, starting at zero.

    Attributes
    ----------
    weight : Parameter (out_features, in_features / 2)
        The stored, forward half; starts glorot-uniform with the stored fans.

    Examples
    --------
    >>> import torch, rcviz
    >>> rcviz.RevCompLinear(40, 3)(torch.randn(2, 40)).shape
    torch.Size([2, 3])
    """

    symmetry = Symmetry(input="paired", output="invariant")
    draws_random = False

    def __init__(self, in_features: int, out_features: int, *, bias: bool = True) -> None:
        super().__init__()
        stored = pairing.require_even(in_features, "RevCompLinear")
        check_positive("out_features", out_features)
        self.in_features, self.out_features = in_features, out_features
        self.weight = nn.Parameter(torch.empty(out_features, stored))
        self.bias = nn.Parameter(torch.empty(out_features)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new starting weights from torch's global random state; biases become zero."""
        uniform_(self.weight, glorot_limit(self.in_features // 2, self.out_features))
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def expanded_weight(self) -> Float[Tensor, "out inputs"]:
        """Weights of all inputs, (out_features, in_features)."""
        return pairing.tie_channels(current(self, "weight"))

    def expanded_bias(self) -> Float[Tensor, " out"] | None:
        """Bias as stored: the outputs have no strand."""
        bias: Tensor | None = current(self, "bias")
        return bias

    def forward(self, x: Float[Tensor, "*batch inputs"]) -> Float[Tensor, "*batch out"]:
        """Combine the inputs; RC partners have the same weight."""
        if x.shape[-1] != self.in_features:
            raise ValueError(f"expected (batch, {self.in_features}), got {tuple(x.shape)}")
        return F.linear(x, self.expanded_weight(), self.expanded_bias())

    def to_plain(self) -> nn.Module:
        """Return an :class:`torch.nn.Linear` with the expanded weights."""
        return with_weights(nn.Linear, self.in_features, self.out_features, layer=self)

    def extra_repr(self) -> str:
        """Describe the layer in ``print(model)``."""
        return f"{self.in_features}, {self.out_features}, bias={self.bias is not None}"
