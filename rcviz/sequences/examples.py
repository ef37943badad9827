"""Labelled sequences that ship with the package, for examples and tests."""

import difflib
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Any

import numpy as np

from rcviz.sequences.fasta import FastaRecords, parse_coordinates, read_records
from rcviz.sequences.sequence_set import SequenceSet

if TYPE_CHECKING:
    import pandas as pd


_EXAMPLES: dict[str, dict[str, Any]] = {
    "ctcf": {
        "description": "CTCF binding in GM12878: the 500 strongest ChIP-seq peaks against GC-matched windows of chr21",
        "files": ["gm12878_ctcf_top500_200bp.fa.gz", "hg19_chr21_gc_matched_200bp.fa.gz"],  # positives, negatives
        "n_sequences": 2_500,
        "length": 200,
        "tasks": "CTCF",
        "assembly": "hg19",
        "source": "peaks from gimmemotifs 0.18.4 (ENCODE), background from UCSC hg19 through CIRCexplorer2 2.2.2",
        "licence": "MIT (peaks); genome sequence free for any use",
    }
}


def load_example(name: str) -> SequenceSet:
    """Load a bundled example.

    Parameters
    ----------
    name : str
        One of :func:`list_examples`. "ctcf" has 500 bound sequences of 200 bp and 2,000 unbound ones.

    Returns
    -------
    SequenceSet
        Positives first, with names, coordinates and provenance.

    Raises
    ------
    ValueError
        When there is no such example; the error suggests one.

    Examples
    --------
    >>> import rcviz
    >>> data = rcviz.load_example("ctcf")
    >>> len(data), data.length, len(data.positives())
    (2500, 200, 500)
    """
    if name not in _EXAMPLES:
        nearest = difflib.get_close_matches(name.casefold(), _EXAMPLES, n=1) or list(_EXAMPLES)
        raise ValueError(f"there is no example {name!r}: did you mean {', '.join(map(repr, nearest))}?")
    example = _EXAMPLES[name]
    positives, negatives = map(_read, example["files"])
    names = positives.names + negatives.names
    coordinates = parse_coordinates(names, example["length"])
    return SequenceSet(
        positives.sequences + negatives.sequences,
        np.repeat([1, 0], [len(positives.names), len(negatives.names)]),
        task_names=[example["tasks"]],
        names=names,
        **(coordinates._asdict() if coordinates else {}),
        provenance={
            "source": "load_example",
            "name": name,
            "origin": example["source"],
            **{key: example[key] for key in ("description", "files", "assembly", "licence")},
        },
    )


def list_examples() -> "pd.DataFrame":
    """List the bundled examples.

    Returns
    -------
    DataFrame, one row per example
        ``name``, ``description``, ``n_sequences``, ``length`` (bp), ``tasks``, ``source``, ``licence``.

    Examples
    --------
    >>> import rcviz
    >>> rcviz.list_examples()["name"].tolist()
    ['ctcf']
    """
    import pandas as pd

    listed = ["name", "description", "n_sequences", "length", "tasks", "source", "licence"]
    return pd.DataFrame([{"name": name, **example} for name, example in _EXAMPLES.items()])[listed]


def _read(file_name: str) -> FastaRecords:
    with as_file(files("rcviz") / "data" / file_name) as path:
        return read_records(path)
