"""The filter explorer as a person uses it: look, choose, read, save, see errors."""

import os
from pathlib import Path

import ipywidgets
import pandas as pd
import pytest
from playwright.sync_api import expect

from rcviz import read_meme

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

EXPLORER = ".rcviz-filter-explorer"
NAME = "<img src=x onerror='window.pwned=1'>"
"""The name of a task and of every sequence; if it were parsed as markup, it would set a variable of the page."""

CELLS = [
    f"""
import numpy as np, rcviz
name = {NAME!r}
parts = rcviz.split(rcviz.load_example("ctcf"), train=0.7, valid=0.15, test=0.15)
labels = np.column_stack([parts.test.labels[:, 0], np.zeros(len(parts.test))])
data = rcviz.SequenceSet(parts.test.codes, labels, task_names=["CTCF", name], names=[name] * len(parts.test))
config = rcviz.ModelConfig.one_layer("revcomp", n_filters=12, sequence_length=200, pool_size=31, n_tasks=2)
model = rcviz.build_model(config)
""",
    "explorer = rcviz.FilterExplorer(model, data)\nexplorer",
]


def says(page, text):
    """Wait until the caption contains a text."""
    page.wait_for_function(
        "([selector, text]) => document.querySelector(selector)?.innerText.includes(text)",
        arg=[f"{EXPLORER} .rcviz-caption", text],
    )


def test_look_choose_save_and_err(run_cells, server):
    """Only a real page shows that the gallery is moved through, and that files are written by its button."""
    page = run_cells(CELLS)
    explorer = page.locator(EXPLORER)
    explorer.scroll_into_view_if_needed()
    options = explorer.get_by_role("option")
    expect(options.filter(has=page.locator("svg"))).to_have_count(12)
    says(page, "rank 1 of 12")
    first = explorer.locator(".rcviz-logo svg").first.inner_html()

    options.filter(has=page.locator("svg")).nth(4).click()
    says(page, "rank 5 of 12")
    page.wait_for_function(
        f"first => document.querySelector('{EXPLORER} .rcviz-logo svg').innerHTML !== first", arg=first
    )
    expect(explorer.locator("[aria-selected=true]")).to_have_count(1)
    for heading in ("Mean-centred weights", "activating sites", "Contributions", "Palindrome", "strongest sites"):
        expect(explorer.get_by_role("heading").filter(has_text=heading)).to_have_count(1)

    page.keyboard.press("Home")
    says(page, "rank 1 of 12")
    page.keyboard.press("ArrowRight")
    says(page, "rank 2 of 12")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("End")
    says(page, "rank 12 of 12")
    assert explorer.locator("[aria-selected=true]").evaluate("cell => cell.nextSibling") is None

    explorer.get_by_label("Sort by").select_option("number")
    page.wait_for_function(f"document.querySelector('{EXPLORER} [role=option] span').textContent.startsWith('0:')")
    explorer.get_by_label("Positives", exact=True).select_option("own selection")
    explorer.get_by_role("alert").filter(has_text="set_positives").wait_for()
    explorer.get_by_label("Task", exact=True).select_option(NAME)
    explorer.get_by_role("alert").filter(has_text=f"no positives for task {NAME}").wait_for()
    says(page, "rank 12 of 12")

    for ending in ("csv", "meme", "html"):
        explorer.get_by_label("Save as").fill(f"filters.{ending}")
        explorer.get_by_label("Save as").press("Tab")
        explorer.get_by_role("button", name="Save", exact=True).click()
        explorer.get_by_role("status").filter(has_text=f"filters.{ending}").wait_for()
    table = pd.read_csv(server.folder / "filters.csv")
    assert sorted(table["filter"]) == list(range(12))
    assert [motif.name for motif in read_meme(server.folder / "filters.meme")] == [
        f"filter_{index}" for index in range(12)
    ]
    # The saved page has the names of motifs, so that the explorer shows them too.
    explorer.get_by_role("heading", name="Nearest of 879 known motifs").wait_for()
    expect(explorer.locator(".rcviz-matches tr")).to_have_count(6)
    explorer.get_by_label("Save as").fill("filters.doc")
    explorer.get_by_label("Save as").press("Tab")
    explorer.get_by_role("button", name="Save", exact=True).click()
    explorer.get_by_role("alert").filter(has_text="ending").wait_for()
    expect(explorer.locator(".rcviz-sites")).to_contain_text(NAME)
    assert page.evaluate("window.pwned") is None
    # The same name inserted as markup does run.
    page.evaluate("markup => document.querySelector('.rcviz-sites').insertAdjacentHTML('beforeend', markup)", NAME)
    page.wait_for_function("window.pwned === 1")


