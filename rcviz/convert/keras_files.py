"""Weights in HDF5 files of Keras, checked before memory is allocated; nothing in a file is executed.

A file lists its layers and a layer its weights, in the attributes ``layer_names`` and ``weight_names``; a weight is a
dataset with that name. Keras 1 names the second weight of a layer ``convolution1d_1_b``, Keras 2 ``conv1d_1/bias:0``.
"""

import json
import os
import re
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import prod
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from rcviz._core.checks import brief
from rcviz._core.file_kinds import regular_file

_NAME = re.compile(
    r"(?:(?P<layer>.+)/)?(?P<kind>kernel|bias|gamma|beta|moving_mean|moving_variance)(?::\d+)?"
    r"|(?P<layer1>.+)_(?P<kind1>W|b|gamma|beta|running_mean|running_std)(?::\d+)?"
)
_KINDS = {
    "W": "kernel",
    "b": "bias",
    "moving_mean": "mean",
    "moving_variance": "variance",
    "running_mean": "mean",
    "running_std": "variance",  # the name of the variance in Keras 1, which divides by sqrt(running_std + epsilon)
}
_HEAP = b"GCOL\x01\0\0\0"
_ZIP = b"PK\x03\x04"
_LARGEST_MEMBER = 1 << 33
_CLASSES = {"conv1d": "Conv1D", "convolution1d": "Conv1D", "revcompconv1d": "RevCompConv1D"}
"""Classes of convolutions by the names that Keras gives their layers, in lower case and without underscores."""
_OF_KERAS_3 = ("layers", "_layer_checkpoint_dependencies")
"""Groups of layers in a .weights.h5; the second is that of the last versions of Keras 2."""
_MOST_TEXTS = 1 << 20
_LONGEST_LIST = 2**20
"""Bytes of an attribute; a list of layers or weights has a few thousand."""


@dataclass(frozen=True)
class SavedLayer:
    """Weights of one layer, not read yet.

    Attributes
    ----------
    name : str
    weights : dict of str to h5py.Dataset
        By kind: kernel, bias, gamma, beta, mean, variance.
    class_name : str or None
        Class, from the configuration of the model if the file holds it, otherwise from a name that Keras gave, such as
        ``conv1d_1``; None where neither tells it.
    settings : dict
        Configuration of the layer, as Keras wrote it; empty where the file does not hold it.
    """

    name: str
    weights: dict[str, Any]
    class_name: str | None
    settings: dict[str, Any]

    @property
    def epsilon(self) -> float | None:
        """Epsilon of a batch norm; None where the file does not hold it."""
        epsilon = self.settings.get("epsilon")
        return float(epsilon) if isinstance(epsilon, int | float) else None


@dataclass(frozen=True)
class SavedModel:
    """Layers of a file that have weights, in order, and the backend that the file names."""

    layers: list[SavedLayer]
    backend: str | None
    in_order: bool = True
    """False for a .weights.h5 alone, which does not say in which order layers of different classes come."""


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[SavedModel]:
    """Open a file that Keras wrote; raise a ValueError for other files, and for one with links into other files."""
    try:
        import h5py
    except ImportError as error:
        raise ImportError("reading Keras weights needs h5py: pip install 'rcviz[keras]'") from error
    if not Path(path).exists() or Path(path).is_dir():
        raise FileNotFoundError(f"file {path} does not exist; use one written by save_weights of Keras")
    with regular_file(path) as regular, ExitStack() as stack:
        with regular.open("rb") as start:
            is_archive = start.read(4) == _ZIP
        try:
            if is_archive:
                content, config = _members(path, regular)
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rcviz_keras_")))
                regular = folder / "model.weights.h5"
                regular.write_bytes(content)
            else:
                config = ""
            _check_heaps(regular)
            with h5py.File(regular, "r") as file:
                saved = _model_of_vars(file, config) if _has_vars(file) else _model(file)
                yield saved
        except (OSError, RuntimeError, KeyError, UnicodeError, json.JSONDecodeError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"{path} cannot be read as weights of Keras ({brief(error)}); use a file written by its "
                f"save_weights(...), or by save(...)"
            ) from error
        except ValueError as error:
            raise ValueError(str(error).replace(str(regular), str(path))) from error


def _members(path: str | os.PathLike[str], regular: Path) -> tuple[bytes, str]:
    """Return the weights and the configuration in a .keras archive."""
    with zipfile.ZipFile(regular) as archive:
        sizes = {member.filename: member.file_size for member in archive.infolist()}
        for name, most in (("model.weights.h5", _LARGEST_MEMBER), ("config.json", _LONGEST_LIST << 4)):
            if sizes.get(name, most + 1) > most:
                problem = "is too large" if name in sizes else "is missing"
                raise ValueError(
                    f"{path} is a zip archive in which {name} {problem}; use a .keras file written by Keras 3"
                )
        return archive.read("model.weights.h5"), archive.read("config.json").decode()


