"""A training that is interrupted, or fails, goes on or begins again with the numbers of an uninterrupted one."""

import os
from contextlib import suppress

import pytest
import torch

import rcviz
from rcviz import TrainConfig, fit, train_epochs
from rcviz.training import loop
from rcviz.training import run as runs

CONFIG = TrainConfig(epochs=3, batch_size=20, samples_per_epoch=40, learning_rate=0.05)
N_STEPS = 2
"""Steps of an epoch."""


class Interrupting(torch.nn.Module):
    """A network with dropout and a batch norm that alone is in evaluation mode; its n-th training step fails, once."""

    def __init__(self, network, at=0, error=KeyboardInterrupt):
        super().__init__()
        self.network, self.dropout = network, torch.nn.Dropout(0.2)
        self.at, self.error, self.steps = at, error, 0
        network.norm1.eval()

    def forward(self, x):
        if self.training:
            self.steps += 1
            if self.steps == self.at:
                raise self.error
        return self.network(self.dropout(x))


@pytest.fixture
def expected(toy, make_model):
    """Numbers and weights of an uninterrupted run."""
    model = Interrupting(make_model())
    history = fit(model, toy, toy, CONFIG, progress=False)
    return history.table.to_dict("list"), model.state_dict()


def check(expected, history, model, same_weights):
    assert history.table.to_dict("list") == expected[0]
    assert same_weights(model.state_dict(), expected[1])


@pytest.mark.parametrize("with_checkpoint", [False, True])
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("at", [1, 2, 3, 6])
def test_the_same_cell_again(toy, make_model, same_weights, tmp_path, expected, at, error, with_checkpoint):
    """In the first epoch, and after some; with the model that the interrupt left."""
    model = Interrupting(make_model(), at, error)
    modes = [module.training for module in model.modules()]
    start = {name: part.clone() for name, part in model.state_dict().items()}
    options = {"progress": False, "checkpoint": tmp_path / "run" if with_checkpoint else None}
    with pytest.raises(error):
        fit(model, toy, toy, CONFIG, **options)
    if at <= N_STEPS:  # as it was given
        assert same_weights(model.state_dict(), start)
        assert [module.training for module in model.modules()] == modes
    else:
        assert not any(module.training for module in model.modules())
    steps = model.steps
    check(expected, fit(model, toy, toy, CONFIG, **options), model, same_weights)
    assert model.steps - steps == 3 * N_STEPS - (at - 1) // N_STEPS * N_STEPS, "finished epochs are not trained again"
    assert runs._last[model].state is None, "its memory is free"


@pytest.mark.parametrize("moment", ["restore", "hand_over"])
def test_interrupted_after_the_last_epoch_it_gives_the_same_history_again(
    toy, make_model, same_weights, expected, monkeypatch, moment
):
    model, calls = Interrupting(make_model()), []
    original = getattr(runs, moment)

    def interrupted(*arguments):
        calls.append(moment)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(runs, moment, interrupted)
    monkeypatch.setattr(loop, "hand_over", runs.hand_over)
    with pytest.raises(KeyboardInterrupt):
        fit(model, toy, toy, CONFIG, progress=False)
    steps = model.steps
    check(expected, fit(model, toy, toy, CONFIG, progress=False), model, same_weights)
    assert model.steps == steps, "nothing is trained again"
    assert len(fit(model, toy, toy, CONFIG, progress=False).records) == 3
    assert model.steps == steps + 3 * N_STEPS, "it has the history now, and trains on"


def test_interrupted_twice(toy, make_model, same_weights, expected):
    model = Interrupting(make_model(), 3)
    for at in (3, 6):  # the second one is in the last epoch
        model.at = at
        with pytest.raises(KeyboardInterrupt):
            fit(model, toy, toy, CONFIG, progress=False)
    check(expected, fit(model, toy, toy, CONFIG, progress=False), model, same_weights)


def test_a_new_model_goes_on_from_the_checkpoint_as_after_a_kill(toy, make_model, same_weights, tmp_path, expected):
    for at in (1, 4):
        with pytest.raises(KeyboardInterrupt):
            fit(Interrupting(make_model(), at), toy, toy, CONFIG, progress=False, checkpoint=tmp_path / "run")
    model = Interrupting(make_model())
    history = fit(model, toy, toy, CONFIG, progress=False, checkpoint=tmp_path / "run")
    check(expected, history, model, same_weights)


