"""rcviz lab: JupyterLab, on the tutorials or on a notebook that was written for a model."""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer

TUTORIALS = Path("rcviz-tutorials")
FIRST = "01_quickstart.ipynb"


def lab(options: Annotated[list[str] | None, typer.Argument(help="Options for JupyterLab.")] = None) -> None:
    """Open JupyterLab on the quickstart tutorial.

    In a checkout the tutorials open in place; elsewhere they are copied to ./rcviz-tutorials first, and what is
    already there is kept.

    Example: rcviz lab --no-browser --port 8890
    """
    check_jupyterlab()
    open_lab(_tutorials() / FIRST, options or [])


def check_jupyterlab() -> None:
    """End with a sentence when JupyterLab is missing."""
    if importlib.util.find_spec("jupyterlab") is None:
        typer.echo('JupyterLab is not installed; run: pip install "rcviz[lab]"', err=True)
        raise typer.Exit(1)


def open_lab(notebook: Path, options: Sequence[str]) -> NoReturn:
    """Run JupyterLab on a notebook, and end as it does."""
    command = [sys.executable, "-m", "jupyter", "lab", str(notebook), *options]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")  # in a container there is often nobody else
    server = subprocess.Popen(command)
    while True:
        try:
            raise typer.Exit(server.wait())
        except KeyboardInterrupt:
            continue  # JupyterLab got the interrupt too; it asks, and closes its kernels, by itself


def _tutorials() -> Path:
    package = Path(__file__).parents[1]
    if (package.parent / "notebooks" / FIRST).exists() and (package.parent / "pyproject.toml").exists():
        return package.parent / "notebooks"
    TUTORIALS.mkdir(exist_ok=True)
    for notebook in sorted((package / "notebooks").rglob("*.ipynb")):
        copy = TUTORIALS / notebook.relative_to(package / "notebooks")
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(notebook, copy)
    return TUTORIALS
