"""Arguments of explorers: their signature, and errors that say where labels belong."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from rcviz._core.checks import check_options


def own_signature(kind: type) -> inspect.Signature:
    """Return the signature of the ``__init__`` of a class, without self."""
    init: Any = inspect.getattr_static(kind, "__init__")
    signature = inspect.signature(init)
    return signature.replace(parameters=list(signature.parameters.values())[1:], return_annotation=signature.empty)


def check_arguments(kind: Any, args: Sequence[Any], options: Mapping[str, Any]) -> None:
    """Refuse keywords that an explorer does not have, and labels beside the sequences."""
    parameters = kind.__signature__.parameters
    places = [name for name, one in parameters.items() if one.kind is one.POSITIONAL_OR_KEYWORD]
    if len(args) > len(places) or ("labels" in options and "labels" not in parameters):
        raise TypeError(
            f"{kind.__name__} takes {', '.join(places) or 'nothing'} by place and options by name; labels belong to "
            f"the sequences: rcviz.SequenceSet(sequences, labels)"
        )
    check_options(kind.__name__, options, parameters)
