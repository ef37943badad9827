"""A filter above its own reverse complement: what matches what, and about which centre (Figure 5c)."""

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.ticker import FixedLocator

from rcviz.motifs.palindromicity import palindromicity
from rcviz.plots._axes import FAINT, INK, despine, integer_ticks, plain_title, resolve_axes, signed_number
from rcviz.plots.colors import letter_colors
from rcviz.plots.glyphs import logo_layout
from rcviz.plots.heights import letter_heights, y_limits
from rcviz.plots.logo import letter_collection
from rcviz.sequences.alphabet import reverse_complement

_GAP = 0.25
"""Between the two logos, as a share of the height of one."""


def plot_palindrome(
    matrix: Any,
    ax: Axes | None = None,
    *,
    kind: str | None = None,
    stack: str = "big_on_top",
    below: str = "flipped",
    colors: str | Mapping[str, Any] = "colorblind",
    title: str | None = None,
) -> Axes:
    """Draw a filter above its reverse complement, shifted to where the two agree best.

    Partner columns mirror each other about the dashed centre; where the reverse complement shows the letters of the
    filter above it, the filter is a palindrome. The shaded positions are those that both have.

    Parameters
    ----------
    matrix
        (4, W) array, rows A, C, G, T; or a DataFrame with one row per position and columns A, C, G and T (or U); or
        a Motif.
    ax
        Axes to draw into; None makes a figure.
    kind, stack, below, colors
        As in `rcviz.plots.logo.plot_logo`.
    title
        Title; a Motif brings its name.

    Returns
    -------
    Axes
        Position i of the filter is centred on x = i. Under the axis stand palindromicity, of the mean-centred matrix,
        and centre.

    Raises
    ------
    ValueError
        As `plot_logo`.

    Examples
    --------
    >>> import rcviz
    >>> ax = rcviz.plot_palindrome(rcviz.load_motif("MA0058.4"), title="MAX")
    """
    heights, kind, letters = letter_heights(matrix, kind)
    values, _, _ = letter_heights(matrix, "weights")
    found = palindromicity(values - values.mean(axis=0))
    palette = letter_colors(colors)
    low, high = y_limits(heights, kind)
    step = (high - low) * (1 + _GAP)
    width = heights.shape[1]

    first, last = min(0, found.shift), width - 1 + max(0, found.shift)
    ax = resolve_axes(ax, min(max(0.32 * (last - first + 1) + 1.3, 3.4), 16.0), 3.2)
    partner = reverse_complement(heights)
    layouts = [
        logo_layout(heights, stack=stack, below=below, letters=letters),
        logo_layout(partner, baseline=-step, left=float(found.shift), stack=stack, below=below, letters=letters),
    ]
    ax.axvspan(max(0, found.shift) - 0.5, width - 0.5 + min(0, found.shift), color=FAINT, alpha=0.1, linewidth=0)
    ax.add_collection(letter_collection(layouts, palette), autolim=False)
    zeros = [
        [(-0.5, 0.0), (width - 0.5, 0.0)],
        [(found.shift - 0.5, -step), (found.shift + width - 0.5, -step)],
    ]
    ax.add_collection(LineCollection(zeros, colors=INK, linewidths=0.8, zorder=1.5), autolim=False)
    ax.axvline(found.center, color=INK, linewidth=1.0, linestyle=(0, (4, 3)), zorder=0.5)
    room, middle = 0.04 * (high - low), (low + high) / 2
    ax.set_ylim(low - step - room, high + room)
    ax.set_xlim(first - 0.6, last + 0.6)
    despine(ax)
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)
    ax.yaxis.set_major_locator(FixedLocator([middle - step, middle]))
    ax.set_yticklabels(["reverse\ncomplement", "motif" if hasattr(matrix, "probabilities") else "filter"])
    integer_ticks(ax, 12)
    score = signed_number(f"{found.score:.2f}")
    ax.set_xlabel(f"position\npalindromicity {score} about {found.center:g}", fontsize="small", color=INK)
    plain_title(ax, getattr(matrix, "name", None) if title is None and hasattr(matrix, "probabilities") else title)
    return ax
