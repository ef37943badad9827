"""The training monitor in JupyterLab: buttons, a free kernel, errors, and two side by side."""

import os
import re
from pathlib import Path

import pytest
from frontends import run_all, write_notebook
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

MONITOR = ".rcviz-training-monitor"
DATA = """
import ipywidgets, rcviz
from rcviz.widgets.monitor import TrainingMonitor
parts = rcviz.split(rcviz.load_example("ctcf"), train=0.7, valid=0.15, test=0.15)
def model(architecture, n_filters, length=200, pool=31):
    config = rcviz.ModelConfig.one_layer(architecture, n_filters=n_filters, sequence_length=length, pool_size=pool)
    return rcviz.build_model(config)
def monitor(model):
    config = rcviz.TrainConfig.chipseq(epochs=500, samples_per_epoch=1000)
    return TrainingMonitor(model, parts.train, parts.valid, config)
"""
# Another widget that the kernel answers: it counts clicks.
COUNTER = """
def count(button):
    button.description = f"counted {int(button.description.split()[-1]) + 1}"
counter = ipywidgets.Button(description="counted 0")
counter.on_click(count)
counter
"""


# All monitors of this file share a page: loading JupyterLab and starting a kernel take longer than the tests.
CELLS = [
    DATA,
    COUNTER,
    'monitor(model("revcomp", 8))',
    'monitor(model("revcomp", 8, 201, 17))',
    'monitor(model("revcomp", 8))',
    'monitors = ipywidgets.HBox([monitor(model("revcomp", 8)), monitor(model("standard", 16))])\nmonitors',
]
GIVEN, WRONG, DIVERGING, LEFT, RIGHT = range(5)


@pytest.fixture(scope="module")
def lab(browser, server):
    """A page of JupyterLab that has run all cells."""
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(60_000)
    write_notebook(server.folder / "monitors.ipynb", CELLS)
    run_all(page, server, "monitors.ipynb")
    yield page
    page.close()
    server.stop_kernels()


def button(monitor, name):
    return monitor.get_by_role("button", name=name, exact=True)


def epoch(monitor):
    """Return the epoch that the line of progress shows."""
    return int(re.search(r"Epoch (\d+) of", monitor.inner_text()).group(1))


def wait_for_epoch(page, monitor, number):
    page.wait_for_function(
        "([element, number]) => Number((element.innerText.match(/Epoch (\\d+) of/) || [0, 0])[1]) >= number",
        arg=[monitor.element_handle(), number],
    )


def test_start_pause_resume_stop_and_errors(lab):
    """Only a real kernel shows that it answers other widgets while it trains."""
    page, monitor = lab, lab.locator(MONITOR).nth(GIVEN)
    expect(monitor.locator(".rcviz-note")).to_contain_text("the given model")
    expect(button(monitor, "Stop")).to_be_disabled()

    button(monitor, "Start").click()
    wait_for_epoch(page, monitor, 2)
    expect(monitor.locator("svg")).to_have_count(1)
    expect(button(monitor, "Start")).to_be_disabled()
    expect(monitor.get_by_role("spinbutton", name="Filters")).to_be_disabled()

    button(monitor, "Pause").click()
    expect(monitor.locator(".rcviz-standing")).to_contain_text("Paused")
    for number in (1, 2, 3):
        page.get_by_role("button", name=f"counted {number - 1}").click()
        page.get_by_role("button", name=f"counted {number}").wait_for()
        if number == 1:  # by now every message from before the pause has arrived
            held = monitor.inner_text()
    assert monitor.inner_text() == held

    paused_in = epoch(monitor)
    button(monitor, "Resume").click()
    wait_for_epoch(page, monitor, paused_in + 1)
    page.get_by_role("button", name="counted 3").click()  # the kernel is free while it trains
    page.get_by_role("button", name="counted 4").wait_for()

    button(monitor, "Stop").click()
    expect(button(monitor, "Start")).to_be_enabled()

    rate = monitor.get_by_role("spinbutton", name="Learning rate")
    rate.fill("0")
    rate.press("Enter")
    expect(monitor.get_by_role("alert")).to_contain_text("learning_rate")
    expect(rate).to_have_value("0.001")
    expect(monitor.locator("svg")).to_have_count(1)
    filters = monitor.get_by_role("spinbutton", name="Filters")
    filters.fill("4")
    filters.press("Enter")
    expect(monitor.get_by_role("alert")).to_have_count(0)
    expect(monitor.locator(".rcviz-note")).to_contain_text("4 filters")


def test_a_training_that_fails_says_why(lab):
    """A model for other sequences is refused at the start; a model that diverges is reported from its thread."""
    wrong, diverging = (lab.locator(MONITOR).nth(number) for number in (WRONG, DIVERGING))
    button(wrong, "Start").click()
    expect(wrong.get_by_role("alert")).to_contain_text("(batch, 4, 201)")
    rate = diverging.get_by_role("spinbutton", name="Learning rate")
    rate.fill("1e30")
    rate.press("Enter")
    button(diverging, "Start").click()
    expect(diverging.get_by_role("alert")).to_contain_text("learning_rate")
    expect(diverging.locator(".rcviz-standing")).to_contain_text("failed in epoch 1")
    expect(button(diverging, "Start")).to_be_enabled()


def test_rc_beside_standard(lab):
    """Only a real page shows that two monitors side by side train at once and fit their width."""
    both = [lab.locator(MONITOR).nth(number) for number in (LEFT, RIGHT)]
    for monitor in both:
        button(monitor, "Start").click()
    for monitor in both:
        wait_for_epoch(lab, monitor, 8)
    for monitor in both:
        button(monitor, "Stop").click()
        expect(button(monitor, "Start")).to_be_enabled()
    left, right = (monitor.bounding_box() for monitor in both)
    assert left["y"] == right["y"]
    assert left["x"] + left["width"] <= right["x"] + 1
    assert left["width"] == pytest.approx(right["width"], abs=2)
    for index, box in enumerate((left, right)):
        for part in both[index].locator("svg, input, select, button").all():
            inner = part.bounding_box()
            assert inner["x"] + inner["width"] <= box["x"] + box["width"] + 1
    row = lab.locator(".widget-hbox", has=both[0]).first
    if folder := os.environ.get("RCVIZ_PICTURES"):
        row.screenshot(path=Path(folder) / "training_monitor.png")
