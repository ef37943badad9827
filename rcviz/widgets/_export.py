"""A path, a button, and a line that confirms what was written."""

import html
from collections.abc import Callable
from pathlib import Path

import ipywidgets

from rcviz.widgets._pane import ErrorPane, MarkupPane


class ExportBox(ipywidgets.HBox):
    """Write what is on screen to a file of the user's choice.

    Parameters
    ----------
    export : callable
        Writes the path that it gets, or raises an error.
    path : str
        Initial path.
    kinds : sequence of str
        Endings that ``export`` accepts, such as ".csv".
    error : ErrorPane
        Pane that shows an error.
    """

    def __init__(self, export: Callable[[str], None], path: str, kinds: tuple[str, ...], error: ErrorPane) -> None:
        self._write, self._error = export, error
        self.path = ipywidgets.Text(
            value=path,
            description="Save as",
            tooltip=f"File to write; its ending chooses the format: {', '.join(kinds)}",
            layout=ipywidgets.Layout(width="260px"),
        )
        self.button = ipywidgets.Button(
            description="Save", tooltip="Write the file", layout=ipywidgets.Layout(width="80px")
        )
        self.confirmation = MarkupPane()
        self.button.on_click(lambda button: self.save())
        super().__init__([self.path, self.button, self.confirmation])
        self.confirmation.show(f'<span class="rcviz-kinds">{" ".join(kinds)}</span>')

    def save(self) -> None:
        """Write the file and confirm it."""
        with self._error.reporting():
            self._write(self.path.value)
            size = Path(self.path.value).stat().st_size
            path = html.escape(str(Path(self.path.value).resolve()))
            self.confirmation.show(f'<span role="status">wrote {path} ({size / 1000:,.0f} kB)</span>')
