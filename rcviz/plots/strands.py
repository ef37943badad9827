"""Predictions for the two strands of a sequence (Figure 4), and the filters that cause their gap."""

from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_rgba_array
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from rcviz._core.checks import as_numbers, check_choice, check_positive, task_index
from rcviz.plots._axes import (
    FAINT,
    INK,
    despine,
    label_axes,
    legend_below,
    plain_title,
    ranked_bars,
    resolve_axes,
    signed_number,
)
from rcviz.plots.colors import NEGATIVE, POSITIVE, UNKNOWN, VALUE_COLORS
from rcviz.plots.results import axes_of_result, has, scale_of, table_of

_RASTERIZE_ABOVE = 1000
"""More points than this are stored as one bitmap in a vector file, which would grow large and slow."""

FILTER_BAR = "#5f6f86"

SMALLEST_SCALE = 0.01
"""In logits: differences of the size of rounding are not drawn large, even if there are no others."""


def plot_strands(
    forward: Any,
    reverse: Any = None,
    labels: Any = None,
    ax: Axes | None = None,
    *,
    task: int | np.integer | str = 0,
    task_name: str | None = None,
    threshold: float | None = None,
    scale: str | None = None,
    label_kind: str | None = None,
) -> Axes:
    """Draw predictions on the reverse complement against predictions on the forward strand (Figure 4).

    Parameters
    ----------
    forward, reverse
        Predictions for the same sequences in the same order: (N,) or (N, 1). Or a StrandAgreement instead of both,
        which also brings labels, threshold and scale; of profiles every position is a point.
    labels
        1 positive, 0 negative, NaN unknown, or values, see `label_kind`: (N,) or (N, 1); None draws all points in one
        colour.
    ax
        Axes to draw into; None makes a figure.
    task
        Task of a StrandAgreement to draw, by index or by name.
    task_name
        The title.
    threshold
        Decision threshold: a line for each strand; decisions flip where only one of the two predictions is above it.
        None draws no line.
    scale
        "probability", "logit" or "value", for the labels of the axes; probabilities are drawn from 0 to 1.
    label_kind
        "binary": labels are classes. "value": any numbers, such as log counts, shown by a colour bar; unknown ones are
        grey. By default that of the StrandAgreement; of arrays "value" where ``scale="value"`` and a label is neither
        0, 1 nor NaN, else "binary".

    Returns
    -------
    Axes
        On the diagonal both strands agree. The number of sequences, Pearson's correlation, and the largest and the
        mean gap are written below; with a threshold also the number of decisions that flip.

    Raises
    ------
    ValueError
        If the shapes differ or hold several tasks, there are no sequences, a prediction is not finite, a label is
        neither 0, 1 nor NaN and labels are not values, or the result does not hold `task`.

    Examples
    --------
    >>> ax = rcviz.plot_strands(rcviz.strand_agreement(standard, parts.test))
    >>> forward = rcviz.predict(standard, parts.test)[:, 0]
    >>> reverse = rcviz.predict(standard, parts.test.reverse_complement())[:, 0]
    >>> ax = rcviz.plot_strands(forward, reverse, parts.test.labels[:, 0], threshold=0.5)
    """
    scale = scale_of(forward, scale)
    if has(forward, "forward", "reverse", "labels", "task_names", "threshold"):
        agreement, index = forward, task_index(task, forward.task_names)
        ax = axes_of_result(reverse, ax)
        forward, reverse = agreement.forward[:, index], agreement.reverse[:, index]
        labels = None if agreement.labels is None else agreement.labels[:, index]
        if forward.ndim == 2:  # profiles
            labels = None if labels is None else np.repeat(labels, forward.shape[1])
            forward, reverse = forward.ravel(), reverse.ravel()
        threshold = agreement.threshold if threshold is None else threshold
        label_kind = getattr(agreement, "label_kind", None) if label_kind is None else label_kind
    elif reverse is None:
        raise ValueError(f"expected forward and reverse, or a StrandAgreement, got one {type(forward).__name__}")
    x = _one_task("forward", forward)
    y = _one_task("reverse", reverse)
    if x.shape != y.shape:
        raise ValueError(
            f"forward and reverse must be predictions for the same sequences, got {len(x)} and {len(y)}: "
            f"take both from one strand_agreement"
        )
    if len(x) == 0:
        raise ValueError("expected predictions of at least one sequence, got none")
    for name, values in (("forward", x), ("reverse", y)):
        if not np.isfinite(values).all():
            first = int(np.flatnonzero(~np.isfinite(values))[0])
            raise ValueError(
                f"{name} has {values[first]} at sequence {first}: drop the sequences without a finite prediction"
            )
    if label_kind is None:
        given = np.zeros(0) if labels is None else _one_task("labels", labels)
        classes = bool((np.isin(given, (0, 1)) | np.isnan(given)).all())
        label_kind = "value" if scale == "value" and not classes else "binary"
    check_choice("label_kind", label_kind, ("binary", "value"))
    colors, keys, shades = _colors(labels, len(x), label_kind)

    ax = resolve_axes(ax, 4.6 + (0.7 if shades else 0), 5.2 + 0.18 * (len(keys) + (threshold is not None)))
    low, high = prediction_range(x, y, scale)
    ax.plot([low, high], [low, high], color=FAINT, linewidth=0.8, zorder=1)
    if threshold is not None:
        ax.axvline(threshold, color=FAINT, linewidth=0.8, linestyle=":", zorder=1)
        ax.axhline(threshold, color=FAINT, linewidth=0.8, linestyle=":", zorder=1)
    # A fixed random order, as the class drawn last would hide the others.
    order = np.random.default_rng(0).permutation(len(x))
    ax.scatter(
        x[order],
        y[order],
        s=float(np.clip(4000 / len(x), 4.0, 24.0)),
        c=colors[order],
        alpha=float(np.clip(1500 / len(x), 0.45, 0.85)),
        linewidths=0,
        rasterized=len(x) > _RASTERIZE_ABOVE,
        zorder=2,
    )
    ax.set_xlim(low, high)
    ax.set_ylim(low, high)
    ax.set_aspect("equal", adjustable="box")
    despine(ax)
    ax.locator_params(nbins=5)
    what = scale or "prediction"
    label_axes(ax, f"{what}, forward strand", f"{what}, reverse complement")
    legend_below(ax, keys, 1, note=_summary(x, y, threshold))
    plain_title(ax, task_name)
    if shades is not None:
        _draw_color_bar(ax, shades)
    return ax