def _check_heaps(path: str | os.PathLike[str]) -> None:
    """Refuse a damaged heap of texts, on which libhdf5 would loop forever without a way to stop it."""
    n_texts = 0
    with Path(path).open("rb") as file:
        if not file.read(1):
            return
        with mmap(file.fileno(), 0, access=ACCESS_READ) as content:
            start = content.find(_HEAP)
            while start >= 0:
                end = start + int.from_bytes(content[start + 8 : start + 16], "little")
                place = start + 16
                while place + 16 <= min(end, len(content)):
                    number, size = content[place : place + 2], int.from_bytes(content[place + 8 : place + 16], "little")
                    is_rest = number == b"\0\0"
                    place += size if is_rest else 16 + (size + 7) // 8 * 8
                    n_texts += 1
                    if (is_rest and size < 16) or place > end or n_texts > _MOST_TEXTS:
                        raise ValueError(
                            f"{path} is a damaged HDF5 file (its heap of texts does not end); copy it again"
                        )
                start = content.find(_HEAP, start + 1)


def read(weight: Any) -> np.ndarray:
    """Read a weight whose shape has been checked, as float64."""
    return np.asarray(weight[()], dtype=np.float64)


def _model(file: Any) -> SavedModel:
    group = _child(file, "model_weights") if "model_weights" in file else file
    if "layer_names" not in group.attrs and "layer_names0" not in group.attrs:
        _refuse(file, "it has no list of layers, as Keras 1 and 2 write it")
    configured = _configurations(_text(file, "model_config"))
    layers: dict[str, dict[str, Any]] = {}
    groups: dict[str, str] = {}
    for layer in _list(group, "layer_names"):
        inside = _child(group, layer)
        for name in _list(inside, "weight_names"):
            match = _NAME.fullmatch(name)
            if match is None:
                _refuse(file, f"{layer} has a weight {name!r}, which the paper's layers do not have")
            owner = match["layer"] or match["layer1"] or layer
            kind = match["kind"] or match["kind1"]
            layers.setdefault(owner, {})[_KINDS.get(kind, kind)] = _checked(_child(inside, name))
            groups.setdefault(owner, layer)
    saved = [_layer(name, weights, configured, groups[name]) for name, weights in layers.items()]
    return SavedModel(saved, _text(group, "backend") or None)


def _layer(path: str, weights: dict[str, Any], configured: dict[str, dict[str, Any]], group: str) -> SavedLayer:
    """Describe a layer by its configuration; Keras 3 puts the names of the models around it before its own.

    The name in those of its weights may differ from that of the layer, which is then that of the group.
    """
    name = path.rpartition("/")[2]
    settings = configured.get(name) or configured.get(group.rpartition("/")[2]) or {}
    if configured and not settings:
        warnings.warn(
            f"the configuration in the file has no layer {name!r}, or several with different settings: its strides, "
            f"padding, dilation and epsilon were not compared with those of the model",
            UserWarning,
            stacklevel=5,
        )
    automatic = re.sub(r"_\d+$", "", name).replace("_", "").lower()
    class_name = settings.get("class_name", automatic).rpartition(">")[2]
    return SavedLayer(path, weights, _CLASSES.get(class_name.lower()), settings)


def _has_vars(file: Any) -> bool:
    """Return True for weights as Keras 3 stores them: numbered variables of layers that are named by their class."""
    return "layer_names" not in file.attrs and any(name in file for name in _OF_KERAS_3)


def _model_of_vars(file: Any, config: str) -> SavedModel:
    """Read ``layers/conv1d_1/vars/0``; the order of layers is that of the configuration, where there is one."""
    configured = _in_order(json.loads(config)) if config else {}
    layers: dict[str, SavedLayer] = {}

    def visit(group: Any, path: str) -> None:
        for container in _OF_KERAS_3:
            for name in _child(group, container) if container in group else ():
                inside = _child(_child(group, container), name)
                place = f"{path}{name}"
                variables = _child(inside, "vars") if "vars" in inside else {}
                if len(variables):
                    layers[place] = _layer_of_vars(file, place, variables, configured)
                visit(inside, f"{place}/")

    visit(file, "")
    if config:
        missing = [name for name in layers if name not in configured]
        if missing:
            _refuse(file, f"{missing[0]} is not in its configuration")
        return SavedModel([layers[name] for name in configured if name in layers], "tensorflow")
    return SavedModel(list(layers.values()), "tensorflow", in_order=False)


