"""to_standard: plain torch modules whose outputs are those of the oracles."""

import numpy as np
import oracles
import pytest
import torch
import torch.nn.functional as F
from drawn import numbers, one_hot
from torch import nn

import rcviz


def are_plain(standard):
    """Nothing but torch, one module behind the other, each there once."""
    assert type(standard) is nn.Sequential
    parts = list(standard._modules.values())
    assert all(type(part).__module__.startswith("torch.nn.modules.") for part in parts)
    assert not any(isinstance(part, nn.Sequential) for part in parts)
    assert len({id(part) for part in parts}) == len(parts)
    return True


def tiny(architecture, **changes):
    settings = {"sequence_length": 24, "n_filters": 3, "kernel_sizes": (3, 2), "pool_size": 6, "pool_stride": 5}
    return rcviz.build_model(rcviz.ModelConfig(architecture=architecture, **(settings | {"n_tasks": 2} | changes)))


@pytest.mark.usefixtures("as_users_run")
def test_wrappers_of_torch_are_opened():
    model = tiny("revcomp").eval()
    x = one_hot(3, 24).float()
    for wrapped in (nn.DataParallel(model), torch.compile(model, backend="eager")):
        standard = rcviz.to_standard(wrapped)
        assert are_plain(standard)
        torch.testing.assert_close(standard(x), model(x))
    plain = nn.DataParallel(tiny("standard").eval())
    converted = rcviz.to_revcomp(plain)
    torch.testing.assert_close(converted.model.eval()(x), (plain(x) + plain(x.flip(1, 2))) / 2)


# ---------------------------------------------------------------- the paper's models


@pytest.mark.parametrize("head", ["weighted_sum", "flatten"])
@pytest.mark.parametrize("architecture", ["revcomp", "standard"])
@pytest.mark.parametrize("pool_stride", [5, 13])  # 21 positions: nothing left over, and 2
def test_models_match_the_oracle(architecture, head, pool_stride, stirred):
    model = stirred(tiny(architecture, head=head, pool_stride=pool_stride))
    x = one_hot(3, 24)
    standard = rcviz.to_standard(model)
    assert are_plain(standard)
    want = oracles.forward(model.config, oracles.stored_parameters(model), x.numpy())
    assert want.std(axis=0).min() > 1e-3
    np.testing.assert_allclose(standard(x).detach().numpy(), want, atol=1e-12)
    names = [name for name, _ in standard.named_children() if name in dict(model.named_children())]
    assert names == [name for name, _ in model.named_children()]


@pytest.mark.parametrize("n_positions", [4, 5])
@pytest.mark.parametrize("revcomp", [True, False])
def test_weighted_sums_match_the_oracle(n_positions, revcomp, stirred):
    """Symmetric, with a bias, with an even and an odd number of positions."""
    layer = stirred(rcviz.WeightedSum1d(6, n_positions, revcomp=revcomp, symmetric=True, bias=True))
    x = numbers(2, 6, n_positions)
    want = oracles.weighted_sum(x, layer.weight.detach().numpy(), revcomp=revcomp, symmetric=True)
    for c in range(6):
        want[:, c] += float(layer.bias.detach()[min(c, 5 - c) if revcomp else c])
    standard = rcviz.to_standard(nn.Sequential(layer))
    assert are_plain(standard)
    np.testing.assert_allclose(standard(torch.tensor(x)).detach().numpy(), want, atol=1e-12)


def test_a_frozen_output_stays_frozen(stirred):
    model = stirred(tiny("revcomp", n_tasks=1, freeze_output=True))
    standard = rcviz.to_standard(model)
    assert torch.equal(standard.dense.weight, torch.ones(1, 6).double())
    learned = {name for name, parameter in standard.named_parameters() if parameter.requires_grad}
    assert {"conv1.weight", "norm2.bias", "weighted_sum.weight"} <= learned
    assert not any(name.startswith("dense") for name in learned)
    want = oracles.forward(model.config, oracles.stored_parameters(model), one_hot(2, 24).numpy())
    np.testing.assert_allclose(standard(one_hot(2, 24)).detach().numpy(), want, atol=1e-12)


