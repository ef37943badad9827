"""What figures show of a trained network besides its metrics: predictions for both strands, filters, calibration."""

import numpy as np
import pandas as pd
from torch import nn

from paper.scores import score_parts
from rcviz.analysis.contributions import filter_contributions
from rcviz.analysis.filters import filter_bank
from rcviz.analysis.palindromes import palindromes
from rcviz.analysis.strands import strand_agreement
from rcviz.motifs.bundled import load_motif
from rcviz.sequences.splits import Splits

N_SHOWN = 10_000
"""Test sequences whose two predictions Figure 4 shows."""
KNOWN_MOTIF = "CTCF_known1"


def measure_strands(model: nn.Module, splits: Splits) -> dict[str, pd.DataFrame]:
    """Predict both strands of test sequences, the same ones for every run: sequence, label, forward, reverse."""
    if not len(splits.test):
        return {}
    chosen = np.sort(np.random.default_rng(0).permutation(len(splits.test))[:N_SHOWN])
    both = strand_agreement(model, splits.test.subset(chosen))
    assert both.labels is not None
    columns = {"label": both.labels, "forward": both.forward, "reverse": both.reverse}
    table = pd.DataFrame({"sequence": chosen, **{name: values[:, 0] for name, values in columns.items()}})
    return {"strands": table}


def measure_filters(model: nn.Module, splits: Splits) -> dict[str, pd.DataFrame]:
    """Describe every filter of the first layer on validation sequences, the one with the largest contribution first.

    filter, rank (from one), score, palindromicity, verdict, ctcf_similarity and ctcf_p_value (to CTCF_known1), then the
    mean-centred weights: A0 to T14, by base and position. A filter is judged on the class, positives or negatives,
    that holds more of its sites beyond chance.
    """
    bank = filter_bank(model)
    positives = splits.valid.positives()
    ranked = filter_contributions(model, splits.valid).table[["filter", "score"]].assign(rank=range(1, len(bank) + 1))
    verdicts = palindromes(bank, splits.valid).table[["filter", "palindromicity", "verdict"]]
    nearest = bank.match([load_motif(KNOWN_MOTIF)], data=positives, n_nearest=1)
    nearest = nearest[["filter", "similarity", "p_value"]]
    nearest = nearest.rename(columns={"similarity": "ctcf_similarity", "p_value": "ctcf_p_value"})
    table = ranked.merge(verdicts, on="filter").merge(nearest, on="filter", how="left")
    table = table[["filter", "rank", "score", "palindromicity", "verdict", "ctcf_similarity", "ctcf_p_value"]]
    weights = bank.weights[table["filter"].to_numpy()].reshape(len(table), -1)
    names = [f"{base}{position}" for base in "ACGT" for position in range(bank.weights.shape[-1])]
    return {"filters": pd.concat([table, pd.DataFrame(weights, columns=names)], axis="columns")}


def measure_scores(model: nn.Module, splits: Splits) -> dict[str, pd.DataFrame]:
    """Score every part by task, with noisy and clean labels, and calibration: see :func:`paper.scores.score_parts`."""
    return {"scores": score_parts(model, splits)}


MEASURES = {"fig4": measure_strands, "fig5": measure_filters, "matched": measure_scores}
"""What is measured of the networks of a figure."""
