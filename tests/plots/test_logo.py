import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import logomaker
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from drawn import svg_contours
from matplotlib.colors import to_hex
from matplotlib.path import Path

from rcviz.motifs.motif import Motif
from rcviz.plots.colors import letter_colors
from rcviz.plots.glyphs import LETTER_WIDTH, LogoLayout, logo_layout, svg_letters
from rcviz.plots.heights import letter_heights
from rcviz.plots.logo import logo_svg, plot_logo

ZERO = np.zeros(1)

SVG = "{http://www.w3.org/2000/svg}"
EVIL = '"><img src=x onerror=alert(1)>'


def test_letters_stand_where_the_weights_say(axes, boxes):
    ax = plot_logo(np.array([[2.0, 0], [-1, 0], [1, 0], [0, 0.5]]), axes)
    half = LETTER_WIDTH / 2
    expected = [[-half, -1, half, 0], [-half, 0, half, 1], [-half, 1, half, 3], [1 - half, 0, 1 + half, 0.5]]
    np.testing.assert_allclose(boxes(ax), expected, atol=1e-12)
    colors = [to_hex(face) for face in ax.collections[0].get_facecolors()]
    palette = letter_colors("colorblind")
    assert colors == [palette[letter] for letter in "CGAT"]
    assert ax.get_ylim()[0] < -1
    assert ax.get_ylim()[1] > 3


def test_information_heights_against_logomaker(probabilities):
    heights, kind, letters = letter_heights(probabilities, "information")
    table = pd.DataFrame(probabilities.T, columns=list("ACGT"))
    oracle = logomaker.transform_matrix(table, from_type="probability", to_type="information")
    np.testing.assert_allclose(heights, oracle.to_numpy().T, atol=1e-5)
    assert (kind, letters) == ("information", "ACGT")


def test_information_of_certain_and_of_even_positions():
    heights, _, _ = letter_heights(
        np.array([[1.0, 0.25, 0.5], [0, 0.25, 0.5], [0, 0.25, 0], [0, 0.25, 0]]), "information"
    )
    np.testing.assert_allclose(heights, [[2, 0, 0.5], [0, 0, 0.5], [0, 0, 0], [0, 0, 0]], atol=1e-12)


def test_a_motif_is_drawn_in_bits_under_its_name(axes, boxes, motif):
    ax = plot_logo(Motif("MA0139$1$", motif.probabilities), axes)
    assert ax.get_ylabel() == "bits"
    assert ax.get_ylim() == (0, 2)
    assert ax.get_title() == "MA0139$1$"
    ax.figure.canvas.draw()
    total = letter_heights(motif.probabilities, "information")[0].sum(axis=0)
    tops = boxes(ax)
    for i, bits in enumerate(total):
        assert tops[np.rint(tops[:, 0] + LETTER_WIDTH / 2) == i, 3].max() == pytest.approx(bits)


def test_a_motif_can_be_drawn_as_probabilities(axes, boxes, motif):
    ax = plot_logo(motif, axes, kind="probability")
    assert ax.get_ylabel() == "probability"
    assert boxes(ax)[:, 3].max() == pytest.approx(1)


def test_tables_may_order_their_letters_and_spell_rna(weights):
    shuffled = pd.DataFrame(weights.T, columns=list("ACGT"))[list("TGCA")]
    np.testing.assert_array_equal(letter_heights(shuffled)[0], weights)
    rna = pd.DataFrame(weights.T, columns=list("ACGU"))
    heights, _, letters = letter_heights(rna)
    np.testing.assert_array_equal(heights, weights)
    assert "U" in logo_layout(heights, letters=letters).letters


def test_labels_ticks_and_zero_line(axes, weights):
    ax = plot_logo(weights, axes, title="filter 3")
    assert (ax.get_ylabel(), ax.get_title()) == ("weight", "filter 3")
    assert list(ax.get_xticks()) == list(range(9))
    assert [line.get_ydata()[0] for line in ax.lines] == [0]
    wide = plot_logo(np.tile(weights, 20))
    assert len(wide.get_xticks()) <= 12
    assert all(tick == int(tick) for tick in wide.get_xticks())


