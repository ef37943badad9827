"""load_keras_weights: files that do not fit the model, not written by Keras, with links to others, or too large."""

import builtins
import zipfile

import numpy as np
import pytest
import torch
from keras_files import draw, plain_model, plain_weights, write
from torch import nn

import rcviz
from rcviz.convert import keras

h5py = pytest.importorskip("h5py")


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
    """The right numbers, but in another file."""
    elsewhere = f"{file.filename}.other"
    with h5py.File(elsewhere, "w") as other:
        other["kernel"] = np.zeros((5, 4, 6), "f4")
    del group["conv1d_1/kernel:0"]
    layout = h5py.VirtualLayout((5, 4, 6), "f4")
    layout[:] = h5py.VirtualSource(elsewhere, "kernel", (5, 4, 6))
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
    "listed, not there": (edited(gone), (r"conv1d_1/bias:0", "missing")),
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
    "never written": (replaced(shape=(5, 4, 6), dtype="f4"), ("empty",)),
    "other files": (linked(h5py.ExternalLink("/etc/hostname", "/kernel")), ("is a link",)),
    "soft link": (linked(h5py.SoftLink("/dense_1/dense_1/kernel:0")), ("is a link",)),
    "external": (replaced(shape=(5, 4, 6), dtype="f4", external=[("/etc/hostname", 0, 480)]), ("stored in pieces",)),
    "virtual": (edited(virtual), ("stored in pieces",)),
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
    with pytest.raises(FileNotFoundError, match=r"nowhere"):
        rcviz.load_keras_weights(plain_model(), tmp_path / "nowhere.h5")
    with pytest.raises(ValueError, match="backend"):
        rcviz.load_keras_weights(plain_model(), path, backend="theano")
    with pytest.raises(ValueError, match=r"backend must be one of theano, tensorflow, got 'jax'"):
        rcviz.load_keras_weights(plain_model(), path, backend="jax")
    with pytest.raises(ValueError, match=r"source must be one of keras-genomics, other"):
        rcviz.load_keras_weights(plain_model(), path, source="keras")
    with pytest.raises(ValueError, match=r"1 \(PReLU\) has weights"):
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


@pytest.mark.parametrize("kind", ["model.keras", "model.weights.h5"])
def test_files_of_keras_3_are_told_apart(tmp_path, kind):
    """They hold weights in another order, and are refused with the way to write one that is read."""
    path = tmp_path / kind
    if kind == "model.keras":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("config.json", "{}")
    else:
        with h5py.File(path, "w") as file:
            file.create_dataset("layers/conv1d/vars/0", data=np.zeros((5, 4, 6)))
    with pytest.raises(ValueError, match=r"model\.save\('model\.h5'\)"):
        rcviz.load_keras_weights(plain_model(), path)
