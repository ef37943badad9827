"""A model is one safetensors file with its configuration inside; reading it executes nothing."""

import dataclasses
import json
import os
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from rcviz._files import written_whole
from rcviz.models.config import ModelConfig
from rcviz.models.network import SequenceModel, build_model

FORMAT = "rcviz.model.v1"


def save_model(model: SequenceModel, path: str | os.PathLike[str]) -> None:
    """Write weights and configuration into one safetensors file, whole or not at all.

    Parameters
    ----------
    model : SequenceModel
    path : path-like
        By custom ``*.safetensors``; the folder must exist.
    """
    if not isinstance(model, SequenceModel):
        raise ValueError(
            f"save_model keeps models made by build_model, got {type(model).__name__}; "
            f"for any other use safetensors.torch.save_model and keep its code"
        )
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    # One entry: safetensors writes several in random order, and the same model should give the same file.
    metadata = {FORMAT: json.dumps(dataclasses.asdict(model.config))}
    with written_whole(path) as temporary:
        save_file(tensors, temporary, metadata)


def load_model(path: str | os.PathLike[str]) -> SequenceModel:
    """Read a model that :func:`save_model` wrote; nothing in the file is executed.

    Returns
    -------
    SequenceModel
        On the CPU, in the type it was saved in and in evaluation mode.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When the file is not a model of rcviz, is cut off, or is of a newer version.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file {path}; give one written by save_model")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            config = _read_config(metadata, path)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except SafetensorError as error:
        raise ValueError(f"{path} is not a whole safetensors file ({error}); give one written by save_model") from error
    model = build_model(config)
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    if wanted != {name: tuple(tensor.shape) for name, tensor in tensors.items()}:
        raise ValueError(f"the weights in {path} do not fit the configuration saved with them; save the model again")
    for tensor in tensors.values():
        if tensor.is_floating_point():
            model.to(tensor.dtype)
            break
    model.load_state_dict(tensors)
    return model.eval()


def _read_config(metadata: dict[str, str], path: object) -> ModelConfig:
    if FORMAT not in metadata:
        raise ValueError(
            f"{path} is a safetensors file but no model that this version of rcviz reads ({FORMAT}); give a file "
            f"written by save_model, or update rcviz"
        )
    try:
        settings = json.loads(metadata[FORMAT])
        return ModelConfig(**{**settings, "kernel_sizes": tuple(settings["kernel_sizes"])})
    except (TypeError, KeyError, ValueError) as error:
        raise ValueError(f"the configuration in {path} cannot be read ({error}); save the model again") from error
