"""What callers bring keeps its meaning: their sizes, colours, legends, objects, and the files that they save."""

import io

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.colors import to_rgba
from PIL import Image
from plot_cases import CASES_WITH_LEGEND, PLOTS, TRACK, WEIGHTS, settings

import rcviz
from rcviz.plots._axes import new_figure
from rcviz.plots._style import contrast
from rcviz.plots.colors import MODEL_COLORS, NEGATIVE, POSITIVE, UNKNOWN, letter_colors, on_paper, value_colors
from rcviz.plots.logo import plot_logo
from rcviz.plots.saving import save_figure

DARK = "#14181e"


@pytest.mark.parametrize("paper", ["#ffffff", "#eaeaf2", "#000000", "#111111", DARK])
def test_letters_curves_and_fills_are_seen_on_light_and_dark_paper(paper):
    colors = [on_paper(color, paper) for color in (POSITIVE, NEGATIVE, UNKNOWN, *MODEL_COLORS)]
    colors += [letter_colors("colorblind", paper)[letter] for letter in "ACGTUN"]
    assert min(contrast(color, paper) for color in colors) >= 3
    if paper in ("#ffffff", DARK):
        assert min(contrast(color, paper) for color in value_colors(paper)(np.linspace(0, 1, 9))) >= 2.9
    assert contrast("black", "white") == pytest.approx(21)


def test_ink_is_the_callers_and_pages_have_their_own():
    def inks(ax):
        ax.figure.canvas.draw()
        return to_rgba(ax.get_legend().get_texts()[0].get_color()), ax.xaxis.label.get_fontsize()

    def page():
        return inks(PLOTS["strands"](new_figure(4, 4).add_subplot(), False))

    fixed = page()
    with settings("dark"):
        assert inks(PLOTS["strands"](plt.figure().add_subplot(), False))[0][:3] == (1, 1, 1)
        assert page() == fixed
    with settings("talk"):
        assert page() == fixed
        matplotlib.rcParams["axes.labelsize"] = 13
        assert inks(PLOTS["strands"](plt.figure().add_subplot(), False))[1] == 13


@pytest.mark.parametrize("plot", CASES_WITH_LEGEND)
def test_legends_are_outside_inside_or_none(plot):
    def drawn(legend, size=(7, 5)):
        ax = CASES_WITH_LEGEND[plot](plt.figure(figsize=size).add_subplot(), legend)
        ax.figure.canvas.draw()
        return ax

    outside = drawn("outside")
    assert outside.get_legend().get_window_extent().y1 < outside.get_window_extent().y0
    inside = drawn("inside")
    box, axes = inside.get_legend().get_window_extent(), inside.get_window_extent()
    assert axes.y0 <= box.y0 < axes.y1
    assert drawn("none").get_legend() is None
    with pytest.raises(ValueError, match="legend must be one of outside, inside, none"):
        drawn("left")


@pytest.mark.parametrize(
    ("plot", "part", "options", "found"),
    [
        (rcviz.plot_profile, "positives", {"color": "red"}, lambda ax: ax.patches[0].get_edgecolor()),
        (rcviz.plot_logo, "zero", {"color": "red"}, lambda ax: ax.lines[0].get_color()),
        (rcviz.plot_filters, "names", {"color": "red"}, lambda ax: ax.texts[0].get_color()),
        (rcviz.plot_strands, "positive", {"color": "red"}, lambda ax: ax.collections[0].get_facecolor()[0][:3]),
    ],
)
def test_each_part_takes_options_of_matplotlib(plot, part, options, found):
    data = {
        rcviz.plot_profile: ([0, 1, 2], {"positives": [1, 2]}),
        rcviz.plot_logo: (WEIGHTS[0],),
        rcviz.plot_filters: (WEIGHTS,),
        rcviz.plot_strands: ([0.1, 0.2], [0.1, 0.3], [1, 1]),
    }[plot]
    ax = plot(*data, visuals={part: options})
    assert to_rgba(found(ax))[:3] == (1, 0, 0)
    with pytest.raises(TypeError, match=f"visuals of {plot.__name__} has no option 'dots'"):
        plot(*data, visuals={"dots": {}})
    with pytest.raises(TypeError, match="visuals"):
        plot(*data, visuals={part: "red"})


