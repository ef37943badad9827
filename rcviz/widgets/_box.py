"""The base of explorers that are boxes of widgets."""

import inspect
from typing import Any

import ipywidgets

from rcviz._core.checks import check_options


class ExplorerBox(ipywidgets.VBox):
    """A box of widgets that refuses unknown keywords, before any widget is made."""

    def __new__(cls, *args: Any, **options: Any) -> Any:
        """Check the keywords of ``__init__``; an error lists those that the explorer has."""
        _, *parameters = inspect.signature(cls.__init__).parameters  # without self
        check_options(cls.__name__, options, parameters)
        return super().__new__(cls, *args, **options)
