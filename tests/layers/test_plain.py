"""Weights that torch recomputes before a forward pass, read between an optimiser step and the next one."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune

import rcviz
from rcviz.layers.plain import with_current_weights

with warnings.catch_warnings():
    warnings.simplefilter("ignore", FutureWarning)
    from torch.nn.utils import spectral_norm, weight_norm


class Doubled(nn.Module):
    def forward(self, weight):
        return 2 * weight


class KeepPositive(prune.BasePruningMethod):
    """A pruning method of the user's own, of a class that is not torch's."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t, default_mask):
        return (t > 0).to(default_mask)


def pruned(module):
    prune.l1_unstructured(module, "weight", amount=0.4)
    prune.random_unstructured(module, "weight", amount=2)  # now a container of two methods
    if module.bias is not None:
        KeepPositive.apply(module, "bias")


def computed(module):
    """Recompute the weight in a hook of the user's own, which torch knows nothing about."""
    module.stored = nn.Parameter(module.weight.detach().clone())
    del module.weight

    def compute(module, args):
        module.weight = module.stored - module.stored.mean()

    compute(module, ())
    module.register_forward_pre_hook(compute)


DECORATIONS = {
    "a hook": computed,
    "weight_norm": weight_norm,
    "spectral_norm": spectral_norm,
    "prune": pruned,
    "parametrized weight_norm": parametrizations.weight_norm,
    "parametrized spectral_norm": parametrizations.spectral_norm,
    "parametrized": lambda module: parametrize.register_parametrization(module, "weight", Doubled()),
}


@pytest.fixture(params=DECORATIONS)
def decorate(request):
    @pytest.mark.filterwarnings("ignore")
    def decorate(module):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            DECORATIONS[request.param](module)

    return decorate


def network(tied):
    torch.manual_seed(0)
    if tied:
        layers = [rcviz.RevCompConv1d(4, 3, 5), nn.ReLU(), rcviz.RevCompGlobalPool1d("max"), nn.Linear(3, 2)]
    else:
        layers = [nn.Conv1d(4, 3, 5), nn.ReLU(), nn.AdaptiveMaxPool1d(1), nn.Flatten(), nn.Linear(3, 2)]
    return nn.Sequential(*layers).double()


def step(model, x, rate=0.5):
    """One step of training, after which the attribute ``weight`` may be that before it."""
    optimiser = torch.optim.SGD(model.parameters(), lr=rate)
    model.train()(x).square().sum().backward()
    optimiser.step()
    optimiser.zero_grad()


def weights_of_next_pass(model):
    """Weights and biases that a forward pass in evaluation mode uses, of a model that is not used again."""
    model.eval()
    with torch.no_grad():
        model(torch.zeros(1, 4, 20).double())
    return [None if t is None else t.detach().numpy() for layer in model for t in tensors(layer)]


def tensors(layer):
    return [getattr(layer, name) for name in ("weight", "bias") if hasattr(layer, name)]


@pytest.fixture
def x():
    return torch.from_numpy(rcviz.one_hot(np.random.default_rng(0).integers(0, 4, (6, 20), dtype=np.uint8))).double()


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("loaded", [False, True])
def test_weights_are_those_of_the_next_forward_pass(decorate, tied, loaded, x, same_weights):
    model = network(tied)
    decorate(model[0])
    step(model, x)
    if loaded:
        with torch.no_grad():
            model.load_state_dict({name: 1.1 * value for name, value in model.state_dict().items()})
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    attributes = {name: value for name, value in vars(model[0]).items() if name != "_modules"}

    bank = rcviz.filter_bank(model)
    expanded = model.eval()[0].expanded_weight() if tied else None
    model.train()
    standard = rcviz.to_standard(model)
    converted = None if tied else rcviz.to_revcomp(model).model
    plain = with_current_weights(model)
    nothing_changed = same_weights(model.state_dict(), state)
    assert nothing_changed
    assert {name: value for name, value in vars(model[0]).items() if name != "_modules"} == attributes
    assert all(module.training for module in (model, *model.children()))
    assert type(plain[0]) is (rcviz.RevCompConv1d if tied else nn.Conv1d)
    assert set(plain.state_dict()) == set(network(tied).state_dict())

    copied = [None if t is None else t.detach().numpy() for layer in plain for t in tensors(layer)]
    standard_outputs, plain_outputs = standard.eval()(x), plain.eval()(x)
    if converted is not None:
        converted = converted.eval()(x)
    weights = weights_of_next_pass(model)
    for one, other in zip(copied, weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-14)
    outputs = model(x)
    torch.testing.assert_close(standard_outputs, outputs, atol=1e-12, rtol=0)
    torch.testing.assert_close(plain_outputs, outputs, atol=1e-12, rtol=0)
    if converted is not None:
        torch.testing.assert_close(converted, (outputs + model(x.flip((1, 2)))) / 2, atol=1e-12, rtol=0)
    if expanded is not None:
        torch.testing.assert_close(expanded, model[0].expanded_weight(), atol=1e-14, rtol=0)
        np.testing.assert_allclose(expanded.detach()[:3], weights[0], atol=1e-14)
    centred, bias = rcviz.mean_center(weights[0], weights[1])
    np.testing.assert_allclose(bank.weights, centred, atol=1e-14)
    np.testing.assert_allclose(bank.bias, bias, atol=1e-14)


