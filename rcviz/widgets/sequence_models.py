"""A model of a sequence explorer: the scales of its numbers, its threshold, and the tasks that it has."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from rcviz.analysis.attributions import StrandAttributions
from rcviz.analysis.strand_pass import StrandPass
from rcviz.analysis.tasks import model_tasks
from rcviz.models.scale import Scale, one_warning, returned_scale
from rcviz.sequences.sequence_set import SequenceSet
from rcviz.widgets.strand_splits import reason_of


@dataclass(frozen=True)
class ReadModel:
    """A model, the scales of its numbers, and its threshold on the logit, or value."""

    model: nn.Module
    layer: str | None
    scale: Scale
    unit: str
    threshold: float | None
    own: StrandAttributions | None

    def scaled(self, outputs: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """Logits as predictions on the model's scale."""
        if self.scale != "probability":
            return outputs
        return torch.from_numpy(np.array(outputs)).sigmoid().numpy()


def tasks_of(name: str, model: nn.Module, data: SequenceSet) -> tuple[str, ...]:
    """Names of a model's outputs; refused where it does not read the data."""
    try:
        with one_warning():
            strands = StrandPass(model, SequenceSet(data.codes[:1]), output=returned_scale(model))
            if strands.profiles:
                raise ValueError(
                    "it returns profiles; select one number per task with rcviz.as_sequence_model(output=...)"
                )
            for _ in strands.batches():
                pass
        return model_tasks(data, strands.forward.shape[1])
    except Exception as error:  # a user's model may raise anything
        raise ValueError(f"{name} does not read sequences of {data.length:,} bp: {reason_of(error)}") from error
