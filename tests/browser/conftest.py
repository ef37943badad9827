"""A real server, a real Chromium; a picture of the page is kept when a test fails."""

import os
import re
import shutil
from pathlib import Path

import pytest
from frontends import BROWSERS, CHROMIUM_ARGUMENTS, jupyter_server, run_all

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "runs" / "browser"


@pytest.fixture(scope="session")
def browser_path():
    """The browser's executable; in CI it must be there."""
    for name in BROWSERS:
        if found := shutil.which(name):
            return found
    message = "no Chromium found; install one, for example: sudo apt-get install chromium"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def server(tmp_path_factory, browser_path):
    """A Jupyter server on copies of the tutorials."""
    folder = tmp_path_factory.mktemp("server")
    for notebook in (ROOT / "notebooks").glob("*.ipynb"):
        shutil.copy(notebook, folder)
    with jupyter_server(folder) as running:
        yield running


@pytest.fixture
def page(browser_path, request):
    """A page of 1400 x 1000; kept as a picture when the test fails."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=list(CHROMIUM_ARGUMENTS))
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(60_000)
        yield page
        if getattr(request.node, "failed", False):
            PICTURES.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=PICTURES / f"{request.node.name}.png")
        browser.close()


@pytest.fixture(params=["lab", "notebook"])
def front_end(request):
    """JupyterLab, then Notebook 7."""
    return request.param


@pytest.fixture
def run_cells(page, server, request):
    """Run code cells in a front end; returns the page, the files being in ``server.folder``."""

    def run(cells, front_end="lab"):
        name = re.sub(r"\W", "_", request.node.name) + ".ipynb"
        server.write(name, cells)
        run_all(page, server.url(name, front_end))
        return page

    yield run
    server.stop_kernels()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Tell the page fixture whether its test, or what it was given, failed."""
    outcome = yield
    item.failed = getattr(item, "failed", False) or outcome.get_result().failed
