"""The fused path gives what the modules give one by one, and is taken only where it does."""

import pytest
import torch
import torch.nn.functional as F
from torch.nn.utils import parametrizations, prune

import rcviz
from rcviz.models import fused

CONFIGS = {
    "three layers, windows that overlap": lambda architecture: rcviz.ModelConfig.chipseq(
        architecture, n_filters=3, sequence_length=100, pool_size=20, pool_stride=10
    ),
    "one layer, an edge to trim": lambda architecture: rcviz.ModelConfig.one_layer(
        architecture, n_filters=3, sequence_length=120, pool_size=40, pool_stride=20
    ),
    "three tasks": lambda architecture: rcviz.ModelConfig.simulated(architecture, n_filters=3),
}
everywhere = pytest.mark.parametrize("architecture", ["revcomp", "standard"])


@pytest.fixture
def taking_the_fused_path(monkeypatch):
    """Take the fused path or not for every network, in float64 as well."""

    def switch(on):
        monkeypatch.setattr(fused, "can_fuse", lambda model, x: on)

    return switch


def stirred(config, dtype=torch.float64):
    """A network with weights of both signs everywhere, also where training starts from ones and zeros."""
    model = rcviz.build_model(config, seed=1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if name.startswith("norm") or name.endswith("bias"):
                value.uniform_(-2, 2, generator=generator)
    return model.to(dtype)


def sequences(n, length, dtype=torch.float64):
    codes = torch.randint(0, 4, (n, length), generator=torch.Generator().manual_seed(3))
    return F.one_hot(codes, 4).to(dtype).transpose(1, 2)


@everywhere
@pytest.mark.parametrize("name", CONFIGS)
def test_three_steps_and_a_prediction(taking_the_fused_path, name, architecture):
    """Logits, gradients, weights and running statistics."""
    results = []
    for on in (True, False):
        taking_the_fused_path(on)
        model = stirred(CONFIGS[name](architecture)).train()
        optimizer = torch.optim.SGD([weight for weight in model.parameters() if weight.requires_grad], lr=0.1)
        x = sequences(7, model.config.sequence_length)
        values = {}
        for step in range(3):
            optimizer.zero_grad()
            logits = model(x)
            F.softplus(logits).mean().backward()
            optimizer.step()
            values |= {f"logits {step}": logits.detach()}
            values |= {
                f"{part} {step}": weight.grad.clone()
                for part, weight in model.named_parameters()
                if weight.requires_grad
            }
        with torch.no_grad():
            values["prediction"] = model.eval()(x)
        results.append(values | model.state_dict())
    for part, fused_value in results[0].items():
        torch.testing.assert_close(fused_value, results[1][part], rtol=1e-9, atol=1e-11, msg=part)


@pytest.mark.parametrize("name", CONFIGS)
def test_both_strands_agree_before_and_after_training(taking_the_fused_path, name):
    taking_the_fused_path(True)
    model = stirred(CONFIGS[name]("revcomp"))
    x = sequences(5, model.config.sequence_length)
    other = rcviz.reverse_complement(x)
    optimizer = torch.optim.SGD([weight for weight in model.parameters() if weight.requires_grad], lr=0.1)
    for _ in range(3):
        with torch.no_grad():
            torch.testing.assert_close(model.eval()(x), model(other), rtol=1e-12, atol=1e-12)
            torch.testing.assert_close(model.train()(x), model(other), rtol=1e-12, atol=1e-12)
        optimizer.zero_grad()
        (model(x) ** 2).mean().backward()
        optimizer.step()


@everywhere
def test_float32_is_as_close_to_float64_as_the_modules_are(architecture):
    config = CONFIGS["three layers, windows that overlap"](architecture)
    exact, model = stirred(config).eval(), stirred(config, torch.float32).eval()
    x = sequences(50, 100, torch.float32)
    with torch.no_grad():
        wanted = exact(x.double())
        assert fused.can_fuse(model, x)
        gap = (model(x) - wanted).abs().max()
    assert not fused.can_fuse(model, x)  # someone might differentiate
    assert gap < 1e-5 * wanted.abs().max().clamp(min=1)


def hooked(model):
    model.relu1.register_forward_hook(lambda *_: None)


def replaced(model):
    model.relu1 = torch.nn.GELU()


def part_frozen(model):
    model.norm1.eval()


def doubled(model):
    model.double()


def extended(model):
    model.append(torch.nn.Sigmoid())


def shortened(model):
    del model.relu1


def given_a_forward_of_its_own(model):
    model.relu1.forward = lambda x: x - 1


CHANGES = [hooked, replaced, part_frozen, extended, shortened, given_a_forward_of_its_own]


@pytest.mark.parametrize("change", [*CHANGES, doubled])
def test_a_network_that_was_changed_goes_module_by_module(change):
    model = rcviz.build_model(rcviz.ModelConfig.simulated("revcomp", n_filters=2)).train()
    x = sequences(2, 200, torch.float32)
    assert fused.can_fuse(model, x)
    change(model)
    assert not fused.can_fuse(model, x)


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_in_what_it_predicts(change):
    model = rcviz.build_model(rcviz.ModelConfig.simulated("revcomp", n_filters=2))
    change(model)
    model.eval()
    with torch.no_grad():
        wanted = x = sequences(2, 200, torch.float32)
        for part in model:
            wanted = part(wanted)
        torch.testing.assert_close(model(x), wanted, rtol=1e-5, atol=1e-6)


HOOKS = {
    "forward": lambda part, seen: part.register_forward_hook(lambda *_: seen()),
    "forward, with keywords": lambda part, seen: part.register_forward_hook(lambda *_: seen(), with_kwargs=True),
    "before forward": lambda part, seen: part.register_forward_pre_hook(lambda *_: seen()),
    "backward": lambda part, seen: part.register_full_backward_hook(lambda *_: seen()),
    "before backward": lambda part, seen: part.register_full_backward_pre_hook(lambda *_: seen()),
}


@pytest.mark.parametrize("name", ["", "conv1", "norm1", "relu1", "pool", "weighted_sum", "dense"])
@pytest.mark.parametrize("kind", HOOKS)
def test_every_hook_is_called_once(kind, name):
    """On the parts, on the whole (the empty name), and, backwards, on tensors that a forward hook gives out."""
    model = rcviz.build_model(rcviz.ModelConfig.simulated("revcomp", n_filters=2))
    part, calls = model.get_submodule(name), []
    HOOKS[kind](part, lambda: calls.append(kind))
    part.register_forward_hook(lambda part, given, y: y.register_hook(lambda gradient: calls.append("tensor")) and None)
    model(sequences(2, 200, torch.float32)).sum().backward()
    assert sorted(calls) == sorted([kind, "tensor"])
    if "backward" not in kind:
        with torch.no_grad():
            part._forward_hooks.popitem()
            model.eval()(sequences(2, 200, torch.float32))
        assert calls.count(kind) == 2


def test_who_wants_more_than_weights_goes_module_by_module():
    model = rcviz.build_model(rcviz.ModelConfig.simulated("revcomp", n_filters=2)).train()
    x = sequences(2, 200, torch.float32)
    taken = []
    torch.func.vmap(lambda one: taken.append(fused.can_fuse(model, x)) or one)(x)
    torch.func.grad(lambda one: taken.append(fused.can_fuse(model, one)) or one.sum())(x)
    with torch.autocast("cpu", torch.bfloat16):
        taken.append(fused.can_fuse(model, x))
    taken.append(fused.can_fuse(model, x.clone().requires_grad_()))
    assert taken == [False] * 4
    hook = torch.nn.modules.module.register_module_forward_hook(lambda *_: None)
    assert not fused.can_fuse(model, x)
    hook.remove()
    assert fused.can_fuse(model, x)
    torch.export.export(model.eval(), (x,))


def test_every_parameter_has_a_gradient():
    """A bias before a batch norm has none of its own, but code that goes over all of them should not stumble."""
    model = rcviz.build_model(rcviz.ModelConfig.simulated("revcomp", n_filters=2)).train()
    model(sequences(4, 200, torch.float32)).sum().backward()
    assert all(weight.grad is not None for weight in model.parameters())
    assert model.conv1.bias.grad.abs().max() == 0


OTHER_SETTINGS = {
    "dilation": lambda model: setattr(model, "conv1", rcviz.RevCompConv1d(4, 4, 3, dilation=2)),
    "padding": lambda model: setattr(model, "conv1", rcviz.RevCompConv1d(4, 4, 5, padding=1)),
    "stride": lambda model: setattr(model, "conv1", rcviz.RevCompConv1d(4, 4, 6, stride=2)),
    "no bias": lambda model: setattr(model, "conv1", rcviz.RevCompConv1d(4, 4, 5, bias=False)),
    "no scale": lambda model: setattr(model, "norm1", rcviz.RevCompBatchNorm1d(8, affine=False)),
    "cumulative statistics": lambda model: setattr(model.norm1, "momentum", None),
    "a plain batch norm": lambda model: setattr(model, "norm1", torch.nn.BatchNorm1d(8)),
    "a plain pooling with padding": lambda model: setattr(model, "pool", torch.nn.MaxPool1d(6, 5, padding=1)),
    "a plain pooling with dilation": lambda model: setattr(model, "pool", torch.nn.MaxPool1d(3, 5, dilation=2)),
    "a plain pooling that rounds up": lambda model: setattr(model, "pool", torch.nn.MaxPool1d(7, 6, ceil_mode=True)),
    "a subclass": lambda model: setattr(model, "conv1", Squared(4, 4, 5)),
    "a scale of zero": lambda model: model.norm1.weight.data[:2].zero_(),
    "a parametrisation": lambda model: parametrizations.weight_norm(model.conv1),
    "a pruned weight": lambda model: prune.l1_unstructured(model.conv1, "weight", 0.5),
    "another method": lambda model: setattr(model.conv1, "expanded_weight", lambda: torch.ones(8, 4, 5)),
}
PLAIN_SETTINGS = {
    "dilation": lambda model: setattr(model, "conv1", torch.nn.Conv1d(4, 8, 3, dilation=2)),
    "padding": lambda model: setattr(model, "conv1", torch.nn.Conv1d(4, 8, 5, padding="same")),
    "stride": lambda model: setattr(model, "conv1", torch.nn.Conv1d(4, 8, 6, stride=2)),
    "groups": lambda model: setattr(model, "conv1", torch.nn.Conv1d(4, 8, 5, groups=2)),
    "no bias": lambda model: setattr(model, "conv1", torch.nn.Conv1d(4, 8, 5, bias=False)),
    "no statistics": lambda model: setattr(model, "norm1", torch.nn.BatchNorm1d(8, track_running_stats=False)),
    "another padding": lambda model: setattr(
        model, "conv1", torch.nn.Conv1d(4, 8, 5, padding=1, padding_mode="circular")
    ),
    "another method": lambda model: setattr(model.conv1, "_conv_forward", lambda x, w, b: F.conv1d(x, 2 * w, b)),
    "a tied batch norm": lambda model: setattr(model, "norm1", rcviz.RevCompBatchNorm1d(8)),
    "sizes in tuples": lambda model: setattr(model, "pool", torch.nn.MaxPool1d((6,), (5,))),
}


class Squared(rcviz.RevCompConv1d):
    """A convolution whose forward pass is another one."""

    def forward(self, x):
        return super().forward(x) ** 2


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("architecture", "name"),
    [*(("revcomp", name) for name in OTHER_SETTINGS), *(("standard", name) for name in PLAIN_SETTINGS)],
)
def test_layers_with_other_settings_are_run_as_modules(architecture, name, training):
    """The fused path knows the settings that built models have; with others it must not be taken."""
    config = rcviz.ModelConfig(
        architecture=architecture,
        sequence_length=30,
        n_filters=4 if architecture == "revcomp" else 8,
        kernel_sizes=(5,),
        pool_size=6,
        pool_stride=5,
    )
    model = rcviz.build_model(config)
    x = sequences(3, 30, torch.float32)
    assert fused.can_fuse(model.train(), x)
    (OTHER_SETTINGS if architecture == "revcomp" else PLAIN_SETTINGS)[name](model)
    model.train(training)
    assert not fused.can_fuse(model, x)
    with torch.no_grad():
        features = x
        for part in (model.conv1, model.norm1, model.relu1, model.pool):
            features = part(features)
        merge = next(name for name, _ in model.named_children() if name in ("weighted_sum", "flatten"))
        setattr(model, merge, torch.nn.Identity())  # so that the head takes any number of positions
        model.dense = torch.nn.Flatten()
        torch.testing.assert_close(model(x), features.flatten(1), atol=0, rtol=0)