def test_a_matrix_of_zeros_and_one_position(axes):
    ax = plot_logo(np.zeros((4, 1)), axes)
    assert ax.get_ylim() == pytest.approx((-1.08, 1.08))
    assert ET.fromstring(logo_svg(np.zeros((4, 1)))).find(f"{SVG}g") is None


def test_a_range_that_was_asked_for_is_kept(axes, weights):
    assert plot_logo(weights, axes, y_range=(-1, 2)).get_ylim() == (-1, 2)


BAD = [
    (np.zeros((7, 4)), {}, r"expected a matrix of shape \(4, W\).*got \(7, 4\): the letters are last; use matrix.T"),
    (np.zeros((3, 4, 7)), {}, r"got \(3, 4, 7\).*plot_filters"),
    (np.zeros(4), {}, r"got \(4,\)"),
    (np.zeros((4, 0)), {}, r"got \(4, 0\)"),
    (np.full((4, 2), np.nan), {}, "has nan at A, position 0"),
    (np.array([[0, 0], [0, 0], [0, np.inf], [0, 0]]), {}, "has inf at G, position 1"),
    (np.zeros((4, 2)), {"kind": "bits"}, "kind must be one of weights, information, probability, got 'bits'"),
    (np.zeros((4, 2)), {"stack": "tall"}, "stack must be one of big_on_top, small_on_top, fixed, got 'tall'"),
    (np.zeros((4, 2)), {"below": "down"}, "below must be one of flipped, upright"),
    (np.zeros((4, 2)), {"colors": "pink"}, "colors must be one of colorblind, classic"),
    (np.zeros((4, 2)), {"y_range": (1, 0)}, "the lower first"),
    (np.zeros((4, 2)), {"y_range": (0, np.nan)}, "two finite numbers"),
    (np.full((4, 2), 0.2), {"kind": "information"}, "sum to 1, got 0.8 at position 0"),
    (np.full((4, 2), -1.0), {"kind": "probability"}, 'got -1 at A, position 0; kind="weights"'),
    (pd.DataFrame(np.zeros((4, 9))), {}, "columns A, C, G and T .*got columns 0, 1, .*use df.T"),
]


@pytest.mark.parametrize("draw", [plot_logo, logo_svg])
@pytest.mark.parametrize(("matrix", "options", "message"), BAD, ids=[str(i) for i in range(len(BAD))])
def test_bad_input_is_explained_and_leaves_no_figure(draw, matrix, options, message):
    with pytest.raises(ValueError, match=message):
        draw(matrix, **options)
    assert plt.get_fignums() == []


def svg_boxes(svg):
    """Letter, left, bottom, right, top, upside-down and colour of each letter, in pixels, y upwards from the top."""
    contours = {
        letter: svg_contours(svg_letters(np.array([letter]), ZERO, ZERO, 100, ZERO - 100)[letter]) for letter in "ACGTU"
    }
    root = ET.fromstring(svg)
    for path in root.iterfind(f".//{SVG}g[@transform='scale(0.05)']/{SVG}path"):
        written = svg_contours(path.get("d"))
        fits = [letter for letter, own in contours.items() if path.get("d").startswith("M") and same(written, own)]
        assert len(fits) == 1
        each = len(contours[fits[0]])
        for first in range(0, len(written), each):
            points = np.concatenate([contour.vertices for contour in written[first : first + each]]) / 20
            box = Path.make_compound_path(*written[first : first + each]).get_extents().get_points() / 20
            upright = contours[fits[0]][0].vertices[0, 1] / -100  # where the outline begins, 0 at its foot
            begins = (box[1, 1] - points[0, 1]) / (box[1, 1] - box[0, 1])
            flipped = abs(begins - upright) > 0.2
            yield fits[0], box[0, 0], -box[1, 1], box[1, 0], -box[0, 1], flipped, path.get("fill")