def places(ax):
    (letters,) = [c for c in ax.collections if type(c).__name__ == "PathCollection"]
    boxes = np.array([path.get_extents().extents for path in letters.get_paths()])
    return np.unique(((boxes[:, 0] + boxes[:, 2]) / 2).round(6))


def test_positions_are_those_of_the_caller():
    table = pd.DataFrame(WEIGHTS[0].T, columns=list("ACGT"), index=np.arange(101, 116))
    expected = np.arange(101, 116)
    np.testing.assert_allclose(places(plot_logo(table)), expected)
    np.testing.assert_allclose(places(plot_logo(WEIGHTS[0], start=101)), expected)
    np.testing.assert_allclose(places(plot_logo(WEIGHTS[0], positions=expected)), expected)
    np.testing.assert_allclose(places(plot_logo(table, window=(103, 106))), [103, 104, 105])
    lower = table.rename(columns=str.lower).assign(n=0.0, pos=table.index)
    np.testing.assert_allclose(places(plot_logo(lower)), expected)
    shown = [tick for tick in plot_logo(table).get_xticks() if 101 <= tick <= 115]
    assert shown
    assert ">101<" not in rcviz.logo_svg(table)
    assert ">102<" in rcviz.logo_svg(table, axis="both", width=900)


def test_masked_positions_have_no_letters():
    hidden = np.zeros((4, 15), dtype=bool)
    hidden[:, 3:5] = True
    kept = [i for i in range(15) if i not in (3, 4)]
    np.testing.assert_allclose(places(plot_logo(np.ma.masked_array(WEIGHTS[0], hidden))), kept)
    forward = np.ma.masked_array([0.1, 9.0, 0.3], [False, True, False])
    note = rcviz.plot_strands(forward, [0.1, 0.2, 0.4], [0, 1, 1]).get_legend().get_title().get_text()
    assert note.startswith("n = 2,")


def test_spans_rows_and_faded_letters():
    ax = plot_logo(WEIGHTS[0], highlight=[(2, 5, "core $1$"), (9, 12)])
    assert [text.get_text() for text in ax.texts] == ["core $1$"]
    spans = [c for c in ax.collections if type(c).__name__ != "PathCollection"]
    assert [(s.get_datalim(ax.transData).x0, s.get_datalim(ax.transData).x1) for s in spans] == [
        (1.5, 4.5),
        (8.5, 11.5),
    ]
    rows = plot_logo(WEIGHTS[0], wrap=6, start=50)
    assert [label.get_text() for label in rows.get_yticklabels()] == ["50", "56", "62"]
    (letters,) = [c for c in plot_logo(WEIGHTS[0], fade_below=0.5).collections if type(c).__name__ == "PathCollection"]
    tall = np.array([path.get_extents().height for path in letters.get_paths()])
    np.testing.assert_array_equal(letters.get_facecolors()[:, 3] < 1, tall < 0.5)
    svg = rcviz.logo_svg(WEIGHTS[0], wrap=6, highlight=[(2, 8, "<b>")], fade_below=0.5, height=50)
    assert 'height="150"' in svg
    assert "&lt;b&gt;" in svg
    assert "fill-opacity" in svg


def test_spans_are_named_on_each_row_and_cover_nothing():
    spans = [(1, 9, "over two rows"), (2, 5, "second"), (14, 15, "at the very end of it")]
    ax = plot_logo(WEIGHTS[0], plt.subplots(figsize=(5, 5))[1], wrap=6, highlight=spans)
    ax.figure.canvas.draw()
    assert sorted(text.get_text() for text in ax.texts) == sorted(
        ["over two rows", "over two rows", "second", "at the very end of it"]
    )
    boxes = [text.get_window_extent() for text in ax.texts]
    letters = next(c for c in ax.collections if type(c).__name__ == "PathCollection")
    boxes += [path.get_extents(ax.transData) for path in letters.get_paths()]
    for i, text in enumerate(boxes[: len(ax.texts)]):
        assert ax.bbox.x0 - 1 <= text.x0
        assert text.x1 <= ax.bbox.x1 + 1
        assert not any(
            min(text.x1, box.x1) - max(text.x0, box.x0) > 1 and min(text.y1, box.y1) - max(text.y0, box.y0) > 1
            for box in boxes[i + 1 :]
        )
    assert rcviz.logo_svg(WEIGHTS[0], wrap=6, highlight=spans, width=400).count(">over two rows</text>") == 2