def test_the_fused_path_is_announced_and_can_be_switched_off(monkeypatch):
    model = rcviz.build_model(rcviz.ModelConfig.simulated("revcomp", n_filters=2)).eval()
    x = sequences(2, 200, torch.float32)
    calls = []
    pooled_features = fused.pooled_features
    monkeypatch.setattr(fused, "pooled_features", lambda *given: calls.append(1) or pooled_features(*given))
    assert "fused=True" in repr(model)
    with torch.no_grad():
        together = model(x)
        assert len(calls) == 1
        model.fused = False
        assert "fused=False" in repr(model)
        torch.testing.assert_close(model(x), together, rtol=1e-5, atol=1e-6)
    assert len(calls) == 1


@everywhere
def test_training_and_prediction_take_the_fused_path(monkeypatch, architecture):
    """Counted, as a time would depend on the machine: every batch of training, validation and prediction."""
    calls = []
    pooled_features = fused.pooled_features
    monkeypatch.setattr(fused, "pooled_features", lambda *given: calls.append(1) or pooled_features(*given))
    parts = rcviz.split(rcviz.simulate_motifs(n_per_motif=20, length=60, mean_instances=1.0, max_instances=1), seed=0)
    config = rcviz.ModelConfig.simulated(architecture, n_filters=2, sequence_length=60, pool_size=20)
    model = rcviz.build_model(config)
    training = rcviz.TrainConfig.simulated(epochs=2, batch_size=5, samples_per_epoch=20)
    rcviz.fit(model, parts.train, parts.valid, training, progress=False)
    rcviz.predict(model, parts.test)
    assert len(calls) >= 2 * (4 + 1) + 1  # a trial run before training may be another one
