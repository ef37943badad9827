"""How far apart a model reads the two strands in float32, noted with every RC model that is saved without a card."""

import copy
import math
from typing import Any

import numpy as np
import torch

from rcviz.models.network import SequenceModel
from rcviz.models.prediction import predict
from rcviz.models.runtime import device_and_dtype
from rcviz.sequences.alphabet import reverse_complement

N_SEQUENCES = 8


def float32_strand_gap(model: SequenceModel) -> dict[str, Any]:
    """Predict random sequences and their reverse complements in float32, and compare the probabilities.

    Returns
    -------
    dict
        As in :class:`rcviz.ModelCard`: ``part`` ("random"), ``n`` sequences, ``max`` and ``mean`` of the absolute
        difference; None where a prediction is not a number.
    """
    codes = np.random.default_rng(0).integers(0, 4, (N_SEQUENCES, model.config.sequence_length), dtype=np.uint8)
    network = model if device_and_dtype(model)[1] == torch.float32 else copy.deepcopy(model).float()
    forward, reverse = (predict(network, strand) for strand in (codes, reverse_complement(codes)))
    gap = np.abs(forward - reverse)
    largest, mean = (float(value) if math.isfinite(value) else None for value in (gap.max(), gap.mean()))
    return {"part": "random", "n": N_SEQUENCES, "max": largest, "mean": mean}
