"""The whole state of a training run in one safetensors file, so that a killed run goes on with the same numbers."""

import dataclasses
import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from rcviz._files import written_whole
from rcviz.sequences.dataset import SequenceSet
from rcviz.training.config import TrainConfig
from rcviz.training.history import EpochRecord

FORMAT = "rcviz.checkpoint"


@dataclass
class Progress:
    """Where a run stands: what it recorded and its best weights."""

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
        digest.update(data.codes.tobytes())
        if data.labels is not None:
            digest.update(data.labels.tobytes())
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
        "data": data,
        "records": json.dumps([dataclasses.asdict(record) for record in progress.records]),
    }
    with written_whole(path) as temporary:
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
    """
    if not Path(path).exists():
        return Progress()
    mend = "choose another checkpoint path, or delete the file to start afresh"
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except SafetensorError as error:
        raise ValueError(f"{path} is not a whole safetensors file ({error}); {mend}") from error
    if metadata.get("format") != FORMAT:
        raise ValueError(f"{path} is no checkpoint of rcviz; {mend}")
    was, now = json.loads(metadata["config"]), dataclasses.asdict(config)
    changed = [f"{name} was {was.get(name)!r} and is {now[name]!r}" for name in now if was.get(name) != now[name]]
    if changed:
        raise ValueError(f"{path} is the checkpoint of another training configuration ({'; '.join(changed)}); {mend}")
    if metadata["data"] != data:
        raise ValueError(f"{path} is the checkpoint of a run on other sequences or labels; {mend}")
    weights = _part(tensors, "model.")
    if {name: tensor.shape for name, tensor in weights.items()} != {
        name: tensor.shape for name, tensor in model.state_dict().items()
    }:
        raise ValueError(f"{path} is the checkpoint of another model; {mend}")
    model.load_state_dict(weights)
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _part(tensors, "optimizer.").items():
        index, entry = name.split(".", 1)
        state.setdefault(int(index), {})[entry] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    records = [EpochRecord.from_dict(record) for record in json.loads(metadata["records"])]
    return Progress(records, _part(tensors, "best."))


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
