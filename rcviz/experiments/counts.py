"""What the paper counts: windows of every factor (Table 1), and the parameters of its networks (section 3.6)."""

import os
from pathlib import Path

import pandas as pd

from rcviz.experiments.arms import every_arm
from rcviz.models.network import build_model, count_parameters
from rcviz.sequences.sequence_set import SequenceSet

TABLE_1 = {"CTCF": (44_982, 225_533), "SPI1": (42_938, 203_960), "MAX": (12_542, 206_628)}
"""Positives and negatives of every factor, as printed."""


def table_1(data: str | os.PathLike[str]) -> pd.DataFrame:
    """Count the windows of every factor beside the paper's own counts.

    Parameters
    ----------
    data : path-like
        Folder with ``CTCF.safetensors``, ``SPI1.safetensors`` and ``MAX.safetensors``.

    Returns
    -------
    DataFrame, one row per factor
        factor, n_positive, n_negative, ratio (negatives per positive), the same with ``_paper``, n_chromosomes.
    """
    rows = []
    for factor, (n_positive, n_negative) in TABLE_1.items():
        windows = SequenceSet.load(Path(data) / f"{factor}.safetensors", memory_map=True)
        found = windows.summary().iloc[0]
        row = {
            "factor": factor,
            "n_positive": found["n_positive"],
            "n_negative": found["n_negative"],
            "ratio": found["ratio"],
            "n_positive_paper": n_positive,
            "n_negative_paper": n_negative,
            "ratio_paper": n_negative / n_positive,
            "n_chromosomes": windows.table["chrom"].nunique(),
        }
        rows.append(row)
    return pd.DataFrame(rows)


def parameter_counts() -> pd.DataFrame:
    """Trainable parameters of every network of the paper and of the rivals.

    Returns
    -------
    DataFrame, one row per figure and arm
        figure, arm, paper, architecture, n_filters, n_channels (what memory goes by), n_parameters.
    """
    rows = [
        {
            "figure": arm.figure,
            "arm": arm.name,
            "paper": arm.paper,
            "architecture": arm.model.architecture,
            "n_filters": arm.model.n_filters,
            "n_channels": arm.model.n_channels,
            "n_parameters": count_parameters(build_model(arm.model)),
        }
        for arm in every_arm()
    ]
    return pd.DataFrame(rows).drop_duplicates(ignore_index=True)
