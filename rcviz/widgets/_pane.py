"""Panes that explorers are made of: text, logos as SVG, figures, and errors that a person can read."""

import html
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ipywidgets

from rcviz.plots._axes import figure_svg


class MarkupPane(ipywidgets.HTML):
    """Shows SVG or HTML that rcviz itself has made; whatever comes from a file is escaped by whoever made it."""

    def show(self, markup: str) -> None:
        """Replace what is shown."""
        self.value = markup


class FigurePane(MarkupPane):
    """Shows a matplotlib figure as SVG."""

    def show_figure(self, figure: Any, description: str) -> None:
        """Draw ``figure``; ``description`` is what a screen reader says."""
        picture = figure_svg(figure)
        self.show(f'<div role="img" aria-label="{html.escape(description, quote=True)}">{picture}</div>')


class ErrorPane(ipywidgets.HTML):
    """Shows one sentence when something went wrong, and nothing otherwise."""

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Show an error that is raised inside instead of losing it: ipywidgets swallows what its handlers raise."""
        try:
            yield
        except Exception as error:  # every error of a handler belongs in front of the person who caused it
            message = str(error) or type(error).__name__
            self.value = (
                f'<div role="alert" class="rcviz-error" style="border-left:4px solid #D55E00;padding:4px 8px">'
                f"{html.escape(message)}</div>"
            )
        else:
            self.value = ""