def plot_gap_by_filter(
    table: Any,
    ax: Axes | None = None,
    *,
    rest: Any = None,
    top: int | None = None,
    title: str | None = None,
    scale: str | None = None,
) -> Axes:
    """Draw how much each filter adds to the difference between the two strands' logits, or values.

    Parameters
    ----------
    table
        A GapByFilter, which also brings its rest and scale, or a DataFrame with columns ``filter``, ``difference``
        (forward minus reverse) and ``magnitude``, by which the rows are ranked here.
    ax
        Axes to draw into; None makes a figure that grows with the number of bars.
    rest
        Part of the difference that no filter explains, drawn as a separate bar at the bottom; None draws none.
    top
        Draw only this many filters, and the sum of all others as one bar; None draws each.
    title
        Title, such as the model's name.
    scale
        "logit" (default) or "value", for the label of the axis.

    Returns
    -------
    Axes
        One bar per filter, the largest difference on top: to the right where the forward strand has more. The
        difference is written beside the Axes. All bars add up to the difference of the logits.

    Raises
    ------
    ValueError
        If a column is missing, the table is empty, a number is not finite, or `top` is below 1.
    """
    scale = scale_of(table, scale) or "logit"
    if rest is None and has(table, "table", "rest"):
        rest = float(table.rest.mean())
    table = table_of(table, ["filter", "difference", "magnitude"], "filter", finite=["difference", "magnitude"])
    if top is not None:
        check_positive("top", top)
    ranked = table.sort_values("magnitude", ascending=False, kind="stable")
    shown, others = (ranked, ranked[:0]) if top is None else (ranked[:top], ranked[top:])
    bars = [(f"filter {row[0]}", float(row[1]), FILTER_BAR) for row in shown[["filter", "difference"]].to_numpy(object)]
    if len(others):
        name = f"{len(others)} others" if len(others) > 1 else "1 other"
        bars.append((name, float(others["difference"].sum()), UNKNOWN))
    if rest is not None:
        bars.append(("rest", float(rest), UNKNOWN))
    names, values, colors = zip(*bars, strict=True)

    ax = resolve_axes(ax, 4.6, min(0.24 * len(bars) + 1.0, 40.0))
    ranked_bars(ax, names, values, [logit_text(value) for value in values], colors)
    reach = 1.05 * max(SMALLEST_SCALE, *map(abs, values))
    ax.set_xlim(-reach, reach)
    ax.locator_params(axis="x", nbins=5)
    label_axes(ax, f"{scale}: forward minus reverse complement")
    plain_title(ax, title)
    return ax


