"""Colours that have a meaning: letters, labels and models.

The palettes can be distinguished with protanopia, deuteranopia and tritanopia; letters and labels also in grey. The
tests measure it.
"""

import functools
from collections.abc import Iterable, Mapping
from typing import Any

import matplotlib
import numpy as np
from matplotlib.colors import ListedColormap, is_color_like, to_hex

from rcviz._core.checks import shown
from rcviz.plots._style import luminance, readable

POSITIVE = "#1a5ca5"
NEGATIVE = "#d18100"
UNKNOWN = "#8c8c8c"
VALUE_COLORS = ListedColormap(matplotlib.colormaps["viridis"](np.linspace(0.0, 0.6, 256)), "values")
"""Labels that are values, from dark (low) to light (high), without the colours that are faint on white."""

_VALUES_ON_DARK = ListedColormap(matplotlib.colormaps["viridis"](np.linspace(0.4, 1.0, 256)), "values")

MODEL_COLORS = ("#2a9077", "#0b2a86", "#ad2c17", "#c08a03", "#9b83d7", "#33071f")
"""Models in their order; the first three are the paper's green, blue and red (Figure 6)."""

# A green, C blue, G orange and T red as readers expect, at four levels of lightness.
_LETTERS = {
    "colorblind": {"A": "#007c63", "C": "#011f6d", "G": "#c08a03", "T": "#941004"},
    "classic": {"A": "#008000", "C": "#0000ff", "G": "#ffa500", "T": "#ff0000"},
}
_NEUTRAL = "#8a8a8a"

_ON_DARK = {
    **dict(zip(_LETTERS["colorblind"].values(), ("#4fc9a6", "#4a66d0", "#ffdd75", "#f06a4d"), strict=True)),
    **dict(zip((POSITIVE, NEGATIVE), ("#5a98e6", "#ffc266"), strict=True)),
    **dict(zip(MODEL_COLORS, ("#63d4b0", "#6680e6", "#ff7a5c", "#ffd166", "#cdbaff", "#f4f0ec"), strict=True)),
}
"""The second palette, for dark paper."""


@functools.lru_cache(maxsize=512)
def on_paper(color: str, paper: str) -> str:
    """Return a colour of the palettes as it is drawn on some paper: the dark palette's, and with enough contrast."""
    dark = luminance(paper) < 0.18
    return readable(_ON_DARK.get(color, color) if dark else color, paper)


def value_colors(paper: str) -> ListedColormap:
    """Return the colours of labels that are values, without those that are not seen on some paper."""
    return _VALUES_ON_DARK if luminance(paper) < 0.18 else VALUE_COLORS


def letter_colors(colors: str | Mapping[str, Any], paper: str = "#ffffff") -> dict[str, str]:
    """Return the colour of each letter as ``#rrggbb``.

    `colors` is "colorblind", "classic" (A green, C blue, G orange, T red), the name of a logomaker colour scheme, or a
    mapping from A, C, G and T to any matplotlib colours. U takes the colour of T unless it has its own; N is grey
    unless it has its own. "colorblind" is lighter on dark `paper`; colours that were chosen stay as they are.
    """
    return dict(_palette(colors, paper)) if isinstance(colors, str) else _palette_of(colors)


@functools.lru_cache(maxsize=64)
def _palette(name: str, paper: str) -> dict[str, str]:
    palette = _palette_of(_LETTERS[name] if name in _LETTERS else _scheme_of_logomaker(name))
    return {letter: on_paper(color, paper) for letter, color in palette.items()} if name == "colorblind" else palette


def _palette_of(colors: Mapping[str, Any]) -> dict[str, str]:
    given = {str(letter).upper(): color for letter, color in colors.items()}
    if "T" not in given and "U" in given:
        given["T"] = given["U"]
    missing = [letter for letter in "ACGT" if letter not in given]
    if missing:
        raise ValueError(f"colors has no colour for {', '.join(missing)}: give one for each of A, C, G and T")
    given.setdefault("U", given["T"])
    given.setdefault("N", _NEUTRAL)
    for letter in "ACGTUN":
        if not is_color_like(given[letter]):
            raise ValueError(
                f"colors must be matplotlib colours, such as '#rrggbb' or a name, got {given[letter]!r} for {letter}"
            )
    return {letter: to_hex(given[letter]) for letter in "ACGTUN"}


def _scheme_of_logomaker(name: str) -> dict[str, Any]:
    # Slow to import, and needed only for rarely used schemes.
    from logomaker.src.colors import COLOR_SCHEME_DICT

    if name not in COLOR_SCHEME_DICT:
        choices = [*_LETTERS, *sorted(set(COLOR_SCHEME_DICT) - set(_LETTERS))]
        raise ValueError(f"colors must be one of {', '.join(choices)}, or a dict of letters, got {shown(name)}")
    return {letter: color for letters, color in COLOR_SCHEME_DICT[name].items() for letter in letters}


def model_colors(names: Iterable[str], paper: str = "#ffffff") -> dict[str, str]:
    """Assign a colour to each model, in order of first appearance; more than six share one colour map."""
    distinct = list(dict.fromkeys(names))
    if len(distinct) <= len(MODEL_COLORS):
        return dict(zip(distinct, (on_paper(color, paper) for color in MODEL_COLORS), strict=False))
    dark = luminance(paper) < 0.18
    ramp = matplotlib.colormaps["viridis"](np.linspace(0.4 if dark else 0.0, 1.0 if dark else 0.6, len(distinct)))
    return {name: to_hex(color) for name, color in zip(distinct, ramp, strict=True)}
