"""Predictions for the two strands of a sequence (Figure 4), and the filters that cause their gap."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from rcviz._core.checks import check_choice, check_positive, task_index
from rcviz._core.shapes import Float
from rcviz.plots._axes import (
    check_title,
    despine,
    faint,
    label_axes,
    number_ticks,
    paper,
    plain_title,
    plotting,
    ranked_bars,
    resolve_axes,
    signed_number,
)
from rcviz.plots._labels import CLASSES, checked_labels, draw_color_bar, hidden_values, label_colors, one_task
from rcviz.plots._legend import LEGENDS, add_legend
from rcviz.plots._style import checked_visuals, dot, stroke
from rcviz.plots.colors import UNKNOWN, on_paper, value_colors
from rcviz.plots.results import axes_of_result, finite_or_none, has, scale_of, table_of

_RASTERIZE_ABOVE = 1000
"""More points than this are stored as one bitmap in a vector file, which would grow large and slow."""

FILTER_BAR = "#5f6f86"

SMALLEST_SCALE = 0.01
"""In logits: differences of the size of rounding are not drawn large, even if there are no others."""


@plotting
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
    legend: str = "outside",
    visuals: Mapping[str, Any] | None = None,
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
    legend
        "outside" (below the Axes, with the numbers of sequences and the gaps), "inside" or "none".
    visuals
        Options of matplotlib for each part: "points", "diagonal", "threshold", and the classes "positive", "negative"
        and "unknown", whose only option is "color"; False hides a part.

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
    check_choice("legend", legend, LEGENDS)
    check_title(task_name, "task_name")
    styles = checked_visuals("plot_strands", visuals, ("points", "diagonal", "threshold", *CLASSES))
    threshold = finite_or_none("threshold", threshold)
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
    x = one_task("forward", forward)
    y = one_task("reverse", reverse)
    if x.shape != y.shape:
        raise ValueError(
            f"forward and reverse must be predictions for the same sequences, got {len(x)} and {len(y)}: "
            f"take both from one strand_agreement"
        )
    if len(x) == 0:
        raise ValueError("expected predictions of at least one sequence, got none")
    hidden = hidden_values(forward, x) | hidden_values(reverse, y)  # as matplotlib, leave out what a masked array hides
    if hidden.all():
        raise ValueError("expected predictions of at least one sequence, got none that is not masked")
    for name, values in (("forward", x), ("reverse", y)):
        wrong = ~np.isfinite(values) & ~hidden
        if wrong.any():
            first = int(np.flatnonzero(wrong)[0])
            raise ValueError(
                f"{name} has {values[first]} at sequence {first}: drop the sequences without a finite prediction"
            )
    if label_kind is None:
        given = np.zeros(0) if labels is None else one_task("labels", labels)
        classes = bool((np.isin(given, (0, 1)) | np.isnan(given)).all())
        label_kind = "value" if scale == "value" and not classes else "binary"
    check_choice("label_kind", label_kind, ("binary", "value"))
    groups = checked_labels(labels, len(x), label_kind)
    if hidden.any():
        x, y = x[~hidden], y[~hidden]
        groups = None if groups is None else groups[~hidden]

    ax = resolve_axes(ax, 5.0, 4.2)
    palette = {name: styles[name].get("color", on_paper(color, paper(ax))) for name, color in CLASSES.items()}
    colors, keys, shades = label_colors(groups, len(x), label_kind, palette, value_colors(paper(ax)))
    low, high = prediction_range(x, y, scale)
    line: dict[str, Any] = {"color": faint(ax), "linewidth": stroke(0.8), "zorder": 1}
    ax.plot([low, high], [low, high], **{**line, **styles["diagonal"]})
    if threshold is not None:
        for draw in (ax.axvline, ax.axhline):
            draw(threshold, **{**line, "linestyle": ":", **styles["threshold"]})
    # A fixed random order, as the class drawn last would hide the others.
    order = np.random.default_rng(0).permutation(len(x))
    marks: dict[str, Any] = {
        "s": float(np.clip(4000 / len(x), 4.0, 24.0)) * dot(1.0) ** 2,
        "c": colors[order],
        "alpha": float(np.clip(1500 / len(x), 0.45, 0.85)),
        "linewidths": 0,
        "rasterized": len(x) > _RASTERIZE_ABOVE,
        "zorder": 2,
    }
    if {"color", "facecolor", "facecolors"} & set(styles["points"]):
        del marks["c"]
    ax.scatter(x[order], y[order], **{**marks, **styles["points"]})
    ax.set_xlim(low, high)
    ax.set_ylim(low, high)
    ax.set_aspect("equal", adjustable="box")
    despine(ax)
    number_ticks(ax, 5)
    number_ticks(ax, 5, axis="y")
    what = scale or "prediction"
    add_legend(ax, legend, keys, 3, note=_summary(x, y, threshold))
    label_axes(ax, f"{what}, forward strand", f"{what}, reverse complement")
    plain_title(ax, task_name)
    if shades is not None:
        draw_color_bar(ax, shades)
    return ax


@plotting
def plot_gap_by_filter(
    table: Any,
    ax: Axes | None = None,
    *,
    rest: Any = None,
    top: int | None = None,
    title: str | None = None,
    scale: str | None = None,
    visuals: Mapping[str, Any] | None = None,
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
    visuals
        Options of matplotlib for the "bars".

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
    styles = checked_visuals("plot_gap_by_filter", visuals, ("bars",))
    check_title(title)
    scale = scale_of(table, scale) or "logit"
    if rest is None and has(table, "table", "rest"):
        rest = float(table.rest.mean())
    rest = finite_or_none("rest", rest)
    table = table_of(table, ["filter", "difference", "magnitude"], "filter", finite=["difference", "magnitude"])
    if top is not None:
        check_positive("top", top)
    ranked = table.sort_values("magnitude", ascending=False, kind="stable")
    shown, others = (ranked, ranked[:0]) if top is None else (ranked[:top], ranked[top:])
    bars = [
        (row[0] if isinstance(row[0], str) else f"filter {row[0]}", float(row[1]), FILTER_BAR)
        for row in shown[["filter", "difference"]].to_numpy(object)
    ]
    if len(others):
        name = f"{len(others)} others" if len(others) > 1 else "1 other"
        bars.append((name, float(others["difference"].sum()), UNKNOWN))
    if rest is not None:
        bars.append(("rest", rest, UNKNOWN))
    names, values, colors = zip(*bars, strict=True)

    ax = resolve_axes(ax, 4.6, min(0.24 * len(bars) + 1.0, 40.0), names=names)
    shades = [on_paper(color, paper(ax)) for color in colors]
    ranked_bars(ax, names, values, [logit_text(value) for value in values], shades, **styles["bars"])
    reach = 1.05 * max(SMALLEST_SCALE, *map(abs, values))
    ax.set_xlim(-reach, reach)
    number_ticks(ax, 5)
    label_axes(ax, f"{scale}: forward minus reverse complement")
    plain_title(ax, title)
    return ax


def logit_text(value: float) -> str:
    """Format a part of a logit with two decimals; smaller values in scientific notation, not as a signed zero."""
    return signed_number(f"{value:+.0e}" if 0 < abs(value) < 0.005 else f"{value:+.2f}")


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
