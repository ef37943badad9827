"""rcviz inspect: look at a trained model, in the explorers in JupyterLab or as one page."""

import os
from html import escape as html_escape
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rcviz._core.files import atomic_write, check_target
from rcviz.cli.lab import check_jupyterlab, open_lab
from rcviz.cli.messages import answer, answering, records
from rcviz.cli.model_data import ChosenPart, choose_part, load_for
from rcviz.cli.options import AsJson, Chromosomes, several

_PALINDROME_COLUMNS = [
    *("filter", "palindromicity", "center", "p_value", "verdict", "sequences", "fires_in"),
    *("n_sites", "loss", "loss_low", "loss_high", "balance"),
]

if TYPE_CHECKING:
    from rcviz.models.network import SequenceModel


def inspect(
    model: Annotated[Path, typer.Argument(help="Model that rcviz train or save_model wrote.")],
    data: Annotated[Path, typer.Argument(help="Dataset with labels, of the model's length.")],
    options: Annotated[list[str] | None, typer.Argument(help="After --, options for JupyterLab.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write one page instead; it needs no internet connection.")] = None,
    part: Annotated[
        str | None,
        typer.Option(help="Part of the model's own data: test (default), valid, train or all; of other data all."),
    ] = None,
    chromosomes: Chromosomes = None,
    task: Annotated[str | None, typer.Option(help="The page's task, by name; by default the first.")] = None,
    as_json: AsJson = False,
) -> None:
    """Inspect a model: its filters ranked, its strands, its palindromes, on the test part of its own data.

    Writes a small notebook into this folder and opens JupyterLab on it, or with --html writes a page.

    Example: rcviz inspect model.safetensors ctcf.safetensors --html report.html
    """
    with answering():
        if html is not None:
            check_target(html, "the page", inputs=[model, data])
        elif task is not None:
            raise ValueError("--task chooses the task of the page: give --html as well, or choose it in the explorers")
        network, sequences = load_for(model, data)
        chosen = choose_part(model, data, sequences, part, several("--chromosomes", chromosomes))
        if html is not None:
            write_page(network, chosen, model, data, html, task, as_json=as_json)
            return
    check_jupyterlab()
    with answering():
        notebook = _write_notebook(model, data, chosen)
        text = f"{chosen.sentence}\nWritten: {notebook}. JupyterLab opens it; stop JupyterLab with Ctrl-C."
        answer(text, {"notebook": notebook}, as_json=as_json)
    open_lab(notebook, options or [])


