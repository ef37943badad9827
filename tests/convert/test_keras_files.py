"""load_keras_weights: files that do not fit the model, not written by Keras, with links to others, or too large."""

import builtins
import json
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


CONFIG = {
    "class_name": "Sequential",
    "config": {
        "layers": [
            {
                "class_name": "Conv1D",
                "config": {"name": "any", "strides": [1], "dilation_rate": [1], "padding": "valid"},
            },
            {"class_name": "BatchNormalization", "config": {"name": "norm", "epsilon": 1e-3, "scale": True}},
            {"class_name": "Dense", "config": {"name": "out"}},
        ]
    },
}


def keras_3(path, *, config=CONFIG, weights=None, group="layers"):
    """The layout that Keras 3.15 writes: numbered variables of layers named by their class, in alphabetical order."""
    stored = path.with_suffix(".tmp") if path.suffix == ".keras" else path
    with h5py.File(stored, "w") as file:
        for name, arrays in (weights or plain_weights()).items():
            for at, values in enumerate(arrays.values()):
                file.create_dataset(f"{group}/{name.removesuffix('_1')}/vars/{at}", data=values)
        file.create_group(f"{group}/re_lu/vars")
        file.create_group("optimizer/vars")
    if path.suffix == ".keras":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("metadata.json", "{}")
            archive.writestr("config.json", json.dumps(config))
            archive.write(stored, "model.weights.h5")
    return path


@pytest.mark.parametrize("kind", ["model.keras", "model.weights.h5"])
@pytest.mark.parametrize("group", ["layers", "_layer_checkpoint_dependencies"])
def test_files_of_keras_3_have_the_weights_of_older_ones(tmp_path, kind, group):
    models = [plain_model() for _ in range(2)]
    rcviz.load_keras_weights(
        models[0], write(tmp_path / "old.h5", plain_weights().items(), keras=2, backend="tensorflow")
    )
    table = rcviz.load_keras_weights(models[1], keras_3(tmp_path / kind, group=group))
    for old, new in zip(models[0].state_dict().values(), models[1].state_dict().values(), strict=True):
        torch.testing.assert_close(old, new, rtol=0, atol=0)
    said = table.set_index("module").loc["conv1", "changes"]
    assert ("does not hold them" in said) == (kind == "model.weights.h5")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"config": json.loads(json.dumps(CONFIG).replace('"dilation_rate": [1]', '"dilation_rate": [2]'))},
            "dilation_rate",
        ),
        ({"config": json.loads(json.dumps(CONFIG).replace("0.001", "0.01"))}, "eps=0.01"),
        ({"config": {"config": {"layers": []}, "class_name": "x"}}, "configuration|no layer"),
        ({"weights": {**plain_weights(), "lstm": {"kernel": np.zeros((3, 3))}}}, "lstm"),
    ],
)
def test_files_of_keras_3_that_do_not_fit_are_refused(tmp_path, change, words):
    with pytest.raises(ValueError, match=words):
        rcviz.load_keras_weights(plain_model(), keras_3(tmp_path / "model.keras", **change))


def test_a_zip_archive_without_weights_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(ValueError, match=r"model\.weights\.h5 is missing"):
        rcviz.load_keras_weights(plain_model(), tmp_path / "model.keras")


def test_settings_that_are_not_found_are_said(tmp_path):
    """A layer that the configuration calls differently is not compared with it, and a warning says so."""
    config = {"config": [{"class_name": "Conv1D", "config": {"name": "other", "dilation_rate": 2}}]}
    path = write(tmp_path / "a.h5", plain_weights().items(), keras=2, backend="tensorflow", config=config)
    with pytest.warns(UserWarning, match="has no layer 'conv1d_1'"):
        rcviz.load_keras_weights(plain_model(), path)