def logit_text(value: float) -> str:
    """Format a part of a logit with two decimals; smaller values in scientific notation, not as a signed zero."""
    return signed_number(f"{value:+.0e}" if 0 < abs(value) < 0.005 else f"{value:+.2f}")


def _one_task(name: str, values: Any) -> Float[np.ndarray, " N"]:
    array = as_numbers(name, values)
    if array.ndim == 2 and array.shape[1] == 1:
        return array[:, 0]
    if array.ndim == 2:
        raise ValueError(f"{name} holds {array.shape[1]} tasks, shape {array.shape}: choose one, as in {name}[:, 0]")
    if array.ndim != 1:
        raise ValueError(f"{name} must be of shape (N,) or (N, 1), got {array.shape}")
    return array


def _colors(labels: Any, count: int, kind: str) -> tuple[Float[np.ndarray, "N 4"], list[Line2D], ScalarMappable | None]:
    """Return the colours of the points, the keys of the legend and, for values, what the colour bar shows."""
    if labels is None:
        return to_rgba_array([POSITIVE] * count), [], None
    values = _one_task("labels", labels)
    if len(values) != count:
        raise ValueError(f"labels must be one per sequence, got {len(values)} for {count} sequences")
    shades = None
    groups = [("unknown", UNKNOWN, np.isnan(values))]
    if kind == "value":
        if np.isinf(values).any():
            raise ValueError("labels must be finite, or NaN (unknown), got an infinite one")
        known = values[~np.isnan(values)]
        if known.size:
            shades = ScalarMappable(Normalize(float(known.min()), float(known.max())), VALUE_COLORS)
    else:
        groups = [("positive", POSITIVE, values == 1), ("negative", NEGATIVE, values == 0), *groups]
    odd = values[~np.logical_or.reduce([member for _, _, member in groups])]
    if odd.size and kind == "binary":
        raise ValueError(
            f"labels must be 1 (positive), 0 (negative) or NaN (unknown), got {odd[0]:g}; pass label_kind='value' for "
            f"labels that are values"
        )
    colors = np.empty((count, 4)) if shades is None else shades.to_rgba(values)
    keys = []
    for name, color, member in groups:
        colors[member] = to_rgba_array(color)[0]
        if member.any():
            label = f"{name}: {int(member.sum()):,}"
            keys.append(Line2D([], [], color=color, marker="o", linestyle="none", markersize=6, label=label))
    return colors, keys, shades


def _draw_color_bar(ax: Axes, shades: ScalarMappable) -> None:
    """Draw a narrow colour bar of the labels, right of the points."""
    bar = ax.figure.colorbar(shades, cax=ax.inset_axes((1.03, 0.0, 0.03, 1.0)))
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize="small", colors=INK, length=2)
    bar.locator = MaxNLocator(5)
    bar.set_label("label", fontsize="small", color=INK)


def prediction_range(
    x: Float[np.ndarray, " N"], y: Float[np.ndarray, " N"], scale: str | None = None
) -> tuple[float, float]:
    """Return one range for both axes: 0 to 1 for probabilities, and where no scale is given and all points fit in."""
    low, high = float(min(x.min(), y.min())), float(max(x.max(), y.max()))
    if scale == "probability" or (scale is None and low >= 0 and high <= 1):
        low, high = 0.0, 1.0
    room = 0.03 * (high - low) or 0.5
    return low - room, high + room


def _summary(x: Float[np.ndarray, " N"], y: Float[np.ndarray, " N"], threshold: float | None) -> str:
    gap = np.abs(x - y)
    spread = np.ptp(x) > 0 and np.ptp(y) > 0
    correlation = f"{np.corrcoef(x, y)[0, 1]:.4f}" if spread else "undefined"
    note = f"n = {len(x):,}, r = {correlation}\nlargest gap {gap.max():.2g}, mean gap {gap.mean():.2g}"
    if threshold is None:
        return note
    flips = int(((x >= threshold) != (y >= threshold)).sum())
    return f"{note}\n{flips:,} decision{'' if flips == 1 else 's'} of {len(x):,} flip at {threshold:g}"
