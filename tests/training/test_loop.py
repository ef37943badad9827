"""The protocol of section 3.4, and what training leaves behind."""

import copy
import warnings
from collections import OrderedDict

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import roc_auc_score
from torch import nn

import rcviz
from rcviz import SequenceSet, TrainConfig, build_model, decode, evaluate, fit, predict, split, train_epochs
from rcviz.training.epoch import _codes, mean_loss, parts_to_evaluate, sample_order, train_one_epoch
from rcviz.training.history import EpochRecord, Metrics
from rcviz.training.loop import StopTraining, best_epoch
from rcviz.training.session import TrainingSession

QUICK = {"epochs": 3, "batch_size": 20, "samples_per_epoch": 50}


def state(model):
    return copy.deepcopy(model.state_dict())


def test_same_seed_same_weights_bit_for_bit(toy, make_model, same_weights):
    first, second, other = make_model(), make_model(), make_model()
    fit(first, toy, toy, TrainConfig(**QUICK), progress=False)
    torch.rand(7)  # the run does not depend on the caller's random state
    fit(second, toy, toy, TrainConfig(**QUICK), progress=False)
    fit(other, toy, toy, TrainConfig(**QUICK, seed=1), progress=False)
    assert same_weights(state(first), state(second))
    assert not same_weights(state(first), state(other))


def test_global_random_state_is_left_alone(toy, make_model):
    model = torch.nn.Sequential(torch.nn.Dropout(0.5), make_model())
    torch.manual_seed(5)
    before = torch.get_rng_state()
    fit(model, toy, toy, TrainConfig(**QUICK), progress=False)
    assert torch.equal(torch.get_rng_state(), before)


def test_one_step_is_adam_on_the_mean_cross_entropy(toy, make_model):
    """The same step written with torch alone; float64, as a bias before batch norm has no gradient but rounding."""
    model, reference = make_model().double(), make_model().double()
    config = TrainConfig(epochs=1, batch_size=30, samples_per_epoch=30, positive_weight=4.0)
    fit(model, toy, toy, config, progress=False)

    items = np.random.default_rng(config.seed).permutation(len(toy))[:30]
    x, y = torch.from_numpy(toy.one_hot(items)).double(), torch.from_numpy(toy.labels[items]).double()
    optimizer = torch.optim.Adam(reference.parameters(), lr=1e-3)
    p = torch.sigmoid(reference.train()(x))
    loss = -(4.0 * y * p.log() + (1 - y) * (1 - p).log()).mean()
    loss.backward()
    optimizer.step()
    for name, tensor in reference.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], tensor, atol=1e-9, rtol=1e-9, msg=name)


def test_epochs_walk_through_one_shuffled_order_and_wrap_around():
    config = TrainConfig(epochs=1, batch_size=1, seed=4)
    order = sample_order(7, config)
    assert sorted(order) == list(range(7))
    doubled = sample_order(7, TrainConfig(epochs=1, batch_size=1, augmentation="revcomp"))
    assert sorted(doubled) == list(range(14))


def test_samples_follow_the_order(toy, make_model):
    """Every sample is seen once before any is seen twice, whatever the epochs."""
    shown = []
    model = make_model()
    model.register_forward_pre_hook(lambda module, x: shown.append(x[0].clone()) if module.training else None)
    fit(model, toy, toy, TrainConfig(epochs=3, batch_size=16, samples_per_epoch=80), progress=False)
    rows = torch.cat(shown).argmax(1).numpy().astype(np.uint8)
    order = np.random.default_rng(0).permutation(120)
    np.testing.assert_array_equal(rows, toy.codes[np.r_[order, order][:240]])


