"""Colours that have a meaning: letters, labels and models.

The palettes can be distinguished with protanopia, deuteranopia and tritanopia; letters and labels also in grey. The
tests measure it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import matplotlib
import numpy as np
from matplotlib.colors import ListedColormap, is_color_like, to_hex

POSITIVE = "#1f5fa8"
NEGATIVE = "#e08a00"
UNKNOWN = "#b5b5b5"
VALUE_COLORS = ListedColormap(matplotlib.colormaps["viridis"](np.linspace(0.0, 0.92, 256)), "values")
"""Labels that are values, from dark (low) to light (high), without the yellow that is faint on white."""

MODEL_COLORS = ("#2f9e82", "#0b2a86", "#ad2c17", "#efb02a", "#b9a0f7", "#33071f")
"""Models in their order; the first three are the paper's green, blue and red (Figure 6)."""

# A green, C blue, G orange and T red as readers expect, at four levels of lightness.
_LETTERS = {
    "colorblind": {"A": "#2f9e82", "C": "#0b2a86", "G": "#efb02a", "T": "#ad2c17"},
    "classic": {"A": "#008000", "C": "#0000ff", "G": "#ffa500", "T": "#ff0000"},
}
_NEUTRAL = "#8a8a8a"


def letter_colors(colors: str | Mapping[str, Any]) -> dict[str, str]:
    """Return the colour of each letter as ``#rrggbb``.

    `colors` is "colorblind", "classic" (A green, C blue, G orange, T red), the name of a logomaker colour scheme, or a
    mapping from A, C, G and T to any matplotlib colours. U takes the colour of T unless it has its own; N is grey
    unless it has its own.
    """
    if isinstance(colors, str):
        colors = _LETTERS[colors] if colors in _LETTERS else _scheme_of_logomaker(colors)
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
        raise ValueError(f"colors must be one of {', '.join(choices)}, or a dict of letters, got {name!r}")
    return {letter: color for letters, color in COLOR_SCHEME_DICT[name].items() for letter in letters}


def model_colors(names: Iterable[str]) -> dict[str, str]:
    """Assign a colour to each model, in order of first appearance; more than six share one colour map."""
    distinct = list(dict.fromkeys(names))
    if len(distinct) <= len(MODEL_COLORS):
        return dict(zip(distinct, MODEL_COLORS, strict=False))
    ramp = matplotlib.colormaps["viridis"]
    return {name: to_hex(ramp(0.92 * i / (len(distinct) - 1))) for i, name in enumerate(distinct)}
