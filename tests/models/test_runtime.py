"""Locks, modes, arithmetic and random numbers: what is changed for a while is restored, in every thread."""

import threading

import numpy as np
import pytest
import torch
from torch import nn

import rcviz
from rcviz.models.runtime import (
    device_and_dtype,
    differentiating,
    evaluating,
    find_module,
    is_compiled,
    model_lock,
    restore,
    snapshot,
    training_mode,
    without_wrapper,
)
from rcviz.models.settings import RandomStream, exact_arithmetic


def test_every_part_gets_its_own_mode_back():
    model = nn.Sequential(nn.Dropout(), nn.Sequential(nn.ReLU(), nn.BatchNorm1d(3)))
    model[1][1].eval()
    with pytest.raises(RuntimeError), evaluating(model):
        assert not any(module.training for module in model.modules())
        raise RuntimeError
    assert [module.training for module in model.modules()] == [True, True, True, True, False]


def test_training_mode_is_the_other_mode():
    model = nn.Sequential(nn.Dropout(), nn.ReLU()).eval()
    with training_mode(model):
        assert all(module.training for module in model.modules())
        with evaluating(model):
            assert not model.training
        assert model.training
    assert not any(module.training for module in model.modules())


def elsewhere(work):
    """Run ``work`` in another thread to its end."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()


def test_a_model_is_in_one_mode_for_all_threads():
    """A second thread waits, and only for this model."""
    model, other = nn.Sequential(nn.ReLU()), nn.Sequential(nn.ReLU())
    seen = []

    def look():
        with evaluating(model):
            seen.append((model.training, model[0].training))

    waiting = threading.Thread(target=look, daemon=True)
    with training_mode(model), model_lock(model):
        waiting.start()
        elsewhere(lambda: evaluating(other).__enter__())
        waiting.join(0.1)
        assert waiting.is_alive()
        assert model.training
    waiting.join(30)
    assert seen == [(False, False)]
    assert model.training


def settings():
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    return cudnn.deterministic, cudnn.benchmark, cudnn.conv.fp32_precision, matmul.fp32_precision


@pytest.mark.parametrize("chosen", ["none", "tf32", "ieee"])
def test_exact_arithmetic_gives_the_settings_back(chosen):
    matmul = torch.backends.cuda.matmul
    found = matmul.fp32_precision
    try:
        matmul.fp32_precision = chosen
        before = settings()
        with pytest.raises(RuntimeError), exact_arithmetic():
            assert settings() == (True, False, "ieee", "ieee")
            raise RuntimeError
        assert settings() == before
    finally:
        matmul.fp32_precision = found


def test_exact_arithmetic_lasts_until_the_last_thread_leaves():
    """First in, first out, as two trainings do: neither may give back what the other has set."""
    before = settings()
    first, second = exact_arithmetic(), exact_arithmetic()
    first.__enter__()
    elsewhere(second.__enter__)
    first.__exit__(None, None, None)
    assert settings() == (True, False, "ieee", "ieee")
    elsewhere(lambda: second.__exit__(None, None, None))
    assert settings() == before


def test_random_streams_in_turns_draw_what_each_draws_alone():
    cpu = torch.device("cpu")
    torch.manual_seed(4)
    alone = torch.rand(6)
    torch.manual_seed(9)
    before = torch.get_rng_state()
    streams, drawn = [RandomStream(seed, cpu) for seed in (4, 5)], []
    for _ in range(2):
        for stream in streams:
            with stream.drawing():
                drawn.append(torch.rand(3))
    assert torch.equal(torch.cat(drawn[::2]), alone)
    assert not torch.equal(torch.cat(drawn[1::2]), alone)
    assert torch.equal(torch.get_rng_state(), before)


def test_random_streams_wait_for_each_other():
    one, other = (RandomStream(4, torch.device("cpu")) for _ in range(2))
    numbers = []

    def draw():
        with other.drawing():
            numbers.append(torch.rand(3))

    waiting = threading.Thread(target=draw, daemon=True)
    with one.drawing():
        numbers.append(torch.rand(1))
        waiting.start()
        waiting.join(0.1)
        numbers.append(torch.rand(2))
    waiting.join(30)
    first, rest, others = numbers
    assert torch.equal(torch.cat([first, rest]), others)


def test_the_older_switches_can_still_be_read_afterwards():
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    with exact_arithmetic():
        pass
    assert (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32) == before


def test_parts_are_found_by_name_and_by_module():
    model = nn.Sequential(nn.Sequential(nn.ReLU()))
    assert find_module(model, "0.0") == ("0.0", model[0][0])
    assert find_module(model, model[0][0]) == ("0.0", model[0][0])
    with pytest.raises(ValueError, match=r"Tanh.*: 0, 0\.0"):
        find_module(model, nn.Tanh())


def test_recurrent_layers_are_differentiated_without_cudnn(monkeypatch):
    """cuDNN refuses gradients in evaluation mode; only there, only for these, and given back."""
    monkeypatch.setattr("rcviz.models.runtime.device_and_dtype", lambda model: (torch.device("cuda"), torch.float32))
    for model, enabled in ((nn.Sequential(nn.LSTM(4, 2)), False), (nn.Linear(4, 2), True)):
        with torch.no_grad(), differentiating(model):
            assert torch.is_grad_enabled()
            assert torch.backends.cudnn.enabled == enabled
        assert torch.backends.cudnn.enabled
    monkeypatch.undo()
    with differentiating(nn.LSTM(4, 2)):
        assert torch.backends.cudnn.enabled


def test_device_and_dtype_of_a_model():
    assert device_and_dtype(nn.Linear(1, 1).double()) == (torch.device("cpu"), torch.float64)
    assert device_and_dtype(nn.ReLU()) == (torch.device("cpu"), torch.float32)


def test_a_snapshot_is_restored_in_evaluation_mode():
    model = nn.Sequential(nn.Linear(2, 1), nn.BatchNorm1d(1)).train()
    before = snapshot(model)
    model(torch.ones(3, 2) * torch.arange(3)[:, None])  # changes the running statistics
    with torch.no_grad():
        model[0].weight.fill_(7)
    restore(model, before)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert not any(module.training for module in model.modules())
    model.train()
    restore(model, {})
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert not model.training


@pytest.mark.usefixtures("as_users_run")
def test_an_exported_program_predicts_and_is_not_trained():
    model = nn.Sequential(nn.Conv1d(4, 3, 5), nn.ReLU(), nn.AdaptiveMaxPool1d(1), nn.Flatten()).eval()
    x = torch.eye(4).repeat(3, 1, 5)
    program = torch.export.export(model, (x,))
    for each in (program.module(), nn.Sequential(nn.Dropout(), program.module())):
        np.testing.assert_allclose(rcviz.predict(each, x, output="logit"), model(x).detach(), rtol=1e-6)
        with pytest.raises(ValueError, match="trained"), training_mode(each):
            pass
    for analyse in (rcviz.predict, rcviz.assert_invariant, lambda model, x: rcviz.count_parameters(model)):
        with pytest.raises(ValueError, match=r"model\.module\(\)"):
            analyse(program, x)


def test_wrappers_of_torch_are_told_from_models_that_compute_something():
    model = nn.ReLU()
    averaged = torch.optim.swa_utils.AveragedModel(nn.DataParallel(model))
    assert without_wrapper(nn.DataParallel(torch.compile(model, backend="eager"))) is model
    assert type(without_wrapper(averaged)) is nn.ReLU

    class Negative(nn.Module):
        def __init__(self):
            super().__init__()
            self.module = model

        def forward(self, x):
            return -self.module(x)

    negative = Negative()
    assert without_wrapper(negative) is negative
    assert is_compiled(nn.Sequential(torch.compile(model, backend="eager")))
    assert not is_compiled(averaged)
