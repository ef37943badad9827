"""The training monitor as a person uses it: train, look, compare, save, see errors; live and saved, several at once."""

import json
import os
import re
from pathlib import Path

import pytest
from frontends import end_kernels, run_cell
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

MONITOR = '.rcviz-explorer[data-kind="training"]'
DATA = """
import ipywidgets, rcviz, time
parts = rcviz.split(rcviz.load_example("ctcf"), train=0.7, valid=0.15, test=0.15)
def model(architecture, n_filters, length=200, pool=31):
    config = rcviz.ModelConfig.one_layer(architecture, n_filters=n_filters, sequence_length=length, pool_size=pool)
    return rcviz.build_model(config)
def monitor(model):
    config = rcviz.TrainConfig.chipseq(epochs=500, samples_per_epoch=1000)
    return rcviz.TrainingMonitor(model, parts.train, parts.valid, config)
"""
# Another widget that the kernel answers: it counts clicks.
COUNTER = """
def count(button):
    button.description = f"counted {int(button.description.split()[-1]) + 1}"
counter = ipywidgets.Button(description="counted 0")
counter.on_click(count)
counter
"""
FIT = """
curves = rcviz.TrainingCurves()
def train(name):
    config = rcviz.TrainConfig.chipseq(epochs=6, samples_per_epoch=1000)
    rcviz.fit(model(name, 4), parts, config=config, progress=False, on_epoch=curves.follow(name))
    time.sleep(3)
curves
"""

# All monitors of this file share a page: loading JupyterLab and starting a kernel take longer than the tests.
CELLS = [
    DATA,
    COUNTER,
    'given = monitor(model("revcomp", 8))\ngiven',
    'monitor(model("revcomp", 8, 201, 17))',
    'monitor(model("revcomp", 8))',
    'monitors = ipywidgets.HBox([monitor(model("revcomp", 8)), monitor(model("standard", 16))])\nmonitors',
    FIT,
]
GIVEN, WRONG, DIVERGING, LEFT, RIGHT, CURVES = range(6)


@pytest.fixture(scope="module")
def lab(notebook):
    """A page of JupyterLab that has run all cells."""
    return notebook("monitors.ipynb", CELLS)


def button(monitor, name):
    return monitor.get_by_role("button", name=name, exact=True)


def epochs(monitor):
    """Number of epochs of the last run, in the table."""
    return int(monitor.locator(".rcviz-runs tbody .rcviz-col-1").last.inner_text())


def wait_for_epoch(monitor, number):
    expect(monitor.locator(".rcviz-plan")).to_contain_text(
        re.compile(rf"Epoch ({number}|[{number + 1}-9]|\d\d+) of 500")
    )


def settings(monitor):
    """Unfold the settings."""
    fold = monitor.locator(".rcviz-fold")
    if fold.get_attribute("aria-expanded") == "false":
        fold.press("Enter")


def lines(monitor):
    """The curves, as drawn."""
    drawn = monitor.locator(".rcviz-curves path.rcviz-solid[d*=L]")
    return drawn.evaluate_all("paths => paths.map((path) => path.getAttribute('d'))")


