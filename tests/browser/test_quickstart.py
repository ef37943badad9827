"""The quickstart in JupyterLab: run all cells, then move through the filters with the keyboard."""

import pytest
from frontends import run_all
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

EXPLORER = ".rcviz-filter-explorer"


@pytest.fixture
def explorer(page, server):
    """The explorer at the end of the quickstart, after all cells have run."""
    run_all(page, server, "01_quickstart.ipynb")
    explorer = page.locator(EXPLORER)
    explorer.locator(".rcviz-caption").wait_for(timeout=90_000)
    assert page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.stderr']").count() <= 2
    explorer.scroll_into_view_if_needed()
    return explorer


def shown(explorer):
    """Caption and picture of the chosen filter."""
    return explorer.locator(".rcviz-caption").inner_text(), explorer.locator(".rcviz-logo svg").first.inner_html()


def test_keyboard_moves_through_the_filters(page, explorer):
    """Only a front end shows that the keyboard reaches the explorer; the notebook has no other test run."""
    assert page.locator(".jp-OutputArea-output img, .jp-OutputArea-output canvas").count() >= 3
    first_caption, first_logo = shown(explorer)
    assert "rank 1 of 8" in first_caption

    explorer.locator(".rcviz-gallery").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"document.querySelector('{EXPLORER} .rcviz-caption').innerText.includes('rank 2 of 8')")
    logo = f"document.querySelector('{EXPLORER} .rcviz-logo svg').innerHTML"
    page.wait_for_function(f"first => {logo} !== first", arg=first_logo)
    assert shown(explorer)[0] != first_caption

    page.keyboard.press("ArrowLeft")
    page.wait_for_function(f"document.querySelector('{EXPLORER} .rcviz-caption').innerText.includes('rank 1 of 8')")
    page.wait_for_function(f"first => {logo} === first", arg=first_logo)
    assert shown(explorer) == (first_caption, first_logo)

    curves = page.locator(".rcviz-training-curves svg")
    expect(curves).to_have_count(1)
