"""Similarity of the filters of two networks, or of one, as a heat map."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from rcviz._core.checks import as_numbers
from rcviz._core.shapes import Float, Int
from rcviz.plots._axes import integer_ticks, label_axes, plotting, resolve_axes
from rcviz.plots._style import checked_visuals, dot, stroke
from rcviz.plots._text import axes_size, points
from rcviz.plots.results import has

_CELL = 0.26  # inches
_MARGIN = 1.9

CLUSTER = "#d1495b"
"""Frame of a cluster, seen on every colour of the map."""


@plotting
def plot_similarity(
    similarity: Any,
    ax: Axes | None = None,
    *,
    names: tuple[str, str] = ("filter", "other filter"),
    visuals: Mapping[str, Any] | None = None,
) -> Axes:
    """Draw similarities as a heat map, with a dot on each row's nearest column.

    Of one network (a FilterSimilarity with clusters), filters are ordered by cluster, clusters of two and more are
    framed, and the dots are on the nearest other filter.

    Parameters
    ----------
    similarity
        A FilterSimilarity, or an (F, G) array of numbers from -1 to 1; NaN stays blank.
    ax
        Axes to draw into; None makes a figure.
    names
        Labels of rows and columns.
    visuals
        Options of matplotlib for each part: "image", "nearest" (markers) and "clusters" (frames); False hides one.

    Raises
    ------
    ValueError
        If the array is not (F, G) or a number is outside -1 to 1.

    Examples
    --------
    >>> similarity = rcviz.filter_similarity(model, standard)
    >>> ax = rcviz.plot_similarity(similarity, names=("RC filter", "standard filter"))
    """
    values = _checked(similarity)
    styles = checked_visuals("plot_similarity", visuals, ("image", "nearest", "clusters"))
    clusters = similarity.clusters if getattr(similarity, "within", False) else None
    order = np.arange(len(values)) if clusters is None else np.argsort(clusters, kind="stable")
    if clusters is not None:
        values = values[np.ix_(order, order)]
    ax = resolve_axes(ax, _MARGIN + _CELL * values.shape[1], _MARGIN / 2 + _CELL * values.shape[0])
    low = min(0.0, float(np.nanmin(values, initial=0.0)))
    image = ax.imshow(values, **{"cmap": "cividis", "vmin": low, "vmax": 1.0, **styles["image"]})
    others = values if clusters is None else np.where(np.eye(len(values), dtype=bool), np.nan, values)
    rows = np.flatnonzero(~np.isnan(others).all(axis=1))
    nearest = np.nanargmax(others[rows], axis=1) if len(rows) else rows
    # White with a dark edge: the dot is seen on every colour of the map.
    dots = {
        "markersize": dot(5),
        "markerfacecolor": "white",
        "markeredgecolor": "black",
        "markeredgewidth": stroke(0.8),
    }
    ax.plot(nearest, rows, "o", **{**dots, **styles["nearest"]})
    if clusters is None:
        integer_ticks(ax, 9)
        ax.yaxis.set_major_locator(MaxNLocator(nbins="auto", integer=True, min_n_ticks=1))
        label_axes(ax, names[1], names[0])
    else:
        _frame(ax, clusters[order], styles["clusters"])
        _name_filters(ax, order)
        label_axes(ax, names[0], names[0])
    # Inside the Axes' own part of the figure, so that neighbours keep their places.
    ax.tick_params(axis="y", right=False, labelright=False)
    bar = ax.figure.colorbar(image, cax=ax.inset_axes((1.04, 0.0, 0.04, 1.0)))
    bar.set_label("similarity")
    return ax


def _frame(ax: Axes, clusters: Int[np.ndarray, " F"], style: Mapping[str, Any]) -> None:
    """Draw a square around each cluster of two and more; the clusters are in order."""
    for cluster, size in enumerate(np.bincount(clusters)):
        if size > 1:
            corner = float(np.argmax(clusters == cluster)) - 0.5
            frame = {"fill": False, "edgecolor": CLUSTER, "linewidth": stroke(1.8), "zorder": 3, **style}
            ax.add_patch(Rectangle((corner, corner), float(size), float(size), **frame))


def _name_filters(ax: Axes, order: Int[np.ndarray, " F"]) -> None:
    """Number rows and columns by filter, as many as there is room for."""
    step = -(-len(order) * points("xtick.labelsize") * 1.5 // min(axes_size(ax)))
    shown = np.arange(0, len(order), max(1, int(step)))
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_ticks(shown, [str(number) for number in order[shown]])


def plot_similarity_clusters(
    similarity: Any,
    *,
    names: tuple[str, str] = ("filter", "other filter"),
    visuals: Mapping[str, Any] | None = None,
) -> Any:
    """Draw similarities as a heat map whose rows and columns are ordered by clusters, with their trees.

    seaborn's ``clustermap`` draws it, on a figure of its own: trees and map share one layout.

    Parameters
    ----------
    similarity
        A FilterSimilarity, or an (F, G) array of numbers from -1 to 1, F and G at least 2, without NaN.
    names
        Labels of rows and columns.
    visuals
        Options of seaborn's clustermap for the "map", such as ``{"cmap": "rocket", "method": "average"}``.

    Returns
    -------
    seaborn.matrix.ClusterGrid
        Its ``ax_heatmap`` are the Axes of the map; `rcviz.save_figure` takes its ``figure``.

    Raises
    ------
    ValueError
        If the array is not (F, G), a number is missing or outside -1 to 1, or there is one row or column.

    Examples
    --------
    >>> grid = rcviz.plot_similarity_clusters(rcviz.filter_similarity(model, standard))
    """
    import seaborn  # a second to import, and only for this plot

    values = _checked(similarity)
    if np.isnan(values).any() or min(values.shape) < 2:
        raise ValueError(
            "similarity must hold two rows and columns or more and no NaN: filters of zeros have no cluster"
        )
    styles = checked_visuals("plot_similarity_clusters", visuals, ("map",))
    size = points("xtick.labelsize") / 72
    sides = [max(3.0, 1.6 + max(_CELL, 1.7 * size) * count) for count in values.shape[::-1]]
    options: dict[str, Any] = {"cmap": "cividis", "vmin": min(0.0, float(values.min())), "vmax": 1.0}
    options |= {"figsize": tuple(sides), "cbar_kws": {"label": "similarity"}, "cbar_pos": None}
    grid = seaborn.clustermap(values, **{**options, **styles["map"]})
    grid.ax_heatmap.set_xlabel(names[1], parse_math=False)
    grid.ax_heatmap.set_ylabel(names[0], parse_math=False)
    bar = grid.figure.colorbar(
        grid.ax_heatmap.collections[0], cax=grid.ax_col_dendrogram.inset_axes((-0.22, 0.1, 0.04, 0.8))
    )
    bar.set_label("similarity")
    return grid


def _checked(similarity: Any) -> Float[np.ndarray, "F G"]:
    values = as_numbers("similarity", similarity.similarity if has(similarity, "similarity") else similarity)
    if values.ndim != 2 or 0 in values.shape:
        raise ValueError(f"similarity must be (filters, other filters), got {values.shape}")
    if (np.abs(values) > 1).any():
        raise ValueError("similarity must lie between -1 and 1: give the result of rcviz.filter_similarity")
    return values
