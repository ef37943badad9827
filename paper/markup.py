"""Tables and pictures as Markdown."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

PICTURES = Path("pictures/paper")
"""Folder of the page's pictures, beside the page."""


def picture(file: str, caption: str) -> str:
    """Return a picture of the page with its caption below."""
    caption = _as_text(caption)
    return f"![{caption}]({PICTURES.as_posix()}/{file}.png)\n\n*{caption}*\n"


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; names from tables of other people are shown as text, not as markup."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join("| " + " | ".join(map(_as_text, line)) + " |\n" for line in lines)


def _as_text(text: str) -> str:
    text = " ".join(text.replace("|", "\\|").replace("[", "\\[").splitlines())
    return re.sub(r"<(?=[A-Za-z/!?])", "&lt;", text)
