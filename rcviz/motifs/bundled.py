"""The motifs that ship with the package, by name."""

import difflib
from collections.abc import Iterator
from functools import cache
from importlib.resources import as_file, files
from typing import TYPE_CHECKING

from rcviz._core.checks import check_text
from rcviz.motifs.formats.meme import read_meme
from rcviz.motifs.motif import Motif

if TYPE_CHECKING:
    import pandas as pd

# In search order. The first ENCODE file has the paper's motifs; motifs of the second with the same names are skipped.
_COLLECTIONS = {
    "ENCODE": ("encode_four.meme", "encode_CTCF_SPI1_MYC-MAX_known.meme"),
    "JASPAR2024": ("JASPAR2024_CORE_vertebrates_nonredundant.meme.gz",),
}


def load_motif(name: str) -> Motif:
    """Load a bundled motif by name.

    Parameters
    ----------
    name : str
        Name or alternative name of an ENCODE motif ("CTCF_known1"), else a JASPAR 2024 matrix ID, with or
        without version ("MA0139.2"), or a factor ("CTCF"). An exact match is preferred to one that differs in
        case. If a factor has several JASPAR matrices, the one with the lowest ID is returned; get the others,
        shown by :func:`list_motifs`, by their IDs.

    Returns
    -------
    Motif

    Raises
    ------
    ValueError
        When there is no such motif; the error suggests similar names.

    Examples
    --------
    >>> import rcviz
    >>> rcviz.load_motif("GATA_known6").consensus
    'NNCWGATARNNNN'
    """
    check_text("the name of a motif", name)
    for collection in _COLLECTIONS:
        motifs = read_collection(collection)
        for ignore_case in (False, True):
            wanted = name.casefold() if ignore_case else name
            for motif in motifs:
                if wanted in (alias.casefold() if ignore_case else alias for alias in _aliases(motif)):
                    return motif
    names = {
        alias.casefold(): alias for key in _COLLECTIONS for motif in read_collection(key) for alias in _aliases(motif)
    }
    nearest = [names[match] for match in difflib.get_close_matches(name.casefold(), names, n=3)]
    hint = f"did you mean {', '.join(nearest)}?" if nearest else "rcviz.list_motifs() shows all"
    raise ValueError(f"there is no bundled motif {name!r}: {hint}")


def list_motifs() -> "pd.DataFrame":
    """List the bundled motifs, in the order in which :func:`load_motif` searches them.

    Returns
    -------
    DataFrame, one row per motif
        ``name``, ``alternative_name``, ``collection``, ``width`` (bp), ``consensus`` (IUPAC),
        ``information`` (total, in bits) and ``mean_information`` (bits per position).

    Examples
    --------
    >>> import rcviz
    >>> motifs = rcviz.list_motifs()
    >>> motifs[motifs["alternative_name"] == "MAX"]["name"].item()
    'MA0058.4'
    """
    import pandas as pd

    rows = []
    for collection in _COLLECTIONS:
        for motif in read_collection(collection):
            information = motif.information_content()
            rows.append(
                {
                    "name": motif.name,
                    "alternative_name": motif.alternative_name,
                    "collection": collection,
                    "width": motif.width,
                    "consensus": motif.consensus,
                    "information": information.sum(),
                    "mean_information": information.mean(),
                }
            )
    return pd.DataFrame(rows)


def _aliases(motif: Motif) -> Iterator[str]:
    yield motif.name
    if motif.alternative_name:
        yield motif.alternative_name
    if motif.name.startswith("MA") and "." in motif.name:
        yield motif.name.partition(".")[0]


@cache
def read_collection(collection: str) -> tuple[Motif, ...]:
    """Read all motifs of a bundled collection, "ENCODE" or "JASPAR2024"."""
    motifs: dict[str, Motif] = {}
    for file_name in _COLLECTIONS[collection]:
        with as_file(files("rcviz") / "data" / file_name) as path:
            for motif in read_meme(path):
                motifs.setdefault(motif.name, motif)
    return tuple(motifs.values())
