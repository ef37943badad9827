"""The run-time type checker of the tests: beartype; sets of strings are checked by rcviz itself."""

import functools
import inspect
import types
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import jaxtyping
from beartype import BeartypeConf, beartype
from jaxtyping._storage import clear_treeflatten_memo, pop_shape_memo, push_shape_memo

_shapes_together = jaxtyping.jaxtyped
clear_treeflatten_memo()  # jaxtyping would raise and catch an error at each check of this thread


def check(function):
    """Check what ``function`` is given and returns against its annotations."""
    hints = {name: _resolved(hint, function.__globals__) for name, hint in function.__annotations__.items()}
    function.__annotations__ = {name: _without_literals(hint) for name, hint in hints.items()}
    return beartype(conf=BeartypeConf(violation_type=TypeError))(function)


def jaxtyped(*, typechecker):
    """Do what ``jaxtyping.jaxtyped`` does for each function of rcviz, in half the time.

    Arguments are checked once instead of twice, checks are compiled at the first call, and a function inside another
    is not checked: it would be compiled anew at each call. Without this, a third of the time of all tests is spent in
    checks of types.
    """

    def decorate(thing):
        if not isinstance(thing, types.FunctionType):
            return _shapes_together(thing, typechecker=typechecker)
        if "<locals>" in thing.__qualname__:
            return thing

        @functools.cache
        def prepared():
            hints = thing.__annotations__
            checked = typechecker(thing)
            has_shapes = any(map(_has_shape, checked.__annotations__.values()))
            thing.__annotations__ = hints  # typer reads them
            return checked, has_shapes

        if inspect.isgeneratorfunction(thing) and prepared()[1]:
            return _shapes_together(thing, typechecker=typechecker)

        @functools.wraps(thing)
        def run(*args, **kwargs):
            if jaxtyping.config.jaxtyping_disable:
                return thing(*args, **kwargs)
            checked, has_shapes = prepared()
            if not has_shapes:
                return checked(*args, **kwargs)
            push_shape_memo({})
            try:
                return checked(*args, **kwargs)
            finally:
                pop_shape_memo()

        return run

    return decorate


def _has_shape(hint: Any) -> bool:
    arrays = isinstance(hint, type) and issubclass(hint, jaxtyping.AbstractArray)
    return arrays or hint is Any or any(map(_has_shape, get_args(hint)))


def _resolved(hint: Any, names: dict[str, Any]) -> Any:
    try:
        return get_type_hints(types.SimpleNamespace(__annotations__={"hint": hint}), names, include_extras=True)["hint"]
    except NameError:
        return Any  # imported for type checkers alone, or not yet defined


def _without_literals(hint: Any) -> Any:
    if get_origin(hint) is Literal:
        return type(get_args(hint)[0])
    if get_origin(hint) in (Union, types.UnionType):
        return Union[tuple(_without_literals(part) for part in get_args(hint))]  # noqa: UP007 - built from parts
    return hint
