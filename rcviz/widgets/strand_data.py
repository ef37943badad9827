"""What the page of a strand explorer is sent: points with their labels, filters, and details of sequences."""

import itertools
from typing import Any

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.colors import to_hex

from rcviz.analysis.filters import FilterBank
from rcviz.plots.colors import VALUE_COLORS
from rcviz.widgets.data import block, places
from rcviz.widgets.strand_results import StrandResults
from rcviz.widgets.strand_splits import Split

CLASSES = ("positive", "negative", "unknown")
_STEPS = 6
"""Colours of labels that are values; each has about the same number of sequences."""


def label_groups(
    labels: Float[np.ndarray, " sequences"] | None, count: int, kind: str
) -> tuple[np.ndarray, list[dict[str, str]]]:
    """Group sequences by label: the group of each, and name and colours of each group.

    Classes have the names of :data:`CLASSES` and the page's own colours. Values are grouped in ranges, with one colour
    for light and one for dark pages; the last group holds those without a label.
    """
    if labels is None or kind == "binary":
        values = np.full(count, np.nan) if labels is None else labels
        return np.select([values == 1, values == 0], [0, 1], 2), [{"name": name} for name in CLASSES]
    known = labels[~np.isnan(labels)]
    starts = np.unique(known)
    texts = [f"{value:.3g}" for value in starts]
    if len(starts) > _STEPS:
        edges = np.unique(np.quantile(known, np.linspace(0, 1, _STEPS + 1)))
        starts, texts = edges[:-1], [f"{low:.3g} to {high:.3g}" for low, high in itertools.pairwise(edges)]
    steps = np.linspace(0, 1, len(texts))
    light, dark = map(to_hex, VALUE_COLORS(steps)), map(to_hex, matplotlib.colormaps["viridis"](0.3 + 0.7 * steps))
    groups = [{"name": text, "light": one, "dark": two} for text, one, two in zip(texts, light, dark, strict=True)]
    inside = np.clip(np.searchsorted(starts, labels, side="right") - 1, 0, None)
    return np.where(np.isnan(labels), len(texts), inside), [*groups, {"name": "unknown"}]


def pack_sequences(results: StrandResults) -> dict[str, Any]:
    """Pack names and places of all sequences."""
    return places(np.arange(len(results.data)), results.data.table)


def pack_points(results: StrandResults, task: int) -> dict[str, Any]:
    """Pack the predictions of a task that are known, and the labels."""
    labels = results.labels(task)
    group, groups = label_groups(labels, len(results.data), results.data.label_kind)
    models = []
    for name, each in results.models.items():
        (forward, reverse), gap = results.predictions(name, task), results.gap(name, task)
        threshold = each.threshold
        flips = None if threshold is None else int(((forward >= threshold) != (reverse >= threshold)).sum())
        models.append(
            {
                "name": name,
                "scale": each.strands.scale,
                "unit": each.unit,
                "threshold": threshold,
                "flips": flips,
                "mean_gap": float(gap.mean()),
                "forward": block(forward),
                "reverse": block(reverse),
                "gap": block(gap),
            }
        )
    return {
        "task": task,
        "known": results.known,
        "models": models,
        "groups": groups,
        "group": block(group, "u1"),
        "values": block(labels) if labels is not None and results.data.label_kind == "value" else None,
    }


def pack_filters(results: StrandResults) -> dict[str, Any]:
    """Pack the filters that gaps are split by, and from where on each fires."""
    return {"models": {name: _packed_bank(results.bank(name)) for name in results.models}}


def _packed_bank(bank: FilterBank | str) -> dict[str, Any]:
    if isinstance(bank, str):
        return {"reason": bank}
    firing = bank.firing
    limit = (0.0 if firing is None else firing.threshold) - bank.bias  # of the weights alone
    return {
        "layer": bank.layer,
        "matrices": block(bank.weights),
        "limit": block(limit),
        "falling": block(np.zeros(len(bank)) if firing is None else firing.falling, "u1"),
        "tied": bank.tied,
        "stride": bank.stride,
        "padding": bank.padding,
    }


def detail_bytes(results: StrandResults) -> int:
    """Size of the details of one sequence on the page, about."""
    filters = [bank if isinstance(bank, str) else len(bank) for bank in map(results.bank, results.models)]
    per_model = [8 * results.data.length + 8 * (512 if isinstance(n, str) else n) for n in filters]
    return results.data.length + sum(per_model)


def pack_details(results: StrandResults, task: int, sequences: list[int]) -> dict[str, Any]:
    """Pack the details of those sequences that have been computed."""
    rows = [(i, found) for i in sequences if (found := results.details(task, i)) is not None]
    if not rows:
        return {"task": task}
    return {
        "task": task,
        "sequences": block([i for i, _ in rows], "i4"),
        "codes": block(results.data.codes[[i for i, _ in rows]], "u1"),
        "models": {name: _packed_splits([found[name] for _, found in rows]) for name in results.models},
    }


def _packed_splits(splits: list[Split]) -> dict[str, Any]:
    """Details of several sequences by one model; a reason that one has stands for all."""
    no_attributions = next((each.no_attributions for each in splits if each.attributions is None), "")
    no_filters = next((each.no_filters for each in splits if each.filters is None), "")
    return {
        "attributions": None if no_attributions else block([each.attributions for each in splits]),
        "no_attributions": no_attributions,
        "filters": None if no_filters else block([each.filters for each in splits]),
        "no_filters": no_filters,
        "outputs": block([each.outputs for each in splits]),
    }
