"""Numbers and names as they are sent to the page of an explorer: arrays as binary blocks, the rest as JSON."""

from collections.abc import Sequence
from dataclasses import fields
from itertools import chain
from operator import attrgetter
from typing import Any

import numpy as np
from jaxtyping import Float

KINDS = {"f4": "float32", "f2": "float16", "u1": "uint8", "i4": "int32"}
"""Types of blocks."""

TICKS = 300
"""Most sequences of a class whose contributions are drawn, per filter."""


def block(values: Any, kind: str = "f4") -> dict[str, Any]:
    """Pack an array as type, shape and bytes, little-endian."""
    array = np.ascontiguousarray(values, dtype=f"<{kind}")
    return {"type": KINDS[kind], "shape": list(array.shape), "data": array.reshape(-1).view(np.uint8).data}


def unpack(packed: dict[str, Any]) -> np.ndarray:
    """Read a block again."""
    return np.frombuffer(packed["data"], dtype=np.dtype(packed["type"]).newbyteorder("<")).reshape(packed["shape"])


def ticks(values: Float[np.ndarray, "sequences filters"]) -> Float[np.ndarray, "filters ticks"]:
    """Sort the contributions of each filter; of many, keep an even sample with the smallest and the largest."""
    ordered = np.sort(values, axis=0).T
    if ordered.shape[1] > TICKS:
        ordered = ordered[:, np.linspace(0, ordered.shape[1] - 1, TICKS).round().astype(int)]
    return ordered


def finite(value: float) -> float | None:
    """Return a number that JSON can hold, None for NaN."""
    return float(value) if np.isfinite(value) else None


SITE_BYTES = 4 << 20
"""Most bytes for the letters of all listed sites; of many filters, fewer sites are listed."""


def pack_scores(contributions: Any) -> dict[str, Any]:
    """Pack scores, means, and the contributions in each class."""
    every = contributions.per_sequence
    labelled = contributions.labels is not None
    positive = every[contributions.labels == 1] if labelled else every
    negative = every[contributions.labels == 0] if labelled else every[:0]
    return {
        "labelled": labelled,
        "scores": block(contributions.scores),
        "n_positive": len(positive),
        "n_negative": len(negative),
        "mean_positive": block(positive.mean(axis=0)),
        "mean_negative": block(negative.mean(axis=0)) if labelled else None,
        "positive": block(ticks(positive)),
        "negative": block(ticks(negative)) if labelled else None,
        "at": contributions.at,
    }


def pack_sites(sites: Any, contributions: Any, motifs: dict[int, Any], share: Any, table: Any) -> dict[str, Any]:
    """Pack the motif of each filter's sites, and its strongest sites with their places.

    Parameters
    ----------
    sites : ActivatingSites
    contributions : FilterContributions
        The contribution of each listed site's sequence is sent with it.
    motifs : dict of Motif
        Of the filters that have sites.
    share : ndarray (F,)
        Share of all sequences in which each filter fires.
    table : DataFrame
        One row per sequence, with its name or its genome coordinates, if there are any.
    """
    n, width = sites.n_filters, sites.width
    probabilities = np.full((n, 4, width), 0.25)
    for index, motif in motifs.items():
        probabilities[index] = motif.probabilities
    rows = [sites.sequences(index) for index in range(n)]
    counts = np.array([len(found) for found in rows])
    most = int(min(counts.max(initial=0), max(6, SITE_BYTES // (n * (width + 13)))))
    letters = np.full((n, most, width), 4, np.uint8)
    sequence, start = np.full((n, most), -1), np.zeros((n, most), int)
    reverse, activation, contribution = np.zeros((n, most), bool), np.zeros((n, most)), np.zeros((n, most))
    for index, found in enumerate(rows):
        listed = found[:most]
        here = slice(len(listed))
        letters[index, here] = sites.site_codes(index)[:most]
        sequence[index, here], start[index, here] = listed, sites.start[listed, index]
        reverse[index, here], activation[index, here] = sites.reverse[listed, index], sites.best[listed, index]
        contribution[index, here] = contributions.per_sequence[listed, index]
    used, number = np.unique(sequence[sequence >= 0], return_inverse=True)
    sequence[sequence >= 0] = number
    return {
        "counts": block(counts, "i4"),
        "motifs": block(probabilities),
        "firing": block(share),
        "letters": block(letters, "u1"),
        "sequence": block(sequence, "i4"),
        "start": block(start, "i4"),
        "reverse": block(reverse, "u1"),
        "activation": block(activation),
        "contribution": block(contribution),
        **places(used, table),
    }


def places(rows: Any, table: Any) -> dict[str, Any]:
    """Name of each sequence, its chromosome and where it starts there, as far as the data has them."""
    named = {key: table[key].iloc[rows].astype(str).tolist() for key in ("name", "chrom") if key in table}
    if "chrom" not in named or "start" not in table:
        return {"names": named.get("name"), "chrom": None, "origin": None, "index": block(rows, "i4")}
    origin = table["start"].iloc[rows].to_numpy()
    return {
        "names": named.get("name"),
        "chrom": named["chrom"],
        "origin": block(origin, "i4"),
        "index": block(rows, "i4"),
    }


def pack_names(names: Any, targets: list[Any], n_filters: int) -> dict[str, Any]:
    """Pack the known motifs that filters resemble, each once, and which of them each filter has."""
    by_name = {motif.name: motif for motif in targets}
    used = {name: place for place, name in enumerate(dict.fromkeys(names["motif"]))}
    rows: list[list[dict[str, Any]]] = [[] for _ in range(n_filters)]
    for row in names.to_dict("records"):
        entry = {key: row[key] for key in ("strand", "offset", "similarity", "p_value")}
        rows[int(row["filter"])].append({**entry, "motif": used[row["motif"]]})
    return {
        "n_targets": len(targets),
        "motifs": [
            {"id": name, "name": by_name[name].alternative_name or name, "matrix": block(by_name[name].probabilities)}
            for name in used
        ],
        "rows": rows,
    }


def pack_curve(name: str, note: str, records: Sequence[Any]) -> dict[str, Any]:
    """Pack the metrics of the epochs of one run, its name, and what it was of.

    Parameters
    ----------
    name, note : str
    records : sequence of EpochRecord
    """
    metrics = [field.name for field in fields(records[0].valid)] if records else []
    read = attrgetter(*metrics) if metrics else tuple  # curves are sent after every epoch
    splits = {"train": [record.train for record in records], "valid": [record.valid for record in records]}
    shape = len(records), len(metrics)
    return {
        "name": name,
        "note": note,
        "metrics": metrics,
        "best": records[-1].best_epoch if records else 0,
        "seconds": sum([record.seconds for record in records]),
        **{
            split: block(np.fromiter(chain.from_iterable(map(read, rows)), float).reshape(shape))
            for split, rows in splits.items()
        },
    }
