"""Where along the sequences a filter is active, as steps."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from rcviz._core.checks import as_numbers
from rcviz.plots._axes import INK, despine, integer_ticks, legend_below, resolve_axes
from rcviz.plots.colors import NEGATIVE, POSITIVE

_COLORS = {"positives": POSITIVE, "negatives": NEGATIVE}


def plot_profile(edges: Any, curves: Mapping[str, Any], ax: Axes | None = None) -> Axes:
    """Draw mean activations along the sequence as steps.

    Parameters
    ----------
    edges
        (B + 1,) bounds of the stretches, in bp, rising.
    curves
        One (B,) array of mean activations for each name; "positives" and "negatives" have their colours.
    ax
        Axes to draw into; None makes a figure.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        When there is no curve, or one does not fit the edges.

    Examples
    --------
    >>> profiles, bound = rcviz.activation_profiles(model, parts.test), parts.test.labels[:, 0] == 1
    >>> curves = {"bound": profiles.mean(0, bound), "unbound": profiles.mean(0, ~bound)}
    >>> ax = rcviz.plot_profile(profiles.edges, curves)
    """
    bounds = as_numbers("edges", edges)
    if bounds.ndim != 1 or len(bounds) < 2 or not (np.diff(bounds) > 0).all():
        raise ValueError(f"edges must be (bins + 1,) rising positions, got {bounds.shape}")
    if not curves:
        raise ValueError("expected at least one curve, got none")
    heights = {name: as_numbers(name, values) for name, values in curves.items()}
    for name, values in heights.items():
        if values.shape != (len(bounds) - 1,):
            raise ValueError(f"{name} has shape {values.shape}; {len(bounds)} edges bound {len(bounds) - 1} stretches")
    ax = resolve_axes(ax, 5.2, 2.8)
    handles = []
    for name, values in heights.items():
        handles.append(ax.stairs(values, bounds, baseline=None, color=_COLORS.get(name, INK), linewidth=1.6))
        handles[-1].set_label(name)
    low, high = ax.get_ylim()
    ax.set_ylim(min(low, 0.0), max(high, 0.0) or 1.0)
    ax.set_xlim(bounds[0], bounds[-1])
    despine(ax)
    integer_ticks(ax, 6)
    ax.set_xlabel("position (bp)", fontsize="small", color=INK)
    ax.set_ylabel("mean activation", fontsize="small", color=INK)
    legend_below(ax, handles, len(handles))
    return ax
