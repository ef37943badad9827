"""Tables and figures as files that are whole or not there; the suffix says which kind."""

import os
from pathlib import Path
from typing import Any

import pandas as pd

from rcviz._files import written_whole
from rcviz.plots._axes import figure_png, figure_svg

_SEPARATORS = {".csv": ",", ".tsv": "\t"}


def write_table(table: pd.DataFrame, path: str | os.PathLike[str]) -> Path:
    """Write a table with a header line and no index; returns the path."""
    target = _checked(path, tuple(_SEPARATORS), "a table")
    with written_whole(target) as temporary:
        table.to_csv(temporary, index=False, sep=_SEPARATORS[target.suffix.lower()])
    return target


def write_figure(figure: Any, path: str | os.PathLike[str]) -> Path:
    """Write a figure; returns the path."""
    target = _checked(path, (".svg", ".png"), "a figure")
    drawn = figure_svg(figure).encode() if target.suffix.lower() == ".svg" else figure_png(figure)
    with written_whole(target) as temporary:
        temporary.write_bytes(drawn)
    return target


def _checked(path: str | os.PathLike[str], suffixes: tuple[str, ...], what: str) -> Path:
    target = Path(path)
    if target.suffix.lower() not in suffixes:
        raise ValueError(f"{what} is written as {' or '.join(suffixes)}, got the name {str(path)!r}; end it in one")
    return target
