"""rcviz lab: JupyterLab with copies of the tutorials, or with a notebook that was written for a model."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, NoReturn
from urllib.parse import quote

import typer

from rcviz.cli.messages import answering
from rcviz.cli.tutorials import FOLDER, copy_tutorials

FIRST = "01_quickstart.ipynb"
ADDRESS = "--ServerApp.ip=localhost"
"""Used unless the command line has another address; settings in Jupyter's files are not read."""


def lab(options: Annotated[list[str] | None, typer.Argument(help="Options for JupyterLab.")] = None) -> None:
    """Open JupyterLab on the quickstart tutorial, and print its address.

    The tutorials are copied to ./rcviz-tutorials first. Changed tutorials are kept: the version of a newer rcviz is
    put beside them. JupyterLab is reachable from this machine only and asks for its token.

    Example: rcviz lab --no-browser --port 8890
    """
    check_jupyterlab()
    with answering():
        beside = copy_tutorials(Path(FOLDER))
    if beside:
        typer.echo(
            f"This rcviz has newer tutorials; yours were changed and are kept, the new ones were written beside them: "
            f"{', '.join(map(str, beside))}.",
            err=True,
        )
    typer.echo(f"The tutorials are in {Path(FOLDER).resolve()}: copies, which you may change.", err=True)
    open_lab(Path(FOLDER) / FIRST, options or [])


def check_jupyterlab() -> None:
    """Exit with a message if JupyterLab is not installed."""
    if importlib.util.find_spec("jupyterlab") is None:
        typer.echo('JupyterLab is not installed; run: pip install "rcviz[lab]"', err=True)
        raise typer.Exit(1)


def open_lab(notebook: Path, options: Sequence[str]) -> NoReturn:
    """Run JupyterLab on a notebook and exit with its exit code; SIGTERM also ends JupyterLab."""
    path = os.path.join(os.curdir, notebook)  # noqa: PTH118 - Path drops the dot, and a name with a dash is an option
    command = [sys.executable, "-m", "jupyterlab", path, *options]
    if not any(option.partition("=")[0] in ("--ip", ADDRESS.partition("=")[0]) for option in options):
        command.append(ADDRESS)
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")  # containers often have no other user
    server = subprocess.Popen(command)
    threading.Thread(target=_print_address, args=(server, notebook.name), daemon=True).start()
    with suppress(ValueError):  # only the main thread can handle signals
        signal.signal(signal.SIGTERM, lambda *_: server.terminate())
    while True:
        try:
            raise typer.Exit(server.wait())
        except KeyboardInterrupt:
            continue  # JupyterLab gets the interrupt, too; it asks and closes its kernels itself


def _print_address(server: Any, notebook: str) -> None:
    """Print where the notebook is, below what JupyterLab says while it starts: it prints the address of its folder."""
    from jupyter_core.paths import jupyter_runtime_dir

    started = time.time() - 1
    record = Path(jupyter_runtime_dir()) / f"jpserver-{server.pid}.json"
    while server.poll() is None:
        time.sleep(0.2)
        with suppress(OSError, ValueError):  # not there yet, or not complete
            if record.stat().st_mtime < started:  # of an earlier process with this number
                continue
            known = json.loads(record.read_text(encoding="utf-8"))
            time.sleep(2)
            token = f"?token={known['token']}" if known["token"] else ""
            typer.echo(f"\n{notebook} is at\n  {known['url']}lab/tree/{quote(notebook)}{token}\n", err=True)
            return
