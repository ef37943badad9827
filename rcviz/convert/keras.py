"""Weights of the paper's Keras layers and of keras-genomics, read into models of rcviz (section 3.9)."""

import os
import warnings
from collections.abc import Iterable
from typing import Literal, TypeAlias, get_args

import numpy as np
import pandas as pd
import torch
from torch import nn

from rcviz._core.checks import check_choice
from rcviz.convert.chain import chain_of
from rcviz.convert.keras_files import SavedLayer, SavedModel, opened, read
from rcviz.convert.keras_layers import Quirks, Slot, channels_after, is_readable, slots_of
from rcviz.layers.batchnorm import RevCompBatchNorm1d
from rcviz.layers.conv import RevCompConv1d
from rcviz.layers.plain import with_current_weights
from rcviz.layers.weighted_sum import WeightedSum1d
from rcviz.models.runtime import check_module
from rcviz.models.settings import self_contained

Backend = Literal["theano", "tensorflow"]
Source = Literal["keras-genomics", "other"]

Part: TypeAlias = tuple[str, nn.Module, int | None]
"""Name, layer with weights, and channels of the feature map that it reads, flattened or not, if it reads one."""

_EPSILON = 1e-3  # of Keras' batch norms, by default
_COLUMNS = ["module", "layer", "weights", "changes"]


@self_contained
def load_keras_weights(
    model: nn.Module,
    path: str | os.PathLike[str],
    *,
    backend: Backend | None = None,
    source: Source | None = None,
) -> pd.DataFrame:
    """Read weights of the paper's original Keras layers, of keras-genomics or of plain Keras layers into a model.

    Layers with weights are matched in order: RevCompConv1D, RevCompConv1DBatchNorm, WeightedSum1D,
    DenseAfterRevcompWeightedSum, DenseAfterRevcompConv1D, Conv1D, BatchNormalization and Dense. Nothing in the file is
    executed, shapes are checked before anything is read, and the model changes only when everything fits. A bias or a
    shift that the file does not hold becomes zero; a missing scale becomes one.

    Differences that are corrected:

    - arrays are (..., channels, filters), and feature maps are flattened position by position;
    - Theano convolves with kernels reversed along the length, so that a file written with it holds them reversed;
    - RevCompConv1D of keras-genomics adds the convolution twice where it has a bias: twice the kernel, once the bias;
    - a Dense after WeightedSum1D stores the weights of both strands, which must be the same;
    - Keras 1 calls the running variance ``running_std``.

    Parameters
    ----------
    model : nn.Module
        Model of the same architecture: from :meth:`rcviz.ModelConfig.chipseq` and similar, or a chain of layers. If
        the file holds no configuration, its batch norms are assumed to have the model's epsilon, and ``changes`` says
        so; a warning is given if that is not 1e-3, the default of Keras.
    path : path-like
        A file of ``save_weights`` or ``save`` of Keras 1 to 3: ``.h5``, ``.weights.h5`` or ``.keras``. A
        ``.weights.h5`` holds neither settings nor the order of layers of different classes: those of each class are
        matched in their own order.
    backend : "theano" or "tensorflow", optional
        Backend of the Keras that wrote the file, where the file does not name it; the paper's was Theano.
    source : "keras-genomics" or "other"
        Origin of the tied convolutions in a file of Keras 2 or 3. By default the classes or names of the layers decide:
        a RevCompConv1D is treated as that of keras-genomics, which adds its convolution twice; a Conv1D that the
        network applies to both strands, as in DeePaC, adds it once. Pass ``"other"`` for a RevCompConv1D of another
        origin, and where the file does not tell. The paper's own layers, of Keras 1, are recognised by their kernels
        (width, 1, channels, filters).

    Returns
    -------
    DataFrame
        One row per layer: ``module`` (in the model), ``layer`` (in the file), ``weights`` (kinds and shapes as stored),
        ``changes`` (the corrections, as text).

    Raises
    ------
    ImportError
        When h5py is missing, with the command that installs it.
    FileNotFoundError
        When there is no such file.
    ValueError
        When the file cannot be read, does not fit the model (naming the layer and both shapes), or does not tell
        whether its convolutions are tied, or of which origin they are (naming ``source``); and for a model that
        recomputes weights before every forward pass, as under weight norm.

    Examples
    --------
    >>> import rcviz
    >>> model = rcviz.build_model(rcviz.ModelConfig.chipseq("revcomp"))
    >>> rcviz.load_keras_weights(model, "weights.h5", backend="theano")  # doctest: +SKIP
    """
    if backend is not None:
        check_choice("backend", backend, get_args(Backend))
    if source is not None:
        check_choice("source", source, get_args(Source))
    check_module(model)
    if with_current_weights(model) is not model:
        raise ValueError(
            "model recomputes weights before every forward pass (weight norm, spectral norm or pruning), which would "
            "overwrite the loaded ones; load them into the plain model first"
        )
    parts = _parts(model)
    with opened(path) as saved:
        has_settings = saved.in_order
        saved = _in_order_of(saved, parts)
        if len(saved.layers) != len(parts):
            raise ValueError(
                f"{path} has weights of {_listed(layer.name for layer in saved.layers)}, and the model of "
                f"{_listed(name for name, _, _ in parts)}; build the model with the same layers"
            )
        quirks = Quirks(_backend(saved, backend, path), source)
        rows = []
        fitting: list[tuple[SavedLayer, Slot]] = []
        for (name, part, n_channels), layer in zip(parts, saved.layers, strict=True):
            slots, changes = slots_of(part, layer, n_channels, quirks)
            _check_fit(f"{name} ({type(part).__name__})", part, layer, slots)
            fitting += [(layer, slot) for slot in slots]
            if not has_settings and _family_of(part) == "conv":
                changes = [*changes, "stride, dilation and padding are the model's: the file does not hold them"]
            stored = ", ".join(f"{kind} {weight.shape}" for kind, weight in layer.weights.items())
            rows.append((name, layer.name, stored, ", ".join(changes)))
        if source is None:
            _check_both_strands(parts, saved.layers)
        _warn_of_epsilon(parts, saved.layers)
        values = [_value(layer, slot) for layer, slot in fitting]
    with torch.no_grad():
        for (_, slot), value in zip(fitting, values, strict=True):
            slot.tensor.copy_(torch.from_numpy(np.ascontiguousarray(value)))
    return pd.DataFrame(rows, columns=_COLUMNS)


