"""The strand explorer as a person uses it: click, draw around points, read, save, see errors."""

import os
import re
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

EXPLORER = ".rcviz-strand-explorer"
LOW, HIGH = -0.03, 1.03
CELLS = [
    """
import rcviz
parts = rcviz.split(rcviz.load_example("ctcf"), train=0.7, valid=0.15, test=0.15)
size = {"sequence_length": 200, "pool_size": 31}
models = {
    "RC": rcviz.build_model(rcviz.ModelConfig.one_layer("revcomp", n_filters=8, **size)),
    "standard": rcviz.build_model(rcviz.ModelConfig.one_layer("standard", n_filters=16, **size)),
    "standard, augmented": rcviz.build_model(rcviz.ModelConfig.one_layer("standard", n_filters=16, **size)),
}
for name, model in models.items():
    training = rcviz.TrainConfig.chipseq(
        epochs=4, samples_per_epoch=600, learning_rate=0.02, augmentation="revcomp" if "augmented" in name else "none"
    )
    rcviz.fit(model, parts.train, parts.valid, training, progress=False)
""",
    "explorer = rcviz.StrandExplorer(models, parts.test)\nexplorer.export_table('all.csv')\nexplorer",
]


class Panel:
    """The points of one model, addressed by their values instead of pixels."""

    def __init__(self, page, number, table):
        self.page, self.table = page, table
        self.canvas = page.locator(f"{EXPLORER} .rcviz-strand-scatters > div").nth(number).locator("canvas").first

    def pixel(self, forward, reverse):
        """Where a pair of probabilities lies on the page."""
        box = self.canvas.bounding_box()
        x, y = ((np.array(value) - LOW) / (HIGH - LOW) for value in (forward, reverse))
        return box["x"] + x * box["width"], box["y"] + (1 - y) * box["height"]

    def draw_around(self, left, bottom, right, top):
        """Drag a lasso around a rectangle."""
        mouse = self.page.mouse
        corners = [(left, bottom), (left, top), (right, top), (right, bottom), (left, bottom)]
        mouse.move(*self.pixel(*corners[0]))
        mouse.down()
        for corner in corners[1:]:
            mouse.move(*self.pixel(*corner), steps=12)
        mouse.up()

    def click(self, sequence):
        """Click the point of a sequence until it is chosen: a click counts once the scatter has noticed the pointer."""
        row = self.table.loc[sequence]
        x, y = self.pixel(row["forward"], row["reverse"])
        options = self.page.locator(f"{EXPLORER} select").nth(2).locator("option")
        for _ in range(20):
            self.page.mouse.move(x - 3, y - 3)
            self.page.mouse.move(x, y, steps=3)
            self.page.mouse.click(x, y, delay=50)
            with suppress(AssertionError):
                expect(options).to_have_count(1, timeout=1000)
                return
        raise AssertionError("the point was never chosen")

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


def says(page, pattern):
    """Wait until the caption matches a pattern; returns the number of the sequence that it names."""
    page.wait_for_function(
        "([selector, pattern]) => new RegExp(pattern).test(document.querySelector(selector)?.innerText)",
        arg=[f"{EXPLORER} .rcviz-caption", pattern],
    )
    caption = page.locator(f"{EXPLORER} .rcviz-caption").inner_text()
    return int(re.search(r"Sequence (\d+)", caption).group(1))


def listed(explorer):
    """Numbers of the sequences in the list."""
    texts = explorer.get_by_label("Sequence", exact=True).locator("option").all_text_contents()
    return [int(re.search(r"sequence\s(\d+)", text).group(1)) for text in texts]


def number_of_options(page, low, high):
    """Wait until the list offers so many sequences."""
    page.wait_for_function(
        "([selector, low, high]) => {"
        " const n = document.querySelectorAll(selector)[2].options.length; return low <= n && n <= high }",
        arg=[f"{EXPLORER} select", low, high],
    )


def save(explorer, name):
    """Save what is shown to a file."""
    field = explorer.get_by_label("Save as").first
    field.fill(name)
    field.press("Tab")
    explorer.get_by_role("button", name="Save", exact=True).first.click()


def test_click_draw_read_save_and_err(run_cells, server):
    """Only a real pointer on a real WebGL canvas shows that points are clicked and lassoed."""
    page = run_cells(CELLS)
    page.set_viewport_size({"width": 1400, "height": 1600})
    explorer = page.locator(EXPLORER)
    explorer.scroll_into_view_if_needed()
    table = pd.read_csv(server.folder / "all.csv")
    standard = Panel(page, 1, table[table["model"] == "standard"].set_index("sequence"))
    standard.canvas.wait_for()

    boxes = [Panel(page, number, table).canvas.bounding_box() for number in range(3)]
    assert len({box["y"] for box in boxes}) == 1, "three panels side by side"
    assert boxes[2]["x"] + boxes[2]["width"] < 1400

    by_gap = table.drop_duplicates("sequence")["sequence"].tolist()
    assert listed(explorer) == by_gap[:200]
    assert says(page, "Sequence") == by_gap[0]
    expect(explorer.locator(".rcviz-logo > svg")).to_have_count(6)
    expect(explorer.locator(".rcviz-gap")).to_have_count(3)

    lonely = standard.loneliest(besides=by_gap[0])
    standard.click(lonely)
    assert listed(explorer) == [lonely]
    assert says(page, f"Sequence {lonely}\\b") == lonely

    around = (0.05, 0.4, 0.6, 0.95)
    standard.draw_around(*around)
    inner, outer = (standard.inside(*around, margin=margin) for margin in (0.02, -0.02))
    assert len(inner) > 50
    number_of_options(page, len(inner), len(outer))
    chosen = listed(explorer)
    assert inner <= set(chosen) <= outer
    sorting = explorer.get_by_label("Sort by").locator("option:checked").inner_text().replace("\xa0", " ")
    gaps = table[table["model"] == sorting].set_index("sequence")["gap"]
    assert chosen == sorted(chosen, key=lambda sequence: -gaps[sequence])
    assert says(page, f"Sequence {chosen[0]}\\b") == chosen[0]
    if folder := os.environ.get("RCVIZ_PICTURES"):
        explorer.screenshot(path=Path(folder) / "strand_explorer.png")

    explorer.get_by_label("Sequence", exact=True).focus()
    page.keyboard.press("ArrowDown")
    assert says(page, f"Sequence {chosen[1]}\\b") == chosen[1]

    save(explorer, "shown.csv")
    explorer.get_by_role("status").filter(has_text="shown.csv").wait_for()
    back = pd.read_csv(server.folder / "shown.csv")
    assert back["sequence"].tolist() == np.repeat(chosen, 3).tolist()
    assert back.loc[back["model"] == "RC", "gap"].max() < 1e-5
    save(explorer, "shown.svg")
    explorer.get_by_role("status").filter(has_text="shown.svg").wait_for()
    assert (server.folder / "shown.svg").read_text().startswith("<svg")

    save(explorer, "strands.doc")
    explorer.get_by_role("alert").filter(has_text="ending").wait_for()
    standard.draw_around(0.9, -0.01, 0.99, 0.02)
    explorer.get_by_role("alert").filter(has_text="no point").wait_for()
    assert listed(explorer) == chosen
    explorer.get_by_role("button", name="All sequences").click()
    number_of_options(page, 200, 200)
    assert explorer.get_by_role("alert").count() == 0
