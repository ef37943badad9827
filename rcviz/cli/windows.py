"""rcviz windows: make a dataset from a genome and peaks (section 3.3)."""

from pathlib import Path
from typing import Annotated, Any

import typer

from rcviz._core.files import check_target
from rcviz.cli.messages import answer, answering, records
from rcviz.cli.options import AsJson, several


def windows(
    out: Annotated[Path, typer.Argument(help="Dataset to write (*.safetensors).")],
    fasta: Annotated[list[Path], typer.Option(help="Genome, plain, gzipped or bgzipped; repeat for several files.")],
    peaks: Annotated[Path, typer.Option(help="Positives: narrowPeak, broadPeak or BED, may be gzipped.")],
    accessible: Annotated[Path | None, typer.Option(help="Accessible regions (DNase, ATAC) for the negatives.")] = None,
    relaxed: Annotated[
        Path | None, typer.Option(help="Lenient peaks; regions overlapping these are excluded from the negatives.")
    ] = None,
    width: Annotated[int, typer.Option(help="Width of a window, in bp.")] = 1000,
    n_relaxed: Annotated[int, typer.Option(min=1, help="Use only this many relaxed peaks, by signal.")] = 150_000,
    chromosomes: Annotated[str | None, typer.Option(help="Use only these chromosomes, such as chr21,chr22.")] = None,
    negatives: Annotated[
        str | None,
        typer.Option(
            help="accessible, gc_matched, gc_and_repeats_matched, shuffled or none. By default accessible if "
            "accessible regions are given, else gc_matched."
        ),
    ] = None,
    negatives_per_positive: Annotated[float, typer.Option(help="How many negatives to draw or to shuffle.")] = 1.0,
    overlapping: Annotated[
        str, typer.Option(help="Negatives that overlap a positive: keep, drop_on_peak or drop_on_window.")
    ] = "keep",
    on_label_conflict: Annotated[
        str, typer.Option(help="A negative with the sequence of a positive, on either strand: raise or drop.")
    ] = "raise",
    max_n_share: Annotated[float, typer.Option(help="Drop windows with a larger share of N.")] = 0.0,
    task_name: Annotated[str | None, typer.Option(help="By default the name of the peak file.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed for drawing or shuffling negatives.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Cut labelled windows around peaks, write them as one dataset, and count every window that was dropped.

    Example: rcviz windows --fasta chr21.fa.gz --fasta chr22.fa.gz --peaks CTCF.narrowPeak.gz ctcf.safetensors
    """
    with answering():
        from rcviz.genome.windows import peak_windows

        inputs = [*fasta, *(path for path in (peaks, accessible, relaxed) if path is not None)]
        check_target(out, "the dataset", inputs=inputs, ending=".safetensors")
        data = peak_windows(
            fasta,
            peaks,
            accessible=accessible,
            relaxed=relaxed,
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
            f"Next: rcviz train {out} --out model.safetensors{_parts(list(dict.fromkeys(data.table['chrom'])))}"
        )
        values = {
            "dataset": out,
            "n_sequences": len(data),
            "length": data.length,
            "summary": records(summary),
            "provenance": data.provenance,
        }
        answer(text, values, as_json=as_json)


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
