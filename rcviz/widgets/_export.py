"""A path, a button, and a line that says what was written where."""

import html
from collections.abc import Callable
from pathlib import Path

import ipywidgets

from rcviz.widgets._pane import ErrorPane, MarkupPane


class ExportBox(ipywidgets.HBox):
    """Write what is on screen to a file that a person names.

    Parameters
    ----------
    export : callable
        Writes the path it is given, or raises an error that says why not.
    path : str
        The path to start with.
    kinds : sequence of str
        Endings that ``export`` knows, such as ".csv".
    error : ErrorPane
        Where an error is said.
    """

    def __init__(self, export: Callable[[str], None], path: str, kinds: tuple[str, ...], error: ErrorPane) -> None:
        self._write, self._error = export, error
        self.path = ipywidgets.Text(
            value=path,
            description="Save as",
            tooltip=f"File to write; its ending says what: {', '.join(kinds)}",
            layout=ipywidgets.Layout(width="260px"),
        )
        self.button = ipywidgets.Button(
            description="Save", tooltip="Write the file", layout=ipywidgets.Layout(width="80px")
        )
        self.said = MarkupPane()
        self.button.on_click(lambda button: self.save())
        super().__init__([self.path, self.button, self.said])
        self.said.show(f'<span class="rcviz-kinds">{" ".join(kinds)}</span>')

    def save(self) -> None:
        """Write the file that is named and say so."""
        with self._error.reporting():
            self._write(self.path.value)
            size = Path(self.path.value).stat().st_size
            written = html.escape(str(Path(self.path.value).resolve()))
            self.said.show(f'<span role="status">wrote {written} ({size / 1000:,.0f} kB)</span>')