def test_counts_are_named_where_no_kind_is_given():
    counts = np.array([[10, 0, 3], [0, 5, 3], [1, 5, 4], [0, 1, 1]])
    for given in (counts, counts.astype(float), 100 * counts / counts.sum(axis=0) + 0.01):
        for draw in (plot_logo, rcviz.logo_svg, rcviz.plot_palindrome, lambda matrix: rcviz.plot_filters([matrix])):
            with pytest.raises(ValueError, match=r"these look like counts: divide each column by its sum.*kind="):
                draw(given)
    for weights in (counts - 1, counts / 20, np.eye(4), np.zeros((4, 3), int)):
        plot_logo(weights)
    plot_logo(counts, kind="weights")


class OnDevice:
    """Stand-in for a tensor on a GPU, whose values are read only after ``cpu``."""

    def __init__(self, values):
        self.values = torch.as_tensor(np.asarray(values, dtype=np.float32)).requires_grad_()

    def __array__(self, *_, **__):
        raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu()")

    def __getitem__(self, index):
        return OnDevice(self.values[index].detach())

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __len__(self):
        return len(self.values)

    shape = property(lambda self: self.values.shape)
    ndim = property(lambda self: self.values.ndim)
    dtype = property(lambda self: self.values.dtype)

    def detach(self):
        return self

    def cpu(self):
        return self.values.detach()


def test_tensors_of_a_gpu_are_drawn():
    weights, forward = OnDevice(WEIGHTS), OnDevice(np.linspace(0, 1, 9))
    labels = OnDevice(np.arange(9) % 2)
    plot_logo(weights[0], positions=OnDevice(np.arange(15)))
    assert rcviz.logo_svg(weights[0]) == rcviz.logo_svg(WEIGHTS[0].astype(np.float32))
    for stack in (weights, list(weights)):
        assert len(rcviz.plot_filters(stack).texts) == len(WEIGHTS)
    rcviz.plot_palindrome(weights[0])
    rcviz.plot_attributions(weights[0])
    rcviz.plot_strands(forward, forward, labels)
    rcviz.plot_profile(OnDevice(np.arange(10.0)), {"all": forward})
    rcviz.plot_similarity(OnDevice(np.eye(3)))
    with pytest.raises(ValueError, match=r"the matrix must be numbers.* Tensor of shape \(4, 9\)"):
        plot_logo(torch.zeros(4, 9, device="meta"))


def test_hits_are_named_over_a_track():
    hits = pd.DataFrame({"motif": ["CTCF", "GATA"], "start": [10, 40], "width": [19, 6], "strand": ["+", "-"]})
    ax = rcviz.plot_attributions(TRACK, hits=hits)
    assert [text.get_text() for text in ax.texts] == ["CTCF +", "GATA -"]
    assert ax.get_ylabel() == "attribution"
    with pytest.raises(ValueError, match="hits must have columns start and end, got motif"):
        rcviz.plot_attributions(TRACK, hits=hits[["motif"]])
    elsewhere = hits.assign(start=[10, 70_000])
    assert [text.get_text() for text in rcviz.plot_attributions(TRACK, hits=elsewhere).texts] == ["CTCF +"]
    with pytest.raises(ValueError, match=r"none of 2 hits lies on the track.* 0 to 199"):
        rcviz.plot_attributions(TRACK, hits=hits.assign(start=70_000))


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"positions": [1, 2]}, ValueError, "positions must be 15"),
        ({"start": np.inf}, ValueError, "start must be"),
        ({"window": (90, 99)}, ValueError, "window .* none of the positions"),
        ({"window": (3, 1)}, ValueError, "window must be"),
        ({"highlight": [(5, 2)]}, ValueError, "highlight must hold"),
        ({"highlight": [4]}, ValueError, "highlight must be a list"),
        ({"highlight": "core"}, ValueError, r"highlight must be a list of \(start, end\[, label\]\), got 'core'"),
        ({"highlight": (2, 5)}, ValueError, "highlight must be a list"),
        ({"highlight": [(12, 16)]}, ValueError, "highlight .*beyond the logo.* 0 to 14"),
        ({"highlight": [(12, 16)], "wrap": 6}, ValueError, "highlight .*beyond the logo"),
        ({"wrap": 0}, ValueError, "wrap must be at least 1"),
        ({"fade_below": np.nan}, ValueError, "fade_below must be"),
        ({"alphabet": "protein"}, ValueError, "alphabet must be one of DNA, RNA.*only nucleotides"),
        ({"title": 3}, TypeError, "title must be text|parameter title"),
    ],
)
def test_options_of_logos_are_checked(options, kind, message):
    for draw in (plot_logo, rcviz.logo_svg):
        with pytest.raises(kind, match=message):
            draw(WEIGHTS[0], **options)
    assert plt.get_fignums() == []


