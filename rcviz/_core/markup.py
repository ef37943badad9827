"""Text in SVG, HTML and XML, which cannot hold every character that a name may have."""

import html
import re

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def legal_xml(text: str) -> str:
    """Remove what XML cannot hold, not even escaped: control characters and halves of surrogate pairs."""
    return _NOT_XML.sub("", text)


def escaped(text: str) -> str:
    """Return text as markup that shows it."""
    return html.escape(legal_xml(text))
