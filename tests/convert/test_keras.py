"""load_keras_weights: files written by hand, and what the layers of Keras do with them, as loops.

The loops follow the descriptions of the layers: channels last, filters last of all, Theano's convolution reversed, RC
channels by index arithmetic. Arrays here are (batch, length, channels).
"""

import builtins
import json

import numpy as np
import pytest
import torch
from drawn import one_hot
from torch import nn

import rcviz
from rcviz.convert import keras

h5py = pytest.importorskip("h5py")

# ---------------------------------------------------------------- what Keras computes


def conv(x, weight_at, n_out, width, bias_at, *, theano, twice=False):
    """Every output is a sum over the width; Theano meets the last tap first."""
    n, length, channels = x.shape
    y = np.zeros((n, length - width + 1, n_out))
    for i, p, o in np.ndindex(*y.shape):
        taps = ((k, c) for k in range(width) for c in range(channels))
        total = sum(weight_at(width - 1 - k if theano else k, c, o) * x[i, p + k, c] for k, c in taps)
        y[i, p, o] = (2 * total if twice else total) + bias_at(o)
    return y


def plain_conv(x, w, b, *, theano):
    w = w.reshape(w.shape[0], *w.shape[-2:])
    return conv(x, lambda k, c, o: w[k, c, o], w.shape[2], w.shape[0], lambda o: b[o], theano=theano)


def rc_conv(x, w, b, *, theano, twice=False):
    """Channel 2F-1-f has the kernel of f with its width and its inputs reversed, before any backend sees it."""
    w = w.reshape(w.shape[0], *w.shape[-2:])
    width, channels, n = w.shape

    def weight_at(k, c, o):
        return w[k, c, o] if o < n else w[width - 1 - k, channels - 1 - c, 2 * n - 1 - o]

    def bias_at(o):
        return b[min(o, 2 * n - 1 - o)]

    return conv(x, weight_at, 2 * n, width, bias_at, theano=theano, twice=twice)


def batchnorm(x, gamma, beta, mean, variance, epsilon=1e-3):
    """Channels and their partners have one entry; without partners there are as many as channels."""
    y, n = np.empty_like(x), x.shape[2]
    for c in range(n):
        f = c if len(mean) == n else min(c, n - 1 - c)
        y[:, :, c] = gamma[f] * (x[:, :, c] - mean[f]) / np.sqrt(variance[f] + epsilon) + beta[f]
    return y


def relu_and_pool(x, size, stride):
    starts = range(0, x.shape[1] - size + 1, stride)
    return np.stack([np.maximum(x[:, start : start + size], 0).max(1) for start in starts], axis=1)


def weighted_sum(x, w, *, symmetric=False):
    y, (_, length, n) = np.zeros((len(x), x.shape[2])), x.shape
    for c, p in np.ndindex(n, length):
        f, at = (c, p) if c < n // 2 else (n - 1 - c, length - 1 - p)
        y[:, c] += w[min(at, length - 1 - at) if symmetric else at, f] * x[:, p, c]
    return y


def rc_dense(x, w, b):
    """Inputs i and n-1-i have one weight."""
    n = x.shape[1]
    return np.stack(
        [sum(w[min(i, n - 1 - i), o] * x[:, i] for i in range(n)) + b[o] for o in range(w.shape[1])], axis=1
    )


