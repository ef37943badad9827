"""The page of an explorer: modules and style sheets of ``static/`` joined, for a widget and for a file."""

import base64
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

STATIC = Path(__file__).parent / "static"

_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([a-z_]+\.js)";\n', re.MULTILINE)
_ROOT = re.compile(r"\.rcviz-explorer(?![\w-])")
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|const|class) )", re.MULTILINE)


@cache
def script(entry: str) -> str:
    """Join a module of ``static/`` with those that it imports, each once, as one module.

    Jupyter's front ends take one file. A module may only import names from modules beside it, and export functions,
    classes and constants where they are declared; names are unique in all of them, else a browser refuses the result.
    """
    joined: dict[str, str] = {}
    _add(entry, joined)
    return "\n".join(joined.values())


def _add(name: str, joined: dict[str, str]) -> None:
    source = (STATIC / name).read_text(encoding="utf-8")
    for needed in _IMPORT.findall(source):
        if needed not in joined:
            joined[needed] = ""  # its place; two modules that import each other end here
            _add(needed, joined)
    rest = _EXPORT.sub("", _IMPORT.sub("", source))
    left = re.search(r"^(?:import|export (?!default)).*", rest, re.MULTILINE)
    if left:
        raise ValueError(f"{name} cannot be joined with other modules: {left[0]}")
    joined.pop(name, None)
    joined[name] = rest


@cache
def style(kind: str, *names: str) -> str:
    """Join style sheets of ``static/``; all but the one of all explorers hold in explorers of a kind only.

    The sheets of explorers that are open together are all on the page, and use the same names.
    """
    own = f'.rcviz-explorer:where([data-kind="{kind}"])'
    texts = {name: (STATIC / name).read_text(encoding="utf-8") for name in names}
    return "\n".join(text if name == "explorer.css" else _ROOT.sub(own, text) for name, text in texts.items())


def page_parts(entry: str, css: str, state: Mapping[str, Any], place: str = "") -> list[str]:
    """Write an explorer as parts of a page that needs no kernel.

    Parameters
    ----------
    entry : str
        The module whose default export is the widget.
    css : str
    state : mapping
        The widget's traits; arrays in them are written as base64.
    place : str
        Ending of the ids of its elements; of several explorers on a page, each needs one of its own.
    """
    # "<" only occurs inside strings of JSON, where the escape means the same; it cannot end the element.
    data = json.dumps(state, default=_packed, allow_nan=False).replace("<", "\\u003c")
    return [
        f"<style>{css}</style>",
        f'<div id="rcviz-explorer{place}"></div><noscript>This page needs JavaScript.</noscript>',
        f'<script type="application/json" id="rcviz-data{place}">{data}</script>',
        f'<script type="module">{script(entry)}\n{script("saved.js")}\n'
        f'showSaved(widget, document.getElementById("rcviz-explorer{place}"), '
        f'document.getElementById("rcviz-data{place}"));</script>',
    ]


def _packed(value: Any) -> Any:
    if isinstance(value, memoryview | bytes):
        return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be sent to a page")
