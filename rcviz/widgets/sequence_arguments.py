"""What a sequence explorer is called with: sequences, those that they are compared with, variants, a threshold."""

import math
import warnings
from collections.abc import Iterable, Mapping
from typing import Any, get_args

import numpy as np
import pandas as pd
from jaxtyping import UInt8
from torch import nn

from rcviz._core.checks import check_choice, check_positive, check_real
from rcviz.analysis.mutagenesis import checked_region
from rcviz.analysis.neurons import At
from rcviz.analysis.variants import window_width
from rcviz.genome.fasta import FastaPaths, Genome
from rcviz.genome.variants import VariantWindows, check_known_chromosomes, warning_of_left_out
from rcviz.models.scale import Scale
from rcviz.motifs.motif import listed_motifs
from rcviz.sequences.checks import check_not_empty
from rcviz.sequences.sequence_set import SequenceSet, as_sequence_set
from rcviz.widgets.strand_arguments import named_attributions, named_layers

_MOST_VARIANTS = 10_000
"""Alleles that can be chosen from; the windows of all are in memory."""


def checked_options(
    models: dict[str, nn.Module], data: SequenceSet, task: int | np.integer | str, given: Mapping[str, Any]
) -> dict[str, Any]:
    """Check what the analyses are called with, and return it for ``SequenceResults``."""
    check_positive("batch_size", given["batch_size"])
    if given["output"] is not None:
        check_choice("output", given["output"], get_args(Scale))
    check_choice("at", given["at"], get_args(At))
    return {
        "output": given["output"],
        "layers": named_layers(models, given["layer"]),
        "at": given["at"],
        "batch_size": given["batch_size"],
        "own": named_attributions(models, given["attributions"], data, task),
        "motifs": None if given["motifs"] is None else listed_motifs("motifs", given["motifs"]),
        "region": None if given["region"] is None else checked_region(given["region"], data.length),
        "threshold": given["threshold"],
    }


def given_sequences(data: Any) -> SequenceSet:
    """Return a set of sequences; one text is one sequence."""
    if isinstance(data, str):
        _check_letters(data)
        data = [data]
    found = as_sequence_set(data)
    check_not_empty(found)
    if not found.length:
        raise ValueError("expected sequences of at least one base, got empty ones")
    return found


def _check_letters(text: str) -> None:
    """Refuse a typed sequence with letters that would be read as unknown bases."""
    wrong = next(((place, letter) for place, letter in enumerate(text) if letter.upper() not in "ACGTN"), None)
    if wrong is not None:
        raise ValueError(
            f"invalid nucleotide {wrong[1]!r} at position {wrong[0]:,} of the sequence: write A, C, G, T, or N for an "
            f"unknown base"
        )


def reference_codes(reference: Any, data: SequenceSet) -> UInt8[np.ndarray, "n length"] | None:
    """Return the sequences that those of the data are compared with, as many and as long."""
    if reference is None:
        return None
    if isinstance(reference, str):
        _check_letters(reference)
        reference = [reference]
    codes = as_sequence_set(reference).codes
    if codes.shape != data.codes.shape:
        raise ValueError(
            f"reference must have one sequence of {data.length:,} bp for each of the {len(data):,} sequences, got "
            f"{len(codes):,} of {codes.shape[1]:,} bp"
        )
    return codes


def variant_sequences(
    models: Iterable[nn.Module], variants: Any, fasta: FastaPaths, width: int | None
) -> tuple[SequenceSet, UInt8[np.ndarray, "n width"], list[int]]:
    """Read the windows of variants.

    Returns
    -------
    The alternative alleles as a set with names and places, the references, and the insertions and deletions among them:
    what is right of these is not where the place of the window says.
    """
    if isinstance(variants, Mapping | pd.Series):
        variants = pd.DataFrame([dict(variants)])
    widths = {window_width(model, width) for model in models}
    if len(widths) != 1:
        raise ValueError(f"models must read sequences of one length, got {', '.join(map(str, sorted(widths)))} bp")
    windows = VariantWindows(variants, Genome(fasta), widths.pop())
    tables, references, alternatives = [], [], []
    for alleles, reference, alternative in windows.blocks():
        tables.append(alleles)
        references.append(reference)
        alternatives.append(alternative)
        if windows.counts["read"] > _MOST_VARIANTS:
            raise ValueError(f"expected at most {_MOST_VARIANTS:,} variants to choose from: select some of them first")
    check_known_chromosomes(windows.counts, windows.genome)
    if message := warning_of_left_out(windows.counts):
        warnings.warn(message, UserWarning, stacklevel=3)
    table = pd.concat(tables, ignore_index=True)
    start = table["pos"].to_numpy(dtype=np.int64) - 1 - windows.width // 2
    places: dict[str, Any] = {"chrom": table["chrom"], "start": start, "end": start + windows.width}
    shifted = np.flatnonzero(table["ref"].str.len() != table["alt"].str.len()).tolist()
    data = SequenceSet(np.concatenate(alternatives), names=_names(table), **places)
    return data, np.concatenate(references), shifted


def _names(table: pd.DataFrame) -> list[str]:
    """Name of each allele, such as "rs42 chr1:1000 A>G"; one with its coordinate is known in the genome."""
    rows = zip(*(table[column] for column in ("id", "chrom", "pos", "ref", "alt")), strict=True)
    return [
        f"{'' if label in ('.', '') else f'{label} '}{chrom}:{pos} {ref[:12]}>{alt[:12]}"
        for label, chrom, pos, ref, alt in rows
    ]


def output_threshold(threshold: Any, scale: Scale) -> float | None:
    """Return a threshold on a scale of predictions as one of the logit, or value; None is that of the scale."""
    if threshold is None:
        return None if scale == "value" else 0.0
    check_real("threshold", threshold)
    if scale != "probability":
        return float(threshold)
    if not 0 < threshold < 1:
        raise ValueError(f"threshold must be a probability between 0 and 1, as the predictions are, got {threshold}")
    return math.log(threshold) - math.log1p(-threshold)
