"""load_keras_weights: models whose outputs are those of the Keras layers, from files written by hand."""

import numpy as np
import pytest
import torch
from drawn import one_hot
from keras_files import (
    batchnorm,
    draw,
    keras_1_norm,
    keras_2_norm,
    paper,
    plain_conv,
    plain_model,
    plain_weights,
    rc_conv,
    rc_dense,
    rc_dense_after_conv,
    relu_and_pool,
    statistics,
    weighted_sum,
    write,
)

import rcviz

h5py = pytest.importorskip("h5py")


def paper_weights(n_positions=4):
    return {
        "revcompconv1d_1": {"W": draw(5, 1, 4, 3, seed=1), "b": draw(3, seed=2)},
        "revcompconv1dbatchnorm_1": keras_1_norm(statistics(3, seed=3)),
        "activation_1": {},
        "revcompconv1d_2": {"W": draw(3, 1, 6, 3, seed=4), "b": draw(3, seed=5)},
        "revcompconv1dbatchnorm_2": keras_1_norm(statistics(3, seed=6)),
        "maxpooling1d_1": {},
        "weightedsum1d_1": {"W": draw(n_positions, 3, seed=7)},
        "denseafterrevcompweightedsum_1": {"W": draw(3, 2, seed=8), "b": draw(2, seed=9)},
    }


def paper_output(x, weights, *, theano, symmetric=False):
    conv1, norm1, _, conv2, norm2, _, summed, dense = (list(layer.values()) for layer in weights.values())
    x = np.maximum(batchnorm(rc_conv(x, *conv1, theano=theano), *norm1), 0)
    x = batchnorm(rc_conv(x, *conv2, theano=theano), *norm2)
    return rc_dense(weighted_sum(relu_and_pool(x, 6, 4), *summed, symmetric=symmetric), *dense)


def fits(model, want, x):
    with torch.no_grad():
        got = model(x).numpy()
    assert got.std(axis=0).min() > 1e-3
    np.testing.assert_allclose(got, want, atol=1e-12)


X = one_hot(4, 24)
X_LAST = X.numpy().transpose(0, 2, 1)


# ---------------------------------------------------------------- the paper's layers


@pytest.mark.parametrize("backend", ["theano", "tensorflow"])
def test_the_papers_layers(backend, tmp_path):
    weights, model = paper_weights(), paper()
    path = write(tmp_path / "weights.h5", weights.items())
    table = rcviz.load_keras_weights(model, path, backend=backend)
    fits(model, paper_output(X_LAST, weights, theano=backend == "theano"), X)
    assert table["module"].tolist() == ["conv1", "norm1", "conv2", "norm2", "weighted_sum", "dense"]
    assert table["layer"].tolist() == [name for name, stored in weights.items() if stored]
    assert table["weights"][0] == "kernel (5, 1, 4, 3), bias (3,)"
    reversed_ = backend == "theano"
    assert [("reversed" in change) for change in table["changes"][:3]] == [reversed_, False, reversed_]
    assert not table["changes"].str.contains("twice").any()


def test_symmetric_sums_and_float32(tmp_path):
    """An odd number of positions, whose central weight is stored once; files of Keras are float32."""
    model, weights = paper(sequence_length=28, symmetric=True), paper_weights(n_positions=3)
    weights = {name: {kind: np.float32(value) for kind, value in of.items()} for name, of in weights.items()}
    x = one_hot(4, 28)
    rcviz.load_keras_weights(model, write(tmp_path / "weights.h5", weights.items()), backend="theano")
    fits(model, paper_output(x.numpy().transpose(0, 2, 1), weights, theano=True, symmetric=True), x)


def test_the_frozen_dense_layer_of_both_strands(tmp_path):
    """Section 3.4.2: a Dense whose weights are all one, stored for both strands; its bias of zero may be missing."""
    weights = paper_weights()
    weights["denseafterrevcompweightedsum_1"] = {"W": np.ones((6, 1))}
    model = paper(n_tasks=1, freeze_output=True)
    table = rcviz.load_keras_weights(model, write(tmp_path / "weights.h5", weights.items()), backend="theano")
    weights["denseafterrevcompweightedsum_1"] = {"W": np.ones((3, 1)), "b": np.zeros(1)}
    want = paper_output(X_LAST, weights, theano=True)
    fits(model, want, X)
    assert not model.dense.weight.requires_grad
    assert "both strands" in table["changes"].iloc[-1]


