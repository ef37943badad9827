"""One Jupyter server and one Chromium for all browser tests."""

import os
import re
import shutil
from pathlib import Path

import lazy_loader
import pytest
from frontends import BROWSERS, CHROMIUM_ARGUMENTS, jupyter_server, run_all, short, write_notebook

nbformat = lazy_loader.load("nbformat")
ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "runs" / "browser"


@pytest.fixture(scope="package")
def browser():
    """Chromium; in CI it must be there.

    It is closed after the last test of this package: Playwright keeps an event loop running, and an explorer that finds
    one behaves as in a kernel.
    """
    from playwright.sync_api import expect, sync_playwright

    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        message = "Chromium is not installed; install it, for example: sudo apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    expect.set_options(timeout=60_000)  # the first start loads much, and machines that run tests are busy
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def server(tmp_path_factory, browser):
    """A Jupyter server on the code of the tutorials, short but for pictures."""
    folder = tmp_path_factory.mktemp("server")
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        cells = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        write_notebook(folder / path.name, cells if "RCVIZ_PICTURES" in os.environ else map(short, cells))
    with jupyter_server(folder) as running:
        yield running


@pytest.fixture
def page(browser, request):
    """A page of 1400 x 1000; its picture is kept if the test fails."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(60_000)
    yield page
    if getattr(request.node, "failed", False):
        PICTURES.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=PICTURES / f"{request.node.name}.png")
    context.close()


@pytest.fixture
def run_cells(page, server, request):
    """Run code cells in JupyterLab or Notebook 7 and return the page; files are in ``server.folder``."""

    def run(cells, front_end="lab"):
        name = re.sub(r"\W", "_", request.node.name) + ".ipynb"
        write_notebook(server.folder / name, cells)
        run_all(page, server, name, front_end)
        return page

    yield run
    server.stop_kernels()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Tell the page fixture whether its test or one of its fixtures failed."""
    outcome = yield
    item.failed = getattr(item, "failed", False) or outcome.get_result().failed