@pytest.mark.parametrize("n_before", [0, 1, 2])
@pytest.mark.parametrize("after_replacing", [False, True])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_while_the_checkpoint_is_written(
    toy, make_model, same_weights, tmp_path, monkeypatch, expected, n_before, after_replacing, error
):
    """Just before and just after the file has its name, of the start and of every epoch."""
    replace, n_replaced = type(tmp_path).replace, 0

    def failing(self, target):
        nonlocal n_replaced
        n_replaced += 1
        if n_replaced == n_before + 1:
            if after_replacing:
                replace(self, target)
            raise error
        return replace(self, target)

    monkeypatch.setattr(type(tmp_path), "replace", failing)
    model = Interrupting(make_model())
    with pytest.raises(error):
        fit(model, toy, toy, CONFIG, progress=False, checkpoint=tmp_path / "run")
    history = fit(model, toy, toy, CONFIG, progress=False, checkpoint=tmp_path / "run")
    check(expected, history, model, same_weights)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_an_error_in_the_callback_and_between_epochs_interrupts_too(toy, make_model, same_weights, expected):
    model = Interrupting(make_model())

    def once(record):
        if record.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(model, toy, toy, CONFIG, progress=False, on_epoch=once)
    check(expected, fit(model, toy, toy, CONFIG, progress=False), model, same_weights)


def test_restoring_the_weights_is_interrupted(toy, make_model, same_weights, tmp_path, monkeypatch, expected):
    """Twice, so that the model is left between two epochs with weights of neither; it is known as that of the run."""
    load, n_left = torch.nn.Module.load_state_dict, 2

    def failing(self, weights, *args, **options):
        nonlocal n_left
        if n_left and weights and self.steps > N_STEPS:
            n_left -= 1
            with torch.no_grad():
                self.network.conv1.weight.zero_()
            raise KeyboardInterrupt
        return load(self, weights, *args, **options)

    monkeypatch.setattr(torch.nn.Module, "load_state_dict", failing)
    for checkpoint in (None, tmp_path / "run"):
        model, n_left = Interrupting(make_model(), N_STEPS + 1), 2
        with pytest.raises(KeyboardInterrupt):
            fit(model, toy, toy, CONFIG, progress=False, checkpoint=checkpoint)
        history = fit(model, toy, toy, CONFIG, progress=False, checkpoint=checkpoint)
        check(expected, history, model, same_weights)


@pytest.mark.parametrize("with_checkpoint", [False, True])
def test_one_sentence_says_that_a_training_goes_on(toy, make_model, tmp_path, capsys, with_checkpoint):
    options = {"checkpoint": tmp_path / "run"} if with_checkpoint else {}
    model = Interrupting(make_model(), 2 * N_STEPS + 1)
    with pytest.raises(KeyboardInterrupt):
        fit(model, toy, toy, CONFIG, **options)
    assert "continuing" not in capsys.readouterr().err
    fit(model, toy, toy, CONFIG, **options)
    said = [line for line in capsys.readouterr().err.replace("\r", "\n").splitlines() if "continuing" in line]
    assert len(said) == 1
    assert "2 of 3 epochs" in said[0]
    if with_checkpoint:
        assert str(tmp_path / "run") in said[0]
    fit(Interrupting(make_model()), toy, toy, CONFIG, progress=False, **options)
    assert capsys.readouterr().err == ""


class TestWhatIsAnotherRun:
    """Weights or settings that were changed since are not overwritten."""

    @pytest.fixture
    def interrupted(self, toy, make_model):
        model = Interrupting(make_model(), 4)
        with pytest.raises(KeyboardInterrupt):
            fit(model, toy, toy, CONFIG, progress=False)
        return model

    def test_other_weights(self, toy, make_model, same_weights, interrupted):
        interrupted.network.load_state_dict(make_model(seed=5).state_dict())
        twin = Interrupting(make_model(seed=5))
        twin.eval()  # as the interrupt left the other
        histories = [fit(model, toy, toy, CONFIG, progress=False) for model in (interrupted, twin)]
        check((histories[1].table.to_dict("list"), twin.state_dict()), histories[0], interrupted, same_weights)

    def test_another_configuration_trains_on(self, toy, interrupted):
        steps = interrupted.steps
        other = TrainConfig(epochs=1, batch_size=20, samples_per_epoch=40, seed=1)
        assert len(fit(interrupted, toy, toy, other, progress=False).records) == 1
        assert interrupted.steps == steps + N_STEPS

    def test_a_finished_or_closed_training_is_not_continued(self, toy, make_model):
        model = Interrupting(make_model())
        epochs = train_epochs(model, toy, toy, CONFIG)
        next(epochs)
        epochs.close()
        fit(model, toy, toy, CONFIG, progress=False)
        fit(model, toy, toy, CONFIG, progress=False)
        assert model.steps == (1 + 3 + 3) * N_STEPS

    def test_an_older_run_that_is_closed_late_does_not_touch_the_model(self, toy, make_model, same_weights):
        model = make_model()
        older = train_epochs(model, toy, toy, CONFIG)
        next(older)
        fit(model, toy, toy, TrainConfig(epochs=1, batch_size=20, samples_per_epoch=40, seed=1), progress=False)
        after = {name: part.clone() for name, part in model.state_dict().items()}
        older.close()
        assert same_weights(model.state_dict(), after)

    def test_the_model_can_be_freed(self, toy, make_model):
        model = Interrupting(make_model(), 4)
        with suppress(KeyboardInterrupt):
            fit(model, toy, toy, CONFIG, progress=False)
        n_before = len(runs._last)
        del model
        assert len(runs._last) == n_before - 1