def rc_dense_after_conv(x, w, b):
    """DenseAfterRevcompConv1D: (length * channels / 2, outputs); the partner's weight lies at the mirrored position."""
    n, length, channels = x.shape
    y = np.tile(b, (n, 1)).astype(float)
    for p, c, o in np.ndindex(length, channels, w.shape[1]):
        at, f = (p, c) if c < channels // 2 else (length - 1 - p, channels - 1 - c)
        y[:, o] += w[at * (channels // 2) + f, o] * x[:, p, c]
    return y


# ---------------------------------------------------------------- what Keras writes


def draw(*shape, seed):
    return np.random.default_rng(seed).normal(size=shape) * 0.4


def statistics(n, seed):
    gamma, beta, mean, variance = draw(4, n, seed=seed)
    return gamma, beta, mean, np.abs(variance) + 0.5


def write(path, layers, *, keras=1, backend=None, config=None, outer=None, libver="earliest"):
    """Layers are (name, {weight: array}); Keras 1 names weights ``name_W``, Keras 2 ``name/kernel:0``."""
    with h5py.File(path, "w", libver=libver) as file:
        group = file
        if config is not None:
            file.attrs["model_config"] = json.dumps(config).encode()
            group = file.create_group("model_weights")
        group.attrs["layer_names"] = [name.encode() for name, _ in ([(outer, None)] if outer else layers)]
        if backend is not None:
            group.attrs["backend"] = backend.encode()
            group.attrs["keras_version"] = b"2.2.4"
        listed = []
        for name, weights in layers:
            inside = group.require_group(outer or name)
            listed = listed if outer else []
            for weight, values in weights.items():
                stored = f"{name}_{weight}" if keras == 1 else f"{name}/{weight}:0"
                listed.append(stored.encode())
                inside.create_dataset(stored, data=values)
            inside.attrs["weight_names"] = listed
    return path


def keras_1_norm(values):
    return dict(zip(("gamma", "beta", "running_mean", "running_std"), values, strict=True))


def keras_2_norm(values):
    return dict(zip(("gamma", "beta", "moving_mean", "moving_variance"), values, strict=True))


def paper(n_tasks=2, **changes):
    """Two convolutions on 24 bp: 24 - 4 - 2 = 18 positions, pooled 6/4 into four."""
    settings = {"sequence_length": 24, "n_filters": 3, "kernel_sizes": (5, 3), "pool_size": 6, "pool_stride": 4}
    config = rcviz.ModelConfig(**({"architecture": "revcomp"} | settings | {"n_tasks": n_tasks} | changes))
    return rcviz.build_model(config).double().eval()


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
    with pytest.raises(
        ValueError, match=r"dense_after_revcomp_conv1d_1 weighs the two strands differently.*nn\.Linear"
    ):
        rcviz.load_keras_weights(model, path)


# ---------------------------------------------------------------- plain layers


def plain_weights():
    return {
        "conv1d_1": {"kernel": draw(5, 4, 6, seed=1), "bias": draw(6, seed=2)},
        "batch_normalization_1": keras_2_norm(statistics(6, seed=3)),
        "dense_1": {"kernel": draw(24, 2, seed=4), "bias": draw(2, seed=5)},
    }


def plain_output(x, weights):
    conv1, norm1, dense = (list(layer.values()) for layer in weights.values())
    x = relu_and_pool(batchnorm(plain_conv(x, *conv1, theano=False), *norm1), 8, 4)
    return x.reshape(len(x), -1) @ dense[0] + dense[1]


def plain_model():
    return paper(architecture="standard", n_filters=6, kernel_sizes=(5,), pool_size=8, head="flatten")


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


def test_many_layers_are_listed_in_pieces(tmp_path):
    weights, model = plain_weights(), plain_model()
    path = write(tmp_path / "weights.h5", weights.items(), keras=2, backend="tensorflow")
    with h5py.File(path, "r+") as file:
        names = file.attrs["layer_names"]
        del file.attrs["layer_names"]
        file.attrs["layer_names0"], file.attrs["layer_names1"] = names[:2], names[2:]
    rcviz.load_keras_weights(model, path)
    fits(model, plain_output(X_LAST, weights), X)


# ---------------------------------------------------------------- refusals


def changed(**layers):
    """A file in which some layers hold something else; None leaves a layer out."""

    def make(path):
        weights = plain_weights() | layers
        kept = {name: weight for name, weight in weights.items() if weight is not None}
        write(path, kept.items(), keras=2, backend="tensorflow")

    return make


def edited(edit, libver="earliest"):
    def make(path):
        write(path, plain_weights().items(), keras=2, backend="tensorflow", libver=libver)
        with h5py.File(path, "r+") as file:
            edit(file, file["conv1d_1"])

    return make


def replaced(**settings):
    """The kernel as a dataset of another kind."""

    def edit(file, group):
        del group["conv1d_1/kernel:0"]
        group.create_dataset("conv1d_1/kernel:0", **settings)

    return edited(edit)


def linked(link):
    def edit(file, group):
        del group["conv1d_1/kernel:0"]
        group["conv1d_1/kernel:0"] = link

    return edited(edit)


def virtual(file, group):
    del group["conv1d_1/kernel:0"]
    layout = h5py.VirtualLayout((5, 4, 6), "f4")
    layout[:] = h5py.VirtualSource("/etc/hostname", "kernel", (5, 4, 6))
    group.create_virtual_dataset("conv1d_1/kernel:0", layout)


def cut(path):
    changed()(path)
    path.write_bytes(path.read_bytes()[:-100])


def no_list(file, group):
    del file.attrs["layer_names"]


def no_backend(file, group):
    del file.attrs["backend"]


def other_name(file, group):
    group.attrs["weight_names"] = [b"lstm_1/recurrent_kernel:0"]


def gone(file, group):
    del group["conv1d_1/bias:0"]


def no_json(file, group):
    file.attrs["model_config"] = b"{"


def long_list(file, group):
    file.attrs.create("layer_names", np.zeros(40_000, "S40"))


BAD = {
    "text": (lambda path: path.write_text("no weights"), ("cannot be read", "save_weights")),
    "cut": (cut, ("cannot be read",)),
    "no list": (edited(no_list), ("no list of layers",)),
    "no json": (edited(no_json), ("cannot be read",)),
    "listed, not there": (edited(gone), (r"conv1d_1/bias:0", "not there")),
    "another layer": (edited(other_name), (r"recurrent_kernel", "conv1d_1")),
    "no backend": (edited(no_backend), ("backend='theano'", "conv1d_1")),
    "fewer layers": (changed(dense_1=None), ("conv1d_1, batch_normalization_1,", "conv1, norm1, dense")),
    "more layers": (changed(dense_2={"kernel": draw(2, 2, seed=1)}), ("dense_2", "conv1, norm1, dense")),
    "other kinds": (
        changed(batch_normalization_1={"kernel": draw(6, 6, seed=1)}),
        ("batch_normalization_1 holds kernel", r"norm1 \(BatchNorm1d\)", "gamma, beta, mean, variance"),
    ),
    "no kernel": (changed(conv1d_1={"bias": draw(6, seed=1)}), ("conv1d_1 holds bias", "kernel, bias")),
    "other width": (
        changed(conv1d_1={"kernel": draw(7, 4, 6, seed=1), "bias": draw(6, seed=2)}),
        (r"kernel of conv1d_1 is \(7, 4, 6\)", r"conv1 \(Conv1d\)", r"\(5, 4, 6\) or \(5, 1, 4, 6\)"),
    ),
    "a number": (
        changed(dense_1={"kernel": np.float64(1), "bias": draw(2, seed=2)}),
        (r"kernel of dense_1 is \(\)", r"\(24, 2\)"),
    ),
    "integers": (changed(dense_1={"kernel": np.zeros((24, 2), int)}), ("dense_1", "floating-point")),
    "compressed": (replaced(shape=(5, 4, 6), dtype="f4", chunks=True, compression="gzip"), ("compressed",)),
    "enormous": (replaced(shape=(10**7, 10**7), dtype="f4", chunks=(1000, 1000)), ("kernel", "compressed")),
    "never written": (replaced(shape=(5, 4, 6), dtype="f4"), ("never written",)),
    "other files": (linked(h5py.ExternalLink("/etc/hostname", "/kernel")), ("is a link",)),
    "soft link": (linked(h5py.SoftLink("/dense_1/dense_1/kernel:0")), ("is a link",)),
    "virtual": (edited(virtual), ("scattered",)),
    "no array": (
        edited(lambda file, group: group.attrs.create("weight_names", [b"conv1d_1/kernel:0", b"x/bias"])),
        ("x/bias",),
    ),
    "a group": (
        edited(lambda file, group: (group.__delitem__("conv1d_1/bias:0"), group.create_group("conv1d_1/bias:0"))),
        ("bias:0", "floating-point"),
    ),
    "long list": (edited(long_list, "latest"), ("1,600,000 bytes",)),
}


@pytest.mark.usefixtures("as_users_run")
@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused_before_anything_is_read(name, tmp_path, monkeypatch):
    spoil, words = BAD[name]
    path, model = tmp_path / "weights.h5", plain_model()
    spoil(path)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    monkeypatch.setattr(keras, "read", lambda weight: pytest.fail("was read"))
    with pytest.raises(ValueError, match="(?s)" + "".join(f"(?=.*{word})" for word in words)):
        rcviz.load_keras_weights(model, path)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.usefixtures("as_users_run")
def test_bad_arguments(tmp_path):
    path = write(tmp_path / "weights.h5", plain_weights().items(), keras=2, backend="tensorflow")
    with pytest.raises(FileNotFoundError, match=r"there is no file .*nowhere"):
        rcviz.load_keras_weights(plain_model(), tmp_path / "nowhere.h5")
    with pytest.raises(ValueError, match=r"written with tensorflow, not theano; leave backend out"):
        rcviz.load_keras_weights(plain_model(), path, backend="theano")
    with pytest.raises(ValueError, match=r"backend must be one of theano, tensorflow, got 'jax'"):
        rcviz.load_keras_weights(plain_model(), path, backend="jax")
    with pytest.raises(ValueError, match=r"source must be one of keras-genomics, other"):
        rcviz.load_keras_weights(plain_model(), path, source="keras")
    with pytest.raises(ValueError, match=r"1 \(PReLU\) has weights that no layer of the paper has"):
        rcviz.load_keras_weights(nn.Sequential(nn.Conv1d(4, 6, 5), nn.PReLU()), path)


def test_what_to_install_is_said(monkeypatch, tmp_path):
    imported = builtins.__import__

    def without_h5py(name, *others):
        if name == "h5py":
            raise ModuleNotFoundError(name)
        return imported(name, *others)

    monkeypatch.setattr(builtins, "__import__", without_h5py)
    with pytest.raises(ImportError, match=r"rcviz\[keras\]"):
        rcviz.load_keras_weights(plain_model(), tmp_path / "weights.h5")
