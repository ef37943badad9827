"""Is it DNA? The letters of a FASTA record, looked at before they become codes, where protein would be a row of N."""

import re

_BASES = b"ACGTacgt"
_UNKNOWN = b"NnXx"  # X is what some maskers write
_SEVERAL = b"RYSWKMBDHVryswkmbdhv"  # IUPAC codes for two or three bases
_LINE_ENDS = b"\r\n"
_FOREIGN = re.compile(b"[^" + _BASES + _UNKNOWN + _SEVERAL + _LINE_ENDS + b"]")
_PROTEIN = set("EFILPQ")  # amino acids whose letters stand for no base

MOSTLY_CODES = (
    "has more codes for several bases (R, Y, ...) than bases, which looks like protein: give a FASTA file of DNA"
)


def unusual(letters: bytes) -> tuple[int, bytes]:
    """Count what is no base, line ends left out, and pick from it what is not unknown (N, X) either."""
    others = letters.translate(None, _BASES + _LINE_ENDS)
    return len(others), others.translate(None, _UNKNOWN)


def foreign(odd: bytes) -> str | None:
    """Tell what letters are there that stand for no base, and how to mend it; ``None`` where there are none."""
    found = sorted({chr(letter) for letter in odd.translate(None, _SEVERAL)})
    if not found:
        return None
    held = "holds " + ", ".join(map(repr, found[:5]))
    if _PROTEIN & {letter.upper() for letter in found}:
        return f"{held}, which looks like protein: give a FASTA file of DNA"
    if set(found) <= {"U", "u"}:
        return f"{held}, as RNA does: convert U to T"
    return f"{held}, which is no letter of DNA: remove it, or write N for a base that is not known"


def first_foreign(letters: bytes) -> int:
    """Find the first letter that stands for no base; there must be one."""
    found = _FOREIGN.search(letters)
    assert found is not None
    return found.start()
