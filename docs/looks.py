"""Colours of a picture on a dark page, and a check that its legend can be read in grey."""

import functools
import itertools
import re

import numpy as np
from matplotlib.colors import to_hex, to_rgb
from matplotlib.lines import Line2D

LEAST_APART = 15.0
"""Smallest difference of lightness (0 to 100) between two entries of a legend that differ in nothing else."""

DARK_PAGE = "#14181e"
"""The background of dark pages of the theme."""

_COLOR = re.compile(r"#[0-9a-fA-F]{6}\b")
_GREYISH = 8.0  # colours of smaller chroma are black, white or grey
_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_WHITE = np.array([0.95047, 1.0, 1.08883])


def dark(svg):
    """Return the picture for a dark page: black and white change places, colours become lighter, in the same order."""
    svg = re.sub(r"<[^>]+>", lambda tag: _COLOR.sub(lambda color: dark_color(color.group()), tag.group()), svg)
    # SVG fills with black by default, and matplotlib then writes no colour.
    return svg.replace("<svg", f'<svg fill="{dark_color("#000000")}" color="{dark_color("#000000")}"', 1)


@functools.cache
def dark_color(color):
    """Return one colour for a dark page."""
    lightness, *hue = lab(color)
    paper = lab(DARK_PAGE)[0]
    if np.hypot(*hue) < _GREYISH:
        return DARK_PAGE if lightness > 99.9 else _from_lab(95 - (95 - paper) * lightness / 100, np.zeros(2))
    # The darkest letter keeps a contrast of 3 with the page.
    return _from_lab(min(29 + 1.05 * lightness, 95), np.array(hue))


def lab(color):
    """Convert a colour to CIELAB under D65."""
    rgb = np.array(to_rgb(color))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    ratio = _XYZ @ linear / _WHITE
    f = np.where(ratio > 216 / 24389, np.cbrt(ratio), (24389 / 27 * ratio + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def _from_lab(lightness, hue):
    """Return the most saturated colour of a screen with this lightness and hue."""
    for strength in np.linspace(1, 0, 41):
        middle = (lightness + 16) / 116
        f = np.array([middle + strength * hue[0] / 500, middle, middle - strength * hue[1] / 200])
        linear = np.linalg.solve(_XYZ, _WHITE * np.where(f**3 > 216 / 24389, f**3, (116 * f - 16) * 27 / 24389))
        if (linear > -1e-3).all() and (linear < 1 + 1e-3).all():
            break
    linear = linear.clip(0, 1)
    return to_hex(np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055).clip(0, 1))


def alike_in_grey(figure):
    """List pairs of labels of a legend that have the same marker, line and hatch, and nearly the same lightness."""
    alike = []
    for axes in figure.axes:
        legend = axes.get_legend()
        entries = [] if legend is None else [(text.get_text(), *_look(handle)) for handle, text in _entries(legend)]
        for (one, look, light), (other, other_look, other_light) in itertools.combinations(entries, 2):
            if look == other_look and abs(light - other_light) < LEAST_APART:
                alike.append((one, other))
    return alike


def _entries(legend):
    pairs = zip(legend.legend_handles, legend.get_texts(), strict=True)
    return [(handle, text) for handle, text in pairs if text.get_text().strip()]


def _look(handle):
    """Return the marker, line or hatch of a handle, and its lightness."""
    if not isinstance(handle, Line2D):
        filled = handle.get_fill()
        return ("patch", handle.get_hatch(), filled), lab(handle.get_facecolor() if filled else handle.get_edgecolor())[
            0
        ]
    marker = handle.get_marker()
    hollow = str(handle.get_markerfacecolor()) == "none"
    color = handle.get_markeredgecolor() if hollow else handle.get_color()
    return (handle.get_linestyle(), None if marker in ("None", "none", None) else marker, hollow), lab(color)[0]
