"""One Jupyter server and one Chromium for all browser tests."""

import os
import re
import shutil
from contextlib import suppress
from pathlib import Path

import frontends
import pytest
from frontends import BROWSERS, CHROMIUM_ARGUMENTS, jupyter_server, run_all, short, write_notebook
from playwright.sync_api import Error

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
        cells = [cell.source for cell in frontends.nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        write_notebook(folder / path.name, cells if "RCVIZ_PICTURES" in os.environ else map(short, cells))
    with jupyter_server(folder) as running:
        yield running


@pytest.fixture
def page(browser):
    """A page of 1400 x 1000."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(60_000)
    yield page
    context.close()


@pytest.fixture(scope="package")
def jupyterlab(browser):
    """A page for all notebooks in JupyterLab, one after the other, as loading it takes longer than most of them."""
    page = browser.new_page()
    page.set_default_timeout(60_000)
    yield page
    page.close()


@pytest.fixture(scope="module")
def notebook(jupyterlab, server):
    """Open a notebook in JupyterLab, run its cells and return the page; the kernel ends with the module."""

    def run(name, cells=None, *, height=1000, timeout=120_000):
        if cells is not None:
            write_notebook(server.folder / name, cells)
        jupyterlab.set_viewport_size({"width": 1400, "height": height})
        run_all(jupyterlab, server, name, timeout=timeout)
        return jupyterlab

    yield run
    server.stop_kernels()


@pytest.fixture(scope="package")
def offline(browser):
    """A page without a network, of which a test chooses width and colours; and a list of what it has asked for."""
    page = browser.new_context(offline=True).new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))

    def open_file(path, width, scheme):
        page.goto("about:blank")
        page.set_viewport_size({"width": width, "height": 1000})
        page.emulate_media(color_scheme=scheme)
        asked.clear()
        page.goto(path.as_uri())
        return page, asked

    yield open_file
    page.context.close()


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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Keep a picture of each page if a test or one of its fixtures failed."""
    report = yield
    if report.failed and "browser" in item.funcargs:
        PICTURES.mkdir(parents=True, exist_ok=True)
        pages = [page for context in item.funcargs["browser"].contexts for page in context.pages]
        for number, page in enumerate(pages):
            with suppress(Error):  # of a page that hangs
                page.screenshot(path=PICTURES / f"{item.name}_{number}.png", timeout=10_000)
    return report
