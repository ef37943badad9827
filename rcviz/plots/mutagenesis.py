"""Effects of all mutations of a sequence as heat maps of both strands, below the sequence as a logo."""

from collections.abc import Mapping
from typing import Any, SupportsFloat

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize
from matplotlib.ticker import FixedLocator, FuncFormatter

from rcviz._core.checks import as_numbers, check_index
from rcviz._core.shapes import Float
from rcviz.plots._axes import check_title, ink, label_axes, paper, plain_title, plotting, resolve_axes
from rcviz.plots._layout import text_in_level
from rcviz.plots._style import checked_visuals, luminance, stroke
from rcviz.plots._svg import position_text
from rcviz.plots._text import axes_size, points
from rcviz.plots._ticks import PositionLocator, label_size
from rcviz.plots.colors import NEGATIVE, POSITIVE, letter_colors, on_paper
from rcviz.plots.glyphs import logo_layout
from rcviz.plots.logo import letter_collection
from rcviz.plots.results import has, scale_of

_LETTERS = "ACGT"
_ROWS = ("forward", "reverse complement", "difference")
_GAP = 1.3
"""Between two heat maps, in rows of a heat map; a caption stands there."""

_LOGO = 4.0
"""Height of the logo, in rows of a heat map."""


@plotting
def plot_mutagenesis(
    forward: Any,
    reverse: Any = None,
    codes: Any = None,
    ax: Axes | None = None,
    *,
    sequence: int | np.integer = 0,
    start: SupportsFloat = 0,
    window: tuple[SupportsFloat, SupportsFloat] | None = None,
    scale: str | None = None,
    colors: str | Mapping[str, Any] = "colorblind",
    title: str | None = None,
    visuals: Mapping[str, Any] | None = None,
) -> Axes:
    """Draw the effects of all mutations of one sequence: the sequence, and heat maps of both strands and their gap.

    Parameters
    ----------
    forward, reverse
        (4, L) effects of each base at each position, on either strand in forward coordinates; NaN stays blank. Or a
        Mutagenesis instead of both, which also brings the sequence.
    codes
        (L,) codes of the sequence: A 0, C 1, G 2, T 3, N 4.
    ax
        Axes to draw into; None makes a figure.
    sequence
        Sequence of a Mutagenesis.
    start
        Position of the first base, such as its coordinate in the genome.
    window
        First position that is drawn, and the first that is not any more; None draws all that was mutated.
    scale
        "logit" or "value", for the label of the colours.
    colors
        Of the letters, as in `plot_logo`.
    title
        Title.
    visuals
        Options of matplotlib for each part: "letters", "image" and "reference" (marks of the bases that are there);
        False hides one.

    Returns
    -------
    Axes
        A letter is as tall as the mean fall of the output over the base's mutations and both strands; below the line
        where mutations raise it. The three heat maps have one scale; the last one is forward minus reverse.

    Raises
    ------
    ValueError
        If the shapes do not fit, no position is in `window`, or nothing was mutated there.

    Examples
    --------
    >>> mutations = rcviz.mutagenesis(standard, parts.test.subset([0]), region=(80, 120))
    >>> ax = rcviz.plot_mutagenesis(mutations)
    """
    check_title(title)
    styles = checked_visuals("plot_mutagenesis", visuals, ("letters", "image", "reference"))
    scale = scale_of(forward, scale)
    if has(forward, "forward", "reverse", "codes", "region"):
        result = forward
        check_index("sequence", sequence, len(result.codes))
        if isinstance(reverse, Axes):
            reverse, ax = None, reverse
        forward, reverse, codes = (values[sequence] for values in (result.forward, result.reverse, result.codes))
        region = result.region
        window = (float(start) + region[0], float(start) + region[1]) if window is None else window
    strands, letters, places = _checked(forward, reverse, codes, start, window)

    ax = resolve_axes(ax, min(max(0.09 * len(places) + 1.6, 5.0), 14.0), 3.9)
    palette = letter_colors(colors, paper(ax))
    parts = [*strands, strands[0] - strands[1]]
    reach = float(np.nanmax(np.abs(parts[:2])))
    norm = Normalize(-reach or -1.0, reach or 1.0)
    first, last = float(places[0]) - 0.5, float(places[-1]) + 0.5
    ticks, image = [], None
    total = 3 * (4 + _GAP) + _LOGO + 0.6
    row_height = 0.92 * axes_size(ax)[1] / total
    size = min(points("xtick.labelsize"), 0.7 * _GAP * row_height)
    small = min(points("ytick.labelsize"), 0.7 * row_height)
    for row, (name, part) in enumerate(zip(_ROWS, parts, strict=True)):
        top = row * (4 + _GAP)
        options: dict[str, Any] = {"cmap": _diverging(paper(ax)), "norm": norm, "interpolation": "nearest"}
        image = ax.imshow(
            part, extent=(first, last, top + 4, top), aspect="auto", zorder=1, **{**options, **styles["image"]}
        )
        known = letters < 4
        dots: dict[str, Any] = {"s": min(8.0, 300.0 / len(places)), "color": ink(ax), "linewidths": 0, "zorder": 2}
        ax.scatter(places[known], top + letters[known] + 0.5, **{**dots, **styles["reference"]})
        ticks += [top + base + 0.5 for base in range(4)]
        options = {"color": ink(ax), "verticalalignment": "bottom", "parse_math": False}
        text_in_level(ax, first, top - 0.15, name, _GAP - 0.3, size, **options).set_in_layout(False)
    heights = _importance(strands, letters)
    most = max(float(heights.max()), 0.0) - min(float(heights.min()), 0.0) or 1.0
    # The axis of y runs downwards, and letters are drawn upwards: the logo is drawn with its heights negated.
    low = min(float(heights.min()), 0.0)
    baseline = -_GAP - 0.4 + _LOGO * low / most
    layout = logo_layout(-heights * _LOGO / most, below="flipped", left=places, baseline=baseline, letters=_LETTERS)
    drawn = letter_collection([layout], palette)
    drawn.set(**styles["letters"])
    ax.add_collection(drawn, autolim=False)
    ax.plot([first, last], [baseline, baseline], color=ink(ax), linewidth=stroke(0.6), zorder=1.5)

    ax.set_xlim(first, last)
    ax.set_ylim(3 * 4 + 2 * _GAP, -_GAP - 0.6 - _LOGO)
    ax.spines[:].set_visible(False)
    ax.grid(False)
    ax.tick_params(axis="y", length=0, labelsize=small, labelright=False)
    ax.yaxis.set_major_locator(_RowsLocator(ticks))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, at: _LETTERS[(at or 0) % 4]))
    ax.xaxis.set_major_locator(PositionLocator(float(places[0]), float(places[-1])))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: position_text(value, float(places[-1]))))
    label_axes(ax, "position")
    plain_title(ax, title)
    assert image is not None
    # Inside the Axes' own part of the figure, so that neighbours keep their places.
    bar = ax.figure.colorbar(image, cax=ax.inset_axes((1.02, 0.0, 0.018, 0.7)))
    bar.set_label(f"effect on the {scale or 'output'}", fontsize=size)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=size)
    return ax


