"""Tables as files: CSV, which every program reads, and Parquet, which keeps types."""

import csv
import os
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rcviz._core.checks import is_number
from rcviz._core.files import atomic_write, check_ending

ENDINGS = (".csv", ".parquet")
_FORMULA = re.compile(r"\s*[=+\-@].")  # a strand, + or - alone, is none


def save_table(result: Any, path: str | os.PathLike[str]) -> None:
    """Write the table of a result, or any DataFrame, atomically; the ending of the path selects the format.

    Parameters
    ----------
    result : DataFrame, or any result with a ``table``
        An index is written only if it has a name.
    path : path-like
        ``.csv``: text with one header line, numbers in full precision. ``.parquet``: types are kept, but a column of
        mixed types becomes text; needs pyarrow.

    Raises
    ------
    ValueError
        If ``result`` has no table, the ending is another one, or the folder does not exist.
    ImportError
        If the path ends in ``.parquet`` and pyarrow is not installed.

    Examples
    --------
    >>> rcviz.save_table(rcviz.strand_agreement(model, parts.test), "strands.csv")
    """
    import pandas as pd

    ending = check_ending(path, ENDINGS)
    table = result if isinstance(result, pd.DataFrame) else getattr(result, "table", None)
    if not isinstance(table, pd.DataFrame):
        raise ValueError(f"expected a DataFrame or a result with a table, got {type(result).__name__}")
    if any(name is not None for name in table.index.names):
        table = table.reset_index()
    if ending == ".csv":
        warn_of_formulas(table, path)
    with atomic_write(path) as temporary:
        if ending == ".csv":
            # Without quotes, a carriage return in a cell would be read as the end of a line.
            quoting: Any = csv.QUOTE_NONNUMERIC if _has_carriage_return(table) else csv.QUOTE_MINIMAL
            table.to_csv(temporary, index=False, lineterminator="\n", quoting=quoting)
        else:
            _write_parquet(table, temporary)


def _has_carriage_return(table: Any) -> bool:
    texts = [*table.columns, *(cell for name in table if table[name].dtype == object for cell in table[name])]
    return any(isinstance(text, str) and "\r" in text for text in texts)


def warn_of_formulas(table: Any, path: str | os.PathLike[str]) -> None:
    """Warn of text that spreadsheets run; it is written as it is, so that programs read the same names."""
    from pandas.api.types import is_numeric_dtype

    texts = [table[name] for name in table if not is_numeric_dtype(table[name])]
    found = [str(text.name) for text in texts if any(map(_is_formula, text))]
    if any(map(_is_formula, table)):
        found.append("the header")
    if found:
        warnings.warn(
            f"text in {path} ({', '.join(found)}) begins with =, +, - or @, which a spreadsheet may run as a formula: "
            f"import its columns as text",
            UserWarning,
            stacklevel=3,
        )


def _is_formula(cell: object) -> bool:
    return isinstance(cell, str) and bool(_FORMULA.match(cell)) and not is_number(cell)


def _write_parquet(table: Any, path: os.PathLike[str]) -> None:
    _check_pyarrow()
    _without_mixed(table).to_parquet(path, engine="pyarrow", index=False)


@contextmanager
def table_writer(path: os.PathLike[str], ending: str) -> Iterator[Callable[[Any], None]]:
    """Yield a function that appends a DataFrame to a .csv, .tsv or .parquet file; all must have the same columns."""
    if ending == ".parquet":
        with parquet_writer(path) as append:
            yield append
        return
    separator = "\t" if ending == ".tsv" else ","
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        yield lambda table: table.to_csv(file, index=False, header=file.tell() == 0, lineterminator="\n", sep=separator)


@contextmanager
def parquet_writer(path: os.PathLike[str]) -> Iterator[Callable[[Any], None]]:
    """Yield a function that appends a DataFrame to a Parquet file; all must have the columns of the first."""
    _check_pyarrow()
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer: Any = None

    def append(table: Any) -> None:
        nonlocal writer
        rows = pa.Table.from_pandas(_without_mixed(table), preserve_index=False)
        if writer is None:
            writer = pq.ParquetWriter(path, rows.schema)
        writer.write_table(rows.cast(writer.schema))

    try:
        yield append
    finally:
        if writer is not None:
            writer.close()


def _check_pyarrow() -> None:
    try:
        import pyarrow  # noqa: F401 - the error of pandas is about other packages, too
    except ImportError as error:
        raise ImportError('Parquet needs pyarrow: pip install "rcviz[tables]", or write .csv') from error


def _without_mixed(table: Any) -> Any:
    import pandas as pd

    mixed = [name for name in table if pd.api.types.infer_dtype(table[name], skipna=True).startswith("mixed")]
    return table.astype(dict.fromkeys(mixed, str))
