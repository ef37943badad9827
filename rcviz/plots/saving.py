"""Figures as files, in which text stays text that can be searched, copied and edited."""

import os
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rcviz._core.files import atomic_write, check_ending
from rcviz.plots._axes import figure_pdf, figure_png, figure_svg

ENDINGS = (".svg", ".pdf", ".png")


def save_figure(ax: Any, path: str | os.PathLike[str]) -> None:
    """Write the figure of some Axes, atomically; the file's ending selects the format.

    ``ax.figure.savefig("x.svg")`` would turn every letter into an outline, which cannot be searched or edited; here
    text stays text.

    Parameters
    ----------
    ax : Axes or Figure
        Axes that a plot returned, or their figure.
    path : path-like
        ``.svg``, ``.pdf`` or ``.png`` (at the figure's own resolution). The same drawing gives the same file.

    Raises
    ------
    TypeError
        If ``ax`` is neither.
    ValueError
        If the path has another ending or its folder does not exist.

    Examples
    --------
    >>> import rcviz
    >>> rcviz.save_figure(rcviz.plot_logo(rcviz.load_motif("CTCF_known1")), "ctcf.pdf")
    """
    ending = check_ending(path, ENDINGS)
    figure = ax.figure.figure if isinstance(ax, Axes) else ax
    if not isinstance(figure, Figure):
        raise TypeError(f"expected Axes or a Figure, got {type(ax).__name__}: give what a plot returned")
    if ending == ".svg":
        content = figure_svg(figure).encode()
    else:
        content = figure_pdf(figure) if ending == ".pdf" else figure_png(figure)
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)
