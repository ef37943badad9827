"""Activation of a filter along the sequences, as steps."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from rcviz._core.checks import as_numbers, check_choice
from rcviz.plots._axes import despine, ink, integer_ticks, label_axes, paper, plotting, resolve_axes
from rcviz.plots._legend import LEGENDS, add_legend
from rcviz.plots._style import checked_visuals, stroke
from rcviz.plots.colors import NEGATIVE, POSITIVE, model_colors, on_paper
from rcviz.plots.results import axes_of_result, has

_COLORS = {"positives": POSITIVE, "negatives": NEGATIVE}


@plotting
def plot_profile(
    edges: Any,
    curves: Mapping[str, Any] | Axes | None = None,
    ax: Axes | None = None,
    *,
    filter: int | np.integer | None = None,  # noqa: A002 - the name that tables use
    legend: str = "outside",
    visuals: Mapping[str, Any] | None = None,
) -> Axes:
    """Draw mean activations along the sequence as steps.

    Parameters
    ----------
    edges
        (B + 1,) bin edges in rising order, in bp; or an ActivationProfiles result, of which the mean over all
        sequences is drawn.
    curves
        One (B,) array of mean activations for each name; "positives" and "negatives" have their own colours. Not for
        a result.
    ax
        Axes to draw into; None makes a figure.
    filter
        Filter of a result; by default 0.
    legend
        "outside" (below the Axes), "inside" or "none".
    visuals
        Options of matplotlib for the curves, by their names: ``{"positives": {"color": "k"}}``; False hides one.

    Raises
    ------
    ValueError
        If there is no curve, one does not fit the edges, or the result does not hold `filter`.

    Examples
    --------
    >>> profiles, bound = rcviz.activation_profiles(model, parts.test), parts.test.labels[:, 0] == 1
    >>> ax = rcviz.plot_profile(profiles, filter=3)
    >>> curves = {"bound": profiles.mean(0, bound), "unbound": profiles.mean(0, ~bound)}
    >>> ax = rcviz.plot_profile(profiles.edges, curves)
    """
    if has(edges, "edges", "mean"):
        ax = axes_of_result(curves, ax)
        edges, curves = edges.edges, {"all": edges.mean(0 if filter is None else filter)}
    elif filter is not None:
        raise ValueError("filter chooses one of an ActivationProfiles result: give it instead of edges and curves")
    if isinstance(curves, Axes):
        raise ValueError("expected curves after edges, got Axes: give curves={name: values}, then the Axes")
    bounds = as_numbers("edges", edges)
    if bounds.ndim != 1 or len(bounds) < 2 or not (np.diff(bounds) > 0).all():
        raise ValueError(f"edges must be (bins + 1,) rising positions, got {bounds.shape}")
    if not curves:
        raise ValueError("expected at least one curve, got none")
    heights = {name: as_numbers(name, values) for name, values in curves.items()}
    for name, values in heights.items():
        if values.shape != (len(bounds) - 1,):
            raise ValueError(f"{name} has shape {values.shape}, but {len(bounds)} edges make {len(bounds) - 1} bins")
        if np.isinf(values).any():
            raise ValueError(f"{name} has {int(np.isinf(values).sum())} infinite values: activations must be finite")
    check_choice("legend", legend, LEGENDS)
    styles = checked_visuals("plot_profile", visuals, tuple(map(str, heights)))
    ax = resolve_axes(ax, 5.2, 2.6)
    names = [str(name) for name in heights if name not in _COLORS]
    others = model_colors(names, paper(ax)) if len(names) > 1 else dict.fromkeys(names, ink(ax))
    handles = []
    for name, values in heights.items():
        color = on_paper(_COLORS[name], paper(ax)) if name in _COLORS else others[str(name)]
        line = {"baseline": None, "color": color, "linewidth": stroke(1.6), **styles[str(name)]}
        handles.append(ax.stairs(values, bounds, **line))
        handles[-1].set_label(str(name))
    low, high = ax.get_ylim()
    ax.set_ylim(min(low, 0.0), max(high, 0.0))
    ax.set_xlim(bounds[0], bounds[-1])
    despine(ax)
    integer_ticks(ax, 8)
    add_legend(ax, legend, handles, len(handles))
    label_axes(ax, "position (bp)", "mean activation")
    return ax
