"""Motifs in the XML files of the MEME suite: MEME, DREME and STREME."""

from collections.abc import Iterator
from xml.etree import ElementTree as ET

import numpy as np

from rcviz._core.checks import brief, is_number, quoted
from rcviz.motifs.formats import common
from rcviz.motifs.formats.common import LineError, Lines
from rcviz.motifs.motif import Motif
from rcviz.sequences.alphabet import BASES


def motifs_of(lines: Lines) -> Iterator[Motif]:
    """Iterate over the motifs of an XML file; entities are not expanded, as a file may be malicious."""
    text = "\n".join(line for _, line in lines)
    if "<!ENTITY" in text:
        raise LineError(1, "an XML file that defines entities, which MEME does not write")
    try:
        root = ET.fromstring(text)
    except (ET.ParseError, ValueError) as error:
        number = error.position[0] if isinstance(error, ET.ParseError) else 1
        raise LineError(
            number, f"this is not XML that can be read ({brief(error)}): the file may be truncated"
        ) from None
    symbols = {letter.get("id", ""): letter.get("symbol", "") for letter in root.iter("letter")}
    for motif in root.iter("motif"):
        identifier = motif.get("id", "")
        name = motif.get("name") or motif.get("seq") or identifier
        alternative_name = motif.get("alt", "")
        if root.tag.lower() == "streme":
            name = identifier
        positions = motif.findall("pos")
        rows = (
            [{base: pos.get(base, "") for base in BASES} for pos in positions]
            if positions
            else [
                {symbols.get(key := value.get("letter_id", ""), key[-1:]): value.text or "" for value in array}
                for array in motif.iterfind("probabilities/alphabet_matrix/alphabet_array")
            ]
        )
        if not rows or not all(set(row) == set(BASES) and all(map(is_number, row.values())) for row in rows):
            raise LineError(
                1, f"motif {quoted(name)} has no probabilities of A, C, G and T: only DNA motifs can be read"
            )
        matrix = np.array([[float(row[base]) for base in BASES] for row in rows]).T
        yield Motif(name, common.counts_to_probabilities(1, matrix), alternative_name)
