"""rcviz variants: effects of the variants of a VCF on both strands, as a table."""

from pathlib import Path
from typing import Annotated

import typer

from rcviz._core.files import check_ending, check_target
from rcviz.cli.messages import answer, answering, records
from rcviz.cli.options import AsJson


def variants(
    model: Annotated[Path, typer.Argument(help="Model that rcviz train or save_model wrote.")],
    vcf: Annotated[Path, typer.Argument(help="VCF, plain, gzipped or bgzipped; genotypes are not read.")],
    fasta: Annotated[list[Path], typer.Argument(help="Genome in one or several FASTA files, may be gzipped.")],
    out: Annotated[Path, typer.Option(help="File to write: *.csv, *.tsv or *.parquet.")],
    task: Annotated[str | None, typer.Option(help="Only this task, by name or index; all by default.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Sequences that are computed at a time.")] = 500,
    as_json: AsJson = False,
) -> None:
    """Compare the alternative with the reference allele of every variant, on both strands.

    One row per allele and task: chrom, pos, id, ref, alt, task, the effect on the logit (or value) on each strand,
    their mean and their gap. Alleles that cannot be compared are left out and counted.

    Example: rcviz variants model.safetensors variants.vcf.gz genome.fa --out effects.parquet
    """
    with answering():
        from rcviz.analysis.variants import ENDINGS, save_variant_effects
        from rcviz.models.storage import load_model, read_model_card

        check_target(out, "the effects", inputs=[model, vcf, *fasta], ending=check_ending(out, ENDINGS))
        card = read_model_card(model)
        names = None if card is None else card.data.get("tasks")
        network = load_model(model)
        names = names if isinstance(names, list) and len(names) == network.config.n_tasks else None
        is_index = task is not None and task.isdecimal() and task not in (names or ())
        summary = save_variant_effects(
            network,
            vcf,
            fasta,
            out,
            task=int(task) if task is not None and is_index else task,
            task_names=names,
            batch_size=batch_size,
        )
        text = f"{summary.to_string(index=False, float_format='{:.4g}'.format)}\n\nWritten: {out}."
        answer(text, {"effects": out, "summary": records(summary)}, as_json=as_json)