def _parts(model: nn.Module) -> list[Part]:
    parts: list[Part] = []
    n_channels: int | None = None
    for name, part in chain_of(model):
        if is_readable(part):
            parts.append((name, part, n_channels))
        elif list(part.parameters()):
            raise ValueError(f"{name} ({type(part).__name__}) has weights and is not a layer of the paper; remove it")
        n_channels = channels_after(part, n_channels)
    return parts


def _in_order_of(saved: SavedModel, parts: list[Part]) -> SavedModel:
    """Put the layers of a file without an order into that of the model; those of one class are in order."""
    if saved.in_order:
        return saved
    by_family: dict[str, list[SavedLayer]] = {}
    for layer in sorted(saved.layers, key=lambda layer: _numbered(layer.name)):
        by_family.setdefault(_numbered(layer.name)[0], []).append(layer)
    ordered: list[SavedLayer] = []
    for _, part, _ in parts:
        families = [name for name in by_family if name in _FAMILIES[_family_of(part)]]
        if len(families) > 1:
            raise ValueError(
                f"the file has both {' and '.join(families)} layers and does not say in which order they come; use a "
                f".keras file, model.save('model.keras')"
            )
        if families:
            ordered.append(by_family[families[0]].pop(0))
            if not by_family[families[0]]:
                del by_family[families[0]]
    left = [layer for layers in by_family.values() for layer in layers]
    return SavedModel([*ordered, *left], saved.backend)


