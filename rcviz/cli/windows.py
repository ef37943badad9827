"""rcviz windows: make a dataset from a genome and peaks (section 3.3)."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rcviz._core.files import check_target
from rcviz.cli.messages import answer, answering, records
from rcviz.cli.options import AsJson, Chromosomes, several

if TYPE_CHECKING:
    from rcviz.sequences.sequence_set import SequenceSet


def windows(
    out: Annotated[Path, typer.Argument(help="Dataset to write (*.safetensors).")],
    fasta: Annotated[list[Path], typer.Option(help="Genome, plain, gzipped or bgzipped; repeat for several files.")],
    peaks: Annotated[
        list[str],
        typer.Option(
            help="Positives: narrowPeak, broadPeak or BED, may be gzipped. Repeat for replicates; with names, as in "
            "--peaks CTCF=a.bed --peaks SPI1=b.bed, each name is a task."
        ),
    ],
    accessible: Annotated[Path | None, typer.Option(help="Accessible regions (DNase, ATAC) for the negatives.")] = None,
    relaxed: Annotated[
        Path | None, typer.Option(help="Lenient peaks; regions overlapping these are excluded from the negatives.")
    ] = None,
    width: Annotated[int, typer.Option(help="Width of a window, in bp.")] = 1000,
    exclude: Annotated[Path | None, typer.Option(help="Regions that no window may overlap (blacklist).")] = None,
    min_replicates: Annotated[
        int, typer.Option(min=1, help="Of replicates, use only peaks that are in this many of them.")
    ] = 1,
    values: Annotated[
        str | None,
        typer.Option(help="Labels that are values, for a regression: signal (of the peaks), or a bedGraph file."),
    ] = None,
    n_relaxed: Annotated[int, typer.Option(min=1, help="Use only this many relaxed peaks, by signal.")] = 150_000,
    chromosomes: Chromosomes = None,
    negatives: Annotated[
        str | None,
        typer.Option(
            help="accessible, gc_matched, gc_and_repeats_matched, shuffled or none. By default accessible if "
            "accessible regions are given, else gc_matched."
        ),
    ] = None,
    negatives_per_positive: Annotated[
        float | None,
        typer.Option(help="How many negatives to draw or to shuffle (default 1); of accessible regions (default all)."),
    ] = None,
    overlapping: Annotated[
        str, typer.Option(help="Negatives that overlap a positive: keep, drop_on_peak or drop_on_window.")
    ] = "keep",
    on_label_conflict: Annotated[
        str, typer.Option(help="A negative with the sequence of a positive, on either strand: raise or drop.")
    ] = "raise",
    max_n_share: Annotated[float, typer.Option(help="Drop windows with a larger share of N.")] = 0.0,
    task_name: Annotated[str | None, typer.Option(help="By default the name of the first peak file.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed for drawing or shuffling negatives.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Cut labelled windows around peaks, write them as one dataset, and count every window that was dropped.

    Example: rcviz windows --fasta chr21.fa.gz --fasta chr22.fa.gz --peaks CTCF.narrowPeak.gz ctcf.safetensors
    """
    with answering():
        from rcviz.genome.peak_sets import paths_of
        from rcviz.genome.windows import peak_windows

        sources = _sources(peaks)
        given = (accessible, relaxed, exclude, None if values in (None, "signal") else values)
        inputs = [*fasta, *paths_of(sources), *(path for path in given if path is not None)]
        check_target(out, "the dataset", inputs=inputs, ending=".safetensors")
        data = peak_windows(
            fasta,
            sources,
            accessible=accessible,
            relaxed=relaxed,
            exclude=exclude,
            min_replicates=min_replicates,
            values=values,
            width=width,
            n_relaxed=n_relaxed,
            chromosomes=several("--chromosomes", chromosomes),
            negatives=negatives,
            negatives_per_positive=negatives_per_positive,
            overlapping=overlapping,
            on_label_conflict=on_label_conflict,
            max_n_share=max_n_share,
            task_name=task_name,
            seed=seed,
            out=out,
        )
        summary, counts = data.summary(), data.provenance["counts"]
        text = (
            f"{summary.to_string(index=False, float_format='{:.3f}'.format)}\n\n"
            + "\n".join(f"{kind}: {_listed(numbers)}" for kind, numbers in counts.items())
            + f"\n\nWritten: {out}, {len(data):,} windows of {data.length:,} bp.\n"
            f"Next: {_next(data, out)}"
        )
        result = {
            "dataset": out,
            "n_sequences": len(data),
            "length": data.length,
            "summary": records(summary),
            "provenance": data.provenance,
        }
        answer(text, result, as_json=as_json)


def _sources(peaks: list[str]) -> Any:
    """Read ``--peaks``: one file, replicates, or NAME=FILE; a name that is repeated has replicates."""
    named: dict[str, list[str]] = {}
    for text in peaks:
        name, equals, path = text.partition("=")
        if not equals or not name or "/" in name or Path(text).exists():
            continue
        named.setdefault(name, []).append(path)
    n_named = sum(map(len, named.values()))
    if n_named not in (0, len(peaks)):
        raise ValueError("--peaks has some files with names and some without: write NAME=FILE for all of them")
    if named:
        return {name: paths[0] if len(paths) == 1 else paths for name, paths in named.items()}
    return peaks[0] if len(peaks) == 1 else peaks


def _next(data: "SequenceSet", out: Path) -> str:
    """Name the command that comes next: training needs both classes, or values."""
    labels = data.labels
    if data.label_kind == "binary" and labels is not None and not ((labels == 0).any(axis=0).all()):
        return (
            f"rcviz predict model.safetensors {out} --out predictions.bed, with a trained model. Training needs "
            f"negatives as well: run this command without --negatives none"
        )
    return f"rcviz train {out} --out model.safetensors{_parts(list(dict.fromkeys(data.table['chrom'])))}"


def _parts(chromosomes: list[str]) -> str:
    """Options to split by chromosome, if there are enough of them: neighbouring windows share sequence."""
    match chromosomes:
        case [train, valid]:
            return f" --train {train} --valid {valid}"
        case [*train, valid, test] if train:
            return f" --train {','.join(train)} --valid {valid} --test {test}"
    return ""


def _listed(counts: dict[str, Any]) -> str:
    return ", ".join(f"{reason.replace('_', ' ')} {n:,}" for reason, n in counts.items() if n or reason == "kept")
