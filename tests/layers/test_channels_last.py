"""The faster functions for a CPU give what torch's own give."""

import pytest
import torch
import torch.nn.functional as F

import rcviz
from rcviz.layers import channels_last


@pytest.fixture
def fast(monkeypatch):
    """Switch the faster functions on, for float64 as well, or off."""

    def switch(on):
        monkeypatch.setattr(channels_last, "is_faster", lambda x: on)

    return switch


def close(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


def same(ours, torchs, inputs, *settings, power=2):
    """Two functions of tensors, some of them None, give one output with one gradient; the first output is returned."""
    results = []
    tensors = [tensor.requires_grad_() for tensor in inputs if tensor is not None]
    for function in (ours, torchs):
        y = function(*inputs, *settings)
        results.append((y, *torch.autograd.grad((y**power).sum(), tensors)))
    for found, expected in zip(*results, strict=True):
        close(found, expected)
    return results[0][0]


def is_channels_last(x):
    return x.transpose(1, 2).is_contiguous()


@pytest.mark.parametrize(("stride", "padding", "dilation"), [(1, 0, 1), (2, 0, 1), (1, 3, 1), (1, 0, 3), (3, 2, 2)])
@pytest.mark.parametrize("has_bias", [True, False])
def test_convolution(stride, padding, dilation, has_bias):
    torch.manual_seed(0)
    x, weight = torch.randn(3, 4, 41).double(), torch.randn(6, 4, 5).double()
    bias = torch.randn(6).double() if has_bias else None
    y = same(channels_last.convolve, F.conv1d, (x, weight, bias), stride, padding, dilation)
    assert is_channels_last(y)


@pytest.mark.parametrize(
    ("n", "channels", "length", "width"), [(3, 4, 41, 5), (1, 16, 14, 14), (2, 3, 9, 1), (5, 2, 29, 7), (4, 6, 8, 7)]
)
def test_gradients_of_a_convolution_by_windows(monkeypatch, n, channels, length, width):
    """Whatever number of windows is left over, and with a stored gradient that does not begin at the memory's start."""
    monkeypatch.setattr(channels_last, "windows_are_faster", lambda weight: True)
    torch.manual_seed(0)
    x = torch.randn(n + 1, length, channels).double()[1:].transpose(1, 2)
    weight = torch.randn(6, channels, width).double()
    same(channels_last.convolve, F.conv1d, (x, weight, None), 1, 0, 1, power=3)


@pytest.mark.parametrize("in_layout", [True, False])
def test_pooling(in_layout):
    torch.manual_seed(0)
    x = torch.randn(3, 41, 6).double().transpose(1, 2)
    same(channels_last.max_pool, F.max_pool1d, (x if in_layout else x.contiguous(),), 5, 4)


@pytest.mark.parametrize("shape", [(5, 6, 13), (1, 2, 1), (1, 4, 7)])
def test_batch_norm_and_its_gradient(fast, shape):
    """Values, gradients and running statistics, over three steps."""
    results = []
    for on in (True, False):
        fast(on)
        torch.manual_seed(0)
        layer = rcviz.RevCompBatchNorm1d(shape[1], momentum=0.3).double()
        with torch.no_grad():
            layer.weight.uniform_(-2, 2)
            layer.bias.uniform_(-2, 2)
        values = []
        for step in range(3):
            x = (torch.randn(shape).double() * (1 + torch.arange(shape[1])[:, None]) + step).requires_grad_()
            y = layer(x)
            values += [y, *torch.autograd.grad((y**3).sum(), [x, layer.weight, layer.bias])]
        values += [buffer.clone() for buffer in layer.buffers()]
        results.append([*values, layer.eval()(x)])
    for found, expected in zip(*results, strict=True):
        close(found, expected)


def test_moments_of_a_large_mean_are_as_good_as_torchs():
    torch.manual_seed(0)
    x = torch.randn(4, 6, 500) + 1000
    pairs = x.double()
    pairs = torch.cat([pairs, pairs.flip(1)], dim=2).transpose(0, 1).flatten(1)
    mean, variance = channels_last.pooled_moments(x.transpose(1, 2).contiguous().transpose(1, 2), 1e-3)
    torch.testing.assert_close(mean.double(), pairs.mean(1), rtol=1e-6, atol=0)
    torch.testing.assert_close(variance.double(), pairs.var(1, correction=0), rtol=1e-3, atol=0)


def test_a_second_derivative_is_refused_and_not_wrong():
    layer = rcviz.RevCompBatchNorm1d(4)
    x = torch.randn(3, 4, 9, requires_grad=True)
    (gradient,) = torch.autograd.grad((layer(x) ** 3).sum(), [x], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_network_keeps_the_layout(dtype):
    model = rcviz.build_model(rcviz.ModelConfig.chipseq("revcomp", n_filters=4, sequence_length=100, pool_size=20))
    layouts = {}
    for name, module in model.named_children():
        module.register_forward_hook(lambda module, x, y, name=name: layouts.update({name: y}))
    with torch.autocast("cpu", dtype, enabled=dtype == torch.bfloat16):
        model.train()(torch.rand(3, 4, 100))
    for name in ("conv1", "norm1", "relu1", "conv2", "norm2", "relu2", "conv3", "norm3", "relu3"):
        assert is_channels_last(layouts[name]), name
        assert layouts[name].dtype == dtype


@pytest.mark.parametrize("has_avx512", [True, False])
def test_wide_layers_learn_in_bfloat16(monkeypatch, has_avx512):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512" if has_avx512 else "AVX2")
    model = rcviz.build_model(rcviz.ModelConfig.chipseq("revcomp", n_filters=8, sequence_length=100, pool_size=20))
    with torch.autocast("cpu", torch.bfloat16):
        logits = model.train()(torch.rand(3, 4, 100))
    logits.float().sum().backward()
    assert all(weight.grad.isfinite().all() for weight in model.parameters() if weight.requires_grad)


def test_a_step_of_a_whole_network(fast):
    results = []
    for on in (True, False):
        fast(on)
        config = rcviz.ModelConfig.chipseq("revcomp", n_filters=4, sequence_length=100, pool_size=20, pool_stride=10)
        model = rcviz.build_model(config, seed=1).double().train()
        optimizer = torch.optim.SGD([weight for weight in model.parameters() if weight.requires_grad], lr=0.1)
        x = F.one_hot(torch.arange(5 * 100).reshape(5, 100) ** 2 % 7 % 4, 4).double().transpose(1, 2)
        for _ in range(3):
            optimizer.zero_grad()
            F.softplus(model(x)).mean().backward()
            optimizer.step()
        results.append(model.state_dict())
    for name, found in results[0].items():
        close(found, results[1][name])


def test_one_network_may_be_mapped_over_sequences():
    """torch.func knows no memory formats."""
    model = rcviz.build_model(rcviz.ModelConfig.one_layer("revcomp", n_filters=2, sequence_length=60, pool_size=23))
    x = torch.rand(5, 4, 60)
    weights = dict(model.eval().state_dict())
    mapped = torch.func.vmap(lambda one: torch.func.functional_call(model, weights, (one[None],))[0])(x)
    torch.testing.assert_close(mapped, model(x))


@pytest.mark.parametrize("channels", [4, 16])
def test_layers_may_be_mapped_over_models_in_training(monkeypatch, channels):
    """In float32, where the fast ways have gradients of their own that vmap cannot map, on any processor."""
    monkeypatch.setattr(channels_last, "windows_are_faster", lambda weight: True)
    models = [
        torch.nn.Sequential(rcviz.RevCompConv1d(channels, 3, 5), rcviz.RevCompBatchNorm1d(6), rcviz.RevCompMaxPool1d(4))
        for _ in range(3)
    ]
    x = torch.rand(3, 7, channels, 24)
    parameters, buffers = torch.func.stack_module_state(models)
    mapped = torch.func.vmap(lambda *state: torch.func.functional_call(models[0], state[:2], state[2]))
    y = mapped(parameters, buffers, x)
    (gradient,) = torch.autograd.grad((y**2).sum(), [parameters["0.weight"]])
    for place, model in enumerate(models):
        alone = model.double()(x[place].double())
        (expected,) = torch.autograd.grad((alone**2).sum(), [model[0].weight])
        torch.testing.assert_close(y[place].double(), alone, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(gradient[place].double(), expected, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(buffers["1.running_var"][place].double(), model[1].running_var, rtol=1e-4, atol=1e-5)
