"""The strand explorer as a person uses it: click, draw around points, read, save, see errors; live and saved."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from frontends import end_kernels, run_cell
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

NAME = "<img src=x onerror='window.pwned=1'>"
LOW, HIGH = -0.03, 1.03
ROOT = '.rcviz-explorer[data-kind="strands"]'
CELLS = [
    f"""
import numpy as np, os, time, rcviz
name = {NAME!r}
def wait_for_test():
    while not os.path.exists("go"):
        time.sleep(0.05)
rng = np.random.default_rng(0)
codes = rng.integers(0, 4, (300, 120), dtype=np.uint8)
codes[299] = 4
labels = np.column_stack([np.arange(300) % 2, rng.integers(0, 2, 300)])
data = rcviz.SequenceSet(codes, labels, task_names=["GATA", name], names=[name] * 300)
size = {{"sequence_length": 120, "pool_size": 53, "n_tasks": 2}}
models = {{
    "RC": rcviz.build_model(rcviz.ModelConfig.one_layer("revcomp", n_filters=4, **size)),
    name: rcviz.build_model(rcviz.ModelConfig.one_layer("standard", n_filters=9, **size)),
}}
""",
    "explorer = rcviz.StrandExplorer(models, data)\nexplorer.export_table('all.csv')\nexplorer",
    "explorer",
]


class Panel:
    """The points of one model, addressed by their values instead of pixels."""

    def __init__(self, explorer, number, table):
        self.page, self.table = explorer.page, table
        self.canvas = explorer.locator("canvas[data-model]").nth(number)

    def pixel(self, forward, reverse):
        """Where a pair of probabilities lies on the page."""
        box = self.canvas.bounding_box()
        x, y = ((np.array(value) - LOW) / (HIGH - LOW) for value in (forward, reverse))
        return box["x"] + x * box["width"], box["y"] + (1 - y) * box["height"]

    def draw_around(self, left, bottom, right, top):
        """Drag an outline around a rectangle."""
        mouse = self.page.mouse
        corners = [(left, bottom), (left, top), (right, top), (right, bottom), (left, bottom)]
        mouse.move(*self.pixel(*corners[0]))
        mouse.down()
        for corner in corners[1:]:
            mouse.move(*self.pixel(*corner), steps=8)
        mouse.up()

    def loneliest(self, besides):
        """The sequence whose point is farthest from all others, so that a click cannot mean another one."""
        points = self.table[["forward", "reverse"]].to_numpy()
        distances = np.linalg.norm(points[:, None] - points, axis=2) + 9 * np.eye(len(points))
        nearest = pd.Series(distances.min(axis=1), index=self.table.index)
        return int(nearest.drop(besides).idxmax())

    def inside(self, left, bottom, right, top, margin):
        """Sequences inside a rectangle that is that much smaller."""
        forward, reverse = self.table["forward"], self.table["reverse"]
        across = forward.between(left + margin, right - margin)
        return set(self.table.index[across & reverse.between(bottom + margin, top - margin)])


def shown(explorer, sequence):
    """Wait until a sequence is painted and marked."""
    expect(explorer.locator(".rcviz-strand-detail")).to_have_attribute("data-sequence", str(sequence))
    marked = explorer.locator('[role=row][aria-selected="true"]')
    expect(marked).to_have_attribute("data-sequence", str(sequence))


def listed(explorer):
    """Number of sequences in the list, and the first of them."""
    rows = explorer.locator("[role=row][data-sequence]").evaluate_all(
        "rows => rows.map((row) => [Number(row.getAttribute('aria-rowindex')), Number(row.dataset.sequence)])"
    )
    grid = explorer.get_by_role("grid")
    return int(grid.get_attribute("aria-rowcount")) - 1, [sequence for _, sequence in sorted(rows)]


@pytest.fixture(scope="module")
def lab(notebook):
    """A page of JupyterLab that has run all cells."""
    return notebook("strands.ipynb", CELLS, height=1400)


def view(page, number=0):
    """One of the two views, when all is computed."""
    explorer = page.locator(ROOT).nth(number)
    explorer.scroll_into_view_if_needed()
    expect(explorer).to_have_attribute("data-state", "ready", timeout=120_000)
    return explorer


def test_look_draw_around_and_read(lab, server):
    """Only a real pointer on a real canvas shows that points are found and drawn around."""
    explorer, page = view(lab), lab
    table = pd.read_csv(server.folder / "all.csv")
    panel = Panel(explorer, 1, table[table["model"] == NAME].set_index("sequence"))
    by_gap = table.drop_duplicates("sequence")["sequence"].tolist()
    n, rows = listed(explorer)
    assert n == 300
    assert rows == by_gap[: len(rows)]
    shown(explorer, by_gap[0])
    expect(explorer.locator("canvas[data-model]")).to_have_count(2)
    expect(explorer.locator(".rcviz-strand")).to_have_count(3)  # the RC model reads both strands alike

    lonely = panel.loneliest(besides=by_gap[0])
    page.mouse.click(*panel.pixel(*panel.table.loc[lonely, ["forward", "reverse"]]))
    shown(explorer, lonely)
    assert listed(explorer)[0] == 300  # a click looks and does not filter
    shown(view(page, 1), lonely)  # the other view follows
    explorer = view(page)

    middle = panel.table[["forward", "reverse"]].median()
    # The sequence of nothing but N, at 0.5 on both strands, cannot be shown: it stays outside.
    around = (middle["forward"], middle["reverse"], 0.48, 0.48)
    panel.draw_around(*around)
    expect(explorer.locator(".rcviz-listed")).to_contain_text("chosen")
    inner, outer = (panel.inside(*around, margin=margin) for margin in (0.01, -0.01))
    n, rows = listed(explorer)
    assert len(inner) <= n <= len(outer)
    chosen = [sequence for sequence in by_gap if sequence in set(rows)]
    assert rows == chosen
    shown(explorer, rows[0])
    explorer.get_by_role("grid").focus()
    page.keyboard.press("ArrowDown")
    shown(explorer, rows[1])
    page.keyboard.press("End")
    expect(explorer.locator("[role=row][aria-selected=true]")).to_have_attribute("aria-rowindex", str(n + 1))
    page.keyboard.press("Escape")
    expect(explorer.get_by_role("grid")).to_have_attribute("aria-rowcount", "301")
    page.keyboard.press("Home")
    shown(explorer, by_gap[0])

    explorer.locator(".rcviz-strand").first.hover(position={"x": 3, "y": 20})
    expect(explorer.locator(".rcviz-readout")).to_contain_text("RC ")
    brush = explorer.locator(".rcviz-overview")
    before = brush.get_attribute("aria-valuenow")
    explorer.get_by_role("grid").focus()
    page.keyboard.press("ArrowRight" if int(before) < 50 else "ArrowLeft")
    expect(brush).not_to_have_attribute("aria-valuenow", before)
    page.keyboard.press("0")
    expect(brush).to_have_attribute("aria-valuenow", before)
    explorer.locator("button[data-filter]").first.click()
    expect(explorer.locator("button[data-filter]").first).to_have_attribute("aria-pressed", "true")
    assert page.evaluate("window.pwned") is None
    expect(explorer.locator(".rcviz-scatter").nth(1)).to_contain_text(NAME)


def test_files_and_errors(lab, server):
    """Files are written by name; what cannot be shown is said and undone."""
    explorer, page = view(lab), lab
    for name in ("shown.csv", "one.gap.csv", "shown.svg", "strands.doc"):
        explorer.get_by_role("grid").focus()
        page.keyboard.press("s")
        path = explorer.get_by_label("File name")
        path.fill(name)
        path.press("Enter")
        said = "ending must be" if name.endswith("doc") else str(server.folder.resolve() / name)
        expect(explorer.locator(".rcviz-said")).to_contain_text(said)
    assert len(pd.read_csv(server.folder / "shown.csv")) == 600
    assert set(pd.read_csv(server.folder / "one.gap.csv")["model"]) == {"RC", NAME}
    assert (server.folder / "shown.svg").read_text().startswith("<svg")
    explorer.get_by_label("Task").select_option("1")
    view(page)
    expect(explorer.locator(".rcviz-sentence")).to_contain_text(f"for {NAME}")
    explorer.get_by_role("grid").focus()
    page.keyboard.press("End")  # the sequence of nothing but N has no gap
    explorer.get_by_role("alert").filter(has_text="only unknown bases").wait_for()
    page.keyboard.press("Home")
    shown(explorer, listed(explorer)[1][0])
    expect(explorer.get_by_role("alert")).to_have_count(0)


def test_looking_needs_no_kernel(lab, server):
    """While the kernel is busy, after a model has changed, and after the kernel is gone."""
    page = lab
    run_cell(page, "wait_for_test(); next(models['RC'].parameters()).data.add_(0.1)")
    page.locator(".jp-InputPrompt").filter(has_text="[*]").wait_for()
    explorer = page.locator(ROOT).first
    rows = listed(explorer)[1]
    explorer.get_by_role("grid").focus()
    for place, key in ((0, "Home"), (1, "ArrowDown"), (2, "ArrowDown")):
        page.keyboard.press(key)
        shown(explorer, rows[place])
    assert page.locator(".jp-InputPrompt").filter(has_text="[*]").count() == 1
    (server.folder / "go").touch()
    expect(explorer).to_have_attribute("data-state", "stale")
    explorer.get_by_role("button", name="Refresh").click()
    expect(explorer).to_have_attribute("data-state", "ready", timeout=120_000)
    end_kernels(page, server)
    expect(explorer).to_have_attribute("data-state", "disconnected", timeout=60_000)
    explorer.get_by_role("grid").focus()
    page.keyboard.press("Home")
    shown(explorer, listed(explorer)[1][0])


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A page of two models, with names that are markup wherever a name can be."""
    import rcviz

    rng = np.random.default_rng(0)
    data = rcviz.SequenceSet(
        rng.integers(0, 4, (80, 90), dtype=np.uint8),
        np.tile([[1.0, 0.0], [0.0, 1.0]], (40, 1)),
        task_names=(NAME, "other"),
        names=[NAME] * 80,
    )
    size = {"sequence_length": 90, "pool_size": 31, "n_tasks": 2}
    models = {
        NAME: rcviz.build_model(rcviz.ModelConfig.one_layer("revcomp", n_filters=4, **size)),
        "standard": rcviz.build_model(rcviz.ModelConfig.one_layer("standard", n_filters=8, **size)),
    }
    explorer = rcviz.StrandExplorer(models, data)
    path = tmp_path_factory.mktemp("saved") / "strands.html"
    explorer.to_html(path)
    order = explorer.table["sequence"].drop_duplicates().tolist()
    explorer.close()
    return path, order


