"""RevCompSelfAttention1d against its definition, one head and one pair of positions at a time."""

from math import exp, sqrt

import numpy as np
import oracles
import pytest
import torch
from drawn import TOLERANCE, filled, numbers
from torch import nn

import rcviz


def stored(layer):
    return {name: value.detach().double().numpy() for name, value in layer.state_dict().items()}


def attend(x, parts, n_heads, max_distance):
    """Softmax over positions q of (query at p . key at q / sqrt(size) + number for q - p), times the value at q.

    Head h < n_heads has the numbers stored for it; its partner 2 n_heads - 1 - h has them for p - q.
    """
    query, key, value = (
        oracles.conv_revcomp(x, parts[f"{name}.weight"], parts.get(f"{name}.bias"))
        for name in ("query", "key", "value")
    )
    batch, channels, length = x.shape
    size = channels // (2 * n_heads)
    gathered = np.zeros_like(value)
    for n, head, p in np.ndindex(batch, 2 * n_heads, length):
        own = [head * size + i for i in range(size)]
        scores = []
        for q in range(length):
            offset = max(-max_distance, min(max_distance, q - p))
            if head < n_heads:
                number = parts["position"][head, max_distance + offset]
            else:
                number = parts["position"][oracles.partner(head, 2 * n_heads), max_distance - offset]
            scores.append(sum(query[n, c, p] * key[n, c, q] for c in own) / sqrt(size) + number)
        shares = [exp(score - max(scores)) for score in scores]
        for c in own:
            total = sum(share * value[n, c, q] for q, share in enumerate(shares))
            gathered[n, c, p] = total / sum(shares)
    return oracles.conv_revcomp(gathered, parts["out.weight"], parts["out.bias"])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("channels", "n_heads", "max_distance", "length"),
    [(4, 1, 2, 7), (4, 2, 0, 5), (12, 3, 3, 6), (8, 2, 20, 5), (2, 1, 1, 1), (12, 1, 4, 9)],
)
def test_matches_oracle(channels, n_heads, max_distance, length, dtype):
    layer = filled(rcviz.RevCompSelfAttention1d(channels, n_heads, max_distance=max_distance), dtype=dtype)
    x = torch.tensor(numbers(3, channels, length), dtype=dtype)
    y = layer(x)
    assert y.dtype == dtype
    want = attend(x.double().numpy(), stored(layer), n_heads, max_distance)
    scale = 1 + np.abs(want).max()
    np.testing.assert_allclose(y.detach().numpy(), want, atol=TOLERANCE[dtype] * scale)


def test_the_oracle_is_torchs_own_attention_without_positions():
    """nn.MultiheadAttention with the expanded projections and twice as many heads."""
    layer = filled(rcviz.RevCompSelfAttention1d(8, 2, max_distance=3))
    with torch.no_grad():
        layer.position.zero_()
    torchs = nn.MultiheadAttention(8, 4, batch_first=True).double()
    parts = (layer.query, layer.key, layer.value)
    with torch.no_grad():
        torchs.in_proj_weight.copy_(torch.cat([part.expanded_weight()[:, :, 0] for part in parts]))
        biases = [torch.zeros(8) if part.bias is None else part.expanded_bias() for part in parts]
        torchs.in_proj_bias.copy_(torch.cat(biases))
        torchs.out_proj.weight.copy_(layer.out.expanded_weight()[:, :, 0])
        torchs.out_proj.bias.copy_(layer.out.expanded_bias())
        x = torch.tensor(numbers(2, 8, 6))
        rows = x.transpose(1, 2)
        want = torchs(rows, rows, rows, need_weights=False)[0].transpose(1, 2)
    np.testing.assert_allclose(attend(x.numpy(), stored(layer), 2, 3), want.numpy(), atol=1e-12)


def test_a_partner_looks_the_other_way():
    layer = filled(rcviz.RevCompSelfAttention1d(12, 3, max_distance=2))
    full = layer.expanded_position()
    assert full.shape == (6, 5)
    for head, offset in np.ndindex(3, 5):
        assert full[head, offset] == full[5 - head, 4 - offset] == layer.position[head, offset]


def test_takes_part_in_mixed_precision():
    """Projections in bfloat16 meet numbers in float32."""
    layer = filled(rcviz.RevCompSelfAttention1d(8, 2, max_distance=3), dtype=torch.float32)
    x = torch.tensor(numbers(2, 8, 6), dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x)
    assert y.dtype == torch.bfloat16
    want = layer(x)
    assert (y.float() - want).abs().max() < 0.1 * want.abs().max()


def test_stores_half_and_starts_without_positions():
    layer = rcviz.RevCompSelfAttention1d(12, 3, max_distance=4)
    assert not layer.position.any()
    assert rcviz.count_parameters(layer) == 4 * 6 * 12 + 3 * 6 + 3 * 9
    layer = filled(layer)
    before = layer.query.weight.detach().clone()
    layer.reset_parameters()
    assert not layer.position.any()
    assert not torch.equal(layer.query.weight, before)


def test_order_matters():
    """With numbers for offsets, shuffled positions are not merely shuffled outputs."""
    layer = filled(rcviz.RevCompSelfAttention1d(4, 1, max_distance=3))
    x = torch.tensor(numbers(1, 4, 8))
    order = torch.tensor([3, 0, 2, 1, 7, 5, 6, 4])
    with torch.no_grad():
        assert (layer(x[:, :, order]) - layer(x)[:, :, order]).abs().max() > 0.1
        layer.position.zero_()
        assert (layer(x[:, :, order]) - layer(x)[:, :, order]).abs().max() < 1e-12


@pytest.mark.usefixtures("as_users_run")
def test_refusals():
    with pytest.raises(ValueError, match=r"(?s)(?=.*even)(?=.*5)"):
        rcviz.RevCompSelfAttention1d(5, 1)
    with pytest.raises(ValueError, match=r"(?s)(?=.*12 channels)(?=.*got 4)(?=.*1 or 2 or 3 or 6)"):
        rcviz.RevCompSelfAttention1d(12, 4)
    for wrong in ({"n_heads": 0}, {"n_heads": 2, "max_distance": -1}):
        with pytest.raises(ValueError, match="at least"):
            rcviz.RevCompSelfAttention1d(12, **wrong)
    with pytest.raises(ValueError, match="channels are last"):
        rcviz.RevCompSelfAttention1d(4, 1)(torch.zeros(2, 9, 4))