def test_what_is_frozen_alone_stays_frozen_alone():
    conv = rcviz.RevCompConv1d(4, 2, 3)
    conv.bias.requires_grad_(False)
    (plain,) = rcviz.to_standard(nn.Sequential(conv))
    assert plain.weight.requires_grad
    assert not plain.bias.requires_grad
    assert plain.weight.is_leaf


# ---------------------------------------------------------------- layer by layer


@pytest.mark.parametrize(
    ("width", "settings"),
    [
        (3, {}),
        (4, {"stride": 2}),
        (3, {"padding": "same", "dilation": 2}),
        (3, {"padding": 2, "stride": 3, "dilation": 3}),
        (1, {"bias": False}),
    ],
)
def test_convolutions_match_the_oracle(width, settings, stirred):
    layer = stirred(rcviz.RevCompConv1d(6, 2, width, **settings))
    x = numbers(2, 6, 12)
    dilation, stride = settings.get("dilation", 1), settings.get("stride", 1)
    pad = {"same": dilation * (width - 1) // 2}.get(settings.get("padding", 0), settings.get("padding", 0))
    bias = None if layer.bias is None else layer.bias.detach().numpy()
    want = oracles.conv_revcomp(x, layer.weight.detach().numpy(), bias, stride, dilation, (pad, pad))
    standard = rcviz.to_standard(nn.Sequential(layer))
    assert are_plain(standard)
    np.testing.assert_allclose(standard(torch.tensor(x)).detach().numpy(), want, atol=1e-12)


def test_global_pooling_takes_both_strands(stirred):
    conv = stirred(rcviz.RevCompConv1d(4, 3, 3))
    x = numbers(2, 4, 8)
    features = oracles.conv_revcomp(x, conv.weight.detach().numpy(), conv.bias.detach().numpy())
    for reduction, take in (("max", np.max), ("mean", np.mean)):
        standard = rcviz.to_standard(nn.Sequential(conv, rcviz.RevCompGlobalPool1d(reduction)))
        assert are_plain(standard)
        want = [[take([features[n, f], features[n, 5 - f]]) for f in range(3)] for n in range(2)]
        np.testing.assert_allclose(standard(torch.tensor(x)).detach().numpy(), want, atol=1e-12)


def test_average_pooling_is_cropped_alike_at_both_ends():
    """12 positions, windows of 4 every 6: two left over, one at either end."""
    x = numbers(2, 4, 12)
    want = np.stack([x[:, :, start : start + 4].mean(2) for start in (1, 7)], axis=2)
    pool = nn.Sequential(rcviz.RevCompAvgPool1d(4, 6, edge="trim")).double()
    standard = rcviz.to_standard(pool, length=12)
    assert are_plain(standard)
    np.testing.assert_allclose(standard(torch.tensor(x)).numpy(), want, atol=1e-12)


def test_irreps_match_their_layers(stirred):
    """Their layers have oracles of their own in tests/layers; one type alone has a plain activation."""
    network = nn.Sequential(
        rcviz.RevCompConv1d(4, 2, 3),
        rcviz.PairsToIrreps1d(),
        rcviz.IrrepConv1d((2, 2), (3, 0), 3, padding="same"),
        rcviz.IrrepBatchNorm1d(3, 0),
        rcviz.IrrepActivation1d(3, 0),
        rcviz.IrrepConv1d((3, 0), (0, 3), 4, dilation=2),
        rcviz.IrrepActivation1d(0, 3),
        rcviz.IrrepConv1d((0, 3), (2, 2), 3),
        rcviz.IrrepBatchNorm1d(2, 2),
        rcviz.IrrepsToPairs1d(),
        rcviz.RevCompBatchNorm1d(4, affine=False),
    )
    network, x = stirred(network), torch.tensor(numbers(2, 4, 20))
    standard = rcviz.to_standard(network)
    assert are_plain(standard)
    torch.testing.assert_close(standard(x), network(x), atol=1e-12, rtol=0)


def test_a_network_of_ones_own(stirred):
    """Its forward pass is followed, nested parts are opened, names keep their path."""

    class Block(nn.Module):
        def __init__(self, channels):
            super().__init__()
            self.conv = rcviz.RevCompConv1d(channels, 3, 3)
            self.norm = rcviz.RevCompBatchNorm1d(6)

        def forward(self, x):
            return F.relu(self.norm(self.conv(x)))

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(Block(4), Block(6))
            self.drop = rcviz.RevCompDropout1d(0.5)
            self.out = nn.ModuleDict({"dense": rcviz.RevCompLinear(36, 2)})

        def forward(self, x):
            x = F.max_pool1d(self.drop(self.body(x)), 2)
            return self.out["dense"](self.drop(x.view(x.size(0), -1)))

    network, x = stirred(Network()), one_hot(3, 16)
    standard = rcviz.to_standard(network)
    assert are_plain(standard)
    torch.testing.assert_close(standard(x), network(x), atol=1e-12, rtol=0)
    names = [name for name, _ in standard.named_children()]
    assert names[:4] == ["body_0_conv", "body_0_norm", "body_0_relu", "body_1_conv"]
    assert {type(standard.drop), type(standard.drop_2)} == {nn.Dropout1d, nn.Dropout}


# ---------------------------------------------------------------- copies, and training


def test_the_result_is_a_copy_in_the_same_type_and_mode(stirred):
    model = tiny("revcomp")
    model.norm1.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    standard = rcviz.to_standard(model)
    assert torch.equal(torch.get_rng_state(), state)
    assert standard.training
    assert [standard.norm1.training, standard.norm2.training] == [False, True]
    with torch.no_grad():
        for value in standard.state_dict().values():
            value.zero_()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.training
    for dtype in (torch.float64, torch.bfloat16):
        tensors = [*rcviz.to_standard(tiny("revcomp").to(dtype)).state_dict().values()]
        assert {tensor.dtype for tensor in tensors if tensor.is_floating_point()} == {dtype}


def test_in_training_all_but_batch_norm_is_the_same(stirred):
    """Gradients of the input, too; a batch norm has statistics of one channel instead of two."""
    plain = stirred(
        nn.Sequential(rcviz.RevCompConv1d(4, 3, 3), nn.ReLU(), rcviz.WeightedSum1d(6, 8), rcviz.RevCompLinear(6, 2))
    ).train()
    x = one_hot(4, 10).requires_grad_()
    standard = rcviz.to_standard(plain)
    outputs = [network(x) for network in (plain, standard)]
    torch.testing.assert_close(*outputs, atol=1e-12, rtol=0)
    gradients = [torch.autograd.grad(y.square().sum(), x)[0] for y in outputs]
    torch.testing.assert_close(*gradients, atol=1e-12, rtol=0)
    with_norm = stirred(nn.Sequential(rcviz.RevCompConv1d(4, 3, 3), rcviz.RevCompBatchNorm1d(6))).train()
    standard = rcviz.to_standard(with_norm)
    assert (standard(x) - with_norm(x)).abs().max() > 1e-3
    torch.testing.assert_close(rcviz.to_standard(with_norm.eval())(x), with_norm(x), atol=1e-12, rtol=0)


def test_torch_export_takes_it(stirred):
    model = stirred(tiny("revcomp", pool_stride=13))
    batch = torch.export.Dim("batch")
    exported = torch.export.export(rcviz.to_standard(model), (one_hot(2, 24),), dynamic_shapes=({0: batch},)).module()
    for n in (1, 5):
        x = one_hot(n, 24, seed=n)
        torch.testing.assert_close(exported(x), model(x), atol=1e-12, rtol=0)


# ---------------------------------------------------------------- refusals


def residual():
    return rcviz.RevCompResidual1d(rcviz.RevCompConv1d(4, 2, 3))


@pytest.mark.usefixtures("as_users_run")
@pytest.mark.parametrize(
    ("network", "words"),
    [
        (lambda: nn.Sequential(residual()), ("0 ", "RevCompResidual1d", "branch", "export_onnx")),
        (lambda: nn.Sequential(rcviz.RevCompSelfAttention1d(4, 1)), ("RevCompSelfAttention1d",)),
        (lambda: nn.Sequential(rcviz.RevCompKmers1d(2)), ("RevCompKmers1d", "multiplies")),
        (lambda: rcviz.RevCompConjoined(nn.Linear(3, 2)), ("RevCompConjoined", "both strands")),
        (lambda: rcviz.as_sequence_model(nn.Linear(4, 1), layout="NLC"), ("adapted", "model.model")),
        (lambda: nn.Sequential(rcviz.IrrepActivation1d(2, 2)), ("IrrepActivation1d", "type")),
        (lambda: nn.Sequential(rcviz.RevCompMaxPool1d(4, edge="trim")), ("RevCompMaxPool1d", "length=")),
        (lambda: nn.Sequential(rcviz.RevCompGlobalPool1d()), ("RevCompGlobalPool1d", "convolution")),
    ],
)
def test_what_cannot_be_expressed_is_named(network, words):
    with pytest.raises(ValueError, match="(?s)" + "".join(f"(?=.*{word})" for word in words)):
        rcviz.to_standard(network())


@pytest.mark.usefixtures("as_users_run")
def test_a_layer_of_ones_own_kind_is_named():
    class Odd(rcviz.RevCompConv1d):
        def forward(self, x):
            return super().forward(x) ** 2

    # Its forward is another one, so that the to_plain of its base is not its own; torch.fx cannot follow it either.
    with pytest.raises(ValueError, match=r"Odd\.forward"):
        rcviz.to_standard(nn.Sequential(Odd(4, 2, 3)))


@pytest.mark.usefixtures("as_users_run")
def test_weights_that_are_used_twice_are_refused():
    conv, relu = rcviz.RevCompConv1d(4, 2, 3), nn.ReLU()
    with pytest.raises(ValueError, match=r"0 and 2 are one module that is used twice.*copy\.deepcopy"):
        rcviz.to_standard(nn.Sequential(conv, relu, conv))
    standard = rcviz.to_standard(nn.Sequential(conv, relu, rcviz.RevCompConv1d(4, 2, 3), relu))
    assert are_plain(standard)
    assert len(standard) == 4


@pytest.mark.usefixtures("as_users_run")
def test_lengths_that_do_not_fit_are_refused():
    network = nn.Sequential(rcviz.RevCompConv1d(4, 2, 3), rcviz.RevCompMaxPool1d(4, edge="trim"))
    with pytest.raises(ValueError, match="a length of 8 or 10 fits"):
        rcviz.to_standard(network, length=11)
    with pytest.raises(ValueError, match="length must be at least 1"):
        rcviz.to_standard(network, length=0)


def test_a_model_after_a_gradient_step_is_converted():
    """Old weight normalisation keeps a weight that was computed with a gradient, which ``copy.deepcopy`` refuses."""
    conv = torch.nn.utils.weight_norm(nn.Conv1d(4, 3, 5))
    model = nn.Sequential(conv, nn.ReLU(), nn.AdaptiveMaxPool1d(1), nn.Flatten(), nn.Linear(3, 1)).double()
    x = one_hot(2, 20)
    want = model(x)
    want.sum().backward()
    torch.testing.assert_close(rcviz.to_standard(model)(x), want)
