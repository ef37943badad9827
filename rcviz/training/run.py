"""One training run: where it begins or goes on, what is stored after every epoch, and what the model is left with.

The state on the disk, or in memory, is always that of a finished epoch, and the run's own state follows it: never the
other way round. So a run that is interrupted at any moment goes on, or begins again, with the same numbers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from rcviz.models.runtime import (
    device_and_dtype,
    model_lock,
    modes_of,
    restore,
    set_modes,
    snapshot,
)
from rcviz.models.settings import OwnSettings, self_contained
from rcviz.sequences.sequence_set import SequenceSet
from rcviz.training.adam import Adam
from rcviz.training.checkpoint import (
    State,
    digest_of_weights,
    fingerprint,
    read_checkpoint,
    remedy_for,
    save_checkpoint,
    settings_of,
)
from rcviz.training.checks import device_of
from rcviz.training.config import TrainConfig
from rcviz.training.history import EpochRecord, History


@dataclass
class _Last:
    """The last training of a model that is going on or was interrupted.

    Attributes
    ----------
    kind : tuple
        Configuration, data and settings of the model; another run has others.
    start : str
        Digest of the weights that it began with.
    state : State or None
        What to continue from; None if that is in a file, or the caller has what the training gave.
    left : str or None
        Digest of the weights that the model was left with; None as long as it has not been left.
    """

    kind: tuple[Any, ...]
    start: str
    state: State | None
    left: str | None = None


_last: "WeakKeyDictionary[nn.Module, _Last]" = WeakKeyDictionary()


class Run:
    """A run from its starting weights, or from where an interrupted one stopped; created without changing the model.

    Parameters
    ----------
    model, train, valid, config
        As in :func:`rcviz.train_epochs`.
    checkpoint : Path, optional
    evaluated : list of str
        Names of the modules that stay in evaluation mode in a run that begins.

    Attributes
    ----------
    state : State
        After the last epoch that was stored.
    on_purpose : bool
        Whether the run has ended, or is to end, without an error or interrupt.

    Raises
    ------
    ValueError
        If the checkpoint is damaged, or that of another run.
    """

    optimizer: torch.optim.Optimizer

    @self_contained
    def __init__(
        self,
        model: nn.Module,
        train: SequenceSet,
        valid: SequenceSet,
        config: TrainConfig,
        checkpoint: Path | None,
        evaluated: Sequence[str],
    ) -> None:
        self.model, self.train, self.valid, self.config = model, train, valid, config
        self.on_purpose = False
        self._checkpoint = checkpoint
        self._data = fingerprint(train, valid)
        with model_lock(model):
            self._given, self._modes, self._device = snapshot(model), modes_of(model), device_and_dtype(model)[0]
        weights = digest_of_weights(self._given)
        earlier = self._earlier(weights)
        self.resumes = earlier is not None
        self.state = earlier or State((), {}, tuple(evaluated), (weights,), self._given, {})
        self._now: _Last | None = None

    @property
    def explanation(self) -> str:
        """Sentence for the user if epochs of an earlier run are not computed again; else empty."""
        n_done, n_all = len(self.state.records), self.config.epochs
        if self.resumes and self._checkpoint:
            return f"continuing from the checkpoint {self._checkpoint}: {n_done} of {n_all} epochs are done"
        if self.resumes and n_done:
            return (
                f"continuing the training that was interrupted: {n_done} of {n_all} epochs are done; to train on from "
                f"the present weights instead, change the configuration, for example the seed"
            )
        return ""

    def _earlier(self, weights: str) -> State | None:
        """State of the run that these weights come from: on the disk, or of this model in memory."""
        last = _last.get(self.model)
        is_last = last is not None and last.kind == self._kind and last.left in (None, weights)
        if self._checkpoint is None:
            return last.state if last is not None and is_last else None
        state = read_checkpoint(self._checkpoint, self.model, self.config, self._data)
        if state is None or weights in state.digests or (last is not None and is_last and last.start == state.start):
            return state
        raise ValueError(
            f"{self._checkpoint} is the checkpoint of a run that started with other weights; build the model with the "
            f"seed of that run, or {remedy_for(self._checkpoint)}"
        )

    @property
    def _kind(self) -> tuple[Any, ...]:
        return self.config, self._data, settings_of(self.model)

    @self_contained
    def begin(self) -> None:
        """Bring the model to its device, in evaluation mode, with the weights of the state, which is stored."""
        in_memory = None if self._checkpoint else self.state
        self._now = _Last(self._kind, self.state.start, in_memory)
        _last[self.model] = self._now
        with model_lock(self.model), OwnSettings(self._device):
            self.model.to(device_of(self.config.device)).eval()
            self.model.load_state_dict(self.state.weights)
            parameters = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
            self.optimizer = Adam(parameters, lr=self.config.learning_rate)
            copies = _copied(self.state.optimizer)  # Adam writes over what it is given
            self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": copies})
        if self._checkpoint and not self.resumes:
            save_checkpoint(self._checkpoint, self.state, self.model, self.config, self._data)

    @self_contained
    def store(self, record: EpochRecord) -> None:
        """Store the state after an epoch, and take it over when that has succeeded."""
        assert self._now is not None
        with model_lock(self.model), OwnSettings(device_and_dtype(self.model)[0]):
            weights = snapshot(self.model)
            state = State(
                (*self.state.records, record),
                weights if record.best_epoch == record.epoch else self.state.best_weights,
                self.state.evaluated,
                (*self.state.digests, digest_of_weights(weights)) if self._checkpoint else self.state.digests,
                weights,
                _copied(self.optimizer.state_dict()["state"]),
            )
        if self._checkpoint:
            save_checkpoint(self._checkpoint, state, self.model, self.config, self._data)
            state = replace(state, weights={}, optimizer={})  # they are in the file
        else:
            self._now.state = state
        self.state = state

    @self_contained
    def leave(self) -> None:
        """Leave the best weights in the model; after an error before the first epoch was stored, all as it was given.

        Only once, and not if another training of the model has begun since.
        """
        if self._now is None or _last.get(self.model) is not self._now or self._now.left is not None:
            return
        with model_lock(self.model), OwnSettings(device_and_dtype(self.model)[0]):
            if self.state.best_weights or self.on_purpose:
                restore(self.model, self.state.best_weights)
            else:
                self.model.to(self._device).load_state_dict(self._given)
                set_modes(self._modes)
            self._now.left = digest_of_weights(self.model.state_dict())

    def forget(self) -> None:
        """Let the next training of the model begin with its weights: the caller knows how this one ended."""
        if self._checkpoint is None and _last.get(self.model) is self._now:
            del _last[self.model]


def hand_over(model: nn.Module, history: History) -> History:
    """Return the history; until then, the same call of :func:`rcviz.fit` would give it again."""
    last = _last.get(model)
    if last is None or last.state is None or last.state.records != history.records:
        return history
    # One line: an interrupt comes before both or after both.
    last.start, last.state = "", None; return history  # noqa: E702  # fmt: skip


def _copied(optimizer: Mapping[int, Mapping[str, Tensor]]) -> dict[int, dict[str, Tensor]]:
    """Copy the state of Adam, on the CPU."""
    return {
        index: {name: part.detach().to("cpu", copy=True) for name, part in parts.items()}
        for index, parts in optimizer.items()
    }