def same(written, own):
    """Whether path data consists of the contours of one letter: by their commands."""
    codes = [contour.codes.tolist() for contour in own]
    return [contour.codes.tolist() for contour in written] == codes * (len(written) // len(codes))


@pytest.mark.parametrize("stack", ["big_on_top", "small_on_top", "fixed"])
@pytest.mark.parametrize("options", [{}, {"axis": "both", "title": "x"}, {"y_range": (-9, 9)}, {"below": "upright"}])
def test_both_renderers_draw_the_same_layout(weights, stack, options):
    layout = logo_layout(weights, stack=stack, below=options.get("below", "flipped"))
    found = list(svg_boxes(logo_svg(weights, stack=stack, width=700, height=300, **options)))
    # The layout goes from left to right, the paths from letter to letter.
    order = np.lexsort((layout.bottom, layout.left, layout.letters))
    layout = LogoLayout(*(getattr(layout, name)[order] for name in ("letters", "left", "bottom", "height", "flipped")))
    found.sort(key=lambda row: (row[0], round(row[1]), row[2]))
    assert [row[0] for row in found] == layout.letters.tolist()
    assert [row[5] for row in found] == layout.flipped.tolist()
    assert [row[6] for row in found] == [letter_colors("colorblind")[row[0]] for row in found]
    pixels = np.array([row[1:5] for row in found])
    units = np.column_stack([layout.left, layout.bottom, layout.left + layout.width, layout.bottom + layout.height])
    for across in ([0, 2], [1, 3]):
        scale, start = np.polyfit(units[:, across].ravel(), pixels[:, across].ravel(), 1)
        assert scale > 0
        np.testing.assert_allclose(
            pixels[:, across], scale * units[:, across] + start, atol=0.05
        )  # one step of the grid


def test_letters_stay_inside_the_svg(weights):
    svg = logo_svg(weights, width=200, height=100, axis="both", title="x")
    for _, left, low, right, high, *_ in svg_boxes(svg):
        assert 0 < left < right < 200
        assert -100 < low < high < 0


def test_a_svg_speaks_and_escapes(motif, weights):
    root = ET.fromstring(logo_svg(weights, title=EVIL * 3, axis="both"))
    assert root.get("role") == "img"
    assert root.get("viewBox") == f"0 0 {root.get('width')} {root.get('height')}"
    assert root.find(f"{SVG}title").text == EVIL * 3
    assert not [element for element in root.iter() if element.tag.endswith("img")]
    assert ET.fromstring(logo_svg(motif)).find(f"{SVG}title").text == "CTCF_known1"
    assert ET.fromstring(logo_svg(motif, label="a & b\x00")).find(f"{SVG}title").text == "a & b"
    assert ET.fromstring(logo_svg(weights)).find(f"{SVG}title").text == "sequence logo of 9 positions"


def test_a_svg_has_no_ids_to_clash(weights):
    svg = logo_svg(weights, axis="both", title="x", y_range=(-1, 1))
    assert not re.search(r"\b(id|class|href)=", svg)


def test_the_axis_of_a_svg_counts_from_zero(weights):
    texts = [t.text for t in ET.fromstring(logo_svg(weights, axis="both")).iter(f"{SVG}text")]
    assert "weight" in texts
    assert {"0", "8"} <= set(texts)
    assert "weight" not in [t.text for t in ET.fromstring(logo_svg(weights)).iter(f"{SVG}text")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"axis": "x"}, "axis must be one of none, y, both, got 'x'"),
        ({"width": 0.5}, "width=0.5, height=80.0 pixels leave no room"),
        ({"height": 10.0, "title": "x"}, "leave no room"),
        ({"height": float("nan")}, "leave no room"),
    ],
)
def test_bad_sizes_of_a_svg_are_explained(weights, options, message):
    with pytest.raises(ValueError, match=message):
        logo_svg(weights, **options)


def test_a_first_logo_imports_nothing_heavy():
    code = """
import json, sys
from rcviz.plots import logo
pyplot = "matplotlib.pyplot" in sys.modules
logo.plot_logo([[1.0], [0.5], [0.0], [-1.0]])
logo.logo_svg([[1.0], [0.5], [0.0], [-1.0]])
print(json.dumps([pyplot, sorted({"torch", "ipywidgets", "logomaker", "seaborn", "pandas"} & set(sys.modules))]))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(run.stdout) == [False, []]
