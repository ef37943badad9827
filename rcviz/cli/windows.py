"""rcviz windows: a genome and peaks in, a dataset out (section 3.3)."""

from pathlib import Path
from typing import Annotated, Any

import typer

from rcviz._core.files import check_target
from rcviz.cli.messages import AsJson, answer, answering, records, several


def windows(
    out: Annotated[Path, typer.Argument(help="Dataset to write, by custom *.safetensors.")],
    fasta: Annotated[
        list[Path], typer.Option(help="Genome, plain, gzipped or bgzipped; once for each file if it has several.")
    ],
    peaks: Annotated[Path, typer.Option(help="Positives: narrowPeak, broadPeak or BED, may be gzipped.")],
    accessible: Annotated[Path | None, typer.Option(help="Accessible regions (DNase, ATAC), for negatives.")] = None,
    relaxed: Annotated[Path | None, typer.Option(help="Lenient peaks: what they overlap is no negative.")] = None,
    width: Annotated[int, typer.Option(help="Of a window, in bp.")] = 1000,
    n_relaxed: Annotated[int, typer.Option(min=1, help="How many of the relaxed peaks count, by signal.")] = 150_000,
    chromosomes: Annotated[str | None, typer.Option(help="The only ones to take, such as chr21,chr22.")] = None,
    negatives: Annotated[
        str | None,
        typer.Option(
            help="accessible, gc_matched, gc_and_repeats_matched, shuffled or none. By default accessible where "
            "there are accessible regions, else gc_matched."
        ),
    ] = None,
    negatives_per_positive: Annotated[float, typer.Option(help="How many to draw or to shuffle.")] = 1.0,
    overlapping: Annotated[
        str, typer.Option(help="Negatives that touch a positive: keep, drop_on_peak or drop_on_window.")
    ] = "keep",
    on_label_conflict: Annotated[
        str, typer.Option(help="A negative with the sequence of a positive, on either strand: raise or drop.")
    ] = "raise",
    max_n_share: Annotated[float, typer.Option(help="Windows with a larger share of N are dropped.")] = 0.0,
    task_name: Annotated[str | None, typer.Option(help="By default the name of the file of peaks.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of negatives that are drawn or shuffled.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Cut labelled windows around peaks and write them as one dataset; count every window that was not taken.

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
            chromosomes=several(chromosomes),
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
        told = (
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
        answer(told, values, as_json=as_json)


def _parts(chromosomes: list[str]) -> str:
    """Flags that divide by chromosome, where there are enough: neighbouring windows share sequence."""
    match chromosomes:
        case [train, valid]:
            return f" --train {train} --valid {valid}"
        case [*train, valid, test] if train:
            return f" --train {','.join(train)} --valid {valid} --test {test}"
    return ""


def _listed(counts: dict[str, Any]) -> str:
    return ", ".join(f"{reason.replace('_', ' ')} {n:,}" for reason, n in counts.items() if n or reason == "kept")