def _layer_of_vars(file: Any, place: str, variables: Any, configured: dict[str, dict[str, Any]]) -> SavedLayer:
    settings = configured.get(place, {})
    automatic = re.sub(r"_\d+$", "", place.rpartition("/")[2]).replace("_", "")
    is_norm = automatic in ("batchnormalization", "revcompconv1dbatchnorm")
    kinds = ["kernel", "bias"]
    if is_norm:
        kinds = ["gamma", "beta", "mean", "variance"]
        if len(variables) == 2:
            kinds = kinds[2:]
        elif len(variables) == 3 and "scale" in settings:
            kinds.remove("beta" if settings["scale"] else "gamma")
    if len(variables) > len(kinds) or (is_norm and len(variables) != len(kinds)):
        _refuse(file, f"{place} has {len(variables)} variables, expected {', '.join(kinds)}")
    weights = {kind: _checked(_child(variables, str(at))) for at, kind in enumerate(kinds[: len(variables)])}
    return SavedLayer(place, weights, _CLASSES.get(automatic), settings)


def _in_order(config: Any, path: str = "") -> dict[str, dict[str, Any]]:
    """Settings of every layer by its name in the file: its class, numbered within each model, in order."""
    found: dict[str, dict[str, Any]] = {}
    counts: dict[str, int] = {}
    inner = config.get("config") if isinstance(config, dict) else None
    for layer in inner.get("layers", ()) if isinstance(inner, dict) else ():
        if not isinstance(layer, dict) or not isinstance(layer.get("class_name"), str):
            continue
        name = _snake_case(layer["class_name"].rpartition(">")[2])
        counts[name] = counts.get(name, -1) + 1
        place = f"{path}{name}" + (f"_{counts[name]}" if counts[name] else "")
        settings = layer.get("config")
        found[place] = {**(settings if isinstance(settings, dict) else {}), "class_name": layer["class_name"]}
        found |= _in_order(layer, f"{place}/")
    return found


def _snake_case(name: str) -> str:
    """Write a class as Keras does: BatchNormalization is batch_normalization, Conv1D is conv1d."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def _child(group: Any, path: str) -> Any:
    """Go to a part of the file, following hard links only."""
    import h5py

    for name in path.split("/"):
        if not isinstance(group, h5py.Group) or name not in group:
            _refuse(group.file, f"{path} is listed, but missing")
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            _refuse(group.file, f"{path} is a link, which is not followed")
        group = group[name]
    return group


def _checked(weight: Any) -> Any:
    """Refuse a weight that is not an array of floats stored in one piece, as Keras writes them."""
    import h5py

    if not isinstance(weight, h5py.Dataset) or weight.shape is None or _type(weight).kind != "f":
        _refuse(weight.file, f"{weight.name} must be an array of floating-point numbers")
    inside = weight.external is None and weight.id.get_storage_size() == weight.dtype.itemsize * prod(weight.shape)
    if weight.chunks is not None or not inside:  # a virtual dataset has no storage in the file
        _refuse(weight.file, f"{weight.name} is compressed, stored in pieces or empty, which Keras does not write")
    return weight


def _type(stored: Any) -> np.dtype:
    """Type of an array or attribute, bool for floating-point types of HDF5 that NumPy does not have."""
    try:
        kind: np.dtype = stored.dtype
    except (TypeError, ValueError):
        return np.dtype(bool)  # no valid array or attribute has this type, so that it is refused
    return kind


def _list(group: Any, name: str) -> list[str]:
    """Read a list of names; Keras writes a very long one in numbered pieces."""
    if name in group.attrs:
        return _names(group, name)
    names: list[str] = []
    piece = 0
    while f"{name}{piece}" in group.attrs:
        names += _names(group, f"{name}{piece}")
        piece += 1
    return names


def _names(group: Any, attribute: str) -> list[str]:
    stored = group.attrs.get_id(attribute)
    size = _type(stored).itemsize * prod(stored.shape)
    if size > _LONGEST_LIST or (size and _type(stored).kind not in "SO"):  # an empty list is one of floats
        _refuse(group.file, f"its list {attribute}, {size:,} bytes of {_type(stored)}, is not one that Keras writes")
    values = np.ravel(group.attrs[attribute]).tolist()
    return [value.decode() if isinstance(value, bytes) else str(value) for value in values]


def _text(group: Any, attribute: str) -> str:
    return _names(group, attribute)[0] if attribute in group.attrs else ""


def _configurations(configuration: str) -> dict[str, dict[str, Any]]:
    """Settings and class of every layer in a model's JSON, by its name; without names that stand for different ones."""
    configured: dict[str, list[dict[str, Any]]] = {}
    left: list[Any] = [json.loads(configuration)] if configuration else []
    while left:
        item = left.pop()
        if isinstance(item, dict):
            settings, class_name = item.get("config"), item.get("class_name")
            if isinstance(settings, dict) and isinstance(settings.get("name"), str) and isinstance(class_name, str):
                configured.setdefault(settings["name"], []).append({**settings, "class_name": class_name})
            left += item.values()
        elif isinstance(item, list):
            left += item
    return {name: found[0] for name, found in configured.items() if all(other == found[0] for other in found)}


def _refuse(file: Any, why: str) -> NoReturn:
    raise ValueError(
        f"{file.filename} does not hold weights that can be read: {brief(why)}; save them again with save_weights(...)"
    )
