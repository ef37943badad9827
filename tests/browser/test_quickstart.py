"""The quickstart in JupyterLab: run all cells, then move through the filters with the keyboard."""

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

EXPLORER = '.rcviz-explorer[data-kind="filters"]'


@pytest.fixture
def explorer(notebook):
    """The explorer at the end of the quickstart, after all cells have run."""
    page = notebook("01_quickstart.ipynb")
    explorer = page.locator(EXPLORER)
    expect(explorer).to_have_attribute("data-state", "ready", timeout=90_000)
    assert page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.stderr']").count() <= 2
    explorer.scroll_into_view_if_needed()
    return explorer


def test_keyboard_moves_through_the_filters(explorer):
    """Only a front end shows that the keyboard reaches the explorer; the notebook has no other test run."""
    page = explorer.page
    assert page.locator(".jp-OutputArea-output img, .jp-OutputArea-output canvas").count() >= 3
    detail, logo = explorer.locator(".rcviz-detail"), explorer.locator(".rcviz-track svg").first
    expect(detail).to_contain_text("Rank 1 of 12")
    first = logo.inner_html()
    explorer.get_by_role("listbox").focus()
    page.keyboard.press("ArrowDown")
    expect(detail).to_contain_text("Rank 2 of 12")
    assert logo.inner_html() != first
    page.keyboard.press("ArrowUp")
    expect(detail).to_contain_text("Rank 1 of 12")
    assert logo.inner_html() == first

    curves = page.locator('.rcviz-explorer[data-kind="training"]')
    expect(curves).to_have_count(1)
