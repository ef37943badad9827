"""Models trained together have the histories and the weights of models trained alone."""

import copy
import dataclasses

import numpy as np
import pytest
import torch

import rcviz
from rcviz import ModelConfig, RevCompConjoined, SequenceSet, TrainConfig, build_model, fit, fit_together
from rcviz.training.epoch import _codes
from rcviz.training.stack import Stack
from rcviz.training.together import _Resident

SEEDS = range(4)
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
"""Where there is a GPU, everything is tested there as well."""
everywhere = pytest.mark.parametrize("device", DEVICES)

HARD = TrainConfig(
    epochs=8, batch_size=20, samples_per_epoch=50, learning_rate=0.05, patience=2, positive_weight=4.0, device="cpu"
)
SIMPLE = dataclasses.replace(HARD, epochs=2, patience=None)


@pytest.fixture(scope="module")
def unsure(toy):
    """``toy`` with a tenth of its labels unknown, and bases as well."""
    rng = np.random.default_rng(1)
    labels = np.where(rng.random(toy.labels.shape) < 0.1, np.nan, toy.labels)
    codes = np.where(rng.random(toy.codes.shape) < 0.02, 4, toy.codes).astype(np.uint8)
    return SequenceSet(codes, labels, task_names=toy.task_names)


def with_seeds(config):
    return [dataclasses.replace(config, seed=seed) for seed in SEEDS]


def state(model):
    return copy.deepcopy(model.state_dict())


def without_biases(model):
    """A bias before a batch norm has no gradient but rounding, which Adam enlarges: it is left at zero."""
    for name, module in model.named_modules():
        if "conv" in name:
            module.bias.requires_grad_(False)
    return model


def check_like_fit(make, data, config, *, columns=("loss", "auroc", "auprc"), tolerance=1e-11):
    """Train both ways in float64 and compare everything; return the histories."""
    together, alone = ([make(seed).double() for seed in SEEDS] for _ in range(2))
    histories = fit_together(together, data, data, with_seeds(config), progress=False)
    for seed, model, reference, history in zip(SEEDS, together, alone, histories, strict=True):
        expected = fit(reference, data, data, dataclasses.replace(config, seed=seed), progress=False)
        assert history.config == expected.config
        for told, wanted in zip(history.records, expected.records, strict=True):
            assert (told.epoch, told.best_epoch, told.n_samples) == (wanted.epoch, wanted.best_epoch, wanted.n_samples)
        for column in columns:
            np.testing.assert_allclose(history.table[column], expected.table[column], rtol=0, atol=tolerance)
        for name, tensor in reference.state_dict().items():
            torch.testing.assert_close(model.state_dict()[name], tensor, rtol=0, atol=tolerance, msg=name)
        assert not any(module.training for module in model.modules())
    return histories


@everywhere
@pytest.mark.parametrize("architecture", ["revcomp", "standard"])
@pytest.mark.parametrize(("prepared", "tolerance"), [(without_biases, 1e-11), (torch.nn.Module.train, 1e-6)])
def test_like_fit_until_each_runs_out_of_patience(unsure, make_model, architecture, device, prepared, tolerance):
    """Class weights, unknown labels and bases, the penalty on rough profiles, two convolutions."""
    settings = {"kernel_sizes": (7, 4), "pool_size": 9, "pool_stride": 6, "head": "weighted_sum", "smoothness": 0.3}
    histories = check_like_fit(
        lambda seed: prepared(make_model(architecture, seed=seed, **settings)),
        unsure,
        dataclasses.replace(HARD, device=device),
        tolerance=tolerance,
    )
    lengths = [len(history.records) for history in histories]
    assert len(set(lengths)) > 1
    assert any(history.best_epoch < length for history, length in zip(histories, lengths, strict=True))


@everywhere
def test_like_fit_with_both_strands(unsure, make_model, device):
    config = dataclasses.replace(HARD, augmentation="revcomp", device=device)
    check_like_fit(lambda seed: without_biases(make_model("standard", seed=seed)), unsure, config)


