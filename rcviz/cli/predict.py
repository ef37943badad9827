"""rcviz predict: predictions of a model for both strands of sequences, as a table or a BED file."""

from pathlib import Path
from typing import Annotated

import typer

from rcviz._core.checks import check_choice
from rcviz._core.files import check_ending, check_target
from rcviz.cli.messages import answer, answering, records
from rcviz.cli.options import AsJson


def predict(
    model: Annotated[Path, typer.Argument(help="Model that rcviz train or save_model wrote.")],
    data: Annotated[Path, typer.Argument(help="Dataset, or FASTA of sequences of the model's length, may be gzipped.")],
    out: Annotated[Path, typer.Option(help="File to write: *.csv, *.bed (data with coordinates) or *.parquet.")],
    output: Annotated[
        str | None, typer.Option(help="Scale: probability (default of classifiers), logit or value.")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Sequences that are predicted at a time.")] = 500,
    as_json: AsJson = False,
) -> None:
    """Predict sequences on both strands; files larger than memory are read and written block by block.

    One row per sequence and task: name, coordinates, label if known, the predictions for both strands, their mean and
    their gap.

    Example: rcviz predict model.safetensors windows.safetensors --out predictions.bed
    """
    with answering():
        from rcviz.analysis.prediction_files import ENDINGS, save_predictions
        from rcviz.models.storage import load_model, read_model_card

        check_target(out, "the predictions", inputs=[model, data], ending=check_ending(out, ENDINGS))
        if output is not None:
            check_choice("--output", output, ("probability", "logit", "value"))
        card = read_model_card(model)
        names = None if card is None else card.data.get("tasks")
        network = load_model(model)
        summary = save_predictions(
            network,
            data,
            out,
            output=output,  # type: ignore[arg-type]
            task_names=names if isinstance(names, list) and len(names) == network.config.n_tasks else None,
            batch_size=batch_size,
        )
        text = f"{summary.to_string(index=False, float_format='{:.4g}'.format)}\n\nWritten: {out}."
        answer(text, {"predictions": out, "summary": records(summary)}, as_json=as_json)