def write_page(
    network: "SequenceModel",
    chosen: ChosenPart,
    model: Path,
    data: Path,
    path: Path,
    task: str | None,
    *,
    as_json: bool,
) -> None:
    """Write metrics, strands, filters and palindromes as one page, with a progress bar on standard error."""
    from tqdm.auto import tqdm

    from rcviz.analysis.palindromes import palindromes
    from rcviz.analysis.strands import strand_agreement
    from rcviz.models.network import count_parameters
    from rcviz.plots import page
    from rcviz.training.loop import evaluate
    from rcviz.widgets.explorer import WIDE_PAGE
    from rcviz.widgets.filters import FilterExplorer

    sequences = chosen.sequences
    index = 0 if task is None else sequences.task_index(task)
    name = sequences.task_names[index]
    with tqdm(total=5, unit="step", desc="metrics") as bar:
        metrics = evaluate(network, sequences)
        _advance(bar, "strands")
        agreement = strand_agreement(network, sequences)
        gap = agreement.gap[:, index]
        _advance(bar, "filters")
        explorer = FilterExplorer(network, sequences, task=index)
        _advance(bar, "palindromes")
        judged = palindromes(network, sequences)
        ranked = judged.table.sort_values("palindromicity", ascending=False, kind="stable")
        _advance(bar, "motif names")
        filters = explorer.html_parts()
        bar.update()
    on = "" if "chrom" not in sequences.table else f" on {', '.join(dict.fromkeys(sequences.table['chrom']))}"
    scales = {"probability": "probabilities", "logit": "logits", "value": "values"}[agreement.scale]
    gaps = f"by up to {gap.max():.2g}, by {gap.mean():.2g} on average"
    parts = [
        WIDE_PAGE,
        "<style>figure { width: fit-content; }</style>",
        page.paragraph(
            f"{model} ({network.config.architecture}, {network.config.n_filters} filters, "
            f"{count_parameters(network):,} parameters); {len(sequences):,} sequences of {sequences.length:,} bp{on} "
            f"from {data}."
        ),
        page.heading("Metrics"),
        page.paragraph(chosen.sentence),
        page.table(metrics),
        page.heading("Strands"),
        page.paragraph(f"The {scales} of {name} for a sequence and its reverse complement differ {gaps}."),
        page.result(agreement, "Predictions for both strands (Figure 4).", (5.2, 5.8), task=index, task_name=name),
        page.heading("Filters"),
        *filters,
        page.heading("Palindromes"),
        page.paragraph(
            "Most palindromic first. genuine: the sites are palindromes; hybrid: the filter holds both strands of one "
            "motif; low complexity: it reads a repeat or a composition; inactive: it never fires; unknown: too few "
            "sites exceed chance. sequences: where its sites were taken; fires_in: share of all sequences in which "
            "it fires; loss: share of the sites' information that a self-complementary motif loses, with its 90% "
            "interval; balance: weight of the motif's weaker strand in the filter."
        ),
        f'<div style="overflow-x: auto">{page.table(ranked[_PALINDROME_COLUMNS], digits=3)}</div>',
        page.result(judged, "The most palindromic filter above its reverse complement (Figure 5).", (6.4, 3.4)),
    ]
    with atomic_write(path) as temporary:
        temporary.write_text(page.html_page(f"Inspection of {model.name}", parts), encoding="utf-8")
    table = explorer.table
    explorer.close()
    text = (
        f"{chosen.sentence}\n\n{metrics.to_string(index=False, float_format='{:.4f}'.format)}\n\n"
        f"The {scales} of the two strands differ {gaps}. The top filter is {table['filter'].iloc[0]}.\n"
        f"Written: {path} (open it in a browser)."
    )
    values: dict[str, Any] = {
        "page": path,
        "task": name,
        "n_sequences": len(sequences),
        "sequences": chosen.sentence,
        "metrics": records(metrics),
        "scale": agreement.scale,
        "max_gap": float(gap.max()),
        "mean_gap": float(gap.mean()),
        "filters": records(table),
        "palindromes": records(ranked),
    }
    answer(text, values, as_json=as_json)


def _advance(bar: Any, step: str) -> None:
    bar.update()
    bar.set_description(step)


def _write_notebook(model: Path, data: Path, chosen: ChosenPart) -> Path:
    """Write a notebook into the working folder, without replacing one of other contents."""
    import nbformat

    from rcviz.models.card import code_span

    load = f"import rcviz\n\nmodel = rcviz.load_model({os.path.relpath(model)!r})\n"
    load += f"data = rcviz.SequenceSet.load({os.path.relpath(data)!r})"
    load += chosen.code
    cells = [
        nbformat.v4.new_markdown_cell(
            f"# {code_span(model.stem)}\n\nRun all cells; choose filters and sequences in the explorers.\n\n"
            f"{html_escape(chosen.sentence)}"
        ),
        *map(nbformat.v4.new_code_cell, [load, "rcviz.evaluate(model, data)", "rcviz.FilterExplorer(model, data)"]),
        nbformat.v4.new_code_cell(f"rcviz.StrandExplorer({{{model.stem!r}: model}}, data)"),
    ]
    for place, cell in enumerate(cells):
        cell["id"] = f"cell-{place}"  # the same files give the same notebook
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    path, number = Path(f"{model.stem}.inspect.ipynb"), 1
    while path.exists() and _sources(path) != [cell["source"] for cell in cells]:
        number += 1
        path = Path(f"{model.stem}.inspect-{number}.ipynb")
    if not path.exists():
        with atomic_write(path) as temporary:
            temporary.write_text(nbformat.writes(notebook), encoding="utf-8")
    return path


def _sources(path: Path) -> list[str]:
    import nbformat

    try:
        return [cell["source"] for cell in nbformat.read(path, as_version=4).cells]
    except Exception:  # a file that is not a notebook written by this command is not replaced
        return []