def test_labels_of_augmented_items_follow_the_partners_that_a_model_declares(toy, same_weights):
    """A step on the reverse complements is a step on these sequences with the labels of two tasks exchanged."""

    def conjoined():
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv1d(4, 3, 7), nn.AdaptiveMaxPool1d(1), nn.Flatten(), nn.Linear(3, 2))
        return rcviz.RevCompConjoined(network, output_kind="stranded")

    exchanged = SequenceSet(rcviz.reverse_complement(toy.codes), toy.labels[:, ::-1])
    trained = []
    for data, items, augmentation in ((toy, range(120, 240), "revcomp"), (exchanged, range(120), "none")):
        model, config = conjoined(), TrainConfig(epochs=1, batch_size=30, augmentation=augmentation)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        train_one_epoch(model, optimizer, data, np.array(items), config, 1, None)
        trained.append(model.state_dict())
    assert same_weights(*trained)
    selected = rcviz.as_sequence_model(conjoined(), output=lambda y: y[:, [1, 0]])
    with pytest.raises(ValueError, match="augmentation='none'"):
        train_epochs(selected, toy, toy, TrainConfig(epochs=1, batch_size=30, augmentation="revcomp"))


def test_augmented_items_are_reverse_complements(toy):
    codes = _codes(toy.codes, np.array([3, 123]))
    np.testing.assert_array_equal(codes[0], toy.codes[3])
    np.testing.assert_array_equal(codes[1], 3 - toy.codes[3][::-1])


def test_unknown_labels_do_not_count():
    logits = torch.randn(6, 2, dtype=torch.float64)
    targets = torch.tensor([[0, 1], [1, float("nan")], [float("nan"), 0], [1, 1], [0, 0], [1, float("nan")]]).double()
    known = [(i, j) for i in range(6) for j in range(2) if targets[i, j] == targets[i, j]]
    expected = sum(
        F.binary_cross_entropy_with_logits(logits[i, j], targets[i, j]) * (3.0 if targets[i, j] else 1.0)
        for i, j in known
    ) / len(known)
    torch.testing.assert_close(
        mean_loss(logits, targets, TrainConfig(epochs=1, batch_size=1, positive_weight=3.0)), expected
    )


def test_best_weights_are_left_in_the_model(toy, make_model):
    model = make_model()
    seen = {}
    config = TrainConfig(epochs=6, batch_size=20, samples_per_epoch=60, learning_rate=0.05)
    for record in train_epochs(model, toy, toy, config):
        seen[record.epoch] = (record.valid.auroc, state(model))
    best = max(seen, key=lambda epoch: seen[epoch][0])
    assert record.best_epoch == best
    assert all(torch.equal(seen[best][1][name], tensor) for name, tensor in model.state_dict().items())
    assert not model.training
    assert evaluate(model, toy)["auroc"].mean() == pytest.approx(seen[best][0])


def test_patience_counts_epochs_without_improvement(toy, make_model):
    config = TrainConfig(epochs=50, batch_size=20, samples_per_epoch=20, patience=3, learning_rate=0.1)
    history = fit(make_model(), toy, toy, config, progress=False)
    assert len(history.records) == history.best_epoch + 3


def test_validation_scores_are_those_of_the_whole_set(toy, make_model):
    model = make_model()
    record = next(iter(train_epochs(model, toy, toy, TrainConfig(**QUICK))))
    logits = predict(model, toy, output="logit")
    assert record.valid.auroc == pytest.approx(np.mean([roc_auc_score(toy.labels[:, t], logits[:, t]) for t in (0, 1)]))


def test_a_reversed_validation_set_gives_the_same_scores(toy, make_model):
    histories = [
        fit(make_model(), toy, valid, TrainConfig(**QUICK), progress=False).table
        for valid in (toy, toy.subset(slice(None, None, -1)))
    ]
    assert len(histories[0]) == 2 * QUICK["epochs"]
    for metric in ("loss", "auroc", "auprc"):
        np.testing.assert_allclose(*(history[metric] for history in histories), rtol=1e-5)


def test_closing_the_generator_leaves_the_best_weights_so_far(toy, make_model, same_weights):
    model = make_model()
    epochs = train_epochs(model, toy, toy, TrainConfig(**{**QUICK, "epochs": 50, "learning_rate": 0.1}))
    seen = {}
    for record in epochs:
        seen[record.epoch] = state(model)
        if record.best_epoch < record.epoch:  # the weights in hand are not the best ones
            break
    assert record.epoch < 50
    epochs.close()
    assert same_weights(state(model), seen[record.best_epoch])
    assert not model.training


