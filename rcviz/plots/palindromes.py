"""A filter above its own reverse complement, aligned about the centre of its palindrome (Figure 5c)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.ticker import FixedLocator

from rcviz._core.shapes import Float
from rcviz.motifs.palindromicity import palindromicity
from rcviz.plots._axes import (
    check_title,
    despine,
    faint,
    ink,
    integer_ticks,
    label_axes,
    paper,
    plain_title,
    plotting,
    resolve_axes,
    signed_number,
)
from rcviz.plots._style import checked_visuals, stroke
from rcviz.plots.colors import letter_colors
from rcviz.plots.glyphs import logo_layout
from rcviz.plots.heights import letter_heights, motif_name, y_limits
from rcviz.plots.logo import letter_collection
from rcviz.plots.results import has
from rcviz.sequences.alphabet import reverse_complement

_GAP = 0.25
"""Between the two logos, as a share of the height of one."""


@plotting
def plot_palindrome(
    matrix: Any,
    ax: Axes | None = None,
    *,
    filter: int | np.integer | None = None,  # noqa: A002 - the name that tables use
    kind: str | None = None,
    stack: str = "big_on_top",
    below: str = "flipped",
    colors: str | Mapping[str, Any] = "colorblind",
    title: str | None = None,
    visuals: Mapping[str, Any] | None = None,
) -> Axes:
    """Draw a filter above its reverse complement, shifted to where the two agree best.

    Partner columns mirror each other about the dashed centre; where the reverse complement has the same letters as the
    filter above it, the filter is a palindrome. Positions that both cover are shaded.

    Parameters
    ----------
    matrix
        A (4, W) array, rows A, C, G, T; a DataFrame with one row per position and columns A, C, G and T (or U); a
        Motif; or a Palindromes result, of which one filter is drawn with its verdict.
    ax
        Axes to draw into; None makes a figure.
    filter
        Filter of a Palindromes result; None takes the most palindromic one.
    kind, stack, below, colors
        As in `rcviz.plots.logo.plot_logo`.
    title
        Title; None takes the name of a Motif, or filter and verdict of a Palindromes result.
    visuals
        Options of matplotlib for each part: "letters", "zero", "center" (lines) and "overlap" (the shaded positions);
        False hides one.

    Returns
    -------
    Axes
        Position i of the filter is centred on x = i. Palindromicity (of the mean-centred matrix) and centre are
        written below the axis.

    Raises
    ------
    ValueError
        As `plot_logo`; also if the result does not hold `filter`.

    Examples
    --------
    >>> import rcviz
    >>> ax = rcviz.plot_palindrome(rcviz.load_motif("MA0058.4"), title="MAX")
    """
    check_title(title)
    styles = checked_visuals("plot_palindrome", visuals, ("letters", "zero", "center", "overlap"))
    if has(matrix, "weights", "table"):
        matrix, verdict = _filter_of(matrix, filter)
        title = verdict if title is None else title
    elif filter is not None:
        raise ValueError(f"filter chooses one of a Palindromes result, but matrix is a {type(matrix).__name__}")
    heights, kind, letters = letter_heights(matrix, kind)
    values, _, _ = letter_heights(matrix, "weights")
    best = palindromicity(values - values.mean(axis=0))
    letter_colors(colors)
    low, high = y_limits(heights, kind)
    step = (high - low) * (1 + _GAP)
    width = heights.shape[1]

    first, last = min(0, best.shift), width - 1 + max(0, best.shift)
    ax = resolve_axes(ax, min(max(0.32 * (last - first + 1) + 1.3, 3.4), 16.0), 3.2)
    partner = reverse_complement(heights)
    layouts = [
        logo_layout(heights, stack=stack, below=below, letters=letters),
        logo_layout(partner, baseline=-step, left=float(best.shift), stack=stack, below=below, letters=letters),
    ]
    shade: dict[str, Any] = {"color": faint(ax), "alpha": 0.1, "linewidth": 0}
    ax.axvspan(max(0, best.shift) - 0.5, width - 0.5 + min(0, best.shift), **{**shade, **styles["overlap"]})
    drawn = letter_collection(layouts, letter_colors(colors, paper(ax)))
    drawn.set(**styles["letters"])
    ax.add_collection(drawn, autolim=False)
    zeros = [
        [(-0.5, 0.0), (width - 0.5, 0.0)],
        [(best.shift - 0.5, -step), (best.shift + width - 0.5, -step)],
    ]
    zero: dict[str, Any] = {"color": ink(ax), "linewidth": stroke(0.8), "zorder": 1.5}
    ax.add_collection(LineCollection(zeros, **{**zero, **styles["zero"]}), autolim=False)
    middle: dict[str, Any] = {"color": ink(ax), "linewidth": stroke(1.0), "linestyle": (0, (4, 3)), "zorder": 0.5}
    ax.axvline(best.center, **{**middle, **styles["center"]})
    room, center = 0.04 * (high - low), (low + high) / 2
    ax.set_ylim(low - step - room, high + room)
    ax.set_xlim(first - 0.6, last + 0.6)
    despine(ax)
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)
    ax.yaxis.set_major_locator(FixedLocator([center - step, center]))
    ax.set_yticklabels(["reverse\ncomplement", "motif" if hasattr(matrix, "probabilities") else "filter"])
    integer_ticks(ax, 12)
    score = signed_number(f"{best.score:.2f}")
    label_axes(ax, f"position\npalindromicity {score} about {best.center:g}")
    plain_title(ax, motif_name(matrix) if title is None else title)
    return ax


def _filter_of(result: Any, index: int | np.integer | None) -> tuple[Float[np.ndarray, "4 W"], str]:
    """One filter of a Palindromes result, and its verdict as text."""
    table: pd.DataFrame = result.table
    if "verdict" not in table.columns:
        raise ValueError(f"{type(result).__name__} has no verdicts; give rcviz.palindromes(...), or one (4, W) matrix")
    filters = table["filter"].tolist()
    if index is None:
        row = int(table["palindromicity"].fillna(-1).argmax())
    elif index in filters:
        row = filters.index(index)
    else:
        raise ValueError(f"there is no filter {index} in the result: choose one of {', '.join(map(str, filters))}")
    chosen = table.iloc[row]
    return result.weights[row], f"filter {chosen['filter']}: {chosen['verdict']} (p = {chosen['p_value']:.2g})"
