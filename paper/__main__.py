"""The command line of the study: python -m paper fig3 --scale quick, python -m paper report."""

import argparse
import sys
import warnings
from pathlib import Path

import pandas as pd

from paper.tables import FOLDER, by_figure, read_results, write_tables
from rcviz.cli.options import seed_list

HELP = """\
Train the arms of figures of the paper and write what was measured as tables, or write the page about the paper.

Every finished training is kept in the store and never done again; after an interruption the same command goes on.

  python -m paper fig3 --scale quick --seeds 2          minutes, needs no data
  python -m paper fig3 --seeds 10                       the paper's own numbers
  python -m paper matched --seeds 10                    sharing and its rivals with the same heads
  python -m paper fig4 fig6 fig7 --data windows         ChIP-seq data: windows/CTCF.safetensors and so on
  python -m paper report --readme README.md             docs/paper.md, its pictures, the README's table of claims
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code: 0 done, 1 some trainings failed, 2 wrong input."""
    options = _parser().parse_args(arguments)
    try:
        return _report(options) if options.what == ["report"] else _figures(options)
    except (ValueError, FileNotFoundError) as error:
        print(f"paper: {error}", file=sys.stderr)  # noqa: T201
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m paper", None, HELP, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "what", nargs="+", help="report, or figures: fig2 to fig6, fig7a, fig7b, fig7 (both), choices,\nmatched"
    )
    trained = parser.add_argument_group("figures")
    trained.add_argument("--scale", default="paper", help="paper (default), or quick: the same shape in minutes")
    trained.add_argument("--seeds", default="10", help="how many from 0 on (default 10), or which, such as 0,3,4")
    trained.add_argument("--arms", action="append", help="all (default), paper (no rivals), or a name; repeatable")
    trained.add_argument("--data", type=Path, help="folder with CTCF.safetensors and so on, made by rcviz windows")
    trained.add_argument("--store", type=Path, help="folder of the records (default runs/paper/store)")
    trained.add_argument("--out", type=Path, help="folder for the tables (default runs/paper/tables_SCALE)")
    trained.add_argument("--epochs", type=int, help="most epochs, instead of those of the scale")
    trained.add_argument("--jobs", type=int, help="trainings at a time (default: one per core)")
    trained.add_argument("--device", default="cpu", help="cpu (default), cuda, cuda:N or mps")
    page = parser.add_argument_group("report")
    page.add_argument("--results", type=Path, default=FOLDER, help="folder of tables (default paper/results)")
    page.add_argument("--docs", type=Path, default=Path("docs"), help="folder for paper.md and pictures/paper/")
    page.add_argument("--readme", type=Path, help="a page whose table of claims is written anew")
    return parser


def _figures(options: argparse.Namespace) -> int:
    from paper.run import run_figures
    from rcviz.sweeps.runner import FailedRunsWarning

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", FailedRunsWarning)
        trainings = run_figures(
            options.what,
            scale=options.scale,
            seeds=seed_list(options.seeds),
            arms=options.arms[0] if options.arms and len(options.arms) == 1 else options.arms or "all",
            data=options.data,
            store=options.store,
            epochs=options.epochs,
            device=options.device,
            n_jobs=options.jobs,
        )
    for warning in caught:
        print(f"paper: {warning.message}", file=sys.stderr)  # noqa: T201
    written = write_tables(trainings, options.out or Path(f"runs/paper/tables_{options.scale}"))
    print(f"{_summary(trainings)}\n\nWritten: {', '.join(map(str, written))}.")  # noqa: T201
    return int(any(issubclass(warning.category, FailedRunsWarning) for warning in caught))


def _report(options: argparse.Namespace) -> int:
    from paper.report import write_report

    page, *pictures = write_report(read_results(options.results), options.docs, readme=options.readme)
    print(f"Written: {page} and {len(pictures)} pictures.")  # noqa: T201
    return 0


def _summary(trainings: dict[str, pd.DataFrame]) -> str:
    """Return every arm's mean over seeds."""
    metrics = ["valid_auroc", "valid_auprc", "test_auroc", "gap_max", "wall_seconds"]
    tables = {name: table for name, table in by_figure(trainings).items() if name.endswith("_runs")}
    means = [
        table.groupby(["arm", "dataset", "fraction"], sort=False)[metrics].mean().reset_index().assign(figure=name)
        for name, table in tables.items()
    ]
    table = pd.concat(means).assign(figure=lambda rows: rows["figure"].str.removesuffix("_runs"))
    return str(table[["figure", *table.columns[:-1]]].to_string(index=False, float_format="{:.4g}".format))


if __name__ == "__main__":
    sys.exit(main())
