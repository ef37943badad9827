"""Position and outline of each letter of a sequence logo.

The layout is plain numbers; `rcviz.plots.logo` draws the same layout with matplotlib and as SVG text.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path as FilePath

import matplotlib
import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path
from matplotlib.textpath import TextPath

from rcviz._core.checks import check_choice

LETTERS = "ACGTUN"
STACKS = ("big_on_top", "small_on_top", "fixed")
BELOW = ("flipped", "upright")

LETTER_WIDTH = 0.94
"""Width of a letter where neighbouring positions are 1 apart: a narrow gap keeps them legible."""


@lru_cache(maxsize=len(LETTERS))
def glyph(letter: str) -> Path:
    """Return the outline of one of A, C, G, T, U, N that fills the unit box exactly, y upwards.

    It is taken from the bold font that comes with matplotlib, so that logos look alike on every machine.
    """
    check_choice("letter", letter, tuple(LETTERS))
    font = FilePath(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans-Bold.ttf"
    outline = TextPath((0, 0), letter, size=100, prop=FontProperties(fname=str(font)))
    box = outline.get_extents()
    vertices = (np.asarray(outline.vertices) - box.min) / box.size
    # TextPath closes contours with a vertex at the origin, which has no meaning and would widen a bounding box.
    codes = np.asarray(outline.codes)
    closing = codes == Path.CLOSEPOLY
    vertices[closing] = vertices[np.flatnonzero(closing) - 1]
    return Path(vertices, codes, readonly=True)


@lru_cache(maxsize=128)
def _svg_template(
    letter: str, across: int
) -> tuple[int, str, Float[np.ndarray, " points"], Int[np.ndarray, " later_points"]]:
    """Return the parts of an outline of one width, for any height.

    These are its starting point, from its left edge; its path data from there on, each point relative to an earlier
    one, with a placeholder for each vertical step; the height of each point in [0, 1]; and, for all but the first, the
    point that each is relative to.
    """
    points: list[np.ndarray] = []
    words: list[str] = []
    base: list[int] = []
    begin = 0  # of this contour, to which "z" returns the pen
    for step, code in glyph(letter).iter_segments(simplify=False):
        if code == Path.CLOSEPOLY:
            words.append("z")
            continue
        pairs = np.reshape(step, (-1, 2))
        pen = begin if code == Path.MOVETO else len(points) - 1
        if code == Path.MOVETO:
            begin = len(points)
        if points:
            words.append({Path.MOVETO: "m", Path.LINETO: "l", Path.CURVE3: "q"}[code])
            # A sign or a space separates numbers; the first follows a letter.
            words.append("{}% d" + "{: d}% d" * (len(pairs) - 1))
            base += [pen] * len(pairs)
        points.extend(pairs)
    unit = np.array(points)
    right = np.rint(across * unit[:, 0]).astype(int)
    steps = (right[1:] - right[base]).tolist()
    return int(right[0]), "".join(words).format(*steps), unit[:, 1], np.array(base)


@lru_cache(maxsize=8192)
def _svg_outline(letter: str, across: int, rise: int) -> tuple[int, int, str]:
    """Return the starting point of an outline, from its lower left corner, and its path data from there on.

    Cached, as formatting numbers takes most of the time, and letters of one size recur in a gallery and in the next.
    """
    right, template, heights, base = _svg_template(letter, across)
    up = np.rint(rise * heights).astype(int)
    # Steps between rounded points: rounded steps would accumulate an error.
    steps = (up[1:] - up[base]).tolist()
    return right, int(up[0]), template % tuple(steps)


def svg_letters(
    letters: Shaped[np.ndarray, " n"],
    left: Float[np.ndarray, " n"],
    foot: Float[np.ndarray, " n"],
    across: float | int,
    rise: Float[np.ndarray, " n"],
) -> dict[str, str]:
    """Write letters as compact SVG path data of whole numbers: one path for all places of a letter.

    Letters are neither separate elements nor transformed: thousands of such elements make every change of a page
    slow. `left` and `foot` are each outline's lower left corner, y downwards; `across` is the width of all, `rise` the
    height of the top relative to the foot: negative for upright letters. Letters are in the order of the alphabet.
    """
    # Corners are rounded, not sizes, so that letters that touch still touch.
    corners = np.rint(np.array([left, foot, left + across, foot + rise])).astype(int)
    sizes = corners[2:] - corners[:2]
    outlines: dict[str, list[str]] = {letter: [] for letter in sorted(set(letters.tolist()))}
    for letter, x, y, width, height in zip(letters.tolist(), *corners[:2].tolist(), *sizes.tolist(), strict=True):
        right, up, outline = _svg_outline(letter, width, height)
        outlines[letter].append(f"M{x + right} {y + up}{outline}")
    return {letter: "".join(parts) for letter, parts in outlines.items()}


@dataclass(frozen=True)
class LogoLayout:
    """The letters of a logo, from left to right and from the lowest up; only those with a height.

    Attributes
    ----------
    letters : (n,) one-character strings
    left, bottom, height : (n,) floats
        The box of each letter; position i is centred on `left` + i of the call that made the layout.
    flipped : (n,) bools
        Whether the letter is upside down.
    width : float
        Width of every box.
    """

    letters: Shaped[np.ndarray, " n"]
    left: Float[np.ndarray, " n"]
    bottom: Float[np.ndarray, " n"]
    height: Float[np.ndarray, " n"]
    flipped: Bool[np.ndarray, " n"]
    width: float = LETTER_WIDTH


def logo_layout(
    heights: Float[np.ndarray, "4 W"],
    *,
    stack: str = "big_on_top",
    below: str = "flipped",
    baseline: float = 0.0,
    left: float | Float[np.ndarray, " W"] = 0.0,
    letters: str = "ACGT",
) -> LogoLayout:
    """Stack the letters of each position: positive heights upwards from the baseline, negative ones downwards.

    Letters of height zero are left out. Position 0 is centred on `left`, and positions are 1 apart, or each is centred
    on its own number in `left`; `letters` are those of the four rows.

    - stack "big_on_top": the taller a letter, the farther from the baseline, as in the paper's Figure 5;
      "small_on_top": the taller, the nearer; "fixed": in the order of the rows, the first row on top.
    - below "flipped" draws the letters below the baseline upside down; "upright" does not.
    """
    check_choice("stack", stack, STACKS)
    check_choice("below", below, BELOW)
    rows, width = heights.shape
    if stack == "fixed":
        rising = np.repeat(-np.arange(rows)[:, None], width, axis=1)
    else:
        rising = heights if stack == "big_on_top" else -heights
    # From the lowest letter up: everything below the baseline comes first, for any order within a side.
    order = np.lexsort((rising, heights > 0), axis=0)
    signed = heights[order, np.arange(width)].astype(float)
    tall = np.abs(signed)
    depth = np.minimum(signed, 0.0).sum(axis=0)
    bottom = baseline + depth + tall.cumsum(axis=0) - tall
    position, rank = np.nonzero(tall.T)
    here = rank, position
    return LogoLayout(
        letters=np.array(list(letters))[order[here]],
        left=(left + position if np.ndim(left) == 0 else np.asarray(left)[position]) - LETTER_WIDTH / 2,
        bottom=bottom[here],
        height=tall[here],
        flipped=(signed[here] < 0) & (below == "flipped"),
    )


def letter_paths(layout: LogoLayout) -> list[Path]:
    """Return one outline per letter of the layout, in its order and in its coordinates."""
    paths: list[Path | None] = [None] * len(layout.letters)
    for letter in np.unique(layout.letters).tolist():
        outline = glyph(letter)
        index = np.flatnonzero(layout.letters == letter)
        sign = np.where(layout.flipped[index], -1.0, 1.0)
        start = layout.bottom[index] + np.where(layout.flipped[index], layout.height[index], 0.0)
        unit = np.asarray(outline.vertices)
        vertices = np.empty((len(index), *unit.shape))
        vertices[..., 0] = layout.left[index, None] + layout.width * unit[:, 0]
        vertices[..., 1] = start[:, None] + (sign * layout.height[index])[:, None] * unit[:, 1]
        for i, outline_vertices in zip(index.tolist(), vertices, strict=True):
            paths[i] = Path(outline_vertices, outline.codes)
    return [path for path in paths if path is not None]
