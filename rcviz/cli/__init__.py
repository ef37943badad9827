"""The command line: from peaks to an inspected model, the tutorials, and a demonstration on real data.

A command's file reads its arguments and prints and writes its results; the library does the work.
"""

import atexit
import gc
import os
import signal
import sys
import threading
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from rcviz.cli import compare, fetch, inspect, lab, predict, train, variants, windows
from rcviz.cli.messages import answering
from rcviz.cli.options import OnceCommand

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> bool:
    if asked:
        typer.echo(f"rcviz {version('rcviz')}")
        raise typer.Exit
    return asked


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Reverse-complement parameter sharing for DNA networks, to train, to inspect and to test.

    Your own peaks: rcviz windows, then rcviz train, then rcviz inspect and rcviz predict.

    Exit codes: 0 done; 1 external failure, such as a lost connection; 2 wrong input; 130 interrupted; 143 terminated.
    """
    # A scheduler sends SIGTERM before it ends a job: incomplete files are then removed as after Ctrl-C.
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    # Threads that wait in a busy loop slow down other processes, such as the browser beside the kernel: with one other
    # busy process on two cores, training was 15 times slower. It must be set before torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # At its end the interpreter would look for cycles among all objects: tenths of a second after torch was imported.
    atexit.register(gc.freeze)


@app.command(cls=OnceCommand)
def demo(
    out: Annotated[Path, typer.Option(help="Folder for models, tables, figures and the page.")] = Path("runs/demo"),
    epochs: Annotated[int, typer.Option(min=1, help="Epochs to train each model.")] = 16,
    seed: Annotated[int, typer.Option(help="Seed of the split, the weights and the order of the samples.")] = 0,
) -> None:
    """Train an RC and a standard model on real CTCF peaks and write the results as one page.

    Takes under two minutes on two cores; writes models, tables, figures and index.html, which needs no internet
    connection.

    Example: rcviz demo --out runs/demo
    """
    with answering():
        from rcviz.cli.demo import run_demo

        typer.echo(run_demo(out, epochs=epochs, seed=seed))


app.command(cls=OnceCommand)(fetch.fetch)
app.command(cls=OnceCommand)(windows.windows)
app.command(cls=OnceCommand)(train.train)
app.command(cls=OnceCommand)(predict.predict)
app.command(cls=OnceCommand)(variants.variants)
app.command(cls=OnceCommand)(inspect.inspect)
app.command(cls=OnceCommand)(compare.compare)
app.command(cls=OnceCommand, context_settings={"ignore_unknown_options": True})(lab.lab)