def test_like_fit_with_both_strands_of_a_tied_network(unsure, make_model):
    """Without the auPRC, which depends on whether the two strands of a positive agree to the last bit."""
    config = dataclasses.replace(HARD, augmentation="revcomp")
    check_like_fit(lambda seed: without_biases(make_model(seed=seed)), unsure, config, columns=("loss", "auroc"))


@everywhere
def test_like_fit_with_a_frozen_output(toy, device):
    one_task = SequenceSet(toy.codes, toy.labels[:, 0])
    network = ModelConfig.chipseq("revcomp", n_filters=2, sequence_length=60, pool_size=10, pool_stride=10)
    assert network.freeze_output
    config = dataclasses.replace(HARD, monitor="loss", device=device)
    check_like_fit(lambda seed: without_biases(build_model(network, seed=seed)), one_task, config)


def test_like_fit_when_trained_as_a_siamese(toy, make_model):
    check_like_fit(lambda seed: RevCompConjoined(without_biases(make_model("standard", seed=seed))), toy, SIMPLE)


def test_like_fit_when_some_are_alike_and_some_layers_are_torchs_own(toy):
    """Equal seeds are two models all the same; average pooling and a group norm store nothing that moves."""

    def make(seed):
        torch.manual_seed(seed // 2)
        norm, pool = torch.nn.GroupNorm(2, 6), torch.nn.AvgPool1d(9)
        return torch.nn.Sequential(torch.nn.Conv1d(4, 6, 7), norm, pool, torch.nn.Flatten(), torch.nn.Linear(36, 2))

    check_like_fit(make, toy, SIMPLE)


@everywhere
def test_a_model_that_has_stopped_takes_no_more_steps(toy, make_model, monkeypatch, device):
    sizes = []
    learn = Stack.learn
    monkeypatch.setattr(Stack, "learn", lambda self, x, targets: sizes.append(len(x)) or learn(self, x, targets))
    models = [make_model(seed=seed).double() for seed in SEEDS]
    config = dataclasses.replace(HARD, samples_per_epoch=40, patience=1, learning_rate=0.2, device=device)
    histories = fit_together(models, toy, toy, with_seeds(config), progress=False)
    lengths = [len(history.records) for history in histories]
    at_work = [sum(length >= epoch for length in lengths) for epoch in range(1, max(lengths) + 1)]
    assert sizes == [number for number in at_work for _ in range(2)]
    assert at_work[-1] < at_work[0] == len(models)


@everywhere
@pytest.mark.parametrize("architecture", ["revcomp", "standard"])
def test_float32_begins_as_fit_does(toy, make_model, architecture, device):
    config = dataclasses.replace(SIMPLE, epochs=1, samples_per_epoch=20, device=device)
    histories = fit_together(
        [make_model(architecture, seed=seed) for seed in SEEDS], toy, toy, with_seeds(config), progress=False
    )
    for seed, history in zip(SEEDS, histories, strict=True):
        alone = fit(
            make_model(architecture, seed=seed), toy, toy, dataclasses.replace(config, seed=seed), progress=False
        )
        assert history.best.train.loss == pytest.approx(alone.best.train.loss, rel=1e-5)
        assert history.best.valid.loss == pytest.approx(alone.best.valid.loss, rel=0.05)


@everywhere
@pytest.mark.parametrize("architecture", ["revcomp", "standard"])
def test_bfloat16_trains_and_keeps_float32_weights(toy, make_model, architecture, device):
    config = dataclasses.replace(SIMPLE, precision="bfloat16", device=device)
    models = [make_model(architecture, seed=seed) for seed in SEEDS]
    histories = fit_together(models, toy, toy, with_seeds(config), progress=False)
    exact = fit_together(
        [make_model(architecture, seed=seed) for seed in SEEDS],
        toy,
        toy,
        with_seeds(dataclasses.replace(config, precision="float32")),
        progress=False,
    )
    for one, other in zip(histories, exact, strict=True):
        assert one.records[0].train.loss == pytest.approx(other.records[0].train.loss, rel=0.05)
        assert one.records[0].train.loss != other.records[0].train.loss
    assert {tensor.dtype for model in models for tensor in model.parameters()} == {torch.float32}


def test_nothing_of_the_processs_is_changed(toy, make_model):
    class Told(torch.nn.Module):
        def forward(self, x):
            told.append((torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark))
            return x

    told, before = [], (torch.backends.cudnn.deterministic, torch.get_rng_state())
    models = [torch.nn.Sequential(make_model(seed=seed), Told()) for seed in SEEDS]
    fit_together(models, toy, toy, with_seeds(SIMPLE), progress=False)
    assert told[-1] == (True, False)
    assert torch.backends.cudnn.deterministic == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])