def test_a_callback_stops_within_a_batch(toy, make_model):
    steps = []

    def stop(batch):
        steps.append(batch)
        if len(steps) == 4:
            raise StopTraining

    records = list(train_epochs(make_model(), toy, toy, TrainConfig(**QUICK), on_batch=stop))
    assert [(batch.epoch, batch.n_samples) for batch in steps] == [(1, 20), (1, 40), (1, 50), (2, 20)]
    assert len(records) == 1


def test_a_diverging_loss_is_named(toy, make_model):
    with pytest.raises(FloatingPointError, match="lower learning_rate"):
        fit(make_model(), toy, toy, TrainConfig(epochs=20, batch_size=20, learning_rate=1e30), progress=False)


class Spoilt(torch.nn.Module):
    """A network that gives ``value`` for one sequence in one pass, in training or in validation."""

    def __init__(self, network, training, at, value):
        super().__init__()
        self.network, self.spoils, self.left, self.value = network, training, at, value

    def forward(self, x):
        logits = self.network(x)
        if len(x) > 2 and self.training == self.spoils:  # up to two are what the checks before training try
            self.left -= 1
            if self.left == 0:
                logits = logits.index_fill(0, torch.tensor([3]), self.value)
        return logits


@pytest.mark.parametrize(
    ("training", "at", "where", "n_epochs", "value"),
    [
        (True, 1, "in batch 1 of epoch 1", 0, float("nan")),
        (True, 3, "in batch 3 of epoch 1", 0, float("inf")),
        (True, 8, "in batch 2 of epoch 3", 2, float("-inf")),
        (True, 8, "in batch 2 of epoch 3", 2, float("nan")),
        (False, 1, "in the validation of epoch 1", 0, float("-inf")),
        (False, 3, "in the validation of epoch 3", 2, float("inf")),
        (False, 3, "in the validation of epoch 3", 2, float("nan")),
    ],
)
def test_numbers_that_are_not_finite_end_it_by_name_and_the_last_good_weights_are_kept(
    toy, make_model, same_weights, tmp_path, training, at, where, n_epochs, value
):
    """In the model, and in the checkpoint, from which the run goes on as if nothing had happened."""
    config = TrainConfig(**QUICK, learning_rate=0.05)
    model = Spoilt(make_model(), training, at, value)
    advice = "before any training" if training and at == 1 else "learning_rate.* 0.05"  # no step was taken
    with pytest.raises(FloatingPointError, match=rf"{where}.*{advice}"):
        fit(model, toy, toy, config, progress=False, checkpoint=tmp_path / "run")
    kept = make_model()
    if n_epochs:
        fit(kept, toy, toy, TrainConfig(**{**QUICK, "epochs": n_epochs}, learning_rate=0.05), progress=False)
    assert same_weights(model.network.state_dict(), kept.state_dict())

    again, whole = Spoilt(make_model(), training, -1, value), Spoilt(make_model(), training, -1, value)
    resumed = fit(again, toy, toy, config, progress=False, checkpoint=tmp_path / "run")
    expected = fit(whole, toy, toy, config, progress=False)
    assert resumed.table.to_dict("list") == expected.table.to_dict("list")
    assert same_weights(again.state_dict(), whole.state_dict())


def test_rc_augmentation_narrows_the_gap_of_a_standard_model(parts):
    import rcviz

    gaps = {}
    for augmentation in ("none", "revcomp"):
        config = rcviz.ModelConfig.one_layer("standard", n_filters=8, sequence_length=200, pool_size=31)
        model = build_model(config)
        training = TrainConfig.chipseq(epochs=8, samples_per_epoch=1750, learning_rate=0.003, augmentation=augmentation)
        fit(model, parts.train, parts.valid, training, progress=False)
        gaps[augmentation] = rcviz.strand_agreement(model, parts.test, output="logit").mean_gap
    assert gaps["revcomp"] < gaps["none"]