# ---------------------------------------------------------------- keras-genomics


def genomics_weights(*, bias):
    conv1, conv2 = {"kernel": draw(5, 4, 3, seed=1)}, {"kernel": draw(3, 6, 3, seed=4)}
    if bias:
        conv1["bias"], conv2["bias"] = draw(3, seed=2), draw(3, seed=5)
    return {
        "rev_comp_conv1d_1": conv1,
        "rev_comp_conv1d_batch_norm_1": keras_2_norm(statistics(3, seed=3)),
        "rev_comp_conv1d_2": conv2,
        "rev_comp_conv1d_batch_norm_2": keras_2_norm(statistics(3, seed=6)),
        "dense_after_revcomp_conv1d_1": {"kernel": draw(12, 2, seed=8), "bias": draw(2, seed=9)},
    }


def genomics_output(x, weights, *, twice, theano=False):
    conv1, norm1, conv2, norm2, dense = (list(layer.values()) for layer in weights.values())
    for stored in (conv1, conv2):
        stored += [np.zeros(3)] * (2 - len(stored))
    x = np.maximum(batchnorm(rc_conv(x, *conv1, theano=theano, twice=twice), *norm1), 0)
    x = batchnorm(rc_conv(x, *conv2, theano=theano, twice=twice), *norm2)
    return rc_dense_after_conv(relu_and_pool(x, 6, 4), *dense)


@pytest.mark.parametrize("backend", ["tensorflow", "theano"])
@pytest.mark.parametrize(("bias", "source"), [(True, "keras-genomics"), (True, "other"), (False, "keras-genomics")])
def test_keras_genomics(bias, source, backend, tmp_path):
    """Twice the convolution, once the bias; without a bias, and in layers of others, once."""
    weights, model = genomics_weights(bias=bias), paper(head="flatten")
    twice = bias and source == "keras-genomics"
    path = write(tmp_path / "weights.h5", weights.items(), keras=2, backend=backend)
    table = rcviz.load_keras_weights(model, path, source=source)
    fits(model, genomics_output(X_LAST, weights, twice=twice, theano=backend == "theano"), X)
    assert [("twice" in change) for change in table["changes"]] == [twice, False, twice, False, False]
    assert "order of channels" in table["changes"].iloc[-1]


def test_both_strands_of_a_flattened_dense_layer(tmp_path):
    """A plain Dense that happens to treat the strands alike is halved, in its own order of inputs."""
    weights = genomics_weights(bias=True)
    half = weights["dense_after_revcomp_conv1d_1"]["kernel"].reshape(4, 3, 2)
    whole = np.concatenate([half, half[::-1, ::-1]], axis=1).reshape(24, 2)
    halved = genomics_output(X_LAST, weights, twice=True)
    weights["dense_after_revcomp_conv1d_1"]["kernel"] = whole
    model = paper(head="flatten")
    path = write(tmp_path / "weights.h5", weights.items(), keras=2, backend="tensorflow")
    rcviz.load_keras_weights(model, path)
    fits(model, halved, X)
    weights["dense_after_revcomp_conv1d_1"]["kernel"] = whole + draw(24, 2, seed=11)
    path = write(tmp_path / "weights.h5", weights.items(), keras=2, backend="tensorflow")
    with pytest.raises(ValueError, match=r"dense_after_revcomp_conv1d_1 .*RevCompLinear.*nn\.Linear"):
        rcviz.load_keras_weights(model, path)


# ---------------------------------------------------------------- plain layers


def plain_output(x, weights):
    conv1, norm1, dense = (list(layer.values()) for layer in weights.values())
    x = relu_and_pool(batchnorm(plain_conv(x, *conv1, theano=False), *norm1), 8, 4)
    return x.reshape(len(x), -1) @ dense[0] + dense[1]


@pytest.mark.parametrize("outer", [None, "shared_layers"])
def test_plain_layers(outer, tmp_path):
    """Keras flattens position by position; the layers of a siamese lie in one group."""
    weights, model = plain_weights(), plain_model()
    path = write(tmp_path / "weights.h5", weights.items(), keras=2, backend="tensorflow", outer=outer)
    rcviz.load_keras_weights(model, path)
    fits(model, plain_output(X_LAST, weights), X)


