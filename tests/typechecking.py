"""The run-time type checker of the tests: beartype; sets of strings are checked by rcviz itself."""

import types
from typing import Any, Literal, Union, get_args, get_origin

from beartype import beartype


def check(function):
    """Check what ``function`` is given and returns against its annotations."""
    function.__annotations__ = {name: _without_literals(hint) for name, hint in function.__annotations__.items()}
    return beartype(function)


def _without_literals(hint: Any) -> Any:
    if get_origin(hint) is Literal:
        return type(get_args(hint)[0])
    if get_origin(hint) in (Union, types.UnionType):
        return Union[tuple(_without_literals(part) for part in get_args(hint))]  # noqa: UP007 - built from parts
    return hint
