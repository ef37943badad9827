"""Read motifs of any common format, which is recognised by the content of the file."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from rcviz._core.checks import is_number, quoted
from rcviz.motifs.formats import common, jaspar, meme, transfac, xml
from rcviz.motifs.formats.common import LineError, Lines
from rcviz.motifs.formats.matrices import Rows, read_matrix
from rcviz.motifs.motif import Motif
from rcviz.sequences.alphabet import BASES

_CISBP = ["Pos", "A", "C", "G", "T"]


def read_motifs(path: str | os.PathLike[str]) -> list[Motif]:
    """Read all motifs of a file in any common format.

    MEME (text, and the XML of MEME, DREME and STREME), JASPAR, TRANSFAC, HOMER, cluster-buster, ENCODE, CIS-BP,
    UniPROBE and plain matrices are distinguished by content. A matrix without a name has that of the file.

    Parameters
    ----------
    path : path-like
        Text, plain or gzipped.

    Returns
    -------
    list of Motif
        In the order of the file.

    Warns
    -----
    UserWarning
        For a motif without a matrix, which is left out.

    Raises
    ------
    ValueError
        When the file has none of these formats or is malformed, naming the format that was found and the line.

    Examples
    --------
    >>> import rcviz
    >>> rcviz.write_transfac([rcviz.load_motif("CTCF_known1")], "motifs.txt")
    >>> [motif.name for motif in rcviz.read_motifs("motifs.txt")]
    ['CTCF_known1']
    """
    stem = Path(path).name.removesuffix(".gz").rsplit(".", 1)[0] or "motif"
    found = "no known format"

    def motifs_of(lines: Lines) -> Iterator[Motif]:
        nonlocal found
        found, reader = _reader(lines, stem)
        yield from reader(lines)

    try:
        return common.read_records(path, motifs_of, "motifs")
    except ValueError as error:
        if found == "no known format" or isinstance(error, UnicodeError):
            raise
        raise ValueError(f"{error} (read as {found})") from error


def _reader(lines: Lines, stem: str) -> tuple[str, Callable[[Lines], Iterator[Motif]]]:
    """Return the name of the format and the function that reads it."""
    texts = [(number, line.strip()) for number, line in lines if line.strip()]
    number, first = next(((n, text) for n, text in texts if not text.startswith("#")), (1, ""))
    keys = {text.split(None, 1)[0] for _, text in texts}
    if first.startswith("<?xml") or first.lower().startswith(("<meme", "<dreme", "<streme", "<!doctype meme")):
        return "XML of MEME", xml.motifs_of
    if first.startswith("<"):
        raise LineError(number, f"{first[:60]!r} opens an HTML page, not motifs: download the file again")
    if first.startswith("MEME version") or any(text.startswith(meme.MATRIX) for _, text in texts):
        return "MEME", meme.motifs_of
    if first.startswith(">"):
        titles = [text for _, text in texts if text.startswith(">")]
        return "HOMER" if all(map(jaspar.is_homer, titles)) else "JASPAR", jaspar.motifs_of
    if keys & set(transfac.MATRIX):
        return "TRANSFAC", transfac.motifs_of
    if any(text.split()[:5] == _CISBP for _, text in texts):
        return "CIS-BP", lambda lines: _cisbp(lines, stem)
    if first.startswith("MOTIF "):
        return "MEME", meme.motifs_of
    return "a plain matrix", lambda lines: _plain(lines, stem)


def _cisbp(lines: Lines, stem: str) -> Iterator[Motif]:
    """Read CIS-BP: ``Pos A C G T`` above numbered positions; a file of many has lines ``Motif name`` above each."""
    above, *tables = common.blocks(lines, lambda line: line.split()[:5] == _CISBP)
    for (first, _), *rows in tables:
        named = [line.split("\t", 1)[-1].strip() for _, line in above if line.split("\t")[0] == "Motif"]
        name = named[-1] if named else stem
        numbered = [(number, line) for number, line in rows if line[:1].isdigit()]
        above = [(number, line) for number, line in rows if not line[:1].isdigit()]
        if not numbered:
            common.warn_without_matrix(first, name)
            continue
        positions = [(number, " ".join(line.split()[1:])) for number, line in numbered]
        yield Motif(name, read_matrix(positions, name, first, rows="positions"))


def _plain(lines: Lines, stem: str) -> Iterator[Motif]:
    """Read one matrix of numbers, also with commas, a header of bases, or an index (as pandas writes a table)."""
    kept = [(n, line.replace(",", " ").replace('"', " ")) for n, line in lines if line.strip() and line[0] != "#"]
    if not kept:
        raise LineError(1, "the file is empty: expected motifs")
    first, head = kept[0]
    words = head.split()
    rows: Rows | None = None
    if [word.upper() for word in words] == list(BASES):
        rows, kept = "positions", kept[1:]
        if kept and len(kept[0][1].split()) == len(BASES) + 1:
            kept = [(number, " ".join(line.split()[1:])) for number, line in kept]
    elif not is_number(words[-1]) or not (is_number(words[0]) or len(words[0].rstrip(":")) == 1):
        # UniPROBE has lines of text above its four rows.
        kept = [(number, line) for number, line in kept if line.split()[0].rstrip(":").upper() in tuple(BASES)]
        if not kept:
            raise LineError(
                first,
                f"{quoted(head.strip())} begins no motif: expected MEME, JASPAR, TRANSFAC, HOMER, CIS-BP, or a matrix "
                f"of numbers",
            )
    yield Motif(stem, read_matrix(kept, stem, first, rows=rows))