def test_what_a_layer_was_told_to_leave_out(tmp_path):
    """scale=False, center=False, use_bias=False: ones and zeros, whatever the model had."""
    weights, model = plain_weights(), plain_model()
    norm = weights["batch_normalization_1"]
    del weights["conv1d_1"]["bias"], norm["gamma"], norm["beta"]
    path = write(tmp_path / "weights.h5", weights.items(), keras=2, backend="tensorflow")
    rcviz.load_keras_weights(model, path)
    weights["conv1d_1"]["bias"] = np.zeros(6)
    weights["batch_normalization_1"] = {"gamma": np.ones(6), "beta": np.zeros(6)} | norm
    fits(model, plain_output(X_LAST, weights), X)


def configured(epsilon):
    norm = {"class_name": "BatchNormalization", "config": {"name": "batch_normalization_1", "epsilon": epsilon}}
    return {"class_name": "Sequential", "config": {"layers": [{"class_name": "Conv1D", "config": {}}, norm]}}


def test_a_whole_saved_model(tmp_path):
    weights, model = plain_weights(), plain_model()
    path = write(tmp_path / "model.h5", weights.items(), keras=2, backend="tensorflow", config=configured(1e-3))
    rcviz.load_keras_weights(model, path)
    fits(model, plain_output(X_LAST, weights), X)
    path = write(tmp_path / "model.h5", weights.items(), keras=2, backend="tensorflow", config=configured(1e-6))
    with pytest.raises(ValueError, match=r"batch_normalization_1 adds 1e-06.*norm1.*0\.001.*batchnorm_eps=1e-06"):
        rcviz.load_keras_weights(model, path)


@pytest.mark.parametrize("keras", [2, 3])
def test_the_epsilon_is_looked_up_or_said_to_be_assumed(keras, tmp_path):
    """Keras 3 puts the name of the model before that of a layer."""
    weights = plain_weights()

    def load(eps, config):
        path = write(tmp_path / "m.h5", weights.items(), keras=keras, backend="tensorflow", config=config)
        model = plain_model()
        model.norm1.eps = eps
        return model, rcviz.load_keras_weights(model, path).set_index("module").loc["norm1", "changes"]

    with pytest.raises(ValueError, match=r"batch_normalization_1 adds 0\.01"):
        load(1e-3, configured(1e-2))
    model, changes = load(1e-2, configured(1e-2))
    assert "epsilon" not in changes
    conv1, norm1, dense = (list(layer.values()) for layer in weights.values())
    y = relu_and_pool(batchnorm(plain_conv(X_LAST, *conv1, theano=False), *norm1, epsilon=1e-2), 8, 4)
    fits(model, y.reshape(len(y), -1) @ dense[0] + dense[1], X)
    assert "epsilon" in load(1e-3, None)[1]
    with pytest.warns(UserWarning, match=r"batch_normalization_1.*1e-05"):
        load(1e-5, None)
    twice = {"class_name": "Model", "config": {"layers": [configured(1e-2), configured(1e-3)]}}
    assert "epsilon" in load(1e-3, twice)[1]  # two layers of that name


@pytest.mark.parametrize(
    ("setting", "value"), [("strides", [2]), ("dilation_rate", [2]), ("padding", "same"), ("padding", "causal")]
)
def test_the_settings_of_a_convolution_are_compared_where_the_file_holds_them(setting, value, tmp_path):
    config = {"name": "conv1d_1", "strides": [1], "dilation_rate": [1], "padding": "valid"}
    for settings in (config, config | {setting: value}):
        whole = {"class_name": "Sequential", "config": {"layers": [{"class_name": "Conv1D", "config": settings}]}}
        path = write(tmp_path / "m.h5", plain_weights().items(), keras=2, backend="tensorflow", config=whole)
        if settings is config:
            rcviz.load_keras_weights(plain_model(), path)
        else:
            with pytest.raises(ValueError, match=f"conv1d_1 .*{setting}"):
                rcviz.load_keras_weights(plain_model(), path)


# ---------------------------------------------------------------- whose convolution is it?


def renamed(weights, name):
    """The same weights, the convolutions named otherwise."""
    return {
        layer.replace("rev_comp_conv1d_b", "norm").replace("rev_comp_conv1d", name): w for layer, w in weights.items()
    }


