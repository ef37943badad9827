"""The command line: open the tutorials, or see what rcviz does on real data in two minutes."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

TUTORIALS = Path("rcviz-tutorials")
FIRST = "01_quickstart.ipynb"


@app.callback()
def main() -> None:
    """Reverse-complement parameter sharing for DNA networks, to train, to see and to check."""
    # Threads that wait in a busy loop starve whatever else runs, such as the browser beside the kernel: with one other
    # busy process on two cores, training was 15 times slower. It must be set before torch loads.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@app.command(context_settings={"ignore_unknown_options": True})
def lab(options: Annotated[list[str] | None, typer.Argument(help="Options for JupyterLab.")] = None) -> None:
    """Open JupyterLab on the quickstart tutorial.

    In a checkout the tutorials open in place; elsewhere they are copied to ./rcviz-tutorials first, and what is
    already there is kept.

    Example: rcviz lab --no-browser --port 8890
    """
    if importlib.util.find_spec("jupyterlab") is None:
        typer.echo('JupyterLab is not installed; run: pip install "rcviz[lab]"', err=True)
        raise typer.Exit(1)
    command = [sys.executable, "-m", "jupyter", "lab", str(_tutorials() / FIRST), *(options or [])]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")  # in a container there is often nobody else
    server = subprocess.Popen(command)
    while True:
        try:
            raise typer.Exit(server.wait())
        except KeyboardInterrupt:
            continue  # JupyterLab got the interrupt too; it asks, and closes its kernels, by itself


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for models, tables, figures and the page.")] = Path("runs/demo"),
    epochs: Annotated[int, typer.Option(min=1, help="Epochs to train each model.")] = 30,
    seed: Annotated[int, typer.Option(help="Of the split, the starting weights and the order of the samples.")] = 0,
) -> None:
    """Train an RC and a standard model on real CTCF peaks and write what they learned as one page.

    Takes under two minutes on two cores; writes models, tables and figures, and index.html, which needs no network.

    Example: rcviz demo --out runs/demo
    """
    from rcviz.demo import run_demo

    typer.echo(run_demo(out, epochs=epochs, seed=seed))


def _tutorials() -> Path:
    package = Path(__file__).parent
    if (package.parent / "notebooks" / FIRST).exists() and (package.parent / "pyproject.toml").exists():
        return package.parent / "notebooks"
    TUTORIALS.mkdir(exist_ok=True)
    for notebook in sorted((package / "notebooks").rglob("*.ipynb")):
        copy = TUTORIALS / notebook.relative_to(package / "notebooks")
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(notebook, copy)
    return TUTORIALS