class _RowsLocator(FixedLocator):
    """Ticks of the rows, where these are tall enough for their letters."""

    def __call__(self) -> Any:
        """Return the positions of the ticks."""
        axes: Any = self.axis.axes  # type: ignore[union-attr]
        row = axes.bbox.height * 72 / axes.figure.figure.dpi / abs(float(np.subtract(*axes.get_ylim())))
        return super().__call__() if row >= 0.9 * label_size(self.axis) else []


def _checked(
    forward: Any, reverse: Any, codes: Any, start: Any, window: Any
) -> tuple[list[Float[np.ndarray, "4 W"]], np.ndarray, Float[np.ndarray, " W"]]:
    """Return the effects of both strands, the bases and the positions that are drawn."""
    if reverse is None or codes is None:
        raise ValueError(f"expected forward, reverse and codes, or a Mutagenesis, got one {type(forward).__name__}")
    strands = [as_numbers(name, values) for name, values in (("forward", forward), ("reverse", reverse))]
    letters = np.asarray(codes)
    if strands[0].shape != (4, len(letters)) or strands[1].shape != strands[0].shape:
        raise ValueError(
            f"forward and reverse must be (4, L) and codes (L,), got {strands[0].shape}, {strands[1].shape} and "
            f"{letters.shape}"
        )
    offset = as_numbers("start", start)
    if offset.ndim or not np.isfinite(offset):
        raise ValueError(f"start must be one finite position, got {start!r:.100}")
    places = float(offset) + np.arange(float(len(letters)))
    if window is not None:
        bounds = as_numbers("window", window)
        if bounds.shape != (2,) or not np.isfinite(bounds).all() or bounds[0] >= bounds[1]:
            raise ValueError(f"window must be two finite positions, the lower first, got {window!r:.100}")
        inside = (places >= bounds[0]) & (places < bounds[1])
        if not inside.any():
            raise ValueError(f"window {window} holds none of the positions {places[0]:g} to {places[-1]:g}")
        strands, letters, places = [each[:, inside] for each in strands], letters[inside], places[inside]
    if not any(np.isfinite(each).any() for each in strands):
        raise ValueError("expected at least one effect that is not NaN: choose a window that was mutated")
    return strands, letters, places


def _importance(strands: list[Float[np.ndarray, "4 W"]], letters: np.ndarray) -> Float[np.ndarray, "4 W"]:
    """Mean fall of the output over a base's three mutations and both strands, as the height of its letter."""
    mean = np.nan_to_num((strands[0] + strands[1]) / 2)
    heights = np.zeros_like(mean)
    known = np.flatnonzero(letters < 4)
    heights[letters[known], known] = -mean[:, known].sum(axis=0) / 3
    return heights


def _diverging(behind: str) -> Colormap:
    """Colours from negative to positive effects, with the paper's colour at zero."""
    middle = behind if luminance(behind) > 0.18 else "#2b2b2b"
    ends = on_paper(NEGATIVE, behind), on_paper(POSITIVE, behind)
    made = LinearSegmentedColormap.from_list("effects", [ends[0], middle, ends[1]])
    return made.with_extremes(bad=(0.0, 0.0, 0.0, 0.0))