class TestChecksBeforeWork:
    """A checkpoint that cannot be written is refused by the call itself."""

    @pytest.mark.parametrize("name", ["no/folder/run", "", "r" * 300, "file/run", "a\0b"], ids=range(5))
    def test_names(self, toy, make_model, tmp_path, name):
        (tmp_path / "file").touch()
        model = make_model().train()
        before = [module.training for module in model.modules()]
        with pytest.raises(ValueError, match=r"cannot write the checkpoint|null character"):
            train_epochs(model, toy, toy, CONFIG, checkpoint=f"{tmp_path}/{name}")
        assert [module.training for module in model.modules()] == before

    @pytest.mark.usefixtures("as_users_run")
    def test_no_path(self, toy, make_model):
        for wrong in (3, True, b"run", ["run"]):
            with pytest.raises(ValueError, match="must be a path"):
                train_epochs(make_model(), toy, toy, CONFIG, checkpoint=wrong)

    def test_a_read_only_folder(self, toy, make_model, tmp_path, monkeypatch):
        monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)
        with pytest.raises(ValueError, match="read-only"):
            fit(make_model(), toy, toy, CONFIG, progress=False, checkpoint=tmp_path / "run")

    def test_the_home_folder(self, toy, make_model, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        fit(make_model(), toy, toy, CONFIG, progress=False, checkpoint="~/run")
        assert (tmp_path / "run").is_file()

    def test_a_refused_checkpoint_changes_nothing(self, toy, make_model, same_weights, tmp_path):
        fit(make_model(), toy, toy, CONFIG, progress=False, checkpoint=tmp_path / "run")
        model = Interrupting(make_model(seed=9))
        modes = [module.training for module in model.modules()]
        start = {name: part.clone() for name, part in model.state_dict().items()}
        (tmp_path / "other").write_bytes(b"something else")
        for name, match in (("run", "another model"), ("other", "safetensors")):
            with pytest.raises(ValueError, match=match):
                fit(model, toy, toy, CONFIG, progress=False, checkpoint=tmp_path / name)
        assert [module.training for module in model.modules()] == modes
        assert same_weights(model.state_dict(), start)

    def test_the_last_batch_is_one_sequence(self, toy, tmp_path):
        """With a batch norm over the batch alone; over positions as well there are enough values."""
        conv, norm, pool = torch.nn.Conv1d(4, 3, 5), torch.nn.BatchNorm1d(3), torch.nn.AdaptiveMaxPool1d(1)
        flat, dense = torch.nn.Flatten(), torch.nn.Linear(3, 2)
        config = TrainConfig(epochs=1, batch_size=20, samples_per_epoch=41)
        with pytest.raises(ValueError, match=r"last batch .* batch norm .*batch_size.*samples_per_epoch=40"):
            train_epochs(torch.nn.Sequential(conv, pool, flat, norm, dense), toy, toy, config)
        fit(torch.nn.Sequential(conv, norm, pool, flat, dense), toy, toy, config, progress=False)
        frozen = torch.nn.Sequential(conv, pool, flat, norm.eval(), dense)
        fit(frozen, toy, toy, config, progress=False)

    def test_weights_in_float16(self, toy, make_model):
        with pytest.raises(ValueError, match=r"float16 .*model\.float\(\)"):
            train_epochs(make_model().half(), toy, toy, CONFIG)

    def test_outputs_that_are_nan_before_any_step(self, toy):
        class Dividing(torch.nn.Sequential):
            def forward(self, x):
                return super().forward(x) / (x[:, 0, :1] if self.training else x[:, 0, :1] * 0)

        layers = torch.nn.Flatten(), torch.nn.Linear(240, 2)
        with pytest.raises(ValueError, match="NaN before any training"):
            train_epochs(Dividing(*layers, torch.nn.ReLU(), torch.nn.Threshold(1e9, 0)), toy, toy, CONFIG)


@pytest.mark.parametrize("architecture", ["revcomp", "standard"])
def test_weights_in_bfloat16_are_trained(toy, make_model, architecture):
    model = make_model(architecture).to(torch.bfloat16)
    before = model.conv1.weight.clone()
    history = rcviz.fit(model, toy, toy, CONFIG, progress=False)
    assert history.table["loss"].notna().all()
    assert model.conv1.weight.dtype == torch.bfloat16
    assert not torch.equal(model.conv1.weight, before)
