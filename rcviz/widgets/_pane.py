"""Panes of explorers: text, logos as SVG, figures, and errors."""

import html
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ipywidgets

from rcviz.plots._axes import figure_svg


class MarkupPane(ipywidgets.HTML):
    """Shows SVG or HTML made by rcviz, in which text from files is already escaped."""

    def show(self, markup: str) -> None:
        """Replace what is shown."""
        self.value = markup


class FigurePane(MarkupPane):
    """Shows a matplotlib figure as SVG."""

    def show_figure(self, figure: Any, description: str) -> None:
        """Draw ``figure``; ``description`` is for screen readers."""
        picture = figure_svg(figure)
        self.show(f'<div role="img" aria-label="{html.escape(description, quote=True)}">{picture}</div>')


class ErrorPane(ipywidgets.HTML):
    """Shows an error as one sentence, and nothing without an error."""

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Show an error that is raised inside; ipywidgets would swallow it in a handler."""
        try:
            yield
        except Exception as error:  # the user must see every error of a handler
            message = str(error) or type(error).__name__
            self.value = (
                f'<div role="alert" class="rcviz-error" style="border-left:4px solid #D55E00;padding:4px 8px">'
                f"{html.escape(message)}</div>"
            )
        else:
            self.value = ""