@pytest.mark.filterwarnings("ignore:this CPU has no bfloat16")
@pytest.mark.parametrize("architecture", ["revcomp", "standard"])
def test_bfloat16_trains_and_keeps_float32_weights(toy, make_model, architecture):
    model = make_model(architecture)
    history = fit(model, toy, toy, TrainConfig(**QUICK, precision="bfloat16"), progress=False)
    assert np.isfinite(history.table["loss"]).all()
    assert model.dense.weight.dtype == torch.float32


def test_smoothness_enters_the_gradient(toy, make_model):
    rough, smooth = make_model(), make_model(smoothness=100.0)
    for model in (rough, smooth):
        fit(
            model,
            toy,
            toy,
            TrainConfig(epochs=4, batch_size=20, samples_per_epoch=400, learning_rate=0.01),
            progress=False,
        )
    assert smooth.weighted_sum.weight.diff(dim=1).abs().mean() < rough.weighted_sum.weight.diff(dim=1).abs().mean()


class TestRefusals:
    """Wrong input is refused before the model is touched."""

    def refused(self, toy, make_model, match, *, train=None, valid=None, model=None):
        model = model or make_model()
        before = state(model)
        with pytest.raises(ValueError, match=match):
            train_epochs(model, train or toy, valid or toy, TrainConfig(**QUICK))
        assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())

    def test_no_labels(self, toy, make_model):
        self.refused(toy, make_model, "train has no labels", train=SequenceSet(toy.codes))

    def test_a_class_is_absent(self, toy, make_model):
        self.refused(toy, make_model, "valid has no positives for task GATA", valid=toy.negatives(0))

    def test_other_tasks(self, toy, make_model):
        other = SequenceSet(toy.codes, toy.labels[:, 0], task_names=("GATA",))
        self.refused(toy, make_model, "tasks", valid=other)

    def test_number_of_logits(self, toy, make_model):
        self.refused(toy, make_model, "n_tasks=2", model=make_model(n_tasks=1))

    def test_a_list_instead_of_a_set(self, as_users_run, toy, make_model):
        self.refused(toy, make_model, "train must be a SequenceSet", train=list("ACGT"))

    def test_another_configuration(self, as_users_run, toy, make_model):
        model = make_model()
        with pytest.raises(ValueError, match="must be a TrainConfig, got ModelConfig"):
            train_epochs(model, toy, toy, model.config)

    def test_a_device_that_is_not_there(self, toy, make_model, monkeypatch):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        with pytest.raises(ValueError, match=r"device.*'cuda'.*'auto'.*'cpu'"):
            train_epochs(make_model(), toy, toy, TrainConfig(**QUICK, device="cuda"))

    @pytest.mark.parametrize("part", ["conv1", "dense"])
    def test_a_part_on_the_meta_device(self, as_users_run, toy, make_model, part):
        """On the meta device, which stands in for another one: on a CPU some of torch's functions read past it."""
        model = make_model()
        getattr(model, part).to("meta")
        with pytest.raises(ValueError, match=rf"{part}.weight is on the meta device"):
            train_epochs(model, toy, toy, TrainConfig(**QUICK))
        with pytest.raises(ValueError, match=rf"{part}.weight is on the meta device"):
            predict(model, toy)

    def test_several_types(self, toy, make_model):
        """Also where torch itself goes on with them, as in a product."""

        class Scale(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.by = torch.nn.Parameter(torch.ones(2, dtype=torch.float64))

            def forward(self, y):
                return y * self.by

        model = torch.nn.Sequential(make_model(), Scale())
        assert model(torch.zeros(1, 4, 60)).dtype == torch.float64
        self.refused(
            *(toy, make_model, "0.conv1.weight.* float32 .*1.by.* float64"),
            model=model,
        )

    def test_length(self, toy, make_model):
        self.refused(toy, make_model, r"expected \(batch, 4, 51\), got", model=make_model(sequence_length=51))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"epochs": 0}, "^epochs .*1"),
        ({"patience": 0}, "^patience .*1"),
        ({"learning_rate": -1.0}, "^learning_rate "),
        ({"positive_weight": float("nan")}, "^positive_weight "),
        ({"monitor": "accuracy"}, "auroc, auprc, loss"),
        ({"augmentation": "rc"}, "none, revcomp"),
        ({"precision": "half"}, "float32, bfloat16"),
        ({"device": "gpu"}, "device must be auto, cpu, cuda"),
        ({"device": 0}, "device must be auto, cpu, cuda"),
        ({"learning_rate": "fast"}, "^learning_rate "),
        ({"seed": -1}, "^seed .*0"),
        ({"seed": 0.5}, "^seed .*whole number"),
    ],
)
@pytest.mark.usefixtures("as_users_run")
def test_config_refuses(change, match):
    with pytest.raises(ValueError, match=match):
        TrainConfig(**{**QUICK, **change})