def test_an_interrupt_leaves_the_best_weights_so_far(toy, make_model, monkeypatch):
    """Those of two whole epochs, when it comes in the third."""
    predict = Stack.predict
    calls = []

    def interrupted(self, x):
        calls.append(len(x))
        if sum(calls) > 2 * len(toy) + 8:  # eight are tried before
            raise KeyboardInterrupt
        return predict(self, x)

    config = dataclasses.replace(HARD, patience=None)
    models = [make_model(seed=seed).double() for seed in SEEDS]
    with monkeypatch.context() as patch:
        patch.setattr(Stack, "predict", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fit_together(models, toy, toy, with_seeds(config), progress=False)
    two = [make_model(seed=seed).double() for seed in SEEDS]
    fit_together(two, toy, toy, with_seeds(dataclasses.replace(config, epochs=2)), progress=False)
    for model, expected in zip(models, two, strict=True):
        for name, tensor in expected.state_dict().items():
            torch.testing.assert_close(model.state_dict()[name], tensor, msg=name)
        assert not model.training


def test_a_diverging_loss_is_named_with_its_seed(toy, make_model):
    models = [make_model(seed=seed) for seed in SEEDS]
    with torch.no_grad():
        models[2].dense.bias.fill_(1e38)
    before = [state(model) for model in models]
    config = dataclasses.replace(SIMPLE, positive_weight=1e30)
    with pytest.raises(FloatingPointError, match=r"in batch 1 of epoch 1 \(seed 2\); lower learning_rate"):
        fit_together(models, toy, toy, with_seeds(config), progress=False)
    for model, start in zip(models, before, strict=True):
        assert all(torch.equal(start[name], tensor) for name, tensor in model.state_dict().items())


def test_weights_ruined_by_the_last_step_of_an_epoch_end_it_in_the_validation(toy, make_model, monkeypatch):
    """The model of seed 2 gives no numbers once its second epoch is learned; the first is kept for all.

    The first prediction is that of the check before training.
    """
    predict, seen = Stack.predict, []

    def spoilt(stack, x):
        seen.append(predict(stack, x))
        return seen[-1].index_fill(0, torch.tensor([2]), torch.inf) if len(seen) == 3 else seen[-1]

    monkeypatch.setattr(Stack, "predict", spoilt)
    config = dataclasses.replace(SIMPLE, batch_size=len(toy), epochs=3)  # so that validation is one batch
    models = [make_model(seed=seed).double() for seed in SEEDS]
    with pytest.raises(FloatingPointError, match=r"a logit was not finite in the validation of epoch 2 \(seed 2\)"):
        fit_together(models, toy, toy, with_seeds(config), progress=False)
    monkeypatch.undo()
    kept = [make_model(seed=seed).double() for seed in SEEDS]
    fit_together(kept, toy, toy, with_seeds(dataclasses.replace(config, epochs=1)), progress=False)
    for model, expected in zip(models, kept, strict=True):
        assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in expected.state_dict().items())


