"""Results of analyses as arguments of plots, recognised by their attributes: plots import no analysis and no torch."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from rcviz._core.checks import check_options


def draw(plot: Callable[..., Axes], subject: Any, ax: Any, options: Mapping[str, Any]) -> Axes:
    """Call a plot function for a result's ``.plot``; an unknown option is refused with a list of those there are.

    Parameters
    ----------
    plot
        Function of this package.
    subject
        Its first argument.
    ax
        Axes to draw into, or None.
    options
        Keyword arguments from the user.

    Raises
    ------
    TypeError
        If the function has no such option.
    """
    parameters = inspect.signature(plot).parameters.values()
    check_options(plot.__name__, options, [each.name for each in parameters if each.kind is each.KEYWORD_ONLY])
    return plot(subject, ax=ax, **options)


def table_of(result: Any) -> pd.DataFrame:
    """Return a DataFrame that was given, or the ``table`` of a result."""
    table = result if isinstance(result, pd.DataFrame) else getattr(result, "table", None)
    if not isinstance(table, pd.DataFrame):
        raise ValueError(f"expected a DataFrame, or a result with a table, got {type(result).__name__}")
    return table


def has(result: Any, *attributes: str) -> bool:
    """Whether an argument is a result that has all of these attributes, and not a table or an array."""
    return not isinstance(result, pd.DataFrame) and all(hasattr(result, name) for name in attributes)


def axes_of_result(second: Any, ax: Any) -> Any:
    """Accept ``plot(result, ax)`` from a function whose second argument is data where no result is given."""
    if second is None or isinstance(second, Axes):
        return ax if second is None else second
    raise ValueError(f"a result holds all that is drawn: expected Axes after it, got {type(second).__name__}")
