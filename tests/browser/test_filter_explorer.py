"""The filter explorer as a person uses it: look, choose, search, pin, save, see errors; live and saved."""

import os
import re
from pathlib import Path

import pandas as pd
import pytest
from frontends import end_kernels, run_cell
from playwright.sync_api import expect

from rcviz import read_meme

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

NAME = "<img src=x onerror='window.pwned=1'>"
"""The name of a task and of every sequence; if it were parsed as markup, it would set a variable of the page."""

# Everything in one notebook: loading JupyterLab and starting a kernel take longer than the tests.
CELLS = [
    f"""
import os, time, numpy as np, rcviz
name = {NAME!r}
def wait_for_test():
    while not os.path.exists("filters may go on"):
        time.sleep(0.05)
parts = rcviz.split(rcviz.load_example("ctcf"), train=0.7, valid=0.15, test=0.15)
labels = np.column_stack([parts.test.labels[:, 0], np.zeros(len(parts.test))])
data = rcviz.SequenceSet(parts.test.codes, labels, task_names=["CTCF", name], names=[name] * len(parts.test))
config = rcviz.ModelConfig.one_layer("revcomp", n_filters=12, sequence_length=200, pool_size=31, n_tasks=2)
model = rcviz.build_model(config)
""",
    "explorer = rcviz.FilterExplorer(model, data)\nexplorer",
    "other = rcviz.FilterExplorer(model, data.codes)\nother",
    "explorer",
]
FIRST, OTHER, AGAIN = range(3)


@pytest.fixture(scope="module")
def lab(notebook):
    """A page of JupyterLab that has run all cells."""
    return notebook("filters.ipynb", CELLS)


def view(page, number=FIRST):
    """One of the three views, when all is computed."""
    explorer = page.locator('.rcviz-explorer[data-kind="filters"]').nth(number)
    explorer.scroll_into_view_if_needed()
    expect(explorer).to_have_attribute("data-state", "ready", timeout=120_000)
    return explorer


def options(explorer):
    """The filters that are listed, in their order."""
    listed = explorer.locator("[role=option]")
    return listed.evaluate_all("options => options.map((option) => Number(option.dataset.id))")


def chosen(explorer, index):
    """Wait until a filter is painted and marked."""
    expect(explorer.locator(".rcviz-detail[data-filter]")).to_have_attribute("data-filter", str(index))
    expect(explorer.locator("[role=option][aria-selected=true]")).to_have_attribute("data-id", str(index))


