"""Attributions of bases along a sequence, with named motif hits."""

from typing import Any, SupportsFloat

from matplotlib.axes import Axes

from rcviz._core.checks import check_index
from rcviz.plots._axes import label_axes, plotting
from rcviz.plots._highlights import hits_inside, spans_of, spans_of_hits
from rcviz.plots.heights import letter_heights, logo_positions
from rcviz.plots.logo import plot_logo
from rcviz.plots.results import has


@plotting
def plot_attributions(
    track: Any,
    ax: Axes | None = None,
    *,
    hits: Any = None,
    sequence: int = 0,
    start: SupportsFloat = 0,
    positions: Any = None,
    window: tuple[SupportsFloat, SupportsFloat] | None = None,
    unit: str = "attribution",
    **options: Any,
) -> Axes:
    """Draw the attributions of one sequence as letters, and motif hits as named spans above it.

    Parameters
    ----------
    track
        (4, L) attributions, zero but for the base that is there, or a DataFrame with a row per position; or
        a StrandAttributions, of which the mean of both strands is drawn.
    ax
        Axes to draw into; None makes a figure.
    hits
        Motif hits: a DataFrame with ``start`` and ``end`` (not included), in the positions of the track, and where it
        has them ``motif`` (or ``name``) and ``strand``; or a list of (start, end, name). Those elsewhere are left out.
    sequence
        Sequence of a StrandAttributions.
    start, positions, window
        As in `plot_logo`: where the track begins, and which part of a long one is drawn.
    unit
        Label of the y axis.
    options
        More options of `plot_logo`, such as ``colors``, ``fade_below``, ``y_range`` or ``wrap``.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        As `plot_logo`; also if the hits have no start or end, or none of them lies on the track.

    Examples
    --------
    >>> strands = rcviz.strand_attributions(model, parts.test.subset([0]))
    >>> ax = rcviz.plot_attributions(strands, window=(70, 130), hits=[(94, 113, "CTCF")])
    """
    if has(track, "forward", "reverse", "codes"):
        check_index("sequence", sequence, len(track.codes))
        unit = f"attribution, {track.scale}" if unit == "attribution" and has(track, "scale") else unit
        track = (track.forward[sequence] + track.reverse[sequence]) / 2
    heights, _, _ = letter_heights(track, "weights", options.get("alphabet"))
    places = logo_positions(track, heights.shape[1], start, positions)
    given = [*spans_of(options.pop("highlight", None)), *hits_inside(spans_of_hits(hits), places)]
    ax = plot_logo(
        track, ax, start=start, positions=positions, window=window, highlight=given, kind="weights", **options
    )
    if options.get("wrap") is None:
        label_axes(ax, None, unit)
    return ax