def test_presets_are_the_papers():
    simulated, chipseq = TrainConfig.simulated(), TrainConfig.chipseq()
    assert (simulated.batch_size, simulated.samples_per_epoch, simulated.patience) == (500, 5000, 10)
    assert (chipseq.epochs, chipseq.batch_size, chipseq.samples_per_epoch, chipseq.patience) == (80, 100, 5000, None)
    assert simulated.learning_rate == chipseq.learning_rate == 1e-3
    assert (simulated.positive_weight, chipseq.positive_weight) == (1, 5)
    with pytest.raises(ValueError, match="no setting 'epoch'; the settings are: augmentation"):
        TrainConfig.chipseq(epoch=3)


@pytest.mark.parametrize("has_units", [True, False])
def test_bfloat16_without_units_gives_a_warning(toy, make_model, monkeypatch, has_units):
    monkeypatch.setattr("rcviz.training.checks._computes_bfloat16", lambda: has_units)
    config = TrainConfig(**QUICK, precision="bfloat16", device="cpu")
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        train_epochs(make_model(), toy, toy, config)
    assert [str(warning.message)[:8] for warning in warned] == ([] if has_units else ["this CPU"])


@pytest.mark.parametrize(
    ("monitor", "values", "best"),
    [
        ("auroc", [0.6, 0.7, 0.7, 0.65], [1, 2, 2, 2]),
        ("auprc", [0.5, 0.5, 0.6], [1, 1, 3]),
        ("loss", [0.4, 0.4, 0.3, 0.3, 0.5], [1, 1, 3, 3, 3]),
        ("auroc", [float("nan"), 0.5, float("nan"), 0.5, 0.6], [1, 2, 2, 2, 5]),
        ("loss", [float("nan"), float("nan"), 0.5], [1, 1, 3]),
    ],
)
def test_of_equal_scores_the_earlier_epoch_is_best_and_nan_never_is(monitor, values, best):
    records = []
    for epoch, value in enumerate(values, start=1):
        scores = Metrics(**{"loss": 1.0, "auroc": 0.5, "auprc": 0.5, monitor: value})
        records.append(EpochRecord(epoch, scores, scores, best_epoch(records, scores, monitor), 1, 0.0))
    assert [record.best_epoch for record in records] == best