@pytest.mark.parametrize(("width", "scheme"), [(953, "light"), (550, "dark"), (400, "light")])
def test_the_saved_page_needs_no_network(offline, saved, width, scheme):
    """Opened from a file with the network off, in the three layouts, light and dark."""
    path, order = saved
    page, asked = offline(path, width + 34, scheme)
    explorer = page.locator(".rcviz-explorer")
    expect(explorer).to_have_attribute("data-state", "ready")
    expect(explorer).to_have_attribute("data-theme", scheme)
    shown(explorer, order[0])
    explorer.locator("[role=row][data-sequence]").nth(1).click()
    shown(explorer, order[1])
    page.keyboard.press("End")
    shown(explorer, order[-1])
    expect(explorer.locator(".rcviz-strand")).to_have_count(3)
    expect(explorer.locator(".rcviz-sentence")).to_contain_text(f"for {NAME}")
    expect(explorer.get_by_label("Task", exact=True)).to_be_disabled()
    expect(explorer.locator(".rcviz-top")).to_contain_text("Fixed without a kernel: task")
    explorer.locator("select[aria-label='Largest gap of']").select_option(NAME)
    expect(explorer.locator(".rcviz-sentence")).to_contain_text(f"{NAME} says")
    assert page.evaluate("window.pwned") is None
    assert asked == [path.as_uri()]
    assert explorer.get_by_role("button", name="Save").count() == 0
    painted = explorer.locator("canvas").evaluate_all(
        """all => all.map((one) => {
          const { data } = one.getContext("2d").getImageData(0, 0, one.width, one.height);
          return data.filter((value, place) => place % 4 === 3 && value > 0).length;
        })"""
    )
    assert min(painted) > 80  # a pixel for each point at least
    inside = explorer.evaluate(
        """root => [...root.querySelectorAll(".rcviz-strand-body *, .rcviz-top *")].filter((part) => {
          const box = part.getBoundingClientRect();
          return box.width && box.right > root.getBoundingClientRect().right + 1;
        }).map((part) => part.outerHTML.slice(0, 80))"""
    )
    assert inside == []


TRAINED = """
import rcviz
parts = rcviz.split(rcviz.load_example("ctcf"), train=0.7, valid=0.15, test=0.15)
size = {"sequence_length": 200, "pool_size": 31}
models = {
    "RC": rcviz.build_model(rcviz.ModelConfig.one_layer("revcomp", n_filters=8, **size)),
    "standard": rcviz.build_model(rcviz.ModelConfig.one_layer("standard", n_filters=16, **size)),
}
for model in models.values():
    training = rcviz.TrainConfig.chipseq(epochs=12, samples_per_epoch=1750, learning_rate=0.01)
    rcviz.fit(model, parts, config=training, progress=False)
"""

if "RCVIZ_PICTURES" in os.environ:

    def test_picture(run_cells, page):
        """The picture of the docs: a trained RC network beside a standard one."""
        page.set_viewport_size({"width": 1400, "height": 1300})
        run_cells([TRAINED, "explorer = rcviz.StrandExplorer(models, parts.test)\nexplorer"])
        page.locator('.rcviz-explorer[data-state="ready"]').wait_for(timeout=300_000)
        page.locator(".rcviz-explorer").screenshot(path=Path(os.environ["RCVIZ_PICTURES"]) / "strand_explorer.png")
