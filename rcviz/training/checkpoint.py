"""The whole state of a training run in one safetensors file, so that a killed run goes on with the same numbers."""

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from rcviz._core.checks import brief
from rcviz._core.files import atomic_write
from rcviz.models.network import SequenceModel
from rcviz.sequences.sequence_set import SequenceSet
from rcviz.training.config import TrainConfig
from rcviz.training.history import EpochRecord, epochs_in_order

FORMAT = "rcviz.checkpoint"


@dataclass
class Progress:
    """Where a run stands: the digest of the weights it started with, what it recorded and its best weights."""

    start: str
    records: list[EpochRecord] = field(default_factory=list)
    best_weights: dict[str, Tensor] = field(default_factory=dict)

    def finished(self, config: TrainConfig) -> bool:
        """Whether all epochs are done or patience has run out."""
        if not self.records:
            return False
        last = self.records[-1]
        return last.epoch >= config.epochs or (
            config.patience is not None and last.epoch - last.best_epoch >= config.patience
        )


def fingerprint(*sets: SequenceSet) -> str:
    """Digest of sequences and labels, which tells whether a checkpoint belongs to the same data."""
    digest = hashlib.sha256()
    for data in sets:
        digest.update(repr((data.codes.shape, None if data.labels is None else data.labels.shape)).encode())
        digest.update(np.ascontiguousarray(data.codes).data)
        if data.labels is not None:
            digest.update(np.ascontiguousarray(data.labels).data)
    return digest.hexdigest()


def digest_of_weights(weights: Mapping[str, Tensor]) -> str:
    """Digest of a ``state_dict``, wherever its tensors lie."""
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
    """Write the state after an epoch, whole or not at all."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"best.{name}": tensor for name, tensor in progress.best_weights.items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": tensor for name, tensor in state.items()}
    metadata = {
        "format": FORMAT,
        "config": json.dumps(dataclasses.asdict(config)),
        "model": json.dumps(_settings_of(model)),
        "start": progress.start,
        "data": data,
        "records": json.dumps([dataclasses.asdict(record) for record in progress.records]),
    }
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
) -> Progress:
    """Put model and optimizer back to where the checkpoint left them; without a file, start at the beginning.

    Raises
    ------
    ValueError
        When the file belongs to another model, configuration or data, or is no checkpoint. Nothing is changed then.
        Another model is also one of other settings, or one whose weights are neither those that the run started with
        nor any that it left: what would come out is what neither run alone gives.
    """
    start = digest_of_weights(model.state_dict())
    mend = "choose another checkpoint path, or delete the file to start afresh"
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except FileNotFoundError:  # not asked for before: another sweep may remove it on finishing the same run
        return Progress(start)
    except SafetensorError as error:
        raise ValueError(f"{path} is not a whole safetensors file ({brief(error)}); {mend}") from error
    if metadata.get("format") != FORMAT:
        raise ValueError(f"{path} is no checkpoint of rcviz; {mend}")
    try:
        said = {name: json.loads(metadata[name]) for name in ("config", "model", "records")}
        records = list(epochs_in_order(said["records"]))
        state = _optimizer_state(_part(tensors, "optimizer."))
    except (KeyError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged ({brief(error)}); {mend}") from error
    for kind, settings in {"config": dataclasses.asdict(config), "model": _settings_of(model)}.items():
        was, now = said[kind], json.loads(json.dumps(settings))  # tuples are lists in both
        if not isinstance(was, dict):
            raise ValueError(f"{path} is damaged (its {kind} holds no settings); {mend}")
        changed = [
            f"{name} was {was.get(name)!r:.60} and is {now[name]!r}" for name in now if was.get(name) != now[name]
        ]
        if changed:
            what = "training configuration" if kind == "config" else "model"
            raise ValueError(f"{path} is the checkpoint of another {what} ({'; '.join(changed)}); {mend}")
    if metadata.get("data") != data:
        raise ValueError(f"{path} is the checkpoint of a run on other sequences or labels; {mend}")
    weights, best = _part(tensors, "model."), _part(tensors, "best.")
    kinds = _kinds(model.state_dict())
    if _kinds(weights) != kinds:
        raise ValueError(f"{path} is the checkpoint of another model; {mend}")
    if start not in (metadata.get("start"), digest_of_weights(weights), digest_of_weights(best)):
        raise ValueError(
            f"{path} is the checkpoint of a run that started with other weights; build the model with the seed that "
            f"it had, or {mend}"
        )
    if (records and _kinds(best) != kinds) or not _fits(optimizer, state):
        raise ValueError(f"{path} is damaged (best weights or the optimizer's state do not fit the model); {mend}")
    model.load_state_dict(weights)
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    return Progress(metadata.get("start", start), records, best)


def _kinds(tensors: Mapping[str, Tensor]) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}


def _optimizer_state(tensors: dict[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, _, entry = name.partition(".")
        if not index.isdecimal() or len(index) > 9:
            raise ValueError("the optimizer's state belongs to no parameter")
        state.setdefault(int(index), {})[entry] = tensor
    return state


def _fits(optimizer: torch.optim.Optimizer, state: dict[int, dict[str, Tensor]]) -> bool:
    """Whether a state is Adam's for these parameters: steps, and moments of their shapes."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    return all(
        index < len(parameters)
        and entries.keys() == {"step", "exp_avg", "exp_avg_sq"}
        and entries["step"].shape == ()
        and 0 <= float(entries["step"]) < 2**53
        and all(
            (entries[name].shape, entries[name].dtype) == (parameters[index].shape, parameters[index].dtype)
            for name in ("exp_avg", "exp_avg_sq")
        )
        for index, entries in state.items()
    )


def _settings_of(model: nn.Module) -> dict[str, Any]:
    """Settings that shape nothing in the weights change a run all the same, such as the batch norm's momentum."""
    return dataclasses.asdict(model.config) if isinstance(model, SequenceModel) else {}


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
