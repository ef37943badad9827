"""Files for TF-MoDISco, which finds motifs in the attributions of many sequences."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from rcviz._core.files import atomic_write
from rcviz.analysis.attributions import Strand, hypothetical_attributions
from rcviz.analysis.own_attributions import hypothetical
from rcviz.sequences.checks import check_not_empty
from rcviz.sequences.sequence_set import as_sequence_set

FILES = ("sequences.npz", "attributions.npz")


def save_modisco(
    model: nn.Module | None,
    data: Any,
    folder: str | os.PathLike[str],
    *,
    task: int | np.integer | str = 0,
    strands: Strand = "forward",
    batch_size: int = 100,
    attributions: Any = None,
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
    attributions : array or tensor (N, 4, L), optional
        Hypothetical attributions that were computed elsewhere, such as by tangermeme's ``deep_lift_shap(...,
        hypothetical=True)``: of all four bases A, C, G, T, in the coordinates of ``data``. The model is then not used,
        and may be None. ``rcviz.reverse_complement(array)`` brings those of the reverse complements there.

    Raises
    ------
    ValueError
        If the folder does not exist, there is neither a model nor attributions, or attributions do not fit the
        sequences, are not finite, or are those of the observed bases only.

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
    if attributions is not None:
        check_not_empty(data)
        saved = hypothetical("attributions", attributions, data.codes)
    elif model is None:
        raise ValueError("there is neither a model nor attributions; pass attributions=array (N, 4, L), or a model")
    else:
        saved = hypothetical_attributions(model, data, task=task, strands=strands, batch_size=batch_size)
    for name, array in zip(FILES, (data.one_hot().astype(np.int8), saved.astype(np.float32)), strict=True):
        with atomic_write(target / name) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, array)
