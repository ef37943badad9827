"""Effects of variants of a genome on a model's output, on both strands."""

import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from rcviz._core.checks import check_positive, shown, task_index
from rcviz._core.files import atomic_write, check_ending, check_target
from rcviz._core.tables import table_writer
from rcviz.genome.fasta import FastaPaths, Genome
from rcviz.genome.variants import VariantWindows, check_known_chromosomes, warning_of_left_out
from rcviz.models.config import ModelConfig
from rcviz.models.outputs import logits_of, warn_of_nan
from rcviz.models.prediction import concatenate_batches, map_batches, one_hot_batch, to_numpy
from rcviz.models.runtime import check_module, evaluating
from rcviz.models.scale import one_warning, returned_scale, uncounted
from rcviz.models.settings import in_batches
from rcviz.sequences.annotations import numbered_tasks
from rcviz.symmetry.recording import warn_of_dependence
from rcviz.symmetry.strands import OtherStrand

ENDINGS = (".csv", ".tsv", ".parquet")
_COLUMNS = ("chrom", "pos", "id", "ref", "alt", "task", "effect_forward", "effect_reverse", "effect", "gap")


@dataclass(frozen=True)
class VariantEffects:
    """Effects of variants on the logit, or value, of each task, read on either strand.

    Attributes
    ----------
    table : DataFrame
        One row per allele and task: chrom, pos (1-based), id, ref, alt, task, effect_forward, effect_reverse (output
        for the alternative minus that for the reference, on either strand of the same molecule), effect (their mean)
        and gap (their absolute difference).
    counts : dict of str to int
        Alleles that were ``read`` and ``kept``, and those left out, by reason.
    width : int
        Length of the windows in bp.
    scale : "logit" or "value"

    Examples
    --------
    >>> import pandas as pd
    >>> letters = rcviz.decode(rcviz.SequenceSet.from_fasta("genome.fa").codes[:1])[0]
    >>> table = pd.DataFrame({"chrom": "chr1", "pos": [4000, 5000], "ref": [letters[3999], letters[4999]]})
    >>> effects = rcviz.variant_effects(standard, table.assign(alt=["ACGT", "TTG"]), "genome.fa")
    >>> len(effects.table), effects.counts["kept"]
    (2, 2)
    >>> ax = effects.plot()
    """

    table: pd.DataFrame
    counts: dict[str, int]
    width: int
    scale: Literal["logit", "value"]

    @cached_property
    def sign_changes(self) -> pd.DataFrame:
        """The rows whose effect raises the output on one strand and lowers it on the other, largest gap first."""
        opposite = self.table["effect_forward"] * self.table["effect_reverse"] < 0
        return self.table[opposite].sort_values("gap", ascending=False, kind="stable").reset_index(drop=True)

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Draw one ``task``; ``options`` are those of :func:`rcviz.plot_variants`."""
        from rcviz.plots.results import draw
        from rcviz.plots.variants import plot_variants

        return draw(plot_variants, self, ax, options)


@in_batches
def variant_effects(
    model: nn.Module,
    variants: Any,
    fasta: FastaPaths,
    *,
    task: int | np.integer | str | None = None,
    width: int | None = None,
    task_names: Sequence[str] | None = None,
    batch_size: int = 500,
    progress: bool = True,
) -> VariantEffects:
    """Compare the output for the alternative allele of each variant with that for the reference, on both strands.

    Parameters
    ----------
    model : nn.Module
        Maps one-hot ``(batch, 4, length)`` to logits or values ``(batch, tasks)``; it is not modified.
    variants : path or DataFrame
        VCF, plain, gzipped or bgzipped (needs pysam; genotypes are not read), or a table with the columns ``chrom``,
        ``pos`` (1-based), ``ref``, ``alt`` (several joined by commas) and, if it has them, ``id``. Alleles that are no
        sequence (``*``, ``.``, symbolic ones and breakends), do not fit the window, or lie where the genome is not
        known are left out, and counted in one warning.
    fasta : path or list of paths
        The genome that the variants were called with; see :class:`rcviz.genome.fasta.Genome`.
    task : int or str, optional
        One task, by index or by name; None for all.
    width : int, optional
        Length of the windows in bp; by default that of the model, where its configuration says it. A window is centred
        on the variant: ``[pos - 1 - width // 2, pos - 1 - width // 2 + width)``. Insertions and deletions shift what
        is right of them and keep the width: the left part stays, and the right end is read from the genome, or cut off.
    task_names : sequence of str, optional
        Names of the model's outputs, by default ``task_0``, ``task_1`` and so on.
    batch_size : int
        Number of sequences that are in memory as floats at a time.
    progress : bool
        Show a progress bar if it takes longer than a second.

    Returns
    -------
    VariantEffects

    Raises
    ------
    ValueError
        When a reference allele is not that of the genome (with its position), chromosomes are named differently in
        variants and FASTA, no variant is left, ``width`` is not the model's, or the task does not exist.
    ImportError
        When a VCF is given and pysam is not installed, or pyfaidx is not.

    Examples
    --------
    >>> import pandas as pd
    >>> base = rcviz.decode(rcviz.SequenceSet.from_fasta("genome.fa").codes[:1, 3999:4000])[0]
    >>> table = pd.DataFrame({"chrom": ["chr1"], "pos": [4000], "ref": [base], "alt": [base + "AC"]})
    >>> rcviz.variant_effects(model, table, "genome.fa").table["gap"].item() < 1e-5
    True
    """
    scored = _Scored(model, variants, fasta, task, width, task_names, batch_size)
    table = _joined(scored.blocks(progress=progress))
    return VariantEffects(table, dict(scored.windows.counts), scored.windows.width, scored.scale)


def _joined(blocks: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Join blocks of rows, two of a size at a time.

    A list of blocks would do, but each small one that is kept lies between large buffers that were freed, whose memory
    then cannot be used again: memory would grow by nine times the table.
    """
    joined: list[pd.DataFrame] = []
    for block in blocks:
        joined.append(block)
        while len(joined) > 1 and len(joined[-1]) >= len(joined[-2]):
            joined[-2:] = [pd.concat(joined[-2:], ignore_index=True)]
    return pd.concat(joined, ignore_index=True) if len(joined) > 1 else joined[0]


@in_batches
def save_variant_effects(
    model: nn.Module,
    variants: Any,
    fasta: FastaPaths,
    path: str | os.PathLike[str],
    *,
    task: int | np.integer | str | None = None,
    width: int | None = None,
    task_names: Sequence[str] | None = None,
    batch_size: int = 500,
    progress: bool = True,
) -> pd.DataFrame:
    """Write the table of :func:`variant_effects` atomically, with one block of variants in memory.

    Parameters
    ----------
    model, variants, fasta, task, width, task_names, batch_size, progress
        As in :func:`variant_effects`.
    path : path-like
        Ending in ``.csv``, ``.tsv`` or ``.parquet``.

    Returns
    -------
    DataFrame
        One row per task: ``task``, ``n`` (alleles), ``mean_gap``, ``max_gap`` (without effects that are NaN),
        ``n_sign_changes`` (effects whose sign depends on the strand).

    Examples
    --------
    >>> import pandas as pd
    >>> base = rcviz.decode(rcviz.SequenceSet.from_fasta("genome.fa").codes[:1, 3999:4000])[0]
    >>> table = pd.DataFrame({"chrom": ["chr1"], "pos": [4000], "ref": [base], "alt": [base + "AC"]})
    >>> summary = rcviz.save_variant_effects(model, table, "genome.fa", "effects.csv")
    >>> summary.columns.tolist()
    ['task', 'n', 'mean_gap', 'max_gap', 'n_sign_changes']
    """
    ending = check_ending(path, ENDINGS)
    inputs = [each for each in (variants, *_paths(fasta)) if isinstance(each, str | os.PathLike)]
    check_target(path, "the effects", inputs=inputs, ending=ending)
    scored = _Scored(model, variants, fasta, task, width, task_names, batch_size)
    sums: dict[str, np.ndarray] = {}
    with atomic_write(Path(path)) as temporary, table_writer(temporary, ending) as write:
        for table in scored.blocks(progress=progress):
            write(table)
            for name, rows in table.groupby("task", sort=False):
                opposite = int((rows["effect_forward"] * rows["effect_reverse"] < 0).sum())
                gaps = rows["gap"]
                part = np.array([len(rows), gaps.count(), gaps.sum(), gaps.max(), opposite])
                before = sums.get(str(name), np.array([0, 0, 0, np.nan, 0]))
                sums[str(name)] = before + part
                sums[str(name)][3] = np.fmax(before[3], part[3])
    rows_of = [
        (name, int(n), total / known if known else np.nan, most, int(flips))
        for name, (n, known, total, most, flips) in sums.items()
    ]
    return pd.DataFrame(rows_of, columns=["task", "n", "mean_gap", "max_gap", "n_sign_changes"])


def _paths(fasta: FastaPaths) -> list[Any]:
    return [fasta] if isinstance(fasta, str | os.PathLike) else list(fasta)


class _Scored:
    """Effects of variants, block by block; everything is checked when it is made."""

    def __init__(
        self,
        model: nn.Module,
        variants: Any,
        fasta: FastaPaths,
        task: Any,
        width: Any,
        task_names: Sequence[str] | None,
        batch_size: int,
    ) -> None:
        check_module(model)
        check_positive("batch_size", batch_size)
        self._model, self._batch_size = model, batch_size
        width = window_width(model, width)
        self.scale = returned_scale(model)
        unknown = np.full((1, width), 4, dtype=np.uint8)
        with evaluating(model), uncounted():
            n_outputs = logits_of(model, one_hot_batch(unknown, model)).shape[1]
        named = (task_names,) if isinstance(task_names, str) else task_names
        names = numbered_tasks(n_outputs) if named is None else tuple(named)
        if len(names) != n_outputs or len(set(names)) != n_outputs:
            raise ValueError(f"expected {n_outputs} different task_names, one per output, got {shown(list(names))}")
        self._tasks = list(range(n_outputs)) if task is None else [task_index(task, names)]
        self._names = np.array([names[index] for index in self._tasks], dtype=object)
        self.windows = VariantWindows(variants, Genome(fasta), width)

    def blocks(self, *, progress: bool) -> Iterator[pd.DataFrame]:
        """Compute the rows of the table; at the end, a warning counts the alleles that were left out."""
        from tqdm.auto import tqdm

        counts, n_nan, first = self.windows.counts, 0, True
        with (
            evaluating(self._model),  # all variants see the same weights
            one_warning(),
            tqdm(desc="variants", unit=" alleles", delay=1, disable=not progress) as bar,
        ):
            for alleles, reference, alternative in self.windows.blocks():
                if first:
                    with uncounted():
                        warn_of_dependence(self._model, one_hot_batch(reference[:4], self._model))
                    first = False
                effects = self._both_strands(alternative) - self._both_strands(reference)
                n_nan += int(np.isnan(effects).any(axis=(0, 2)).sum())
                yield self._table(alleles, effects)
                bar.update(len(alleles))
        check_known_chromosomes(counts, self.windows.genome)
        warn_of_nan(n_nan, counts["kept"])
        if message := warning_of_left_out(counts):
            warnings.warn(message, UserWarning, stacklevel=3)

    def _both_strands(self, codes: UInt8[np.ndarray, "n width"]) -> Float[np.ndarray, "strands n tasks"]:
        strands = self._model, OtherStrand(self._model)

        def step(x: Float[Tensor, "batch 4 length"]) -> Tensor:
            return torch.stack([logits_of(strand, x) for strand in strands], dim=1)

        y = concatenate_batches(map_batches(step, self._model, codes, self._batch_size), len(codes))
        y = y.to(torch.promote_types(y.dtype, torch.float32))
        return np.moveaxis(to_numpy(y)[:, :, self._tasks], 1, 0)

    def _table(self, alleles: pd.DataFrame, effects: Float[np.ndarray, "strands n tasks"]) -> pd.DataFrame:
        n_tasks = len(self._tasks)
        table = alleles.loc[alleles.index.repeat(n_tasks)].reset_index(drop=True)
        forward, reverse = (each.ravel() for each in effects)
        return table.assign(
            task=np.tile(self._names, len(alleles)),
            effect_forward=forward,
            effect_reverse=reverse,
            effect=forward + (reverse - forward) / 2,
            gap=np.abs(forward - reverse),
        )[list(_COLUMNS)]


def window_width(model: nn.Module, width: Any) -> int:
    """Width of the windows: that of the model's configuration, which one that is given must not contradict."""
    configs = [getattr(part, "config", None) for part in model.modules()]
    known = next((each.sequence_length for each in configs if isinstance(each, ModelConfig)), None)
    if width is None:
        if known is None:
            raise ValueError("width is missing: the model does not state the length of its sequences, so give it in bp")
        return int(known)
    check_positive("width", width)
    if known is not None and width != known:
        raise ValueError(f"width must be that of the model's sequences, {known:,} bp, got {width:,}; leave it out")
    return int(width)