def test_look_choose_search_and_pin(lab):
    """Only a real page shows that the list is moved through, and that every view of an explorer follows."""
    explorer, page = view(lab), lab
    expect(explorer.locator("[role=option]")).to_have_count(12)
    ranking = options(explorer)
    chosen(explorer, ranking[0])
    detail = explorer.locator(".rcviz-detail")
    expect(detail.locator(".rcviz-track")).to_have_count(3)
    assert detail.locator(".rcviz-track > svg").count() >= 2  # an untrained filter may have no name
    expect(detail.locator("figure svg")).to_have_count(2)
    expect(detail.locator(".rcviz-sites tr")).to_have_count(6)
    expect(detail).to_contain_text("Rank 1 of 12. Adds ")
    expect(detail.locator("[data-verdict]")).to_have_count(1)

    listbox = explorer.get_by_role("listbox")
    explorer.locator("[role=option]").nth(4).click()
    chosen(explorer, ranking[4])
    expect(listbox).to_be_focused()
    for key, place in (
        ("Home", 0),
        ("ArrowDown", 1),
        ("ArrowRight", 2),
        ("ArrowUp", 1),
        ("End", 11),
        ("ArrowDown", 11),
    ):
        page.keyboard.press(key)
        chosen(explorer, ranking[place])
    chosen(view(page, AGAIN), ranking[11])
    assert options(view(page, OTHER)) != []
    ids = page.locator(".rcviz-explorer [role=option]").evaluate_all("options => options.map((option) => option.id)")
    assert len(ids) == len(set(ids)) == 36

    explorer = view(page)
    explorer.get_by_role("button", name="show all").click()
    number = explorer.locator(".rcviz-sites tr").count()
    assert number > 6
    explorer.get_by_role("button", name="why?").click()
    expect(explorer.locator(".rcviz-why svg")).to_have_count(2)
    expect(explorer.locator(".rcviz-why")).to_contain_text("permutations of its columns")
    explorer.get_by_role("button", name="why?").click()
    letters = explorer.locator(".rcviz-track path.rcviz-A").first
    forward = letters.get_attribute("d")
    listbox.focus()
    page.keyboard.press("r")
    expect(explorer.get_by_role("button", name="\N{MINUS SIGN} strand")).to_have_attribute("aria-pressed", "true")
    assert letters.get_attribute("d") != forward
    page.keyboard.press("p")
    page.keyboard.press("Home")
    expect(explorer.locator("[data-pinned]")).to_have_attribute("data-pinned", str(ranking[11]))
    page.keyboard.press("End")
    expect(explorer.locator("[data-pinned]")).to_have_count(0)
    page.keyboard.press("p")

    page.keyboard.press("/")
    search = explorer.get_by_role("searchbox")
    expect(search).to_be_focused()
    page.keyboard.type(str(ranking[3]))
    expect(explorer.locator("[role=option]")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(explorer.locator("[role=option]")).to_have_count(12)
    explorer.get_by_label("Sort").select_option("number")
    expect(explorer.locator("[role=option]").first).to_have_attribute("data-id", "0")
    page.keyboard.press("?")
    expect(explorer.get_by_role("dialog")).to_contain_text("mean-centred")
    page.keyboard.press("Escape")
    expect(explorer.get_by_role("dialog")).to_have_count(0)

    box = explorer.locator(".rcviz-track svg").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    expect(explorer.locator(".rcviz-readout")).to_contain_text(re.compile(r"position [678]: weights A "))
    expect(explorer.locator(".rcviz-cursor")).to_be_visible()


def test_errors_and_files(lab, server):
    """Choices that cannot be are said and undone; files are written by name."""
    explorer, page = view(lab), lab
    explorer.get_by_label("Positives", exact=True).select_option("own")
    explorer.get_by_role("alert").filter(has_text="set_positives").wait_for()
    expect(explorer.get_by_label("Positives", exact=True)).to_have_value("labelled")
    explorer.get_by_label("Task", exact=True).select_option(NAME)
    explorer.get_by_role("alert").filter(has_text=f"no positives for task {NAME}").wait_for()
    expect(explorer.get_by_label("Task", exact=True)).to_have_value("0")
    for ending in ("csv", "meme", "doc"):
        explorer.get_by_role("listbox").focus()
        page.keyboard.press("s")
        path = explorer.get_by_label("File name")
        path.fill(f"chosen.{ending}")
        path.press("Enter")
        said = "ending must be" if ending == "doc" else str(server.folder.resolve() / f"chosen.{ending}")
        expect(explorer.locator(".rcviz-said")).to_contain_text(said)
    assert sorted(pd.read_csv(server.folder / "chosen.csv")["filter"]) == list(range(12))
    names = {motif.name for motif in read_meme(server.folder / "chosen.meme")}
    assert names == {f"filter_{index}" for index in range(12)}
    expect(explorer.locator(".rcviz-sites")).to_contain_text(NAME)
    assert page.evaluate("window.pwned") is None
    # The same name inserted as markup does run.
    page.evaluate("markup => document.querySelector('.rcviz-sites').insertAdjacentHTML('beforeend', markup)", NAME)
    page.wait_for_function("window.pwned === 1")
    page.evaluate("delete window.pwned")  # other notebooks share the page


def test_choosing_needs_no_kernel(lab, server):
    """While the kernel is busy, after the model has changed, and after the kernel is gone."""
    page = lab
    run_cell(page, "wait_for_test(); next(model.parameters()).data.add_(0.1)")
    page.locator(".jp-InputPrompt").filter(has_text="[*]").wait_for()
    explorer = page.locator(".rcviz-explorer").nth(FIRST)
    explorer.get_by_role("listbox").focus()
    order = options(explorer)
    for place, key in ((0, "Home"), (1, "ArrowDown"), (11, "End")):
        page.keyboard.press(key)
        chosen(explorer, order[place])
    assert page.locator(".jp-InputPrompt").filter(has_text="[*]").count() == 1
    (server.folder / "filters may go on").touch()
    expect(explorer).to_have_attribute("data-state", "stale")
    explorer.get_by_role("button", name="Refresh").click()
    expect(explorer).to_have_attribute("data-state", "ready", timeout=120_000)
    end_kernels(page, server)
    expect(explorer).to_have_attribute("data-state", "disconnected", timeout=60_000)
    expect(explorer.get_by_role("status").first).to_contain_text("The kernel is gone")
    explorer.get_by_role("listbox").focus()
    page.keyboard.press("Home")
    chosen(explorer, options(explorer)[0])


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A page of six filters, with names that are markup wherever a name can be."""
    import numpy as np

    import rcviz

    rng = np.random.default_rng(0)
    codes = rng.integers(0, 4, (80, 60), dtype=np.uint8)
    labels = np.tile([[1.0, 0.0], [0.0, 1.0]], (40, 1))
    data = rcviz.SequenceSet(codes, labels, task_names=(NAME, "other"), names=[NAME] * 80)
    config = rcviz.ModelConfig.one_layer("revcomp", n_filters=6, sequence_length=60, pool_size=23, n_tasks=2)
    model = rcviz.build_model(config)
    explorer = rcviz.FilterExplorer(model, data)
    explorer.wait(120)
    motif = rcviz.Motif(NAME, explorer._results.motifs(explorer.state.question)[2].probabilities, NAME)
    explorer.close()
    explorer = rcviz.FilterExplorer(model, data, motifs=[motif])
    path = tmp_path_factory.mktemp("saved") / "filters.html"
    explorer.to_html(path)
    ranking = list(explorer.state.ranking)
    explorer.close()
    return path, ranking


@pytest.mark.parametrize(("width", "scheme"), [(953, "light"), (550, "dark"), (400, "light"), (400, "dark")])
def test_the_saved_page_needs_no_network(offline, saved, width, scheme):
    """Opened from a file with the network off, in the three layouts, light and dark."""
    path, ranking = saved
    page, asked = offline(path, width + 34, scheme)
    explorer = page.locator(".rcviz-explorer")
    expect(explorer).to_have_attribute("data-state", "ready")
    expect(explorer).to_have_attribute("data-theme", scheme)
    assert options(explorer) == ranking
    explorer.locator("[role=option]").nth(1).click()
    chosen(explorer, ranking[1])
    page.keyboard.press("End")
    chosen(explorer, ranking[5])
    explorer.get_by_label("Sort").select_option("number")
    for place in range(6):
        expect(explorer.locator("[role=option]").nth(place)).to_have_attribute("data-id", str(place))
    explorer.locator("[role=option]").nth(2).click()
    expect(explorer.locator(".rcviz-detail")).to_contain_text(f"{NAME} \N{MIDDLE DOT} similarity 1.00")
    expect(explorer.locator(".rcviz-detail")).to_contain_text(f"to the logit of {NAME} in positives")
    assert page.evaluate("window.pwned") is None
    assert asked == [path.as_uri()]
    assert explorer.get_by_role("button", name="Save").count() == 0
    expect(explorer.get_by_label("Positives", exact=True)).to_be_disabled()
    expect(explorer.locator(".rcviz-top")).to_contain_text("Fixed without a kernel: task, positives")
    # Nothing is wider than the explorer, and letters stand out from what is behind them.
    inside = explorer.evaluate(
        """root => [...root.querySelectorAll(".rcviz-detail *, .rcviz-top *")].filter((part) => {
          const box = part.getBoundingClientRect();
          return box.width && box.right > root.getBoundingClientRect().right + 1;
        }).map((part) => part.outerHTML.slice(0, 80))"""
    )
    assert inside == []
    colors = explorer.evaluate(
        """root => { const style = getComputedStyle(root);
          return ["--bg", "--ink", "--mute", "--pos", "--neg", "--hi",
                  ...[..."ACGT"].map((letter) => `--rcviz-${letter}`)].map((name) => style.getPropertyValue(name)); }"""
    )
    background, *texts = map(luminance, colors)
    contrasts = [(max(background, text) + 0.05) / (min(background, text) + 0.05) for text in texts]
    assert min(contrasts[:5]) >= 4.5
    assert min(contrasts[5:]) >= 3
    if folder := os.environ.get("RCVIZ_PICTURES"):
        name = "filter_page.png" if width == 953 else f"filter_page_{width}_{scheme}.png"
        explorer.screenshot(path=Path(folder) / name)


def luminance(color):
    """Relative luminance of WCAG."""
    parts = [int(color.strip()[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


README = Path(__file__).parents[2] / "README.md"

if "RCVIZ_PICTURES" in os.environ:

    def test_picture(run_cells, page):
        """The picture of README and docs: the network that the README's first lines train."""
        page.set_viewport_size({"width": 1400, "height": 1300})
        code = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)[0]
        training, _ = code.split("\n\nprint(")
        run_cells([training, "rcviz.FilterExplorer(model, parts.test)"])
        page.locator('.rcviz-explorer[data-state="ready"]').wait_for(timeout=300_000)
        page.locator(".rcviz-explorer").screenshot(path=Path(os.environ["RCVIZ_PICTURES"]) / "filter_explorer.png")
