"""The model that a monitor trains, and the weights with which its next run starts."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor, nn

from rcviz.models.config import ModelConfig
from rcviz.models.network import SequenceModel, build_model
from rcviz.models.runtime import snapshot

Plan = Literal["as given", "go on", "again", "new weights", "new model"]


@dataclass(frozen=True)
class Settings:
    """Settings that determine model and starting weights; architecture and filters are None for a user's network."""

    architecture: Any
    n_filters: Any
    seed: int
    learning_rate: float
    augmentation: str


class MonitoredModel:
    """The model that is trained in place, until settings need another one.

    - With another architecture or number of filters, a new model is built from the seed.
    - With another seed, the model gets new starting weights (a user's network cannot; it starts again).
    - With another learning rate or augmentation after a run, it starts again from its starting weights.
    - With unchanged settings it continues from its present weights: the given ones, or the best of the last run.
    """

    def __init__(self, model: nn.Module, settings: Settings) -> None:
        self.model = model
        self._given = model.config if isinstance(model, SequenceModel) else None
        self._made = settings
        self._starting_weights: dict[str, Tensor] | None = None

    def plan(self, wanted: Settings) -> Plan:
        """Decide what the next start does."""
        made = self._made
        if (wanted.architecture, wanted.n_filters) != (made.architecture, made.n_filters):
            return "new model"
        if wanted.seed != made.seed and self._given is not None:
            return "new weights"
        if self._starting_weights is None:
            return "as given"
        return "go on" if wanted == made else "again"

    def prepare(self, wanted: Settings) -> tuple[nn.Module, dict[str, Tensor]]:
        """Return the model and the weights to start with; nothing is changed before :meth:`take`."""
        plan = self.plan(wanted)
        if plan == "again":
            assert self._starting_weights is not None
            return self.model, self._starting_weights
        if plan in ("as given", "go on"):
            return self.model, snapshot(self.model)
        built = build_model(self._config(wanted), seed=int(wanted.seed))
        return (built if plan == "new model" else self.model), snapshot(built)

    def take(self, model: nn.Module, weights: dict[str, Tensor], wanted: Settings) -> None:
        """Store a start that has succeeded."""
        if self.plan(wanted) != "go on":
            self._starting_weights = weights
        self.model, self._made = model, wanted

    def renew(self) -> None:
        """Take the present weights as given."""
        self._starting_weights = None

    def name(self, settings: Settings) -> str:
        """Describe the model with these settings in a few words."""
        if self._given is None:
            return type(self.model).__name__
        filters = f"{settings.n_filters} filter{'' if settings.n_filters == 1 else 's'}"
        return f"{'RC' if settings.architecture == 'revcomp' else settings.architecture}, {filters}"

    def _config(self, wanted: Settings) -> ModelConfig:
        """Change the given configuration; another architecture gets its default head."""
        assert self._given is not None
        changes: dict[str, Any] = {"n_filters": wanted.n_filters}
        if wanted.architecture != self._given.architecture:
            changes |= {"architecture": wanted.architecture, "head": None, "freeze_output": False}
        return dataclasses.replace(self._given, **changes)
