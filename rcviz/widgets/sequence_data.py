"""What the page of a sequence explorer is sent, and the name of a sequence."""

import json
from typing import Any

import numpy as np
import pandas as pd

from rcviz.widgets.data import block, finite
from rcviz.widgets.sequence_results import Question, SequenceResults

_ROWS = 12
"""Changes that the page lists."""


def key_of(question: Question) -> str:
    """Name a sequence with its changes, as the page does: by the text of JSON."""
    return json.dumps([question.sequence, question.allele, question.edits], separators=(",", ":"))


def pack_about(results: SequenceResults) -> dict[str, Any]:
    """Pack what stays the same."""
    return {
        "n_sequences": len(results.data),
        "length": results.data.length,
        "tasks": list(results.task_names),
        "models": list(results.models),
        "alleles": ["alternative"] if results.reference is None else ["alternative", "reference"],
        "region": list(results.region),
    }


def pack_bases(results: SequenceResults, sequence: int) -> dict[str, Any]:
    """Pack the bases of a sequence as given, and of its reference."""
    reference = results.reference
    return {
        "sequence": sequence,
        "alternative": block(results.data.codes[sequence], "u1"),
        "reference": None if reference is None else block(reference[sequence], "u1"),
    }


def pack_predictions(results: SequenceResults, question: Question) -> dict[str, Any]:
    """Pack the predictions of all models for all tasks, of the sequence and of its start."""
    models = {}
    codes, start = results.codes(question), results.start(question.sequence)
    for name, each in results.models.items():
        now, before = results.outputs(name, codes), results.outputs(name, start)
        threshold = None if each.threshold is None else float(each.scaled(np.array([each.threshold]))[0])
        models[name] = {
            "scale": each.scale,
            "unit": each.unit,
            "threshold": threshold,
            "limit": each.threshold,
            "outputs": _numbers(now),
            "now": _numbers(each.scaled(now)),
            "start": _numbers(each.scaled(before)),
            "start_outputs": _numbers(before),
        }
    return {"key": key_of(question), "models": models}


def pack_tracks(results: SequenceResults, question: Question) -> dict[str, Any]:
    """Pack attributions, and the hits of filters and of known motifs."""
    models = {}
    for name, each in results.models.items():
        split, bank = results.split(name, question), results.bank(name)
        own = each.own is not None and split.attributions is not None
        hits = [
            {"name": str(hit.filter), "start": hit.start, "end": hit.end, "strand": hit.strand, "size": hit.strength}
            for hit in results.filter_hits(name, question)
        ]
        models[name] = {
            "attributions": None if split.attributions is None else block(split.attributions),
            "no_attributions": split.no_attributions,
            "own": own,
            "unedited": own and bool(question.edits),
            "hits": hits,
            "layer": "" if isinstance(bank, str) else bank.layer,
            "no_filters": bank if isinstance(bank, str) else split.no_filters,
        }
    motifs = [
        {"name": hit.motif, "start": hit.start, "end": hit.end, "strand": hit.strand, "size": hit.p_value}
        for hit in results.motif_hits(results.codes(question))
    ]
    return {"key": key_of(question), "task": question.task, "models": models, "motifs": motifs}


def pack_mutations(results: SequenceResults, question: Question, names: list[str]) -> dict[str, Any]:
    """Pack the effects of all changes of one base by some models, and the changes that flip the decision."""
    models = {}
    for name in names:
        found, nearest = results.mutations(name, question), results.nearest(name, question)
        models[name] = {
            "effects": block(np.stack([found.forward[0], found.reverse[0]])),
            "flips": block(results.flip_mask(name, question), "u1"),
            "region": list(found.region),
            "nearest": [_row(row) for row in nearest.head(_ROWS).to_dict("records")],
        }
    return {"key": key_of(question), "task": question.task, "models": models}


def pack_visited(results: SequenceResults, questions: list[Question]) -> dict[str, Any]:
    """Pack everything about several sequences, for a page without a kernel."""
    return {
        key_of(question): {
            "bases": pack_bases(results, question.sequence),
            "predictions": pack_predictions(results, question),
            "tracks": pack_tracks(results, question),
            "mutations": pack_mutations(results, question, list(results.models)),
        }
        for question in questions
    }


def _row(row: dict[Any, Any]) -> dict[str, Any]:
    """One change: where, from which base to which, and both strands before and after."""
    return {
        "position": int(row["position"]),
        "from": row["reference"],
        "to": row["alternative"],
        "effects": [finite(row["forward"]), finite(row["reverse"])],
        "before": [finite(row["forward_before"]), finite(row["reverse_before"])],
        "after": [finite(row["forward_after"]), finite(row["reverse_after"])],
        "flips": [bool(row["flips_forward"]), bool(row["flips_reverse"])],
    }


def _numbers(values: np.ndarray) -> list[list[float | None]]:
    return [[finite(value) for value in strand] for strand in values.tolist()]


def sequence_label(table: pd.DataFrame, sequence: int, length: int) -> str:
    """Name of a sequence for people: its own, its place in the genome, or its number."""
    row = table.iloc[sequence]
    if "name" in table:
        return str(row["name"])[:60]
    if "chrom" in table and "start" in table:
        return f"{row['chrom']}:{row['start']}-{row['start'] + length}"
    return f"sequence {sequence}"
