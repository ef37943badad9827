"""Position and outline of each letter of a sequence logo.

The layout is plain numbers; `rcviz.plots.logo` draws the same layout with matplotlib and as SVG text.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path as FilePath

import matplotlib
import numpy as np
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path
from matplotlib.textpath import TextPath

from rcviz._core.checks import check_choice
from rcviz._core.shapes import Bool, Float, Int, Shaped

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


@dataclass(frozen=True)
class _Outline:
    """Outline of a letter of one width, for any height, in whole numbers and y downwards.

    Attributes
    ----------
    right : int
        Starting point, from the left edge.
    template : str
        Path data from there on, each point relative to an earlier one, with a placeholder for each vertical step.
    heights : (points,) floats
        Height of each point in [0, 1].
    point, base : (steps,) ints
        For each placeholder, the point and the one that it is relative to.
    known : dict from int to (int, str)
        For heights of the letter that were asked for before, its starting point, from its foot, and its path data.
    """

    right: int
    template: str
    heights: Float[np.ndarray, " points"]
    point: Int[np.ndarray, " steps"]
    base: Int[np.ndarray, " steps"]
    known: dict[int, tuple[int, str]]

    def of_heights(self, rises: list[int]) -> dict[int, tuple[int, str]]:
        """Return `known` with these heights: formatting takes most of the time, and letters of one size recur."""
        missing = set(rises).difference(self.known)
        if len(self.known) + len(missing) > _MOST_KNOWN:
            _outline.cache_clear()  # other threads go on with this one
        if missing:
            up = np.rint(np.multiply.outer(list(missing), self.heights)).astype(int)
            # Steps between rounded points: rounded steps would accumulate an error.
            steps = up[:, self.point] - up[:, self.base]
            for rise, start, row in zip(missing, up[:, 0].tolist(), steps.tolist(), strict=True):
                # "% d", a sign or a space, takes twice as long.
                self.known[rise] = start, (self.template % tuple(row)).replace(" -", "-")
        return self.known


_MOST_KNOWN = 2048  # outlines of one letter in one width, about half a megabyte


@lru_cache(maxsize=32)
def _outline(letter: str, across: int) -> _Outline:
    points: list[np.ndarray] = []
    words: list[str] = []
    steps: list[tuple[int, int]] = []
    begin = 0  # of this contour, to which "z" returns the pen
    for step, code in glyph(letter).iter_segments(simplify=False):
        if code == Path.CLOSEPOLY:
            words.append("z")
            continue
        pairs = np.reshape(step, (-1, 2)).round(9)
        pen = begin if code == Path.MOVETO else len(points) - 1
        if code == Path.MOVETO:
            begin = len(points)
        first = len(points)
        points.extend(pairs)
        if first == 0:
            continue
        moves = [np.rint(across * pair[0]).astype(int) - np.rint(across * points[pen][0]).astype(int) for pair in pairs]
        rises = [bool(pair[1] != points[pen][1]) for pair in pairs]
        steps += [(point, pen) for point, moving in enumerate(rises, start=first) if moving]
        if code == Path.LINETO and not (moves[0] and rises[0]):
            words.append("v%d" if rises[0] else f"h{moves[0]}")
            continue
        words.append({Path.MOVETO: "m", Path.LINETO: "l", Path.CURVE3: "q"}[code])
        # A sign or a space separates numbers; the first follows a letter.
        numbers = [f"{move} %d" if moving else f"{move} 0" for move, moving in zip(moves, rises, strict=True)]
        words.append(" ".join(numbers))
    unit = np.array(points)
    point, base = np.array(steps).T
    return _Outline(int(np.rint(across * unit[0, 0])), "".join(words), unit[:, 1], point, base, {})


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
    # Feet and tops are rounded, not heights, so that letters that touch still touch; side by side they never do.
    feet, tops = np.rint(np.array([foot, foot + rise])).astype(int)
    rises, written = (tops - feet).tolist(), letters.tolist()
    asked: dict[str, list[int]] = {letter: [] for letter in sorted(set(written))}
    for letter, size in zip(written, rises, strict=True):
        asked[letter].append(size)
    outlines = {letter: _outline(letter, round(across)) for letter in asked}
    known = {letter: outlines[letter].of_heights(sizes) for letter, sizes in asked.items()}
    paths: dict[str, list[str]] = {letter: [] for letter in asked}
    shift = {letter: outline.right for letter, outline in outlines.items()}
    for letter, x, y, size in zip(written, np.rint(left).astype(int).tolist(), feet.tolist(), rises, strict=True):
        up, path = known[letter][size]
        paths[letter].append(f"M{x + shift[letter]} {y + up}{path}")
    return {letter: "".join(parts) for letter, parts in paths.items()}


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
