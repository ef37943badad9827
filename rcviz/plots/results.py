"""Results of analyses as arguments of plots, recognised by their attributes: plots import no analysis and no torch."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from rcviz._core.checks import as_numbers, check_choice, check_options, check_table, shown

SCALES = ("probability", "logit", "value")


def draw(plot: Callable[..., Axes], subject: Any, ax: Any, options: Mapping[str, Any]) -> Axes:
    """Call a plot function for a result's ``.plot``; an unknown option is refused with a list of those there are."""
    parameters = inspect.signature(plot).parameters.values()
    check_options(plot.__name__, options, [each.name for each in parameters if each.kind is each.KEYWORD_ONLY])
    return plot(subject, ax=ax, **options)


def table_of(
    result: Any,
    columns: Sequence[str],
    rows: str,
    *,
    keys: Sequence[str] = (),
    finite: Sequence[str] = (),
    not_infinite: Sequence[str] = (),
) -> pd.DataFrame:
    """Return a DataFrame that was given, or the ``table`` of a result, checked so that no row vanishes from a plot.

    It has these `columns` and at least one row; `rows` is the word for a row in messages. The columns `keys` together
    identify a row and have no missing value; the columns `finite` hold finite
    numbers, and `not_infinite` numbers or NaN. A ValueError names the rest.
    """
    table = result if isinstance(result, pd.DataFrame) else getattr(result, "table", None)
    if not isinstance(table, pd.DataFrame):
        raise ValueError(f"expected a DataFrame, or a result with a table, got {type(result).__name__}")
    check_table(table, columns, rows)
    for key in keys:
        if table[key].isna().any():
            raise ValueError(
                f"{key} is missing in {int(table[key].isna().sum())} of {len(table)} rows: fill or drop it"
            )
    for column in (*finite, *not_infinite):
        numbers = as_numbers(column, table[column])
        unknown = table[~np.isfinite(numbers) if column in finite else np.isinf(numbers)]
        if len(unknown):
            where = _named(unknown, keys or columns[:1])
            raise ValueError(f"{column} is {unknown[column].iloc[0]} for {where}: drop what failed")
    if keys and table.duplicated(keys).any():
        where = _named(table[table.duplicated(keys)], keys)
        raise ValueError(f"two rows for {where}: tell runs apart by another column, such as seed, model or group")
    return table


def _named(table: pd.DataFrame, keys: Sequence[str]) -> str:
    return ", ".join(f"{key} {table[key].iloc[0]}" for key in keys)


def has(result: Any, *attributes: str) -> bool:
    """Whether an argument is a result that has all of these attributes, and not a table or an array."""
    return not isinstance(result, pd.DataFrame) and all(hasattr(result, name) for name in attributes)


def scale_of(result: Any, scale: str | None) -> str | None:
    """Scale that was asked for, else that of a result; None of arrays and tables, which do not know theirs."""
    if scale is not None:
        check_choice("scale", scale, SCALES)
        return scale
    return result.scale if has(result, "scale") else None


def finite_or_none(name: str, value: Any) -> float | None:
    """Return a number that was given, or None; infinite ones and NaN cannot be drawn."""
    if value is None:
        return None
    number = as_numbers(name, value)
    if number.ndim or not np.isfinite(number):
        raise ValueError(f"{name} must be one finite number or None, got {shown(value)}")
    return float(number)


def axes_of_result(second: Any, ax: Any) -> Any:
    """Accept ``plot(result, ax)`` from a function whose second argument is data where no result is given."""
    if second is None or isinstance(second, Axes):
        return ax if second is None else second
    raise ValueError(f"a result holds all that is drawn: expected Axes after it, got {type(second).__name__}")