def test_no_name_of_a_file_runs_on_a_page(page, tmp_path, toy, make_model):
    """Names of tasks, sequences, motifs and models, on a saved page and in the strand explorer."""
    import rcviz
    from rcviz.plots.page import html_page

    data = rcviz.SequenceSet(toy.codes, toy.labels, task_names=(NAME, "other"), names=[NAME] * len(toy))
    motif = rcviz.Motif(NAME, rcviz.load_motif("GATA_known6").probabilities, NAME)
    filters = rcviz.FilterExplorer(make_model(n_filters=2), data, motifs=[motif])
    strands = rcviz.StrandExplorer({NAME: make_model()}, data)
    left, panes = [strands], []
    while left:
        widget = left.pop()
        left += getattr(widget, "children", ())
        panes += [widget.value] if isinstance(widget, ipywidgets.HTML) else []
    (tmp_path / "page.html").write_text(html_page(NAME, [*filters.html_parts(), *panes]), encoding="utf-8")
    page.goto((tmp_path / "page.html").as_uri())
    text = page.locator("body").inner_text()
    assert text.count(NAME) >= 10
    assert page.title() == NAME
    assert page.evaluate("window.pwned") is None
    page.evaluate("markup => document.body.insertAdjacentHTML('beforeend', markup)", NAME)
    page.wait_for_function("window.pwned === 1")


def test_the_saved_page_needs_no_network(page, tmp_path, toy, make_model):
    """Opened from a file with the network off: choose by pointer and keyboard, sort, read every panel."""
    from rcviz import FilterExplorer

    explorer = FilterExplorer(make_model(n_filters=6), toy)
    explorer.to_html(tmp_path / "filters.html")
    page.context.set_offline(True)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((tmp_path / "filters.html").as_uri())
    assert asked == [(tmp_path / "filters.html").as_uri()]
    panels, buttons = page.locator(".rcviz-panels:visible"), page.locator(".gallery button")
    ranking = [str(index) for index in explorer.state.ranking]

    def chosen():
        expect(panels).to_have_count(1)
        expect(page.locator("[aria-pressed=true]")).to_have_count(1)
        return panels.get_attribute("id").removeprefix("filter-")

    assert chosen() == ranking[0]
    for place in (3, 5):
        buttons.nth(place).click()
        assert chosen() == ranking[place]
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert chosen() == ranking[1]
    for heading in ("Mean-centred", "activating sites", "Nearest of 879", "Palindrome", "Contributions", "strongest"):
        expect(panels.get_by_role("heading").filter(has_text=heading)).to_have_count(1)
    expect(panels.locator(".rcviz-pair > div:visible > *")).to_have_count(6)
    expect(panels.locator(".rcviz-matches tr")).to_have_count(6)
    page.get_by_label("Sort by").select_option("number")
    assert [buttons.nth(place).get_attribute("data-filter") for place in range(6)] == list("012345")
    assert chosen() == ranking[1]
    if folder := os.environ.get("RCVIZ_PICTURES"):
        page.screenshot(path=Path(folder) / "filter_page.png")


TRAINED = """
import rcviz
data = rcviz.simulate_motifs(n_per_motif=2000)
parts = rcviz.split(data)
model = rcviz.build_model(rcviz.ModelConfig.simulated("revcomp", n_filters=64))
rcviz.fit(model, parts.train, parts.valid, rcviz.TrainConfig.simulated(epochs=40, batch_size=100), progress=False);
"""

if "RCVIZ_PICTURES" in os.environ:

    def test_picture(run_cells, page):
        """The picture of README and docs: a trained model of 64 filters."""
        page.set_viewport_size({"width": 1400, "height": 1300})
        run_cells([TRAINED, "explorer = rcviz.FilterExplorer(model, parts.test)\nexplorer"])
        page.locator(".rcviz-matches").wait_for()
        page.locator(EXPLORER).screenshot(path=Path(os.environ["RCVIZ_PICTURES"]) / "filter_explorer.png")
