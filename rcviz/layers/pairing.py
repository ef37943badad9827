"""Operations on paired channels: channel ``i`` and channel ``n - 1 - i`` are RC partners.

This is the only file that reverses channels or positions. Every tied layer stores the forward half of its parameters
and expands it with these functions.
"""

from math import sqrt

import torch
from jaxtyping import Float, Shaped
from torch import Tensor


def reverse_complement_features(x: Float[Tensor, "*batch channels length"]) -> Float[Tensor, "*batch channels length"]:
    """Return the reverse complement of a feature map: channels and positions both reversed."""
    return x.flip((-2, -1))


def reverse_channels(x: Float[Tensor, "batch channels *length"]) -> Float[Tensor, "batch channels *length"]:
    """Exchange RC partners; positions stay in their order."""
    return x.flip(1)


def reverse_positions(x: Float[Tensor, "*batch length"]) -> Float[Tensor, "*batch length"]:
    """Reverse the positions; channels stay in their order."""
    return x.flip(-1)


def pair_up(first: Shaped[Tensor, " half"], partners: Shaped[Tensor, " half"]) -> Shaped[Tensor, " channels"]:
    """Append the values of the channels' RC partners, in opposite order."""
    return torch.cat([first, partners.flip(0)])


def tie_filters(stored: Float[Tensor, "filters channels width"]) -> Float[Tensor, "channels_out channels width"]:
    """Append every filter's RC in opposite order, so that ``i`` and ``2F - 1 - i`` are partners (Figure 8)."""
    return torch.cat([stored, stored.flip((0, 1, 2))])


def tie_channels(stored: Float[Tensor, "*batch filters"]) -> Float[Tensor, "*batch channels"]:
    """Give every channel's RC partner the same value, in opposite order."""
    return torch.cat([stored, stored.flip(-1)], dim=-1)


def mean_of_partners(values: Float[Tensor, " channels"]) -> Float[Tensor, " channels"]:
    """Give every channel the mean of its own value and its RC partner's."""
    return (values + values.flip(0)) / 2


def tie_positions(stored: Float[Tensor, "half length"]) -> Float[Tensor, "channels length"]:
    """Append the positional weights of the RC channels, mirrored (section 3.1.3; 0-based: ``l - 1 - i``)."""
    return torch.cat([stored, stored.flip((0, 1))])


def strands_to_length(x: Float[Tensor, "batch channels length"]) -> Float[Tensor, "batch half length2"]:
    """Concatenate RC channels with their partners along the length (section 3.1.2)."""
    forward, reverse = x.chunk(2, dim=1)
    return torch.cat([forward, reverse.flip(1)], dim=2)


def length_to_strands(x: Float[Tensor, "batch half length2"]) -> Float[Tensor, "batch channels length"]:
    """Undo :func:`strands_to_length`."""
    forward, reverse = x.chunk(2, dim=2)
    return torch.cat([forward, reverse.flip(1)], dim=1)


def pairs_to_irreps(x: Float[Tensor, "batch channels length"]) -> Float[Tensor, "batch channels length"]:
    """Turn RC partners into sums, of type +1, then differences, of type -1; orthonormal."""
    forward, reverse = x.chunk(2, dim=1)
    reverse = reverse.flip(1)
    return torch.cat([forward + reverse, forward - reverse], dim=1) / sqrt(2)


def irreps_to_pairs(x: Float[Tensor, "batch channels length"]) -> Float[Tensor, "batch channels length"]:
    """Undo :func:`pairs_to_irreps`."""
    plus, minus = x.chunk(2, dim=1)
    return torch.cat([plus + minus, (plus - minus).flip(1)], dim=1) / sqrt(2)


def mirror_kernels(
    left: Float[Tensor, "out inputs half"], middle: Float[Tensor, "out inputs odd"], signs: Float[Tensor, "out inputs"]
) -> Float[Tensor, "out inputs width"]:
    """Expand kernels that are their own mirror image up to a sign."""
    return torch.cat([left, middle, signs[:, :, None] * left.flip(2)], dim=2)


def require_even(n_channels: int, what: str) -> int:
    """Return half of ``n_channels``; refuse an odd number, whose middle channel has no partner."""
    if n_channels < 2 or n_channels % 2:
        raise ValueError(
            f"{what} pairs channel i with its RC partner n-1-i and needs an even number of channels, "
            f"got {n_channels}; give it the output of an RC layer or the 4 one-hot channels"
        )
    return n_channels // 2
