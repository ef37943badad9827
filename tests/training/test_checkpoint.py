"""A run that is killed and started again has the numbers of one that was not; tests/reliability/ kills in earnest."""

import dataclasses
import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from rcviz import SequenceSet, TrainConfig, build_model, fit, train_epochs

CONFIG = TrainConfig(epochs=5, batch_size=20, samples_per_epoch=50, learning_rate=0.01)


def numbers(history):
    return history.table.to_dict("list"), history.best_epoch


def with_dropout(model):
    return torch.nn.Sequential(torch.nn.Dropout(0.2), model)


@pytest.mark.parametrize("stop_after", [1, 3, 5])
def test_resumed_run_is_the_uninterrupted_one(toy, make_model, same_weights, tmp_path, stop_after):
    whole = with_dropout(make_model())
    expected = fit(whole, toy, toy, CONFIG, progress=False)

    first = with_dropout(make_model())
    epochs = train_epochs(first, toy, toy, CONFIG, checkpoint=tmp_path / "run")
    for _ in range(stop_after):
        next(epochs)
    del epochs  # as good as a kill: nothing is written any more

    second = with_dropout(make_model())
    resumed = fit(second, toy, toy, CONFIG, progress=False, checkpoint=tmp_path / "run")
    assert numbers(resumed) == numbers(expected)
    assert same_weights(second.state_dict(), whole.state_dict())


def test_a_finished_run_is_not_repeated(toy, make_model, same_weights, tmp_path):
    model, again = make_model(), make_model()
    first = fit(model, toy, toy, CONFIG, progress=False, checkpoint=tmp_path / "run")
    steps = []
    records = list(train_epochs(again, toy, toy, CONFIG, checkpoint=tmp_path / "run", on_batch=steps.append))
    assert tuple(records) == first.records
    assert not steps
    assert same_weights(model.state_dict(), again.state_dict())


def test_the_trained_model_itself_may_go_on(toy, make_model, tmp_path):
    """In a notebook the cell is run again with the model that the interrupt left."""
    model = make_model()
    epochs = train_epochs(model, toy, toy, CONFIG, checkpoint=tmp_path / "run")
    next(epochs)
    epochs.close()
    resumed = fit(model, toy, toy, CONFIG, progress=False, checkpoint=tmp_path / "run")
    assert numbers(resumed) == numbers(fit(make_model(), toy, toy, CONFIG, progress=False))


def test_the_same_run_writes_the_same_file(toy, make_model, tmp_path, monkeypatch):
    """But for the seconds that each epoch took."""
    monkeypatch.setattr("rcviz.training.loop.time.perf_counter", lambda: 0.0)
    for name in ("one", "two"):
        fit(make_model(), toy, toy, CONFIG, progress=False, checkpoint=tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


class TestRefusals:
    """A checkpoint of something else is refused, and nothing is changed."""

    @pytest.fixture
    def path(self, toy, make_model, tmp_path):
        next(train_epochs(make_model(), toy, toy, CONFIG, checkpoint=tmp_path / "run"))
        return tmp_path / "run"

    def refused(self, model, data, config, path, match):
        before = path.read_bytes()
        with pytest.raises(ValueError, match=match):
            next(train_epochs(model, data, data, config, checkpoint=path))
        assert path.read_bytes() == before

    def test_other_configuration(self, toy, make_model, path):
        changed = TrainConfig(epochs=5, batch_size=10, samples_per_epoch=50, learning_rate=0.01)
        self.refused(make_model(), toy, changed, path, "batch_size was 20 and is 10")

    def test_other_data(self, toy, make_model, path):
        other = SequenceSet(toy.codes, 1 - toy.labels, task_names=toy.task_names)
        self.refused(make_model(), other, CONFIG, path, "other sequences or labels")

    def test_other_model(self, toy, make_model, path):
        self.refused(make_model(n_filters=4), toy, CONFIG, path, "another model")

    @pytest.mark.parametrize(
        ("name", "value"), [("smoothness", 0.5), ("batchnorm_momentum", 0.5), ("batchnorm_eps", 0.1)]
    )
    def test_settings_that_shape_no_weight(self, toy, make_model, path, name, value):
        model = make_model()
        config = dataclasses.replace(model.config, **{name: value})
        self.refused(build_model(config), toy, CONFIG, path, f"another model .{name} was {getattr(model.config, name)}")

    def test_other_starting_weights(self, toy, make_model, path):
        self.refused(make_model(seed=9), toy, CONFIG, path, "started with other weights")

    def test_cut_off(self, toy, make_model, path):
        path.write_bytes(path.read_bytes()[:-100])
        self.refused(make_model(), toy, CONFIG, path, "not a complete safetensors file")

    @pytest.mark.usefixtures("as_users_run")
    @pytest.mark.parametrize(
        ("name", "value"), [("config", []), ("model", None), ("digests", 3), ("data", {}), ("records", {"epoch": 1})]
    )
    def test_an_entry_of_the_wrong_type(self, toy, make_model, path, name, value):
        with safe_open(path, "pt") as file:
            ((key, text),) = file.metadata().items()
            tensors = {tensor: file.get_tensor(tensor) for tensor in file.keys()}  # noqa: SIM118 - not a mapping
        save_file(tensors, path, {key: json.dumps({**json.loads(text), name: value})})
        self.refused(make_model(), toy, CONFIG, path, f"damaged .*{name}")

    def test_something_else(self, toy, make_model, path):
        save_file({"x": torch.zeros(1)}, path)
        self.refused(make_model(), toy, CONFIG, path, "not a checkpoint")
