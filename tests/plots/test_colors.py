import itertools

import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb

from rcviz.plots.colors import MODEL_COLORS, NEGATIVE, POSITIVE, UNKNOWN, letter_colors, model_colors

# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB.
VISION = {
    "full": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
RGB_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def lab(color, vision="full"):
    """CIELAB under D65 of a colour as seen with the given vision."""
    rgb = np.array(to_rgb(color))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = RGB_TO_XYZ @ np.clip(np.array(VISION[vision]) @ linear, 0, 1) / [0.95047, 1.0, 1.08883]
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def closest(colors, vision):
    return min(np.linalg.norm(lab(a, vision) - lab(b, vision)) for a, b in itertools.combinations(colors, 2))


def test_the_measure_itself_on_white_black_and_red():
    np.testing.assert_allclose(lab("white"), [100, 0, 0], atol=0.02)
    np.testing.assert_allclose(lab("black"), [0, 0, 0], atol=1e-9)
    np.testing.assert_allclose(lab("red"), [53.24, 80.09, 67.20], atol=0.05)


LETTER_PALETTE = [letter_colors("colorblind")[letter] for letter in "ACGT"]


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize(
    ("palette", "least"),
    [(LETTER_PALETTE, 30), ((POSITIVE, NEGATIVE, UNKNOWN), 25), (MODEL_COLORS, 20)],
    ids=["letters", "labels", "models"],
)
def test_palettes_stay_apart_however_colours_are_seen(palette, least, vision):
    assert closest(palette, vision) > least


def test_the_measure_would_reject_red_against_green():
    assert closest(["#b22222", "#557722"], "deuteranopia") < 20


@pytest.mark.parametrize("palette", [LETTER_PALETTE, (POSITIVE, NEGATIVE)], ids=["letters", "labels"])
def test_letters_and_labels_stay_apart_in_grey(palette):
    lightness = sorted(lab(color)[0] for color in palette)
    assert np.diff(lightness).min() > 15


def test_classic_is_green_blue_orange_red():
    assert letter_colors("classic") == {
        "A": to_hex("green"),
        "C": to_hex("blue"),
        "G": to_hex("orange"),
        "T": to_hex("red"),
        "U": to_hex("red"),
        "N": letter_colors("colorblind")["N"],
    }


def test_schemes_of_logomaker_by_name():
    assert letter_colors("base_pairing")["A"] == letter_colors("base_pairing")["T"] == to_hex([1, 0.55, 0])


def test_a_dict_of_colours():
    colors = letter_colors({"a": "red", "C": (0, 0, 1), "G": "0.5", "U": "black"})
    assert colors == {
        "A": "#ff0000",
        "C": "#0000ff",
        "G": to_hex("0.5"),
        "T": "#000000",
        "U": "#000000",
        "N": colors["N"],
    }


def test_a_palette_handed_out_may_be_changed():
    letter_colors("classic")["A"] = "spoilt"
    assert letter_colors("classic")["A"] == to_hex("green")


@pytest.mark.parametrize(
    ("colors", "message"),
    [
        ("rainbow", "colors must be one of colorblind, classic, .*base_pairing.*got 'rainbow'"),
        ({"A": "red"}, "colors .* C, G, T"),
        ({"A": "red", "C": "blue", "G": "no such", "T": "k"}, "colors .*'no such' for G"),
    ],
)
def test_bad_colours_are_explained(colors, message):
    with pytest.raises(ValueError, match=message):
        letter_colors(colors)


def test_models_keep_their_colours_in_order_of_appearance():
    assert model_colors(["b", "a", "b"]) == {"b": MODEL_COLORS[0], "a": MODEL_COLORS[1]}


def test_many_models_still_differ():
    colors = model_colors([f"model {i}" for i in range(12)])
    assert len(set(colors.values())) == 12