def tied_output(weights, *, twice):
    """For weights that are renamed."""
    return genomics_output(X_LAST, weights, twice=twice)


class TestWhoseConvolutionItIs:
    """A convolution is doubled only where the file, or the user, says that it is that of keras-genomics."""

    def load(self, tmp_path, weights, **options):
        model = paper(head="flatten")
        path = write(
            tmp_path / "m.h5", weights.items(), keras=2, backend="tensorflow", config=options.pop("config", None)
        )
        rcviz.load_keras_weights(model, path, **options)
        return model

    @pytest.mark.parametrize("source", [None, "other"])
    def test_a_plain_convolution_that_is_applied_to_both_strands(self, tmp_path, source):
        """As in DeePaC: the second one reads the channels of both strands."""
        weights = renamed(genomics_weights(bias=True), "conv1d")
        fits(self.load(tmp_path, weights, source=source), tied_output(weights, twice=False), X)
        with pytest.raises(ValueError, match=r"conv1d_1 .*source"):
            self.load(tmp_path, weights, source="keras-genomics")

    def test_names_that_tell_nothing(self, tmp_path):
        weights = renamed(genomics_weights(bias=True), "motifs")
        with pytest.raises(ValueError, match=r"motifs_1.*source='keras-genomics'.*'other'"):
            self.load(tmp_path, weights)
        for source in ("keras-genomics", "other"):
            expected = tied_output(weights, twice=source == "keras-genomics")
            fits(self.load(tmp_path, weights, source=source), expected, X)
        weights = renamed(genomics_weights(bias=False), "motifs")  # without a bias both are the same
        fits(self.load(tmp_path, weights), tied_output(weights, twice=False), X)

    @pytest.mark.parametrize("name", ["RevCompConv1D", "genomics>RevCompConv1D", "Conv1D"])
    def test_classes_in_the_configuration(self, tmp_path, name):
        weights = renamed(genomics_weights(bias=True), "motifs")
        layers = [{"class_name": name, "config": {"name": f"motifs_{i}"}} for i in (1, 2)]
        model = self.load(tmp_path, weights, config={"class_name": "Sequential", "config": layers})
        fits(model, tied_output(weights, twice=name != "Conv1D"), X)

    @pytest.mark.parametrize("whole", [False, True])
    def test_one_plain_convolution_may_be_applied_to_one_strand(self, tmp_path, whole):
        """A dense layer of all channels shows that it was applied to both; one of half of them does not."""
        half = draw(4, 3, 2, seed=4)
        kernel = np.concatenate([half, half[::-1, ::-1]], axis=1).reshape(24, 2) if whole else half.reshape(12, 2)
        weights = {
            "conv1d_1": {"kernel": draw(5, 4, 3, seed=1), "bias": draw(3, seed=2)},
            "dense_1": {"kernel": kernel, "bias": draw(2, seed=5)},
        }
        conv, pool = rcviz.RevCompConv1d(4, 3, 5), rcviz.RevCompMaxPool1d(8, 4)
        model = torch.nn.Sequential(
            conv, torch.nn.ReLU(), pool, torch.nn.Flatten(), rcviz.RevCompLinear(24, 2)
        ).double()
        path = write(tmp_path / "m.h5", weights.items(), keras=2, backend="tensorflow")
        if not whole:
            with pytest.raises(ValueError, match=r"conv1d_1 .*source='other'"):
                rcviz.load_keras_weights(model, path)
        rcviz.load_keras_weights(model, path, source=None if whole else "other")
        x = relu_and_pool(rc_conv(X_LAST, *weights["conv1d_1"].values(), theano=False), 8, 4)
        fits(model, rc_dense_after_conv(x, half.reshape(12, 2), weights["dense_1"]["bias"]), X)


def test_many_layers_are_listed_in_pieces(tmp_path):
    weights, model = plain_weights(), plain_model()
    path = write(tmp_path / "weights.h5", weights.items(), keras=2, backend="tensorflow")
    with h5py.File(path, "r+") as file:
        names = file.attrs["layer_names"]
        del file.attrs["layer_names"]
        file.attrs["layer_names0"], file.attrs["layer_names1"] = names[:2], names[2:]
    rcviz.load_keras_weights(model, path)
    fits(model, plain_output(X_LAST, weights), X)