def test_the_weights_of_the_first_of_equal_epochs_are_kept(toy, same_weights):
    """A network that gives all sequences the same logits has an auROC of 0.5 in every epoch; its biases change."""

    class Constant(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.bias = torch.nn.Parameter(torch.zeros(2))

        def forward(self, x):
            return self.bias.expand(len(x), 2)

    model = Constant()
    seen = [(record, state(model)) for record in train_epochs(model, toy, toy, TrainConfig(**QUICK))]
    assert [record.valid.auroc for record, _ in seen] == [0.5] * 3
    assert not same_weights(seen[0][1], seen[1][1])
    assert seen[-1][0].best_epoch == 1
    assert same_weights(state(model), seen[0][1])


class TestSplits:
    """``(model, splits, config=...)`` is ``(model, train, valid, config)``."""

    @pytest.fixture
    def splits(self, toy):
        return split(toy)

    def test_the_same_run(self, splits, make_model, same_weights):
        one, other, third = make_model(), make_model(), make_model()
        config = TrainConfig(**QUICK)
        expected = fit(one, splits.train, splits.valid, config, progress=False)
        history = fit(other, splits, config=config, progress=False)
        records = tuple(train_epochs(third, splits, config=config))
        assert history.table.equals(expected.table)
        assert [record.valid for record in records] == [record.valid for record in expected.records]
        assert same_weights(state(one), state(other))
        assert same_weights(state(one), state(third))

    def test_a_session(self, splits, make_model, same_weights):
        model, reference = make_model(), make_model()
        config = TrainConfig(**QUICK)
        session = TrainingSession(model, splits, config=config)
        session.start()
        session.join(60)
        fit(reference, splits, config=config, progress=False)
        assert session.status == "finished"
        assert same_weights(state(model), state(reference))

    @pytest.mark.parametrize("function", [fit, train_epochs, TrainingSession])
    def test_wrong_combinations(self, as_users_run, splits, make_model, function):
        config = TrainConfig(**QUICK)
        for given, options, argument in (
            ((splits, config), {}, "valid"),  # the configuration in the place of the validation set
            ((splits, splits.valid, config), {}, "valid"),
            ((splits.train,), {"config": config}, "valid"),
            ((splits,), {}, "config"),
            ((splits.train, splits.valid), {}, "config"),
        ):
            with pytest.raises(ValueError, match=rf"^{argument} "):
                function(make_model(), *given, **options)
        with pytest.raises(TypeError, match="epochs"):
            function(make_model(), splits, epochs=3)


class TestEvaluate:
    def test_what_predict_takes_with_labels(self, toy, make_model):
        model = make_model()
        expected = evaluate(model, toy)
        for data in (decode(toy.codes), toy.codes, toy.one_hot(), toy):
            table = evaluate(model, data, labels=toy.labels)
            assert table.drop(columns="task").equals(expected.drop(columns="task"))

    def test_labels_that_are_missing_or_of_other_tasks(self, toy, make_model):
        model = make_model()
        with pytest.raises(ValueError, match="no labels"):
            evaluate(model, toy.codes)
        with pytest.raises(ValueError, match="2 outputs for 1 tasks"):
            evaluate(model, toy, labels=toy.labels[:, 0])


class TestPartsInEvaluationMode:
    """Frozen parts in evaluation mode stay in it; everything else is trained."""

    @staticmethod
    def trunk_and_head():
        torch.manual_seed(1)
        trunk = nn.Sequential(nn.Conv1d(4, 6, 7), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.5))
        middle = nn.Sequential(nn.Conv1d(6, 4, 3), nn.BatchNorm1d(4), nn.ReLU(), nn.AdaptiveMaxPool1d(1))
        return nn.Sequential(OrderedDict(trunk=trunk, middle=middle, flatten=nn.Flatten(), head=nn.Linear(4, 2)))

    @pytest.mark.parametrize("in_a_session", [False, True])
    def test_a_frozen_trunk_keeps_its_statistics_and_the_rest_learns_as_in_plain_torch(self, toy, in_a_session):
        model = self.trunk_and_head().double()
        model.trunk.requires_grad_(False).eval()
        reference, before = copy.deepcopy(model), state(model.trunk)
        config = TrainConfig(epochs=1, batch_size=30, samples_per_epoch=90)
        if in_a_session:
            session = TrainingSession(model, toy, toy, config)
            session.start(weights=state(model))
            session.join(60)
        else:
            fit(model, toy, toy, config, progress=False)
        assert all(torch.equal(tensor, before[name]) for name, tensor in model.trunk.state_dict().items())

        optimizer = torch.optim.Adam([weight for weight in reference.parameters() if weight.requires_grad], lr=1e-3)
        reference.train()
        reference.trunk.eval()
        for items in np.random.default_rng(config.seed).permutation(len(toy))[:90].reshape(3, 30):
            x, y = torch.from_numpy(toy.one_hot(items)).double(), torch.from_numpy(toy.labels[items]).double()
            optimizer.zero_grad()
            F.binary_cross_entropy_with_logits(reference(x), y).backward()
            optimizer.step()
        for name, tensor in reference.state_dict().items():
            torch.testing.assert_close(model.state_dict()[name], tensor, atol=1e-9, rtol=1e-9, msg=name)
        assert not any(module.training for module in model.modules())

    def test_a_trunk_frozen_in_part_or_in_training_mode_is_trained(self, toy):
        for freeze in (
            lambda model: model.trunk.requires_grad_(False),  # in training mode
            lambda model: model.trunk.eval(),  # trainable
            lambda model: model.trunk.eval()[0].requires_grad_(False),  # the norm and the dropout are not
        ):
            model = self.trunk_and_head()
            freeze(model)
            fit(model, toy, toy, TrainConfig(**QUICK), progress=False)
            assert model.trunk[1].num_batches_tracked == 9

    def test_a_norm_alone_in_evaluation_mode_keeps_its_statistics_and_learns_its_scale(self, toy):
        model = self.trunk_and_head()
        model.trunk[1].eval()
        before = state(model)
        fit(model, toy, toy, TrainConfig(**QUICK), progress=False)
        changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
        norm = {name for name in before if name.startswith("trunk.1.")}
        assert changed & norm == {"trunk.1.weight", "trunk.1.bias"}
        assert model.middle[1].num_batches_tracked > 0

    def test_modules_without_parameters_follow_those_around_them(self):
        model = self.trunk_and_head()
        model.trunk[1] = nn.BatchNorm1d(6, affine=False)
        model.trunk[1].eval()  # alone: on purpose
        assert parts_to_evaluate(model) == ["trunk.1"]
        model.eval()  # as load_model and fit leave a model
        assert parts_to_evaluate(model) == []
        model.trunk.requires_grad_(False)
        assert parts_to_evaluate(model) == ["trunk", *(f"trunk.{i}" for i in range(4))]
        model.trunk[3].train()
        assert parts_to_evaluate(model) == ["trunk", *(f"trunk.{i}" for i in range(3))]

    def test_training_again_draws_the_same_dropout(self, toy, same_weights):
        first, second = self.trunk_and_head().train(), self.trunk_and_head().eval()
        for model in (first, second):
            fit(model, toy, toy, TrainConfig(**QUICK), progress=False)
        assert same_weights(state(first), state(second))

    @pytest.mark.parametrize("mode", [True, False])
    def test_a_resumed_run_keeps_the_modes_of_its_start(self, toy, tmp_path, same_weights, mode):
        models = [self.trunk_and_head(), self.trunk_and_head()]
        for model in models:
            model.trunk.requires_grad_(False).train(mode)
        fit(models[0], toy, toy, TrainConfig(**QUICK), progress=False)
        epochs = train_epochs(models[1], toy, toy, TrainConfig(**QUICK), checkpoint=tmp_path / "run")
        next(epochs)
        epochs.close()  # leaves the whole model in evaluation mode
        fit(models[1], toy, toy, TrainConfig(**QUICK), progress=False, checkpoint=tmp_path / "run")
        assert same_weights(state(models[0]), state(models[1]))
        assert (models[1].trunk[1].num_batches_tracked > 0) == mode

    def test_a_frozen_norm_of_a_built_model(self, toy, make_model):
        model = make_model(kernel_sizes=(7, 4))
        model.norm1.requires_grad_(False).eval()
        before = state(model.norm1)
        fit(model, toy, toy, TrainConfig(**QUICK), progress=False)
        assert all(torch.equal(tensor, before[name]) for name, tensor in model.norm1.state_dict().items())
        assert model.norm2.num_batches_tracked == 9
