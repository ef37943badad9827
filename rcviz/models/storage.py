"""Files of models: one safetensors file with the configuration and the card inside; reading executes nothing."""

import dataclasses
import json
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from rcviz._core.checks import brief
from rcviz._core.file_kinds import regular_file
from rcviz._core.files import atomic_write, check_path
from rcviz.layers.plain import with_current_weights
from rcviz.models.card import ModelCard
from rcviz.models.config import ModelConfig
from rcviz.models.network import SequenceModel, build_model
from rcviz.models.runtime import check_single_device

FORMAT = "rcviz.model.v1"
_LONGEST_SETTINGS = 1 << 22  # characters; parsed, they would take many times their size
_PRECISIONS = {torch.float16, torch.bfloat16, torch.float32, torch.float64}
_CARD = "card"  # beside the settings of the configuration
_OLD_GAP = "strand_gap"  # in files of earlier versions; the card has it now


def save_model(model: SequenceModel, path: str | os.PathLike[str], *, card: ModelCard | None = None) -> None:
    """Write weights, configuration and card into one safetensors file; after a failure an older file is unchanged.

    Parameters
    ----------
    model : SequenceModel
    path : path-like
        Usually ends in ``.safetensors``; the folder must exist.
    card : ModelCard, optional
        Made by :func:`rcviz.model_card`; :func:`read_model_card` reads it again.

    Raises
    ------
    ValueError
        If the model was not made by :func:`rcviz.build_model`, its parameters are on different devices or of different
        dtypes, or the card belongs to another model.

    Warns
    -----
    UserWarning
        If weights are NaN or infinite.

    Examples
    --------
    >>> rcviz.save_model(model, "model.safetensors")
    >>> rcviz.load_model("model.safetensors").config == model.config
    True
    """
    if not isinstance(model, SequenceModel):
        raise _not_built(model)
    check_single_device(model)  # because load_model gives all parameters one dtype
    settings = dataclasses.asdict(model.config)
    if card is not None:
        if card.config != model.config:
            raise ValueError("card must have the same configuration as the model; make it with rcviz.model_card")
        settings[_CARD] = card.to_json()
    state = with_current_weights(model).state_dict()  # under the names that build_model gives
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    lost = [name for name, tensor in tensors.items() if tensor.is_floating_point() and not tensor.isfinite().all()]
    if lost:
        warnings.warn(
            f"weights are NaN or infinite ({brief(', '.join(lost))}) and are written all the same: training has "
            f"diverged, train again with a lower learning rate",
            stacklevel=2,
        )
    # One entry: safetensors writes several in random order, and the same model should give the same file.
    metadata = {FORMAT: json.dumps(settings)}
    with atomic_write(path) as temporary:
        save_file(tensors, temporary, metadata)


def _not_built(model: Any) -> ValueError:
    inside = isinstance(getattr(model, "model", None), SequenceModel)
    advice = "model.model" if inside else "any other with safetensors.torch.save_model, and keep its code"
    return ValueError(f"model must be one that build_model made, got {type(model).__name__}; save {advice}")


def load_model(path: str | os.PathLike[str]) -> SequenceModel:
    """Read a model that :func:`save_model` wrote; nothing in the file is executed.

    Returns
    -------
    SequenceModel
        On the CPU, in the dtype that it was saved in and in evaluation mode.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not a model of rcviz, is truncated, or was written by a newer version.

    Examples
    --------
    >>> rcviz.save_model(model, "model.safetensors")
    >>> again = rcviz.load_model("model.safetensors")
    >>> np.array_equal(rcviz.predict(again, parts.test), rcviz.predict(model, parts.test))
    True
    """
    settings, tensors = _read(path)
    settings.pop(_CARD, None)
    config = _config(settings, path)
    if not _fit(config, tensors, path):
        raise ValueError(f"the weights in {path} do not fit the configuration saved with them; save the model again")
    model = build_model(config)
    for tensor in tensors.values():
        if tensor.is_floating_point():
            model.to(tensor.dtype)
            break
    model.load_state_dict(tensors)
    return model.eval()


def _fit(config: ModelConfig, tensors: dict[str, Tensor], path: object) -> bool:
    """Tell whether weights fit a configuration, without allocating the memory that the configuration asks for."""
    if len(config.kernel_sizes) > len(tensors):
        return False
    try:
        with torch.device("meta"):
            wanted = build_model(config).state_dict()
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:  # sizes that no tensor can have
        raise _unreadable(path, brief(error)) from error
    kinds = {tensor.dtype for tensor in tensors.values() if tensor.is_floating_point()}
    return len(kinds & _PRECISIONS) == len(kinds) == 1 and _described(wanted) == _described(tensors)


def _described(tensors: Mapping[str, Tensor]) -> dict[str, tuple[torch.Size, bool]]:
    return {name: (tensor.shape, tensor.is_floating_point()) for name, tensor in tensors.items()}


def read_model_card(path: str | os.PathLike[str]) -> ModelCard | None:
    """Read the card of a model that :func:`save_model` wrote; nothing in the file is executed.

    Returns
    -------
    ModelCard or None
        None if the model was saved without one.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not a model of rcviz, is truncated, or its card cannot be read.

    Examples
    --------
    >>> card = rcviz.model_card(model, parts, name="CTCF, GM12878", training=rcviz.TrainConfig.chipseq())
    >>> rcviz.save_model(model, "model.safetensors", card=card)
    >>> rcviz.read_model_card("model.safetensors") == card
    True
    """
    settings, _ = _read(path, weights=False)
    content = settings.pop(_CARD, None)
    if content is None:
        return None
    config = _config(settings, path)
    try:
        return ModelCard.from_json(config, content)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the card in {path} cannot be read ({brief(error)}); save the model again") from error


def _read(path: str | os.PathLike[str], *, weights: bool = True) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the settings in a file and, with ``weights``, its tensors."""
    check_path(path)
    if not Path(path).exists() or Path(path).is_dir():
        raise FileNotFoundError(f"there is no file {path}; give one written by save_model")
    try:
        with regular_file(path) as at, safe_open(at, framework="pt") as file:
            metadata = file.metadata() or {}
            if FORMAT not in metadata:
                raise ValueError(
                    f"{path} is a safetensors file but not a model that this version of rcviz reads ({FORMAT}); give "
                    f"a file written by save_model, or update rcviz"
                )
            names = file.keys() if weights else ()
            tensors = {name: file.get_tensor(name) for name in names}
    except SafetensorError as error:
        raise ValueError(
            f"{path} is not a complete safetensors file ({brief(error)}); give one written by save_model"
        ) from error
    try:
        if len(metadata[FORMAT]) > _LONGEST_SETTINGS:
            raise ValueError(f"it has {len(metadata[FORMAT]):,} characters")
        settings = json.loads(metadata[FORMAT])
    except (ValueError, RecursionError) as error:
        raise _unreadable(path, brief(error)) from error
    if not isinstance(settings, dict):
        raise _unreadable(path, f"it is a {type(settings).__name__}")
    settings.pop(_OLD_GAP, None)
    return settings, tensors


def _config(settings: dict[str, Any], path: object) -> ModelConfig:
    try:
        return ModelConfig(**{**settings, "kernel_sizes": tuple(settings["kernel_sizes"])})
    except (TypeError, KeyError, ValueError) as error:
        raise _unreadable(path, brief(error)) from error


def _unreadable(path: object, why: object) -> ValueError:
    return ValueError(f"the configuration in {path} cannot be read ({why}); save the model again")