def test_start_pause_resume_stop_and_compare(lab, server):
    """Only a real kernel shows that it answers other widgets while it trains."""
    page, monitor = lab, lab.locator(MONITOR).nth(GIVEN)
    expect(monitor).to_have_attribute("data-state", "ready")
    expect(monitor.locator(".rcviz-plan")).to_contain_text("the given model")
    expect(button(monitor, "Stop")).to_be_disabled()
    settings(monitor)

    button(monitor, "Start").click()
    expect(monitor).to_have_attribute("data-state", "computing")
    wait_for_epoch(monitor, 3)
    expect(monitor.locator("path.rcviz-solid[d*=L]").first).to_be_attached()
    expect(monitor.get_by_role("spinbutton", name="Filters")).to_be_disabled()

    button(monitor, "Pause").click()
    expect(monitor.locator(".rcviz-standing")).to_contain_text("Paused")
    for number in (1, 2, 3):
        page.get_by_role("button", name=f"counted {number - 1}").click()
        page.get_by_role("button", name=f"counted {number}").wait_for()
        if number == 1:  # by now every message from before the pause has arrived
            held = monitor.inner_text()
    assert monitor.inner_text() == held

    before = epochs(monitor)
    button(monitor, "Resume").click()
    wait_for_epoch(monitor, before + 2)
    page.get_by_role("button", name="counted 3").click()  # the kernel is free while it trains
    page.get_by_role("button", name="counted 4").wait_for()
    button(monitor, "Stop").click()
    expect(button(monitor, "Start")).to_be_enabled()
    expect(monitor).to_have_attribute("data-state", "ready")

    rate = monitor.get_by_role("spinbutton", name="Learning rate")
    rate.fill("0")
    rate.press("Enter")
    expect(monitor.get_by_role("alert")).to_contain_text("learning_rate")
    expect(rate).to_have_value("0.001")
    rate.fill("0.01")
    rate.press("Enter")
    expect(monitor.get_by_role("alert")).to_have_count(0)
    expect(monitor.locator(".rcviz-plan")).to_contain_text("trains again")

    monitor.get_by_role("slider", name="Epoch").focus()
    page.keyboard.press("Space")
    rows = monitor.locator(".rcviz-runs tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.last.locator(".rcviz-col-1")).to_have_text(re.compile(r"[3-9]|\d\d+"))
    button(monitor, "Stop").click()
    expect(button(monitor, "Start")).to_be_enabled()
    expect(monitor.locator(".rcviz-best")).to_have_count(2)
    monitor.get_by_role("checkbox", name="Show RC, 8 filters", exact=True).uncheck()
    expect(monitor.locator(".rcviz-best")).to_have_count(1)
    monitor.get_by_role("checkbox", name="Show RC, 8 filters", exact=True).check()
    expect(monitor.locator(".rcviz-best")).to_have_count(2)

    monitor.get_by_role("slider", name="Epoch").focus()
    page.keyboard.press("s")
    monitor.get_by_label("File name").fill("epochs.csv")
    page.keyboard.press("Enter")
    expect(monitor.locator(".rcviz-said")).to_contain_text(str(server.folder.resolve() / "epochs.csv"))
    assert (server.folder / "epochs.csv").read_text().startswith("epoch,split,loss,auroc,auprc,model\n1,train")


def look(page, monitor):
    """Point, zoom and switch the metric, as without a kernel as with one."""
    monitor.scroll_into_view_if_needed()
    chart = monitor.get_by_role("slider", name="Epoch")
    chart.focus()
    page.keyboard.press("Home")
    expect(chart).to_have_attribute("aria-valuenow", "1")
    first = chart.get_attribute("aria-valuetext")
    page.keyboard.press("ArrowRight")
    expect(chart).to_have_attribute(
        "aria-valuetext", re.compile(r"epoch 2, auROC; RC, .*: validation 0\.\d{4}, training")
    )
    assert chart.get_attribute("aria-valuetext") != first
    expect(monitor.locator(".rcviz-runs thead")).to_contain_text("epoch 2")
    whole = lines(monitor)
    box = chart.bounding_box()
    page.mouse.move(box["x"] + 46, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 60, steps=3)
    page.mouse.up()
    expect(monitor.locator("figcaption")).to_contain_text(re.compile(r"epochs 1 to \d"))
    assert lines(monitor) != whole
    button(monitor, "all epochs").click()
    expect(chart).to_be_focused()
    assert lines(monitor) == whole
    page.keyboard.press("m")
    expect(monitor.get_by_label("Curve")).to_have_value("auprc")
    assert lines(monitor) != whole
    page.keyboard.press("m")
    page.keyboard.press("m")
    expect(monitor.get_by_label("Curve")).to_have_value("auroc")
    assert lines(monitor) == whole


def test_a_training_that_fails_says_why(lab):
    """A model for other sequences is refused at the start; a model that diverges is reported from its thread."""
    wrong, diverging = (lab.locator(MONITOR).nth(number) for number in (WRONG, DIVERGING))
    button(wrong, "Start").click()
    expect(wrong.get_by_role("alert")).to_contain_text("(batch, 4, 201)")
    settings(diverging)
    rate = diverging.get_by_role("spinbutton", name="Learning rate")
    rate.fill("1e30")
    rate.press("Enter")
    button(diverging, "Start").click()
    expect(diverging.get_by_role("alert")).to_contain_text("learning_rate")
    expect(diverging).to_have_attribute("data-state", "error")
    expect(diverging.locator(".rcviz-standing")).to_contain_text("failed in epoch 1")
    expect(button(diverging, "Start")).to_be_enabled()


def test_rc_beside_standard(lab):
    """Only a real page shows that two monitors side by side train at once and fit their width."""
    both = [lab.locator(MONITOR).nth(number) for number in (LEFT, RIGHT)]
    for monitor in both:
        button(monitor, "Start").click()
    for monitor in both:
        wait_for_epoch(monitor, 8)
    for monitor in both:
        button(monitor, "Stop").click()
        expect(button(monitor, "Start")).to_be_enabled()
    ids = lab.locator(f"{MONITOR} [id]").evaluate_all("parts => parts.map((part) => part.id)")
    assert len(ids) == len(set(ids)) > 5
    left, right = (monitor.bounding_box() for monitor in both)
    assert left["y"] == right["y"]
    assert left["x"] + left["width"] <= right["x"] + 1
    assert left["width"] == pytest.approx(right["width"], abs=2)
    for monitor, box in zip(both, (left, right), strict=True):
        parts = monitor.locator("svg, input, select, button, table")
        ends = parts.evaluate_all("all => all.map((part) => part.getBoundingClientRect().right)")  # 0 if it is hidden
        assert len(ends) > 10
        assert max(ends) <= box["x"] + box["width"] + 1
    row = lab.locator(".widget-hbox", has=lab.locator(MONITOR)).first
    if folder := os.environ.get("RCVIZ_PICTURES"):
        row.screenshot(path=Path(folder) / "training_monitor.png")


def test_curves_grow_while_a_cell_trains(lab):
    page, curves = lab, lab.locator(MONITOR).nth(CURVES)
    expect(curves).to_contain_text("No epoch yet")
    run_cell(page, "train('revcomp')")
    expect(curves.locator(".rcviz-said")).to_contain_text("revcomp: epoch 6")
    assert page.locator(".jp-InputPrompt").filter(has_text="[*]").count() == 1  # the cell has not ended
    assert len(lines(curves)) == 1
    expect(curves.get_by_role("button", name="Start")).to_have_count(0)


def test_the_page_goes_on_when_the_model_has_changed_and_the_kernel_is_gone(lab, server):
    page, monitor = lab, lab.locator(MONITOR).nth(GIVEN)
    look(page, monitor)
    run_cell(page, "given.to_html('training.html'); next(given.model.parameters()).data.add_(0.1)")
    expect(monitor).to_have_attribute("data-state", "stale")
    button(monitor, "Refresh").click()
    expect(monitor).to_have_attribute("data-state", "ready")
    expect(monitor.locator(".rcviz-plan")).to_contain_text("from its present weights")
    end_kernels(page, server)
    expect(monitor).to_have_attribute("data-state", "disconnected", timeout=60_000)
    expect(button(monitor, "Start")).to_be_disabled()
    look(page, monitor)


@pytest.mark.parametrize(("width", "scheme"), [(953, "light"), (550, "dark"), (400, "light")])
def test_the_saved_page_needs_no_network(offline, saved, width, scheme):
    """Opened from a file with the network off, in the three layouts, light and dark."""
    page, _ = offline(saved, width + 34, scheme)
    monitor = page.locator(MONITOR)
    expect(monitor).to_have_attribute("data-state", "ready")
    expect(monitor).to_have_attribute("data-theme", scheme)
    expect(monitor.locator(".rcviz-standing")).to_contain_text("Finished after epoch 5")
    expect(monitor.get_by_role("button", name="Start")).to_have_count(0)
    look(page, monitor)
    assert page.evaluate("window.pwned") is None
    inside = monitor.evaluate(
        """root => [...root.querySelectorAll("*")].filter((part) => {
          const box = part.getBoundingClientRect();
          return box.width && box.right > root.getBoundingClientRect().right + 1;
        }).map((part) => part.outerHTML.slice(0, 80))"""
    )
    assert inside == []


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A page of two runs, of a task whose name is markup."""
    import numpy as np

    import rcviz

    rng = np.random.default_rng(0)
    codes = rng.integers(0, 4, (80, 60), dtype=np.uint8)
    name = "<img src=x onerror='window.pwned=1'>"
    data = rcviz.SequenceSet(codes, np.tile([1.0, 0.0], 40), task_names=(name,))
    model = rcviz.build_model(rcviz.ModelConfig.one_layer("revcomp", n_filters=6, sequence_length=60, pool_size=23))
    monitor = rcviz.TrainingMonitor(model, data, data, rcviz.TrainConfig(epochs=5, batch_size=20, samples_per_epoch=40))
    for rate in (0.001, 0.01):
        monitor.state.learning_rate = rate
        monitor.start()
        monitor.wait(60)
    path = tmp_path_factory.mktemp("saved") / "training.html"
    monitor.to_html(path)
    monitor.close()
    assert json.dumps(name)[1:-1].replace("<", "\\u003c") in path.read_text()
    return path