def _numbered(name: str) -> tuple[str, int]:
    family, _, number = name.rpartition("_")
    return (family, int(number)) if number.isdecimal() and family else (name, 0)


def _family_of(part: nn.Module) -> str:
    if isinstance(part, RevCompConv1d | nn.Conv1d):
        return "conv"
    if isinstance(part, RevCompBatchNorm1d | nn.BatchNorm1d):
        return "norm"
    return "sum" if isinstance(part, WeightedSum1d) else "dense"


_FAMILIES = {
    "conv": ("conv1d", "convolution1d", "rev_comp_conv1d"),
    "norm": ("batch_normalization", "rev_comp_conv1d_batch_norm"),
    "sum": ("weighted_sum1d",),
    "dense": ("dense", "dense_after_revcomp_weighted_sum", "dense_after_revcomp_conv1d"),
}
"""Names of layers in a .weights.h5, by the kind of layer that reads them."""


def _check_both_strands(parts: list[Part], layers: list[SavedLayer]) -> None:
    """Refuse a plain convolution for a tied one, unless a layer of the file reads the channels of both strands."""
    pairs = list(zip(parts, layers, strict=True))
    for (_, part, n_channels), layer in pairs:
        n_inputs = getattr(part, "in_channels", getattr(part, "in_features", None))
        kernel = layer.weights.get("kernel")
        if layer.class_name == "RevCompConv1D" or (n_channels and kernel is not None and kernel.shape[-2] == n_inputs):
            return
    for (name, part, _), layer in pairs:
        if isinstance(part, RevCompConv1d):
            raise ValueError(
                f"{name} is tied, and nothing in the file says that {layer.name} is applied to both strands; pass "
                f"source='other' if it is, or 'keras-genomics' for its RevCompConv1D; otherwise read the file into a "
                f"model with nn.Conv1d"
            )


def _warn_of_epsilon(parts: list[Part], layers: list[SavedLayer]) -> None:
    for (name, part, _), layer in zip(parts, layers, strict=True):
        epsilon = getattr(part, "eps", _EPSILON)
        if layer.epsilon is None and epsilon != _EPSILON:
            warnings.warn(
                f"the file does not hold the epsilon of {layer.name}, which is {_EPSILON:g} by default in Keras, and "
                f"{name} has {epsilon:g}; set it to that of the network which was saved",
                stacklevel=3,
            )


def _backend(saved: SavedModel, given: str | None, path: object) -> str | None:
    if given is not None and saved.backend not in (None, given):
        raise ValueError(f"{path} was written with {saved.backend} and not with {given}; leave backend out")
    return saved.backend or given


def _check_fit(module: str, part: nn.Module, layer: SavedLayer, slots: list[Slot]) -> None:
    needed = {slot.kind for slot in slots if slot.default is None}
    if not needed <= set(layer.weights) <= {slot.kind for slot in slots}:
        raise ValueError(
            f"{layer.name} holds {_listed(layer.weights)}, and {module} has {_listed(slot.kind for slot in slots)}; "
            f"build the model with the same layers"
        )
    for slot in slots:
        weight = layer.weights.get(slot.kind)
        if weight is not None and weight.shape not in slot.shapes:
            raise ValueError(
                f"the {slot.kind} of {layer.name} is {weight.shape}, and that of {module} would be "
                f"{' or '.join(map(str, slot.shapes))}; build the model with the same sizes"
            )
    epsilon = getattr(part, "eps", layer.epsilon)
    if layer.epsilon not in (None, epsilon):
        raise ValueError(
            f"{layer.name} adds {layer.epsilon:g} to the variance, and {module} adds {epsilon:g}; build the model with "
            f"eps={layer.epsilon:g} there (batchnorm_eps={layer.epsilon:g} in a ModelConfig)"
        )


def _value(layer: SavedLayer, slot: Slot) -> np.ndarray:
    weight = layer.weights.get(slot.kind)
    return np.full(slot.tensor.shape, slot.default) if weight is None else slot.convert(read(weight))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "no layer"
