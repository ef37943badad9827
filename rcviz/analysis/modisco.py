"""Files for TF-MoDISco, which finds motifs in the attributions of many sequences."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from rcviz._core.files import atomic_write
from rcviz.analysis.attributions import Strand, hypothetical_attributions
from rcviz.sequences.sequence_set import as_sequence_set

FILES = ("sequences.npz", "attributions.npz")


def save_modisco(
    model: nn.Module,
    data: Any,
    folder: str | os.PathLike[str],
    *,
    task: int | np.integer | str = 0,
    strands: Strand = "forward",
    batch_size: int = 100,
) -> None:
    """Write the files of tfmodisco-lite: ``modisco motifs -s sequences.npz -a attributions.npz -n 2000 -w WIDTH``.

    Both files hold one array (N, 4, L): the sequences one-hot, and their hypothetical attributions in float32, see
    :func:`rcviz.hypothetical_attributions`. ``modiscolite.tfmodisco.TFMoDISco`` itself takes them as float32 (N, L, 4).

    Parameters
    ----------
    model, data, task, strands, batch_size
        As in :func:`rcviz.hypothetical_attributions`; motifs are usually searched in the positives of a task.
    folder : path-like
        It must exist; existing files with these names are overwritten.

    Examples
    --------
    >>> from pathlib import Path
    >>> Path("modisco").mkdir()
    >>> rcviz.save_modisco(model, parts.test.positives(), "modisco")
    """
    target = Path(folder)
    if not target.is_dir():
        raise ValueError(f"folder {target} does not exist; make it first, or give another one")
    data = as_sequence_set(data)
    attributions = hypothetical_attributions(model, data, task=task, strands=strands, batch_size=batch_size)
    for name, array in zip(FILES, (data.one_hot().astype(np.int8), attributions.astype(np.float32)), strict=True):
        with atomic_write(target / name) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, array)