READ_WEIGHTS = {
    "analysis/filter_pass.py": "the bias of a FilterBank",
    "analysis/filters.py": "the bias of a FilterBank",
    "analysis/hits.py": "the bias of a FilterBank",
    "analysis/site_palindromes.py": "the weight of a site",
    "analysis/trial.py": "of with_current_weights, or as a forward pass uses them",
    "convert/counterparts.py": "to_revcomp begins with with_current_weights",
    "convert/keras_layers.py": "written, and refused where they are recomputed",
    "models/fused.py": "in a forward pass, of modules without hooks",
    "widgets/strand_data.py": "the bias of a FilterBank",
    "models/network.py": "of modules that were just made",
}


def test_weights_are_read_nowhere_else():
    """What is added here reads weights of with_current_weights(module), or says why it need not."""
    root = Path(rcviz.__file__).parent
    reading = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        if re.search(r"\.(weight|bias|expanded_weight\(\)|expanded_bias\(\))(?!\w)", path.read_text())
    }
    assert {path for path in reading if not path.startswith("layers/")} <= set(READ_WEIGHTS)


def test_expanded_weights_have_gradients(decorate, x):
    """A penalty on them between two passes reaches the stored parameters."""
    model = network(tied=True)
    decorate(model[0])
    step(model, x)
    model.eval()[0].expanded_weight().square().sum().backward()
    assert any(parameter.grad is not None and parameter.grad.any() for parameter in model[0].parameters())


def test_frozen_weights_stay_frozen(decorate):
    model = network(tied=False)
    decorate(model[0])
    assert with_current_weights(model)[0].weight.requires_grad
    model.requires_grad_(False)
    assert not with_current_weights(model)[0].weight.requires_grad


def test_a_module_without_such_hooks_is_itself():
    model = network(tied=False)
    model[0].register_forward_pre_hook(lambda module, args: None)
    assert with_current_weights(model) is model


def test_recurrent_layers_keep_their_weights(x):
    """An LSTM has a second list of its weights."""
    torch.manual_seed(0)
    lstm = nn.LSTM(4, 3, batch_first=True).double()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        weight_norm(lstm, "weight_hh_l0")
    lstm(x.mT)[0].sum().backward()
    with torch.no_grad():
        lstm.weight_hh_l0_g.mul_(3)
    stale = lstm._flat_weights
    plain = with_current_weights(lstm)
    assert lstm._flat_weights is stale
    torch.testing.assert_close(plain(x.mT)[0], lstm(x.mT)[0])


@pytest.mark.parametrize("architecture", ["standard", "revcomp"])
def test_a_built_model_is_saved_and_converted_with_its_next_weights(decorate, architecture, tmp_path):
    config = rcviz.ModelConfig.simulated(architecture, n_filters=4, sequence_length=60, pool_size=10, pool_stride=10)
    model = rcviz.build_model(config)
    decorate(model.conv1)
    x = torch.from_numpy(rcviz.one_hot(np.random.default_rng(0).integers(0, 4, (6, 60), dtype=np.uint8)))
    step(model, x, rate=0.001)
    model.eval()
    rcviz.save_model(model, tmp_path / "model.safetensors")
    made = {
        "saved": rcviz.load_model(tmp_path / "model.safetensors").eval(),
        "standard": rcviz.to_standard(model),
    }
    copied = {name: module(x) for name, module in made.items()}
    if architecture == "standard":
        converted = rcviz.to_revcomp(model).model.eval()(x)
    logits = model(x)
    for name in made:
        torch.testing.assert_close(copied[name], logits, atol=1e-5, rtol=0, msg=name)
    if architecture == "standard":
        torch.testing.assert_close(converted, (logits + model(x.flip((1, 2)))) / 2, atol=1e-5, rtol=0)


@pytest.mark.usefixtures("as_users_run")
@pytest.mark.skipif(
    tuple(map(int, torch.__version__.split(".")[:2])) < (2, 13),
    reason="needs torch 2.13: the exporter of torch 2.9 has no adaptive max-pooling",
)
def test_a_file_for_other_runtimes_has_them(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    model = rcviz.RevCompConjoined(network(tied=False).float())  # which to_standard does not take
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        weight_norm(model.model[0])
    x = torch.from_numpy(rcviz.one_hot(["ACGTTGCATGATAAGCCATG", "TTTTTTTTTTAAAAACCCCC"]))
    step(model, x, rate=0.01)
    rcviz.export_onnx(model, tmp_path / "model.onnx", length=20)
    (exported,) = onnxruntime.InferenceSession(tmp_path / "model.onnx").run(None, {"sequences": x.numpy()})
    np.testing.assert_allclose(exported, model.eval()(x).detach(), atol=1e-5)


def test_keras_weights_are_not_loaded_under_what_overwrites_them(decorate, tmp_path):
    model = network(tied=False)
    decorate(model[0])
    with pytest.raises(ValueError, match="weight norm"):
        rcviz.load_keras_weights(model, tmp_path / "weights.h5")
