"""The whole state of a training run in one safetensors file; a killed run continues from it with the same numbers."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from rcviz._core.checks import brief, quoted
from rcviz._core.files import atomic_write
from rcviz.models.network import SequenceModel
from rcviz.sequences.sequence_set import SequenceSet
from rcviz.training.config import TrainConfig
from rcviz.training.history import EpochRecord, epochs_in_order

FORMAT = "rcviz.checkpoint.v2"


@dataclass(frozen=True)
class State:
    """State of a run before its first step or after an epoch: all that is needed to continue with the same numbers.

    Attributes
    ----------
    records : tuple of EpochRecord
    best_weights : dict
        Of the best epoch so far; empty before the first.
    evaluated : tuple of str
        Names of the modules that stay in evaluation mode; the modes that an interrupted run leaves are others.
    digests : tuple of str
        Of the weights at the start and, in a checkpoint, after every epoch: weights by which a run is recognised.
    weights, optimizer : dict
        Latest weights, and the state of Adam by the index of the parameter.
    """

    records: tuple[EpochRecord, ...]
    best_weights: Mapping[str, Tensor]
    evaluated: tuple[str, ...]
    digests: tuple[str, ...]
    weights: Mapping[str, Tensor]
    optimizer: Mapping[int, Mapping[str, Tensor]]

    @property
    def start(self) -> str:
        """Digest of the starting weights."""
        return self.digests[0]

    def finished(self, config: TrainConfig) -> bool:
        """Tell whether all epochs are done or patience has run out."""
        if not self.records:
            return False
        last = self.records[-1]
        return last.epoch >= config.epochs or (
            config.patience is not None and last.epoch - last.best_epoch >= config.patience
        )


def fingerprint(*sets: SequenceSet) -> str:
    """Digest of sequences and labels, by which a checkpoint recognises its data."""
    digest = hashlib.sha256()
    for data in sets:
        digest.update(repr((data.codes.shape, None if data.labels is None else data.labels.shape)).encode())
        digest.update(np.ascontiguousarray(data.codes).data)
        if data.labels is not None:
            digest.update(np.ascontiguousarray(data.labels).data)
    return digest.hexdigest()


def digest_of_weights(weights: Mapping[str, Tensor]) -> str:
    """Digest of a ``state_dict``, the same on every device."""
    digest = hashlib.sha256()
    for name, tensor in sorted(weights.items()):
        digest.update(repr((name, tuple(tensor.shape), str(tensor.dtype))).encode())
        digest.update(tensor.detach().cpu().reshape(-1).contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def save_checkpoint(path: Path, state: State, model: nn.Module, config: TrainConfig, data: str) -> None:
    """Write a state; after a failure the previous file is unchanged."""
    tensors = {f"model.{name}": tensor for name, tensor in state.weights.items()}
    tensors |= {f"best.{name}": tensor for name, tensor in state.best_weights.items()}
    for index, parts in state.optimizer.items():
        tensors |= {f"optimizer.{index}.{name}": tensor for name, tensor in parts.items()}
    content = {
        "config": dataclasses.asdict(config),
        "model": settings_of(model),
        "data": data,
        "digests": state.digests,
        "evaluated": state.evaluated,
        "records": [dataclasses.asdict(record) for record in state.records],
    }
    # One entry: safetensors writes several in random order, and the same state should give the same file.
    metadata = {FORMAT: json.dumps(content)}
    with atomic_write(path) as temporary:
        save_file(
            {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}, temporary, metadata
        )


def remedy_for(path: Path) -> str:
    """What to do about a file that cannot be continued."""
    return f"remove {path} to start again, or choose another name"


def read_checkpoint(path: Path, model: nn.Module, config: TrainConfig, data: str) -> State | None:
    """Read the state of a run of this model, configuration and data; None if there is no file.

    Raises
    ------
    ValueError
        If the file is not a checkpoint, or belongs to another model, configuration or data. A model is also treated as
        another one if its settings differ.
    """
    remedy = remedy_for(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except FileNotFoundError:  # not checked beforehand: another process may remove it on finishing the same run
        return None
    except SafetensorError as error:
        raise ValueError(f"{path} is not a complete safetensors file ({brief(error)}); {remedy}") from error
    if FORMAT not in metadata:
        raise ValueError(f"{path} is not a checkpoint that this version of rcviz reads ({FORMAT}); {remedy}")
    try:
        content = _content(metadata[FORMAT])
        records = tuple(epochs_in_order(content["records"]))
        optimizer = _optimizer_state(_part(tensors, "optimizer."))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged ({brief(error)}); {remedy}") from error
    for key, kind, settings in (
        ("config", "training configuration", dataclasses.asdict(config)),
        ("model", "model", settings_of(model)),
    ):
        was, now = content[key], json.loads(json.dumps(settings))  # tuples are lists in both
        changed = [
            f"{name} was {was.get(name)!r:.60} and is {now[name]!r}" for name in now if was.get(name) != now[name]
        ]
        if changed:
            raise ValueError(f"{path} is the checkpoint of another {kind} ({'; '.join(changed)}); {remedy}")
    if content["data"] != data:
        raise ValueError(f"{path} is the checkpoint of a run on other sequences or labels; {remedy}")
    weights, best = _part(tensors, "model."), _part(tensors, "best.")
    kinds = _kinds(model.state_dict())
    names = [name for name, _ in model.named_modules(remove_duplicate=False)]
    if _kinds(weights) != kinds or any(name not in names for name in content["evaluated"]):
        raise ValueError(f"{path} is the checkpoint of another model; {remedy}")
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if (records and _kinds(best) != kinds) or not _fits(parameters, optimizer):
        raise ValueError(f"{path} is damaged (best weights or the optimizer's state do not fit the model); {remedy}")
    return State(records, best, tuple(content["evaluated"]), tuple(content["digests"]), weights, optimizer)


def _content(text: str) -> dict[str, Any]:
    """Parse the metadata; every entry must be there and of its type."""
    content = json.loads(text)
    kinds = {"config": dict, "model": dict, "data": str, "digests": list, "evaluated": list, "records": list}
    for name, kind in kinds.items():
        if not isinstance(content, dict) or not isinstance(content.get(name), kind):
            raise ValueError(f"{name!r} must be a {kind.__name__}")
    if len(content["digests"]) != len(content["records"]) + 1:
        raise ValueError("'digests' must have one entry for the start and one for each epoch")
    return content


def _kinds(tensors: Mapping[str, Tensor]) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}


def _optimizer_state(tensors: dict[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, _, entry = name.partition(".")
        if not index.isdecimal() or len(index) > 9:
            raise ValueError(f"the optimizer's state must belong to the index of a parameter, got {quoted(index)}")
        state.setdefault(int(index), {})[entry] = tensor
    return state


def _fits(parameters: Sequence[Tensor], state: dict[int, dict[str, Tensor]]) -> bool:
    """Tell whether a state is Adam's for these parameters: steps, and moments of their shapes and dtypes."""
    return all(
        index < len(parameters)
        and entries.keys() == {"step", "exp_avg", "exp_avg_sq"}
        and entries["step"].shape == ()
        and entries["step"].is_floating_point()
        and 0 <= float(entries["step"]) < 2**53
        and all(
            (entries[name].shape, entries[name].dtype) == (parameters[index].shape, parameters[index].dtype)
            for name in ("exp_avg", "exp_avg_sq")
        )
        for index, entries in state.items()
    )


def settings_of(model: nn.Module) -> dict[str, Any]:
    """Settings of a model: some, such as the momentum of batch norm, change a run but no shape of a weight."""
    return dataclasses.asdict(model.config) if isinstance(model, SequenceModel) else {}


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
