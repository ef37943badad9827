"""One self-contained HTML page of text, tables and figures, usable offline; all text is escaped."""

import html
from typing import Any

import pandas as pd

from rcviz._core.markup import legal_xml
from rcviz.plots._axes import figure_svg, new_figure

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
figure { margin: 1rem 0; padding: .5rem; background: white; color: black; }
figure svg { max-width: 100%; height: auto; }
figcaption { font-size: .9rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .8rem; text-align: right; border-bottom: 1px solid #8884; }
"""


def heading(text: str) -> str:
    """Write the heading of a section."""
    return f"<h2>{html.escape(text)}</h2>"


def paragraph(text: str) -> str:
    """Write a paragraph of plain text."""
    return f"<p>{html.escape(text)}</p>"


def picture(figure: Any, caption: str) -> str:
    """Write a matplotlib figure as inline SVG with a caption."""
    return f"<figure>{figure_svg(figure)}<figcaption>{html.escape(caption)}</figcaption></figure>"


def result(analysis: Any, caption: str, size: tuple[float, float], **options: Any) -> str:
    """Write the plot of a result, of a size in inches, with a caption; ``options`` are those of its plot."""
    figure = new_figure(*size)
    analysis.plot(figure.add_subplot(), **options)
    return picture(figure, caption)


def table(frame: pd.DataFrame, *, digits: int = 4) -> str:
    """Write a table, with this many significant digits; a missing number is an empty cell."""
    return str(
        frame.to_html(index=False, border=0, escape=True, na_rep="", float_format=lambda value: f"{value:.{digits}g}")
    )


def html_page(title: str, parts: list[str]) -> str:
    """Write a page of a title and parts made by the functions of this module."""
    name = html.escape(title)
    return legal_xml(
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{name}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>\n'
        f"<body><h1>{name}</h1>\n" + "\n".join(parts) + "\n</body></html>\n"
    )
