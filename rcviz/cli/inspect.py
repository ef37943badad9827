"""rcviz inspect: a model and sequences in, the explorers in JupyterLab or one page out."""

import itertools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rcviz._core.files import atomic_write, check_target
from rcviz.cli.lab import check_jupyterlab, open_lab
from rcviz.cli.messages import AsJson, answer, answering, records, several

if TYPE_CHECKING:
    from rcviz.models.network import SequenceModel
    from rcviz.sequences.sequence_set import SequenceSet


def inspect(
    model: Annotated[Path, typer.Argument(help="Model that rcviz train or save_model wrote.")],
    data: Annotated[Path, typer.Argument(help="Dataset with labels, of the model's length.")],
    options: Annotated[list[str] | None, typer.Argument(help="After --, options for JupyterLab.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write one page instead; it needs no network.")] = None,
    chromosomes: Annotated[str | None, typer.Option(help="Only windows of these, such as chr22.")] = None,
    task: Annotated[str | None, typer.Option(help="The page's task, by name; by default the first.")] = None,
    as_json: AsJson = False,
) -> None:
    """Look into a model: its filters ranked, its strands, its palindromes.

    Writes a small notebook into this folder and opens JupyterLab on it, or with --html writes a page.

    Example: rcviz inspect model.safetensors ctcf.safetensors --html report.html
    """
    with answering():
        if html is not None:
            check_target(html, "the page", inputs=[model, data])
        elif task is not None:
            raise ValueError("--task chooses the task of the page: give --html as well, or choose it in the explorers")
        network, sequences = _load(model, data, several(chromosomes))
        if html is not None:
            _write_page(network, sequences, model, data, html, task, as_json=as_json)
            return
    check_jupyterlab()
    with answering():
        notebook = _write_notebook(model, data, several(chromosomes))
        told = f"Written: {notebook}. JupyterLab opens on it; end it with Ctrl-C."
        answer(told, {"notebook": notebook}, as_json=as_json)
    open_lab(notebook, options or [])


def _load(model: Path, data: Path, chromosomes: list[str] | None) -> "tuple[SequenceModel, SequenceSet]":
    from rcviz.models.storage import load_model
    from rcviz.sequences.sequence_set import SequenceSet

    network, sequences = load_model(model), SequenceSet.load(data, memory_map=True)
    wanted = network.config.sequence_length
    if sequences.length != wanted:
        raise ValueError(
            f"{model} reads sequences of {wanted:,} bp and those in {data} have {sequences.length:,}: cut windows of "
            f"that length (rcviz windows --width {wanted}), or train a model on these"
        )
    n_tasks = len(sequences.task_names)
    if n_tasks != network.config.n_tasks:
        raise ValueError(
            f"{model} gives {network.config.n_tasks} outputs a sequence and {data} has labels for {n_tasks} tasks: "
            f"give the labelled data that it was trained for"
        )
    if chromosomes is not None:
        known = sequences.table.get("chrom")
        present = [] if known is None else list(dict.fromkeys(known))
        for name in chromosomes:
            if name not in present:
                raise ValueError(
                    f"{data} has no windows of {name}; its chromosomes are: {', '.join(present) or 'none'}"
                )
        assert known is not None
        sequences = sequences.subset(known.isin(chromosomes).to_numpy())
    return network, sequences


def _write_page(
    network: "SequenceModel",
    sequences: "SequenceSet",
    model: Path,
    data: Path,
    path: Path,
    task: str | None,
    *,
    as_json: bool,
) -> None:
    from rcviz.cli.inspect_page import inspection

    index = 0 if task is None else sequences.task_index(task)
    chosen = "" if "chrom" not in sequences.table else f" on {', '.join(dict.fromkeys(sequences.table['chrom']))}"
    about = f"{model} and {len(sequences):,} sequences of {sequences.length:,} bp{chosen} from {data}."
    found = inspection(network, sequences, title=f"Inspection of {model.name}", about=about, task=index)
    with atomic_write(path) as temporary:
        temporary.write_text(found.page, encoding="utf-8")
    told = (
        f"{found.scores.to_string(index=False, float_format='{:.4f}'.format)}\n\n"
        f"Strands differ by up to {found.max_gap:.2g} in predicted probability, by {found.mean_gap:.2g} in the mean. "
        f"The top filter is {found.filters['filter'].iloc[0]}.\nWritten: {path} (open it in a browser)."
    )
    values: dict[str, Any] = {
        "page": path,
        "task": sequences.task_names[index],
        "n_sequences": len(sequences),
        "scores": records(found.scores),
        "max_gap": found.max_gap,
        "mean_gap": found.mean_gap,
        "filters": records(found.filters),
        "palindromes": records(found.palindromes),
    }
    answer(told, values, as_json=as_json)


def _write_notebook(model: Path, data: Path, chromosomes: list[str] | None) -> Path:
    """Write a notebook beside the person, and never over one that says anything else."""
    import nbformat

    from rcviz.models.card import code_span

    load = f"import rcviz\n\nmodel = rcviz.load_model({os.path.relpath(model)!r})\n"
    load += f"data = rcviz.SequenceSet.load({os.path.relpath(data)!r})"
    if chromosomes is not None:
        load += f'\ndata = data.subset(data.table["chrom"].isin({chromosomes!r}).to_numpy())'
    cells = [
        nbformat.v4.new_markdown_cell(
            f"# {code_span(model.stem)}\n\nRun all cells; choose filters and sequences in the explorers."
        ),
        *map(nbformat.v4.new_code_cell, [load, "rcviz.evaluate(model, data)", "rcviz.FilterExplorer(model, data)"]),
        nbformat.v4.new_code_cell(f"rcviz.StrandExplorer({{{model.stem!r}: model}}, data)"),
    ]
    for place, cell in enumerate(cells):
        cell["id"] = f"cell-{place}"  # the same files give the same notebook
    notebook = nbformat.v4.new_notebook(
        cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    )
    text = nbformat.writes(notebook)
    for number in itertools.count(1):
        path = Path(f"{model.stem}.inspect{'' if number == 1 else f'-{number}'}.ipynb")
        if not path.exists() or _sources(path) == [cell["source"] for cell in cells]:
            break
    if not path.exists():
        with atomic_write(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return path


def _sources(path: Path) -> list[str]:
    import nbformat

    try:
        return [cell["source"] for cell in nbformat.read(path, as_version=4).cells]
    except Exception:  # somebody else's file: whatever it is, it is left alone
        return []
