"""Figures as files, in which text stays text that can be searched, copied and edited."""

import os
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rcviz._core.checks import as_numbers, shown
from rcviz._core.files import atomic_write, check_ending
from rcviz.plots._axes import TRUETYPE, figure_pdf, figure_png, figure_svg, saved

ENDINGS = (".svg", ".pdf", ".png", ".eps", ".tif", ".tiff")
_PRINTED_DPI = 300  # of bitmaps for print, where none is given


def save_figure(ax: Any, path: str | os.PathLike[str], *, dpi: float | int | None = None) -> None:
    """Write the figure of some Axes, atomically; the file's ending selects the format.

    ``ax.figure.savefig("x.svg")`` would turn every letter into an outline, which cannot be searched or edited; here
    text stays text. Nothing that was drawn is cut off: where something lies beyond the edge of the figure, such as a
    legend, the file is larger than the figure.

    Parameters
    ----------
    ax : Axes or Figure
        Axes that a plot returned, or their figure.
    path : path-like
        ``.svg``, ``.pdf``, ``.eps``, ``.png`` or ``.tif``. The same drawing gives the same file.
    dpi : float, optional
        Dots per inch of ``.png`` (default: the figure's own) and ``.tif`` (default: 300), and of what is a bitmap
        within the others (default: 150), such as a scatter of thousands of points.

    Raises
    ------
    TypeError
        If ``ax`` is neither.
    ValueError
        If the path has another ending, its folder does not exist, or ``dpi`` is not positive.

    Examples
    --------
    >>> import rcviz
    >>> rcviz.save_figure(rcviz.plot_logo(rcviz.load_motif("CTCF_known1")), "ctcf.pdf")
    """
    ending = check_ending(path, ENDINGS)
    figure = ax.figure.figure if isinstance(ax, Axes) else ax
    if not isinstance(figure, Figure):
        raise TypeError(f"expected Axes or a Figure, got {type(ax).__name__}: give what a plot returned")
    if dpi is not None:
        dots = as_numbers("dpi", dpi)
        if dots.ndim or not np.isfinite(dots) or dots <= 0:
            raise ValueError(f"dpi must be a positive number, got {shown(dpi)}")
    if ending == ".svg":
        content = figure_svg(figure, dpi).encode()
    elif ending == ".pdf":
        content = figure_pdf(figure, dpi)
    elif ending == ".png":
        content = figure_png(figure, dpi)
    elif ending == ".eps":
        with matplotlib.rc_context({"ps.fonttype": TRUETYPE}):
            content = saved(figure, "eps", dpi=dpi or _PRINTED_DPI, metadata={"Creator": "rcviz"})
    else:
        options = {"compression": "tiff_lzw"}
        content = saved(figure, "tiff", dpi=dpi or _PRINTED_DPI, pil_kwargs=options)
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)
