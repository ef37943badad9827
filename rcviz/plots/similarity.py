"""Similarity of the filters of two networks as a heat map."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from rcviz._core.checks import as_numbers
from rcviz.plots._axes import INK, label_axes, resolve_axes
from rcviz.plots.results import has

_CELL = 0.26  # inches
_MARGIN = 1.9


def plot_similarity(
    similarity: Any, ax: Axes | None = None, *, names: tuple[str, str] = ("filter", "other filter")
) -> Axes:
    """Draw similarities as a heat map, with a dot on each row's nearest column.

    Parameters
    ----------
    similarity
        A FilterSimilarity, or an (F, G) array of numbers from -1 to 1; NaN stays blank.
    ax
        Axes to draw into; None makes a figure.
    names
        Labels of rows and columns.

    Raises
    ------
    ValueError
        If the array is not (F, G) or a number is outside -1 to 1.

    Examples
    --------
    >>> similarity = rcviz.filter_similarity(model, standard)
    >>> ax = rcviz.plot_similarity(similarity, names=("RC filter", "standard filter"))
    """
    values = as_numbers("similarity", similarity.similarity if has(similarity, "similarity") else similarity)
    if values.ndim != 2 or 0 in values.shape:
        raise ValueError(f"similarity must be (filters, other filters), got {values.shape}")
    if (np.abs(values) > 1).any():
        raise ValueError("similarity must lie between -1 and 1: give the result of rcviz.filter_similarity")
    ax = resolve_axes(ax, _MARGIN + _CELL * values.shape[1], _MARGIN / 2 + _CELL * values.shape[0])
    image = ax.imshow(values, cmap="cividis", vmin=min(0.0, float(np.nanmin(values, initial=0.0))), vmax=1.0)
    rows = np.flatnonzero(~np.isnan(values).all(axis=1))
    nearest = np.nanargmax(values[rows], axis=1) if len(rows) else rows
    # White with a dark edge: the dot is seen on every colour of the map.
    ax.plot(nearest, rows, "o", markersize=5, markerfacecolor="white", markeredgecolor="black", markeredgewidth=0.8)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_tick_params(labelsize="small", colors=INK)
        axis.set_major_locator(MaxNLocator(nbins=9, integer=True, min_n_ticks=1))
    label_axes(ax, names[1], names[0])
    bar = ax.figure.colorbar(image, ax=ax, shrink=0.8)
    bar.set_label("similarity", fontsize="small", color=INK)
    bar.ax.tick_params(labelsize="small", colors=INK)
    return ax
