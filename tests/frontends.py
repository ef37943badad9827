"""Real Jupyter front ends and a real Chromium, for the browser tests and the benchmarks."""

import importlib
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import expect

TOKEN = "browser-test"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")


# Soon after it was asked to end: to end by itself takes a kernel a second of computing.
KILL_KERNELS = "--KernelManager.shutdown_wait_time=0.2"
LAB_ARGUMENTS = (
    "--LabApp.expose_app_in_browser=True",  # as a variable of the page
    "--JupyterNotebookApp.expose_app_in_browser=True",
    "--LanguageServerManager.autodetect=False",
    KILL_KERNELS,
)

# Loading JupyterLab takes ten times as long as opening another notebook in its page.
OPEN_ANOTHER = """async (path) => {
  const { commands, shell } = window.jupyterapp;
  const before = [...shell.widgets("main")];
  await commands.execute("docmanager:open", { path });
  for (const widget of before) widget.dispose();
}"""


@dataclass(frozen=True)
class FrontEnd:
    """A running Jupyter server, which serves JupyterLab and Notebook 7."""

    address: str
    folder: Path

    @property
    def data(self):
        """Folder of the signatures of notebooks that are trusted."""
        return self.folder / ".data"

    def url(self, notebook, front_end="lab"):
        """Return the address of a notebook in ``"lab"`` or ``"notebook"`` (Notebook 7)."""
        # Without reset, JupyterLab opens the notebooks of earlier pages again.
        view, more = {"lab": ("lab/tree", "&reset"), "notebook": ("notebooks", "")}[front_end]
        return f"{self.address}/{view}/{notebook}?token={TOKEN}{more}"

    def stop_kernels(self):
        """Stop all kernels."""
        for session in self._ask("sessions"):
            self._ask(f"sessions/{session['id']}", "DELETE")

    def wait_for_kernel(self, notebook, *, seconds=60):
        """Wait until a page is connected to the kernel of a notebook: cells that are run before are lost."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            kernels = [session["kernel"] for session in self._ask("sessions") if session["path"] == notebook]
            if any(kernel["connections"] and kernel["execution_state"] == "idle" for kernel in kernels):
                return
            time.sleep(0.1)
        raise TimeoutError(f"the kernel of {notebook} did not start in {seconds} s")

    def _ask(self, what, method="GET"):
        headers = {"Authorization": f"token {TOKEN}"}
        request = urllib.request.Request(f"{self.address}/api/{what}", headers=headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or "null")


SHORT = {
    r"\bepochs=\d+": "epochs=2",
    r'"epochs": \d+': '"epochs": 1',
    r"\bepochs = \d+$": "epochs = 2",
    r'(\bsamples_per_epoch"?)(=|: )\d+': r"\1\g<2>400",
    r"\bseeds=\d+": "seeds=2",
    r"\bn_jobs=\d+": "n_jobs=1",
    r"^n_filters = \d+$": "n_filters = 2",
    r"^epochs, n_jobs = .*$": "epochs, n_jobs = 1, 1",
    r"^seeds, epochs, n_jobs = .*$": "seeds, epochs, n_jobs = 1, 1, 1",
    r'\bscale="quick", seeds=\d+': 'scale="quick", seeds=1',
    r'("fig6", .*)\barms="paper"': r'\1arms=["RC-16"]',  # of seven sizes
}
"""What makes a tutorial short: everything runs, little is learned."""


def short(code):
    """Return the code of a tutorial's cell with few epochs and seeds."""
    for long, brief in SHORT.items():
        code = re.sub(long, brief, code, flags=re.MULTILINE)
    return code


def __getattr__(name):
    """Import nbformat and nbclient when a test asks for them: a grammar that a validator builds takes two seconds."""
    if name not in ("nbformat", "nbclient"):
        raise AttributeError(name)
    return importlib.import_module(name)


def write_notebook(path, cells):
    """Write a notebook of code cells."""
    nbformat = importlib.import_module("nbformat")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3 (ipykernel)"}
    nbformat.write(notebook, path)


@contextmanager
def jupyter_server(folder):
    """Run a Jupyter server on a folder."""
    settings = folder / ".settings" / "@jupyterlab" / "notebook-extension"
    settings.mkdir(parents=True)
    # By default, cells outside the visible part are not in the page.
    (settings / "tracker.jupyterlab-settings").write_text(json.dumps({"windowingMode": "none"}))
    news = settings.parent / "apputils-extension"
    news.mkdir()
    (news / "notification.jupyterlab-settings").write_text(json.dumps({"fetchNews": "false"}))
    port = free_port()
    command = ["jupyter", "lab", "--no-browser", "--allow-root", f"--port={port}", "--ip=127.0.0.1", *LAB_ARGUMENTS]
    more = {"JUPYTER_TOKEN": TOKEN, "JUPYTERLAB_SETTINGS_DIR": str(folder / ".settings")}
    running = FrontEnd(f"http://127.0.0.1:{port}", folder)
    running.data.mkdir()
    more["JUPYTER_DATA_DIR"] = str(running.data)
    with serving(command, port, folder, more):
        yield running


def free_port():
    """Return a port that nobody uses."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def serving(command, port, folder, environment):
    """Run a module of Python as a server in a folder, from when its port answers."""
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=folder,
            env={**os.environ, **environment},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            for _ in range(600):
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=5).close()
                    break
                except OSError:
                    assert server.poll() is None, (folder / "server.log").read_text()
                    time.sleep(0.1)
            yield
        finally:
            server.terminate()
            server.wait(60)


def open_notebook(page, server, notebook, front_end="lab"):
    """Open a notebook, in the JupyterLab of the page if there is one: it closes what was open there."""
    if front_end == "lab" and page.url.startswith(f"{server.address}/lab"):
        page.evaluate(OPEN_ANOTHER, notebook)
    else:
        page.goto(server.url(notebook, front_end))
    page.locator(".jp-Notebook").first.wait_for()


def run_all(page, server, notebook, front_end="lab", *, timeout=120_000):
    """Open a notebook that was not run yet, run all its cells and wait for them; fail if a cell raised an error."""
    open_notebook(page, server, notebook, front_end)
    server.wait_for_kernel(notebook)
    page.evaluate("void window.jupyterapp.commands.execute('notebook:run-all-cells')")
    running = page.locator(".jp-InputPrompt").filter(has_text="[*]")
    last = page.locator(".jp-CodeCell .jp-InputArea-prompt").last
    expect(last).not_to_have_text("[ ]:", timeout=timeout)
    expect(running).to_have_count(0, timeout=timeout)
    errors = page.locator(".jp-RenderedText[data-mime-type='application/vnd.jupyter.error']")
    assert errors.count() == 0, errors.first.inner_text()


def run_cell(page, code):
    """Run one more cell of a notebook, without waiting for it."""
    page.evaluate("document.activeElement.blur()")  # a cell that is active keeps the focus inside
    page.locator(".jp-CodeCell .jp-InputPrompt").last.click()  # not its output, which has keys of its own
    page.keyboard.press("b")
    page.keyboard.press("Enter")
    page.keyboard.insert_text(code)
    page.keyboard.press("Control+Enter")


def end_kernels(page, server):
    """Stop all kernels, and let JupyterLab look for them at once: by itself it does every ten seconds."""
    server.stop_kernels()
    page.evaluate("window.jupyterapp.serviceManager.sessions.refreshRunning()")
