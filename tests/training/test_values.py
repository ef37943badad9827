"""Training and evaluation with labels that are values."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.stats import pearsonr, spearmanr
from torch import nn

import rcviz

N, LENGTH = 60, 20


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 4, (N, LENGTH), dtype=np.uint8)
    counts = rng.poisson(np.exp((codes == 2).mean(axis=1) * 4)).astype(np.float32)
    labels = np.stack([counts, counts**0.5], axis=1)
    labels[3, 1] = np.nan
    return rcviz.SequenceSet(codes, labels, label_kind="value")


def regression():
    torch.manual_seed(2)
    return rcviz.as_sequence_model(nn.Sequential(nn.Flatten(), nn.Linear(4 * LENGTH, 2)), output_is="value")


def configuration(**changes):
    settings = {"epochs": 2, "batch_size": 20, "samples_per_epoch": 60, "loss": "mse", "device": "cpu"}
    return rcviz.TrainConfig(**{**settings, **changes})


@pytest.mark.parametrize("loss", ["mse", "poisson"])
def test_training_is_that_of_torch(loss, data):
    model, twin = regression(), regression()
    config = configuration(loss=loss, seed=3)
    history = rcviz.fit(model, data, data, config, progress=False)
    optimizer = torch.optim.Adam(twin.parameters(), lr=config.learning_rate)
    order = np.random.default_rng(3).permutation(N)
    x, y = torch.from_numpy(data.one_hot()), torch.from_numpy(data.labels)

    def loss_of(outputs, y):
        known = ~y.isnan()
        function = F.mse_loss if loss == "mse" else F.poisson_nll_loss  # on the logarithm of the rate
        return function(outputs[known], y[known])

    validation = []
    for _ in range(2):
        for batch in np.split(order, 3):
            optimizer.zero_grad()
            loss_of(twin(x[batch]), y[batch]).backward()
            optimizer.step()
        validation.append(float(loss_of(twin(x), y)))
    np.testing.assert_allclose(history.table.query("split == 'valid'")["loss"], validation, rtol=1e-5)
    assert history.table.columns.tolist() == ["epoch", "split", "loss", "pearson", "spearman", "mse"]
    assert history.best_epoch == 1 + int(np.argmin(validation))


def test_the_history_and_a_checkpoint_of_values_are_read_again(data, tmp_path):
    model = regression()
    history = rcviz.fit(model, data, data, configuration(), progress=False, checkpoint=tmp_path / "c")
    history.save(tmp_path / "history.json")
    assert rcviz.History.load(tmp_path / "history.json") == history
    again = rcviz.fit(regression(), data, data, configuration(), progress=False, checkpoint=tmp_path / "c")
    assert again.table.equals(history.table)
    assert history.plot().get_ylabel() == "Pearson correlation"


def test_evaluation_of_values(data):
    model = regression()
    table = rcviz.evaluate(model, data)
    assert table.columns.tolist() == ["task", "n", "pearson", "spearman", "mse"]
    predicted = model(torch.from_numpy(data.one_hot())).detach().double().numpy()
    for task in range(2):
        known = ~np.isnan(data.labels[:, task])
        labels, values = data.labels[known, task].astype(float), predicted[known, task]
        row = table.iloc[task]
        assert row["n"] == known.sum()
        assert row["pearson"] == pytest.approx(pearsonr(labels, values).statistic)
        assert row["spearman"] == pytest.approx(spearmanr(labels, values).statistic)
        assert row["mse"] == pytest.approx(((labels - values) ** 2).mean())
    as_array = rcviz.evaluate(model, data.codes, labels=data.labels)
    assert as_array.equals(table)


def test_classes_can_be_ranked_by_values(data):
    classes = rcviz.SequenceSet(data.codes, (data.labels > 2).astype(float))
    table = rcviz.evaluate(regression(), classes)
    predicted = rcviz.predict(regression(), data.codes)
    from sklearn.metrics import roc_auc_score

    assert table["auroc"][0] == pytest.approx(roc_auc_score(classes.labels[:, 0], predicted[:, 0]))


@pytest.mark.parametrize(
    ("model", "label_kind", "changes", "argument"),
    [
        ("value", "value", {"loss": "bce"}, "loss"),
        ("value", "binary", {}, "label_kind"),
        ("logit", "value", {}, "output_is"),
        ("value", "binary", {"loss": "bce"}, "label_kind"),
        ("value", "negative", {"loss": "poisson"}, "poisson"),
    ],
)
def test_losses_that_do_not_fit_labels_or_model_are_refused(model, label_kind, changes, argument, data):
    labels = (data.labels > 2).astype(float) if label_kind == "binary" else data.labels - 5
    kind = "binary" if label_kind == "binary" else "value"
    labelled = rcviz.SequenceSet(data.codes, labels, label_kind=kind)
    network = regression() if model == "value" else regression().model
    before = network.state_dict()
    with pytest.raises(ValueError, match=argument):
        rcviz.fit(network, labelled, labelled, configuration(**changes), progress=False)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    if model == "logit":
        with pytest.raises(ValueError, match="output_is"):
            rcviz.evaluate(network, labelled)


@pytest.mark.parametrize(
    "settings", [{"monitor": "auroc"}, {"positive_weight": 5.0}, {"monitor": "r2"}, {"loss": "mae"}]
)
def test_settings_that_do_not_fit_values_are_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        configuration(**settings)
    with pytest.raises(ValueError, match="monitor"):
        rcviz.TrainConfig(epochs=1, batch_size=1, monitor="pearson")


def test_a_built_network_declares_values(tmp_path):
    size = {"sequence_length": LENGTH, "kernel_sizes": (5,), "pool_size": 4, "n_tasks": 2}
    config = rcviz.ModelConfig.one_layer("revcomp", n_filters=2, output_is="value", **size)
    model = rcviz.build_model(config)
    rcviz.save_model(model, tmp_path / "model.safetensors")
    x = torch.rand(3, 4, LENGTH)
    for one in (model, rcviz.load_model(tmp_path / "model.safetensors"), rcviz.to_standard(model)):
        assert rcviz.output_scale(one) == "value"
        torch.testing.assert_close(one.eval()(x), model.eval()(x))


def test_the_monitor_draws_metrics_of_values(data):
    monitor = rcviz.TrainingMonitor(regression(), data, data, configuration(monitor="pearson"))
    assert monitor.state.metric == "pearson"
    monitor.state.metric = "mse"
    monitor.close()
