"""rcviz lab: JupyterLab, on copies of the tutorials or on a notebook that was written for a model."""

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from rcviz.cli.messages import answering
from rcviz.cli.tutorials import FOLDER, copy_tutorials

FIRST = "01_quickstart.ipynb"
ADDRESS = "--ServerApp.ip=localhost"
"""Unless the person's own options say otherwise; a setting in Jupyter's files does not count."""


def lab(options: Annotated[list[str] | None, typer.Argument(help="Options for JupyterLab.")] = None) -> None:
    """Open JupyterLab on the quickstart tutorial.

    The tutorials are copied to ./rcviz-tutorials first. What was changed there is kept: a tutorial that a newer rcviz
    brings is put beside it. JupyterLab listens on this machine alone and asks for its token.

    Example: rcviz lab --no-browser --port 8890
    """
    check_jupyterlab()
    with answering():
        beside = copy_tutorials(Path(FOLDER))
    if beside:
        typer.echo(
            f"This rcviz has newer tutorials; yours were changed and are kept, and the new ones stand beside them: "
            f"{', '.join(map(str, beside))}.",
            err=True,
        )
    open_lab(Path(FOLDER) / FIRST, options or [])


def check_jupyterlab() -> None:
    """End with a sentence when JupyterLab is missing."""
    if importlib.util.find_spec("jupyterlab") is None:
        typer.echo('JupyterLab is not installed; run: pip install "rcviz[lab]"', err=True)
        raise typer.Exit(1)


def open_lab(notebook: Path, options: Sequence[str]) -> NoReturn:
    """Run JupyterLab on a notebook, and end as it does and when this process is told to end."""
    path = os.path.join(os.curdir, notebook)  # noqa: PTH118 - Path drops the dot, and a name with a dash is an option
    command = [sys.executable, "-m", "jupyter", "lab", path, *options]
    if not any(option.partition("=")[0] in ("--ip", ADDRESS.partition("=")[0]) for option in options):
        command.append(ADDRESS)
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")  # in a container there is often nobody else
    server = subprocess.Popen(command)
    with suppress(ValueError):  # only the main thread hears signals
        signal.signal(signal.SIGTERM, lambda *_: server.terminate())
    while True:
        try:
            raise typer.Exit(server.wait())
        except KeyboardInterrupt:
            continue  # JupyterLab got the interrupt too; it asks, and closes its kernels, by itself
