"""Whoever made the figure, each text that is drawn lies inside it and covers no other; colours can be seen."""

import itertools
import re
import warnings

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import plot_cases as cases
import pytest
from matplotlib.text import Text

import rcviz
from rcviz.plots._style import contrast

SETTINGS = ("default", "7 points", "paper", "talk", "16 points", "dark", "poster")
SIZES = {"column": (3.5, 2.8, 1), "page": (7.2, 5.0, 1), "three panels": (7.2, 2.8, 3), "own": None}
LAYOUTS = (None, "constrained", "tight_layout()")


def combinations():
    """Each plot in a third of the settings; over these, every layout, size and length of names."""
    for (p, plot), (s, setting) in itertools.product(enumerate(cases.PLOTS), enumerate(SETTINGS)):
        if (p + s) % 3:
            continue  # all of them take more than a minute
        size = list(SIZES)[(p + s) % 4]
        if setting in ("poster", "talk", "16 points") and size == "three panels":
            size = "page"  # type of 16 points and more has no room in a panel of 2.4 inches
        if setting == "poster" and size == "column":
            size = "own"
        yield plot, setting, size, LAYOUTS[(p + 2 * s) % 3], (p + s // 2) % 2 == 0
    for p, plot in enumerate(cases.PLOTS):
        yield plot, "16 points", "column", LAYOUTS[p % 3], True


def figure_of(plot, size, layout, long):
    """The figure that a caller makes, with the plot in each of its Axes, or the plot's own."""
    if SIZES[size] is None:
        return cases.PLOTS[plot](None, long).figure
    width, height, panels = SIZES[size]
    if plot in ("logo in rows", "many contributions", "filters") and size == "three panels":
        height = 5.0
    figure, axes = plt.subplots(
        1, panels, figsize=(width, height), squeeze=False, layout="constrained" if layout == "constrained" else None
    )
    for ax in axes.flat:
        assert cases.PLOTS[plot](ax, long) is ax
    if layout == "tight_layout()":
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            figure.tight_layout()
    return figure


def drawn_texts(figure, monkeypatch):
    """Box of each text that the renderer draws."""
    boxes = []

    def draw(text, renderer, *args, **options):
        if text.get_visible() and text.get_text().strip():
            boxes.append((text.get_text(), Text.get_window_extent(text, renderer)))
        return kept(text, renderer, *args, **options)

    figure.draw_without_rendering()
    kept = Text.draw
    with monkeypatch.context() as patched:
        patched.setattr(Text, "draw", draw)
        figure.draw_without_rendering()
    return boxes


def faults(figure, boxes):
    page = figure.bbox
    for text, box in boxes:
        if box.x0 < page.x0 - 1 or box.y0 < page.y0 - 1 or box.x1 > page.x1 + 1 or box.y1 > page.y1 + 1:
            yield f"outside: {text!r} {np.round(box.extents)} of {np.round(page.extents)}"
    for (one, a), (other, b) in itertools.combinations(boxes, 2):
        across, up = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        if across > 1 and up > 1:
            yield f"overlap: {one!r} {np.round(a.extents)} and {other!r} {np.round(b.extents)}"


@pytest.mark.parametrize(("plot", "setting", "size", "layout", "long"), list(combinations()))
def test_no_text_is_cut_or_covered(plot, setting, size, layout, long, monkeypatch):
    if (setting, size) == ("16 points", "column") and matplotlib.__version_info__ < (3, 11):
        pytest.skip("matplotlib 3.10 places such large type otherwise, a few points beyond the edge")
    with cases.settings(setting):
        figure = figure_of(plot, size, layout, long)
        boxes = drawn_texts(figure, monkeypatch)
        assert boxes
        assert list(faults(figure, boxes)) == []
        for ax in figure.axes[:1]:
            box = ax.get_window_extent()
            if (setting, size) == ("16 points", "column"):
                assert min(box.width, box.height) > 0.1 * figure.bbox.width  # squares have little room
                continue
            assert box.width > 0.2 * figure.bbox.width / SIZES[size][2] if SIZES[size] else box.width > 0.3
            assert box.height > 0.12 * figure.bbox.height
    plt.close(figure)


@pytest.mark.parametrize("plot", ["history", "architectures", "contributions", "filters", "strands", "gap", "profile"])
def test_a_window_that_became_smaller_loses_nothing(plot, monkeypatch):
    """Interactive windows are resized after drawing; legends, names and captions were fitted to the first size."""
    figure = plt.figure(figsize=(8, 6))
    ax = cases.PLOTS[plot](figure.add_subplot(), True)
    figure.canvas.draw()
    for size in ((3.5, 2.8), (7.0, 5.0)):
        figure.set_size_inches(*size)
        boxes = drawn_texts(figure, monkeypatch)
        assert list(faults(figure, boxes)) == []
        assert figure.bbox.x0 <= ax.bbox.x0 < ax.bbox.x1 <= figure.bbox.x1
    plt.close(figure)


@pytest.mark.parametrize("measured", [0, 1, 2])
def test_what_changes_between_draws_is_drawn(measured):
    """The Axes are placed once per draw, whatever asked for their place since the last one."""

    def drawn(*, before):
        figure = plt.figure(figsize=(4, 3))
        ax = cases.PLOTS["profile"](figure.add_subplot(), False)
        if before:
            figure.canvas.draw()
            for _ in range(measured):
                ax.get_tightbbox(figure.canvas.get_renderer())
        ax.tick_params("x", labelrotation=90)
        ax.yaxis.set_major_formatter("{x:.7f}")
        figure.canvas.draw()
        return np.asarray(figure.canvas.buffer_rgba())

    state = cases.RNG.bit_generator.state
    changed = drawn(before=True)
    cases.RNG.bit_generator.state = state
    np.testing.assert_array_equal(changed, drawn(before=False))
    plt.close("all")


@pytest.mark.parametrize("plot", ["contributions", "ablation", "strands", "filters", "gap"])
def test_text_beside_dark_axes_is_seen_on_a_light_figure(plot):
    with matplotlib.rc_context({"axes.facecolor": "black"}):
        ax = cases.PLOTS[plot](plt.figure(figsize=(6, 4)).add_subplot(), False)
        ax.figure.canvas.draw()
        legend = ax.get_legend()
        texts = [ax.xaxis.label, *ax.texts, *([*legend.get_texts(), legend.get_title()] if legend else [])]
        for text in (text for text in texts if text.get_text() and text.get_visible()):
            inside = ax.bbox.overlaps(text.get_window_extent())
            assert contrast(text.get_color(), "black" if inside else "white") >= 3, text.get_text()
    plt.close("all")


@pytest.mark.parametrize("plot", ["contributions", "gap", "strands of values", "similarity", "mutagenesis"])
def test_ticks_on_both_sides_leave_room_for_what_stands_at_the_right(plot, monkeypatch):
    with matplotlib.rc_context({"ytick.right": True, "ytick.labelright": True}):
        ax = cases.PLOTS[plot](plt.figure(figsize=(6, 4)).add_subplot(), True)
        assert list(faults(ax.figure, drawn_texts(ax.figure, monkeypatch))) == []
    plt.close("all")


def test_names_of_rows_stay_within_the_axes_around_an_inset(monkeypatch):
    figure, ax = plt.subplots(figsize=(8, 6))
    cases.PLOTS["contributions"](ax.inset_axes((0.3, 0.3, 0.6, 0.5)), True)
    assert list(faults(figure, drawn_texts(figure, monkeypatch))) == []
    plt.close(figure)


@pytest.mark.parametrize("first", ["plot", "twin"])
def test_twins_lie_on_the_plot(first):
    with cases.settings("16 points"):
        figure, ax = plt.subplots(figsize=(3.5, 2.8))
        twin = ax.twinx() if first == "twin" else None
        cases.PLOTS["history"](ax, True)
        twin = twin or ax.twinx()
        twin.set_ylabel("learning rate")
        figure.canvas.draw()
        np.testing.assert_allclose(twin.bbox.extents, ax.bbox.extents)
        assert twin.yaxis.label.get_window_extent().x1 <= figure.bbox.x1
    plt.close(figure)


def test_titles_leave_room_for_the_letter_of_a_panel_and_for_what_the_caller_sets(monkeypatch):
    figure, ax = plt.subplots(figsize=(3.5, 2.8))
    cases.PLOTS["logo"](ax, True)
    ax.set_title("a", loc="left", fontweight="bold")
    ax.xaxis.label.set(size=5, x=0.2)
    boxes = drawn_texts(figure, monkeypatch)
    assert list(faults(figure, boxes)) == []
    assert {"a"} < {text for text, _ in boxes}
    assert (ax.xaxis.label.get_fontsize(), ax.xaxis.label.get_position()[0]) == (5, 0.2)
    plt.close(figure)


@pytest.mark.parametrize("plot", ["profile", "ablation", "history", "strands", "logo", "contributions"])
def test_lines_and_marks_grow_with_those_of_the_caller(plot):
    def sizes(setting):
        with cases.settings(setting):
            ax = cases.PLOTS[plot](plt.figure().add_subplot(), False)
            lines = [size for line in ax.lines for size in (line.get_linewidth(), line.get_markersize())]
            edges = [patch.get_linewidth() for patch in ax.patches if not patch.get_fill()]
            areas = [np.sqrt(each.get_sizes()[0]) for each in ax.collections if len(each.get_offsets()) > 1]
            plt.close("all")
            return np.array(lines + edges + areas)

    np.testing.assert_allclose(sizes("talk"), 1.5 * sizes("default"))


@pytest.mark.parametrize("setting", ["default", "16 points", "talk"])
def test_names_of_heat_maps_stand_between_them(setting):
    with cases.settings(setting):
        ax = cases.PLOTS["mutagenesis"](plt.figure(figsize=(3.5, 2.8), layout="tight").add_subplot(), True)
        ax.figure.canvas.draw()
        maps = [np.sort(ax.transData.transform(np.reshape(each.get_extent(), (2, 2)).T)[:, 1]) for each in ax.images]
        for text in ax.texts:
            box = text.get_window_extent()
            assert not any(min(box.y1, high) - max(box.y0, low) > 1 for low, high in maps), text.get_text()
    plt.close("all")


def test_a_title_leaves_the_rows_of_a_logo_on_one_scale():
    def letters(**options):
        svg = rcviz.logo_svg(cases.WEIGHTS[0], wrap=6, height=50, **options)
        return re.findall(r'<path fill="[^"]*" d="([^"]*)"', svg), float(re.search(r' height="(\d+)"', svg)[1])

    (plain, height), (titled, taller) = letters(), letters(title="CTCF")
    assert titled == plain
    assert taller == height + 18


def test_names_beside_points_keep_away_from_the_diagonal():
    table = pd.DataFrame({"filter": ["above", "below"], "score": [1.0, -1.0], "gradient_x_activation": [-0.1, 0.1]})
    ax = rcviz.plot_ablation(table, plt.figure(figsize=(5, 5)).add_subplot())
    ax.figure.canvas.draw()
    names = {text.get_text(): text.get_window_extent() for text in ax.texts}
    for name, (x, y) in {"above": (-0.1, 1.0), "below": (0.1, -1.0)}.items():
        at = ax.transData.transform((x, y))[0]
        assert names[name].x1 < at if name == "above" else names[name].x0 > at
    plt.close("all")
