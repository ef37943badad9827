"""Models are left as found."""

import threading

import numpy as np
import pytest
import torch
from torch import nn

from rcviz.models.batches import concatenate_batches, one_hot_batch
from rcviz.models.outputs import logits_of
from rcviz.models.runtime import (
    RandomStream,
    device_and_dtype,
    differentiating,
    evaluating,
    exact_arithmetic,
    find_module,
    model_lock,
    training_mode,
)


def test_every_part_gets_its_own_mode_back():
    model = nn.Sequential(nn.Dropout(), nn.Sequential(nn.ReLU(), nn.BatchNorm1d(3)))
    model[1][1].eval()
    with pytest.raises(RuntimeError), evaluating(model):
        assert not any(module.training for module in model.modules())
        raise RuntimeError
    assert [module.training for module in model.modules()] == [True, True, True, True, False]


def test_learning_is_the_other_mode():
    model = nn.Sequential(nn.Dropout(), nn.ReLU()).eval()
    with training_mode(model):
        assert all(module.training for module in model.modules())
        with evaluating(model):
            assert not model.training
        assert model.training
    assert not any(module.training for module in model.modules())


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_batches_are_joined_as_they_come_and_without_their_graph(dtype):
    batches = [torch.randn(n, 3, dtype=dtype, requires_grad=True) for n in (4, 4, 1)]
    whole = concatenate_batches(iter(batches), 9)
    assert torch.equal(whole, torch.cat(batches))
    assert whole.dtype == dtype
    assert not whole.requires_grad


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
    with pytest.raises(ValueError, match=r"no layer that is the given Tanh; its layers are: 0, 0\.0"):
        find_module(model, nn.Tanh())


def test_a_batch_goes_where_the_model_is():
    model = nn.Linear(1, 1).double()
    assert device_and_dtype(model) == (torch.device("cpu"), torch.float64)
    assert device_and_dtype(nn.ReLU()) == (torch.device("cpu"), torch.float32)
    batch = one_hot_batch(np.array([[0, 3, 4]], np.uint8), model)
    assert batch.tolist() == [[[1, 0, 0], [0, 0, 0], [0, 0, 0], [0, 1, 0]]]


def sequences(n=3, length=30):
    return torch.nn.functional.one_hot(torch.arange(n * length).reshape(n, length) % 4, 4).transpose(1, 2).float()


class Returns(nn.Module):
    def __init__(self, make):
        super().__init__()
        self.make = make

    def forward(self, x):
        return self.make(x.sum(dim=(1, 2)))


@pytest.mark.parametrize(
    ("make", "n", "shape"),
    [
        (lambda y: y, 3, (3, 1)),
        (lambda y: torch.stack([y, y], 1), 3, (3, 2)),
        (lambda y: torch.stack([y, y], 1).squeeze(), 1, (1, 2)),  # a batch of one lost its axis
        (lambda y: y[:, None].squeeze(), 1, (1, 1)),
    ],
)
def test_logits_get_an_axis_of_tasks(make, n, shape):
    assert logits_of(Returns(make), sequences(n)).shape == shape


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda y: (y, y), r"got a tuple of 2.*output=0\)"),
        (
            lambda y: {"profile": y, "counts": y},
            r"got a dict with the keys 'profile', 'counts'.*output='profile'\)",
        ),
        (lambda y: None, r"got a NoneType.*output=lambda"),
        (lambda y: y.expand(2, 5, 3).permute(2, 0, 1), r"got \(3, 2, 5\) .*output=lambda y: y.mean\(dim=2\)\)"),
        (lambda y: y.expand(2, 5, 4, 3).permute(3, 0, 1, 2), r"got \(3, 2, 5, 4\) .*y.mean\(dim=\(2, 3\)\)"),
        (lambda y: y.sum(), r"got \(\) for a batch of 3"),
        (lambda y: y[:2], r"got \(2,\) for a batch of 3"),
    ],
)
def test_what_is_no_logit_is_answered_with_the_adapter(make, message):
    with pytest.raises(ValueError, match=message):
        logits_of(Returns(make), sequences())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda part: part.double(), r"0.weight is float32 on cpu and 3.weight is float64 on cpu"),
        (
            lambda part: part.to("meta"),
            r"3.weight is on the meta device",
        ),
    ],
)
def test_a_model_in_two_places_or_without_numbers_is_told_where(change, message):
    model = nn.Sequential(nn.Conv1d(4, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(56, 1))
    model[3] = change(model[3])
    with pytest.raises(ValueError, match=message):
        logits_of(model, sequences())


def test_the_layout_a_model_wants_is_found_by_trying():
    last = nn.Sequential(nn.Linear(4, 2), nn.Flatten(), nn.Linear(60, 1))
    with pytest.raises(ValueError, match=r"reads sequences as \(batch, length, 4\).*layout='NLC'"):
        logits_of(last, sequences())
    with pytest.raises(ValueError, match=r"does not accept one-hot sequences.*mat1 and mat2"):  # neither layout
        logits_of(nn.Sequential(nn.Flatten(), nn.Linear(7, 1)), sequences())


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


def test_gradients_that_torch_refuses_are_explained():
    """Contributions and attributions of models that write over what they need, or stop the gradient."""
    from rcviz import filter_contributions, strand_attributions

    class Own(nn.Module):
        def __init__(self, after):
            super().__init__()
            self.conv, self.after = nn.Conv1d(4, 2, 3), after

        def forward(self, x):
            return self.after(torch.sigmoid(self.conv(x))).mean(2)

    def over(y):
        z = torch.tanh(y)
        z *= 2
        return z

    codes = np.arange(60, dtype=np.uint8).reshape(2, 30) % 4
    for after, message in (
        (over, r"writes in place over a tensor that its gradient needs; .*y = y \* 2 instead of y \*= 2"),
        (lambda y: y.detach(), r"no gradient with respect to (the sequence|sigmoid after conv): .*\.detach\(\)"),
        (torch.no_grad()(lambda y: y * 1), r"no gradient with respect to"),
    ):
        for analysis in (filter_contributions, strand_attributions):
            with pytest.raises(ValueError, match=message):
                analysis(Own(after), codes)

    class Aside(Own):
        def forward(self, x):
            self.conv(x)
            return x.mean(2)

    with pytest.raises(ValueError, match="no gradient with respect to conv: the model does not use it for this output"):
        filter_contributions(Aside(None), codes, at="convolution")
