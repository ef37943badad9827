"""The tutorial on any network in JupyterLab: both explorers, of a regression and of a two-dimensional convolution."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


def picture(page, explorer, name):
    """Save a picture to the folder that RCVIZ_PICTURES names."""
    if folder := os.environ.get("RCVIZ_PICTURES"):
        page.set_viewport_size({"width": 1400, "height": 1500})
        explorer.screenshot(path=Path(folder) / name)


def test_both_explorers_of_networks_built_from_torch(notebook):
    """Only a front end shows that the pictures of a kernel reach the page; the notebook has no other test run."""
    page = notebook("06_any_model.ipynb", timeout=300_000)
    filters = page.locator('.rcviz-explorer[data-kind="filters"]')
    strands = page.locator('.rcviz-explorer[data-kind="strands"]')

    filters.scroll_into_view_if_needed()
    expect(filters).to_have_attribute("data-state", "ready")
    expect(filters.locator("[role=option]")).to_have_count(16)
    filters.locator("[role=option]").nth(3).click()
    detail = filters.locator(".rcviz-detail")
    expect(detail).to_contain_text("Rank 4 of 16")
    expect(detail.locator(".rcviz-track svg")).not_to_have_count(0)
    expect(detail.locator("figure svg")).to_have_count(2)
    expect(detail.locator("[data-verdict]")).to_have_count(1)
    assert filters.get_by_role("alert").count() == 0
    picture(page, filters, "any_model_filters.png")

    strands.scroll_into_view_if_needed()
    expect(strands).to_have_attribute("data-state", "ready", timeout=120_000)
    expect(strands.locator("canvas[data-model]")).to_have_count(3)  # counts, binding, conjoined
    expect(strands.locator(".rcviz-strand")).to_have_count(5)  # the conjoined one reads both strands alike
    detail = strands.locator(".rcviz-strand-detail")
    first = detail.get_attribute("data-sequence")
    strands.get_by_role("grid").focus()
    page.keyboard.press("ArrowDown")
    expect(detail).not_to_have_attribute("data-sequence", first)
    assert strands.get_by_role("alert").count() == 0
    picture(page, strands, "any_model_strands.png")
