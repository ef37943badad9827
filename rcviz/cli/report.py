"""rcviz report: tables in, the page about the paper and its pictures out."""

from pathlib import Path
from typing import Annotated

import typer

from rcviz.cli.messages import AsJson, answer, answering


def report(
    results: Annotated[Path, typer.Option(help="Folder of tables that rcviz experiment wrote.")] = Path("results"),
    docs: Annotated[Path, typer.Option(help="Folder for paper.md and pictures/paper/.")] = Path("docs"),
    readme: Annotated[
        Path | None, typer.Option(help="A page to put the verdicts into, between <!-- claims --> and its end.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Set every claim of the paper beside what was measured: a page, and every figure, made from the tables alone.

    The same tables give the same bytes; a figure that is not measured yet is named as such.

    Example: rcviz report --results quick_results --docs quick_report
    """
    with answering():
        from rcviz.experiments.report import write_report

        page, *pictures = write_report(results, docs, readme=readme)
        told = f"Written: {page} and {len(pictures)} pictures."
        answer(told, {"page": page, "pictures": pictures}, as_json=as_json)