def test_sequences_stay_codes_and_are_not_copied_on_a_cpu(unsure, make_model):
    model = make_model().double()
    items = torch.tensor([[3, 120 + 3], [7, 5]])
    here = _Resident(unsure, model)
    assert here.codes is unsure.codes
    x, targets = here.batch(items, both_strands=True)
    for model_items, of_model, labels in zip(items.numpy(), x, targets, strict=True):
        np.testing.assert_array_equal(of_model, rcviz.one_hot(_codes(unsure.codes, model_items)))
        np.testing.assert_array_equal(labels, unsure.labels[model_items % 120])
    elsewhere = _Resident(unsure, model)
    elsewhere.codes = torch.from_numpy(unsure.codes.copy())  # what it holds on a GPU
    assert torch.equal(elsewhere.batch(items, both_strands=True)[0], x)


class Counted(torch.nn.Module):
    """Keeps a number in a way that torch.func does not see."""

    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        if self.training:
            self.calls = self.calls + 1
        return x + self.calls


class Peeking(torch.nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


class TestRefusals:
    """In a sentence that says how to mend it, and before any model is touched."""

    def refused(self, toy, models, match, configs=None):
        before = [(state(model), model.training) for model in models]
        with pytest.raises(ValueError, match=match):
            fit_together(models, toy, toy, with_seeds(SIMPLE) if configs is None else configs, progress=False)
        for model, (start, training) in zip(models, before, strict=True):
            assert all(torch.equal(start[name], tensor) for name, tensor in model.state_dict().items())
            assert model.training == training

    def test_nothing_to_train(self, toy):
        self.refused(toy, [], "one or more models", [])

    def test_other_numbers_of_models_and_configurations(self, toy, make_model):
        self.refused(toy, [make_model()], "got 1 models and 4 configurations; use .dataclasses.replace")

    def test_one_model_twice(self, toy, make_model):
        self.refused(toy, [make_model()] * 4, "listed twice; build one for each seed")

    def test_other_settings_of_training(self, toy, make_model):
        configs = with_seeds(SIMPLE)
        configs[1] = dataclasses.replace(configs[1], batch_size=10, learning_rate=1.0)
        models = [make_model(seed=seed) for seed in SEEDS]
        self.refused(toy, models, r"configs\[1\] differs from configs\[0\] in batch_size, learning_rate", configs)

    def test_what_fit_refuses(self, toy, make_model):
        models = [make_model(seed=seed, n_tasks=1 if seed == 3 else 2) for seed in SEEDS]
        self.refused(toy, models, "build it with n_tasks=2")

    @pytest.mark.parametrize("change", [{"n_filters": 4}, {"architecture": "standard"}])
    def test_other_weights(self, toy, make_model, change):
        models = [make_model(seed=seed, **(change if seed == 2 else {})) for seed in SEEDS]
        self.refused(toy, models, r"models\[2\] has parameters of another name, shape or type than models\[0\]; build")

    def test_another_type_of_number(self, toy, make_model):
        models = [make_model(seed=seed) for seed in SEEDS]
        models[1].double()
        self.refused(toy, models, r"models\[1\] has parameters of another name, shape or type")

    @pytest.mark.parametrize("change", [{"batchnorm_momentum": 0.5}, {"batchnorm_eps": 0.1}, {"smoothness": 0.2}])
    def test_settings_that_shape_no_weight(self, toy, make_model, change):
        models = [make_model(seed=seed, **(change if seed == 3 else {})) for seed in SEEDS]
        self.refused(toy, models, r"models\[3\] computes something else in a stack than alone")

    def test_numbers_that_are_kept_elsewhere(self, toy, make_model):
        models = [torch.nn.Sequential(make_model(seed=seed), Counted()) for seed in SEEDS]
        self.refused(toy, models, r"models\[0\] computes something else in a stack than alone")

    def test_dropout(self, toy, make_model):
        models = [torch.nn.Sequential(torch.nn.Dropout(0.2), make_model(seed=seed)) for seed in SEEDS]
        self.refused(toy, models, "it draws random numbers, such as for dropout.*; train one after the other with fit")

    def test_a_network_that_looks_at_values(self, toy, make_model):
        models = [torch.nn.Sequential(Peeking(), make_model(seed=seed)) for seed in SEEDS]
        self.refused(toy, models, "cannot be trained together with others: .*; train one after the other with fit")
