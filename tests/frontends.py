"""Real Jupyter front ends and a real Chromium, for the browser tests and the benchmarks."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import nbformat
from playwright.sync_api import expect

TOKEN = "browser-test"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_ARGUMENTS = (
    "--no-sandbox",
    "--disable-background-networking",
    "--no-first-run",
    # Scatters are WebGL; a machine without a GPU draws them in software.
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
)


@dataclass(frozen=True)
class FrontEnd:
    """One server; JupyterLab and Notebook 7 are two faces of it."""

    address: str
    folder: Path

    def url(self, notebook, front_end="lab"):
        """Address of a notebook in ``"lab"`` or ``"notebook"`` (Notebook 7)."""
        # reset: without it JupyterLab opens again what an earlier page had open.
        view, more = {"lab": ("lab/tree", "&reset"), "notebook": ("notebooks", "")}[front_end]
        return f"{self.address}/{view}/{notebook}?token={TOKEN}{more}"

    def stop_kernels(self):
        """End the kernels of notebooks that are done with."""
        api, token = f"{self.address}/api/sessions", {"Authorization": f"token {TOKEN}"}
        with urllib.request.urlopen(urllib.request.Request(api, headers=token)) as answer:
            sessions = json.load(answer)
        for session in sessions:
            urllib.request.urlopen(urllib.request.Request(f"{api}/{session['id']}", headers=token, method="DELETE"))

    def write(self, name, cells):
        """Write a notebook of code cells."""
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3 (ipykernel)"}
        nbformat.write(notebook, self.folder / name)


@contextmanager
def jupyter_server(folder):
    """Run a Jupyter server on a folder."""
    settings = folder / ".settings" / "@jupyterlab" / "notebook-extension"
    settings.mkdir(parents=True)
    # Otherwise cells outside the visible part are not in the page.
    (settings / "tracker.jupyterlab-settings").write_text(json.dumps({"windowingMode": "none"}))
    news = settings.parent / "apputils-extension"
    news.mkdir()
    (news / "notification.jupyterlab-settings").write_text(json.dumps({"fetchNews": "false"}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (folder / "server.log").open("w")
    short = {} if "RCVIZ_PICTURES" in os.environ else {"RCVIZ_FAST": "1"}  # tutorials in full where pictures are taken
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", f"--port={port}", "--ip=127.0.0.1"],
        cwd=folder,
        env={**os.environ, "JUPYTER_TOKEN": TOKEN, "JUPYTERLAB_SETTINGS_DIR": str(folder / ".settings"), **short},
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(f"{address}/api?token={TOKEN}", timeout=5)
                break
            except OSError:
                assert server.poll() is None, (folder / "server.log").read_text()
                time.sleep(0.5)
        yield FrontEnd(address, folder)
    finally:
        server.terminate()
        server.wait(20)
        log.close()


def run_all(page, url, *, timeout=120_000):
    """Open a notebook, run all its cells and wait until the kernel is idle again; errors in cells fail."""
    page.goto(url)
    page.locator(".jp-Notebook").first.wait_for()
    lab = "/lab/" in url
    # Cells that are run before the kernel is there are lost.
    if lab:
        page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
    else:
        page.locator('.jp-NotebookKernelStatus, [data-status="idle"]').first.wait_for(state="attached")
        page.wait_for_timeout(1500)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    running = page.locator(".jp-InputPrompt").filter(has_text="[*]")
    last = page.locator(".jp-CodeCell .jp-InputArea-prompt").last
    expect(last).not_to_have_text("[ ]:", timeout=timeout)
    expect(running).to_have_count(0, timeout=timeout)
    errors = page.locator(".jp-RenderedText[data-mime-type='application/vnd.jupyter.error']")
    assert errors.count() == 0, errors.first.inner_text()
