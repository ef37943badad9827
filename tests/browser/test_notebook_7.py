"""The explorers in Notebook 7, whose page differs from JupyterLab's: each is shown, answers and draws."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

DATA = """
import rcviz
parts = rcviz.split(rcviz.load_example("ctcf"), train=0.7, valid=0.15, test=0.15)
size = {"n_filters": 8, "sequence_length": 200, "pool_size": 31}
models = {name: rcviz.build_model(rcviz.ModelConfig.one_layer(name, **size)) for name in ("revcomp", "standard")}
training = rcviz.TrainConfig.chipseq(epochs=500, samples_per_epoch=1000)
"""
EXPLORERS = (
    "rcviz.FilterExplorer(models['revcomp'], parts.test)",
    "rcviz.StrandExplorer(models, parts.test)",
    "rcviz.TrainingMonitor(models['revcomp'], parts.train, parts.valid, training)",
)


def test_all_explorers_answer(run_cells):
    """Only a second front end shows that nothing depends on JupyterLab."""
    page = run_cells([DATA, *EXPLORERS], "notebook")
    kinds = ("filters", "strands", "training")
    filters, strands, monitor = (page.locator(f'.rcviz-explorer[data-kind="{kind}"]') for kind in kinds)

    filters.scroll_into_view_if_needed()
    expect(filters).to_have_attribute("data-state", "ready")
    detail = filters.locator(".rcviz-detail")
    expect(detail).to_contain_text("Rank 1 of 8")
    filters.locator("[role=option]").nth(4).click()
    expect(detail).to_contain_text("Rank 5 of 8")
    page.keyboard.press("Home")
    expect(detail).to_contain_text("Rank 1 of 8")

    strands.scroll_into_view_if_needed()
    expect(strands).to_have_attribute("data-state", "ready")
    expect(strands.locator("canvas").first).to_be_visible()
    detail = strands.locator(".rcviz-strand-detail")
    first = detail.get_attribute("data-sequence")
    strands.get_by_role("grid").focus()
    page.keyboard.press("ArrowDown")
    expect(detail).not_to_have_attribute("data-sequence", first)

    monitor.scroll_into_view_if_needed()
    start, stop = (monitor.get_by_role("button", name=name, exact=True) for name in ("Start", "Stop"))
    start.click()
    expect(monitor).to_contain_text(re.compile(r"Epoch ([2-9]|\d\d+) of"))
    expect(monitor.locator("path.rcviz-solid[d*=L]")).to_have_count(1)
    stop.click()
    expect(start).to_be_enabled()
    for explorer in (filters, strands, monitor):
        expect(explorer.get_by_role("alert")).to_have_count(0)