def test_other_axes_and_infinities_are_refused_in_one_sentence():
    polar = plt.figure().add_subplot(projection="polar")
    table = pd.DataFrame({"epoch": [1, 2], "split": "valid", "auroc": [0.5, np.inf]})
    scores = pd.DataFrame({"filter": [0], "score": [np.inf], "mean_positive": 1.0, "mean_negative": 0.0})
    for draw, message in (
        (lambda: plot_logo(WEIGHTS[0], polar), "ordinary Axes, got polar"),
        (lambda: rcviz.plot_history(table), "auroc is inf"),
        (lambda: rcviz.plot_contributions(scores), "score is inf"),
        (lambda: rcviz.plot_profile([0, 1], {"all": [np.inf]}), "all has 1 infinite"),
        (lambda: rcviz.plot_strands([0.1], [0.2], threshold=np.inf), "threshold must be one finite number"),
    ):
        with pytest.raises(ValueError, match=message) as error:
            draw()
        assert "\n" not in str(error.value)
    with pytest.raises(TypeError, match=r"task_name must be text|parameter task_name"):
        rcviz.plot_strands([0.1], [0.2], task_name=1)


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_bitmaps_have_the_resolution_that_was_asked_for(tmp_path, ending):
    figure = plt.figure(figsize=(6, 4))
    figure.add_subplot().plot([0, 1])
    save_figure(figure, tmp_path / f"a.{ending}", dpi=200)
    with Image.open(tmp_path / f"a.{ending}") as image:
        assert image.size == (1200, 800)
    with pytest.raises(ValueError, match="dpi must be a positive number"):
        save_figure(figure, tmp_path / f"b.{ending}", dpi=0)


def test_eps_is_text_and_nothing_beyond_the_edge_is_lost(tmp_path):
    figure = plt.figure(figsize=(3, 2))
    ax = figure.add_subplot()
    ax.plot([0, 1])
    ax.text(1.5, 0.5, "far beyond the edge", transform=ax.transAxes)
    save_figure(ax, tmp_path / "a.eps")
    content = (tmp_path / "a.eps").read_text(errors="replace")
    assert content.startswith("%!PS-Adobe")
    assert "/FontType 3" not in content
    save_figure(ax, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        wide = np.asarray(image.convert("L"))
    assert wide.shape[1] > 300
    assert (wide[:, 300:] < 128).any(), "the text is drawn"


def test_hue_and_palettes_of_seaborn():
    runs = pd.DataFrame([(arm, seed, data) for arm in "ab" for seed in range(3) for data in ("x", "y")])
    runs.columns = ["arm", "seed", "dataset"]
    runs["valid_auroc"] = np.linspace(0.5, 0.9, len(runs))
    ax = rcviz.plot_architectures(runs, hue="dataset", palette={"x": "red", "y": "blue"})
    faces = [points.get_facecolor()[0][:3] for points in ax.collections if len(points.get_offsets())]
    assert [tuple(face) for face in faces] == [(1, 0, 0), (0, 0, 1)] * 2
    with pytest.raises(ValueError, match="palette has no colour for y"):
        rcviz.plot_architectures(runs, hue="dataset", palette={"x": "red"})
    state = np.random.get_state()[1].copy()  # noqa: NPY002 - that seaborn's jitter would change
    rcviz.plot_architectures(runs[runs["dataset"] == "x"])
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_clusters_reorder_rows_and_columns_and_change_no_number():
    values = np.random.default_rng(0).uniform(-0.2, 1, (5, 4))
    grid = rcviz.plot_similarity_clusters(values)
    rows, columns = grid.dendrogram_row.reordered_ind, grid.dendrogram_col.reordered_ind
    np.testing.assert_allclose(np.asarray(grid.data2d), values[np.ix_(rows, columns)])
    buffer = io.BytesIO()
    grid.figure.savefig(buffer)
    with pytest.raises(ValueError, match="two rows and columns"):
        rcviz.plot_similarity_clusters(values[:1])


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")
