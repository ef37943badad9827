"""The whole state of a training run in one safetensors file; a killed run continues from it with the same numbers."""

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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

FORMAT = "rcviz.checkpoint.v1"


@dataclass
class Progress:
    """State of a run: the digest of its starting weights, the epochs recorded so far and the best weights.

    ``evaluated`` names the modules that stay in evaluation mode; the modes that an interrupted run leaves are others.
    """

    start: str
    records: list[EpochRecord] = field(default_factory=list)
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    evaluated: list[str] = field(default_factory=list)

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


def save_checkpoint(
    path: str | os.PathLike[str],
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
    config: TrainConfig,
    data: str,
) -> None:
    """Write the state after an epoch; after a failure the previous file is unchanged."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"best.{name}": tensor for name, tensor in progress.best_weights.items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": tensor for name, tensor in state.items()}
    content = {
        "config": dataclasses.asdict(config),
        "model": _settings_of(model),
        "start": progress.start,
        "data": data,
        "evaluated": progress.evaluated,
        "records": [dataclasses.asdict(record) for record in progress.records],
    }
    # One entry: safetensors writes several in random order, and the same state should give the same file.
    metadata = {FORMAT: json.dumps(content)}
    with atomic_write(path) as temporary:
        save_file(
            {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}, temporary, metadata
        )


def load_checkpoint(
    path: str | os.PathLike[str],
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    config: TrainConfig,
    data: str,
    evaluated: Sequence[str] = (),
) -> Progress:
    """Load a checkpoint into model and optimizer; if there is no file, return an empty :class:`Progress`.

    ``evaluated`` names the modules that stay in evaluation mode in a run that starts.

    Raises
    ------
    ValueError
        If the file is not a checkpoint, or belongs to another model, configuration or data; nothing is changed then.
        A model is also treated as another one if its settings differ, or if its weights are neither those that the run
        started with nor any that the run left in it, because the result would be that of neither run.
    """
    start = digest_of_weights(model.state_dict())
    remedy = "choose another checkpoint path, or delete the file to start again"
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except FileNotFoundError:  # not checked beforehand: another process may remove it on finishing the same run
        return Progress(start, evaluated=list(evaluated))
    except SafetensorError as error:
        raise ValueError(f"{path} is not a complete safetensors file ({brief(error)}); {remedy}") from error
    if FORMAT not in metadata:
        raise ValueError(f"{path} is not a checkpoint that this version of rcviz reads ({FORMAT}); {remedy}")
    try:
        content = _content(metadata[FORMAT])
        records = list(epochs_in_order(content["records"]))
        state = _optimizer_state(_part(tensors, "optimizer."))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged ({brief(error)}); {remedy}") from error
    for key, kind, settings in (
        ("config", "training configuration", dataclasses.asdict(config)),
        ("model", "model", _settings_of(model)),
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
    if _kinds(weights) != kinds:
        raise ValueError(f"{path} is the checkpoint of another model; {remedy}")
    if start not in (content["start"], digest_of_weights(weights), digest_of_weights(best)):
        raise ValueError(
            f"{path} is the checkpoint of a run that started with other weights; build the model with the seed of that "
            f"run, or {remedy}"
        )
    names = [name for name, _ in model.named_modules(remove_duplicate=False)]
    if any(name not in names for name in content["evaluated"]):
        raise ValueError(f"{path} is the checkpoint of another model; {remedy}")
    if (records and _kinds(best) != kinds) or not _fits(optimizer, state):
        raise ValueError(f"{path} is damaged (best weights or the optimizer's state do not fit the model); {remedy}")
    model.load_state_dict(weights)
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    return Progress(content["start"], records, best, content["evaluated"])


def _content(text: str) -> dict[str, Any]:
    """Parse the metadata; every entry must be there and of its type."""
    content = json.loads(text)
    kinds = {"config": dict, "model": dict, "start": str, "data": str, "evaluated": list, "records": list}
    for name, kind in kinds.items():
        if not isinstance(content, dict) or not isinstance(content.get(name), kind):
            raise ValueError(f"{name!r} must be a {kind.__name__}")
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


def _fits(optimizer: torch.optim.Optimizer, state: dict[int, dict[str, Tensor]]) -> bool:
    """Tell whether a state is Adam's for these parameters: steps, and moments of their shapes and dtypes."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
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


def _settings_of(model: nn.Module) -> dict[str, Any]:
    """Settings of a model: some, such as the momentum of batch norm, change a run but no shape of a weight."""
    return dataclasses.asdict(model.config) if isinstance(model, SequenceModel) else {}


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
