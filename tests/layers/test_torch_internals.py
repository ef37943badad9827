"""What only private functions of torch tell, where a version of torch lacks them; and lists that torch keeps, too."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

import rcviz
from rcviz.layers import torch_internals
from rcviz.models import settings
from rcviz.models.fingerprint import Fingerprint

CODES = np.random.default_rng(0).integers(0, 4, (8, 60), dtype=np.uint8)


def without(monkeypatch, owner, *names):
    for name in names:
        monkeypatch.delattr(owner, name)


def network():
    size = {"n_filters": 3, "sequence_length": 60, "pool_size": 10}
    return rcviz.build_model(rcviz.ModelConfig.one_layer("revcomp", **size))


def test_unknown_state_gives_the_careful_answer(as_users_run, monkeypatch):
    assert not torch_internals.has_own_hooks(nn.ReLU())
    assert torch_internals.has_own_hooks(SimpleNamespace())
    assert torch_internals.forward_pre_hooks(SimpleNamespace()) == []
    tensor = torch.zeros(1)
    assert torch_internals.version_of(tensor.add_(1)) == 1
    assert torch_internals.version_of(SimpleNamespace(is_inference=lambda: False)) is None
    with torch.inference_mode():
        assert torch_internals.version_of(torch.zeros(1)) is None
    torch_internals.remove_forward_hook(SimpleNamespace(), print)
    assert not torch_internals.has_global_hooks()
    assert not torch_internals.is_transformed()
    without(monkeypatch, torch_internals._module, "_global_forward_hooks")
    without(monkeypatch, torch._C, "_get_tracing_state")
    without(monkeypatch, torch.overrides, "_get_current_function_mode_stack")
    if hasattr(torch.cpu, "_is_avx512_bf16_supported"):
        without(monkeypatch, torch.cpu, "_is_avx512_bf16_supported")
    assert torch_internals.has_global_hooks()
    assert torch_internals.is_transformed()
    assert torch_internals.has_bfloat16_units()
    assert torch_internals.function_modes() is None


def test_numbers_and_settings_are_the_same_without_them(monkeypatch):
    model = network()
    expected = rcviz.predict(model, CODES), rcviz.filter_contributions(model, CODES, at="activation").per_sequence
    monkeypatch.setattr("rcviz.models.fused.has_global_hooks", lambda: True)
    monkeypatch.setattr("rcviz.models.fused.has_own_hooks", lambda module: True)
    monkeypatch.setattr("rcviz.models.settings.function_modes", lambda: None)
    monkeypatch.setattr("rcviz.models.fingerprint.version_of", lambda tensor: None)
    monkeypatch.setattr("rcviz.analysis.neurons.version_of", lambda tensor: None)
    torch.set_default_device("meta")
    try:
        found = rcviz.predict(model, CODES), rcviz.filter_contributions(model, CODES, at="activation").per_sequence
        assert torch.empty(1).is_meta
    finally:
        torch.set_default_device(None)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)


def test_a_mode_is_left_where_the_entered_ones_are_not_known(monkeypatch):
    class Counting(settings.FunctionMode):
        calls = 0

        def __torch_function__(self, func, types, args=(), kwargs=None):
            self.calls += 1
            return func(*args, **(kwargs or {}))

    monkeypatch.setattr("rcviz.models.settings.function_modes", lambda: None)
    outer, inner = Counting(), Counting()
    with outer:
        with pytest.raises(KeyboardInterrupt), inner:
            torch.zeros(1)
            raise KeyboardInterrupt
        torch.zeros(1)
    torch.zeros(1)
    assert (outer.calls, inner.calls) == (2, 1)


def test_all_of_a_large_tensor_is_read_where_its_version_is_not_known(monkeypatch):
    layer = nn.Linear(3000, 700)
    monkeypatch.setattr("rcviz.models.fingerprint.version_of", lambda tensor: None)
    before = Fingerprint([layer])
    assert not before.changed()
    with torch.no_grad():
        layer.weight[1, 1] += 1
    assert before.changed()


def test_hooks_are_removed_by_their_handles(monkeypatch):
    monkeypatch.setattr("rcviz.models.settings.remove_forward_hook", lambda module, function: None)
    seen, layer = [], nn.ReLU()
    hooks = settings.Hooks([(layer, lambda *_: seen.append("before"))], [(layer, lambda *_: seen.append("after"))])
    with hooks:
        layer(torch.zeros(1))
    layer(torch.zeros(1))
    assert seen == ["before", "after"]


def test_tensors_are_created_on_the_device_by_the_functions_that_torch_lists():
    listed = pytest.importorskip("torch.utils._device")
    if not hasattr(listed, "_device_constructors"):
        pytest.skip("this version of torch has no such list")
    assert listed._device_constructors() <= settings._CREATORS
