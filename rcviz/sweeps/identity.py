"""The name of a run: a digest of everything that determines its numbers, so that no run is done twice.

Two runs are the same when all of this is the same:

- the model: for a ModelConfig its settings; for a function, what it builds for the seed: weights and buffers, the class
  and the plain attributes of every module, which parameters learn, and the source code of classes that are neither
  torch's nor rcviz's. Functions that these classes call are not included: after a change there, use another store;
- the training settings except for their seed, whether it is siamese, the share of the training part, and the seed;
- sequences, labels and task names of the three parts, in their order;
- the function given as ``measure``: its name, its source code, and what ``functools.partial`` binds.

Settings at their defaults are ignored, so that a setting added to rcviz later changes no name. Also ignored are names
and descriptions of arms, and whether predictions are averaged afterwards ("conjoined"): every record holds both.
"""

import dataclasses
import functools
import hashlib
import inspect
import json
from collections.abc import Callable
from types import CodeType
from typing import Any

import torch
from torch import nn

from rcviz.models.config import ModelConfig
from rcviz.sequences.splits import Splits
from rcviz.sweeps.arms import Arm
from rcviz.training.checkpoint import digest_of_weights, fingerprint

_LIBRARIES = ("torch", "rcviz")
_DEFAULTS = {"monitor": "auroc"}
"""Defaults that names were given with, where the default has become None and depends on other settings."""


def run_id(arm: Arm, seed: int, data: str, *, network: str = "", measure: str = "") -> str:
    """Return the name of a run, sixteen hexadecimal digits.

    ``data`` is from :func:`digest_of_data`, ``network`` from :func:`digest_of_network`, for an arm whose model is a
    function, ``measure`` from :func:`describe_function`.
    """
    described = {
        "model": _settings(arm.model) if isinstance(arm.model, ModelConfig) else network,
        "training": _settings(arm.training),
        "siamese": arm.average if arm.strategy == "siamese" else None,
        "fraction": _plain_number(arm.fraction),
        "seed": seed,
        "data": data,
        "measure": measure,
    }
    return _digest(json.dumps(described, sort_keys=True))[:16]


def digest_of_data(splits: Splits) -> str:
    """Return the digest of sequences, labels and task names of all parts."""
    return _digest(json.dumps([[fingerprint(part), list(part.task_names)] for part in splits]))


def digest_of_network(network: nn.Module) -> str:
    """Return the digest of a network that a function built: its weights, its structure and its own code."""
    weights = {name: tensor for name, tensor in network.state_dict().items() if isinstance(tensor, torch.Tensor)}
    modules = [
        (name, _name(type(module)), module.extra_repr(), module.training, _attributes(module))
        for name, module in network.named_modules()
    ]
    learn = [(name, parameter.requires_grad) for name, parameter in network.named_parameters()]
    kinds = {kind for module in network.modules() for kind in type(module).__mro__}
    own = sorted((_name(kind), source_of(kind)) for kind in kinds if not _is_of_library(kind))
    return _digest(repr((digest_of_weights({**weights, **dict(network.named_buffers())}), modules, learn, own)))


def describe_function(function: Callable[..., Any] | None) -> str:
    """Return name, source code and bound arguments of a function; empty for None."""
    if function is None:
        return ""
    if isinstance(function, functools.partial):
        bound = repr((function.args, sorted(function.keywords.items())))
        return f"{describe_function(function.func)}({bound})"
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{_name(named)}\n{source_of(named)}"


def source_of(thing: Any) -> str:
    """Return the source code of a class or function; where it is not available, a digest of the compiled code."""
    try:
        return inspect.getsource(thing)
    except (OSError, TypeError):
        functions = vars(thing).items() if inspect.isclass(thing) else [("", thing)]
        codes = [(name, _code(function.__code__)) for name, function in functions if hasattr(function, "__code__")]
        return _digest(repr(codes))


def _code(code: CodeType) -> Any:
    return code.co_code, [_constant(entry) for entry in code.co_consts], code.co_names


def _constant(value: Any) -> Any:
    """Return a constant of compiled code in a form that is the same in every process: the order of a set is not."""
    if isinstance(value, CodeType):
        return _code(value)
    return sorted(map(repr, value)) if isinstance(value, frozenset) else repr(value)


def _settings(config: Any) -> dict[str, Any]:
    """Return the settings that differ from their defaults; the seed is the run's."""
    return {
        field.name: _plain_number(value)
        for field in dataclasses.fields(config)
        if field.name != "seed" and (value := getattr(config, field.name)) != _DEFAULTS.get(field.name, field.default)
    }


def _plain_number(value: Any) -> Any:
    """Return 5 for 5.0 and for numpy's 5: the same number is the same setting."""
    if isinstance(value, tuple | list):
        return [_plain_number(entry) for entry in value]
    value = value.item() if hasattr(value, "item") else value
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _attributes(module: nn.Module) -> list[tuple[str, str]]:
    """Return the plain settings of a module, such as ``self.scale = 2``; torch's own parts are described elsewhere."""
    public = ((name, value) for name, value in sorted(vars(module).items()) if not name.startswith("_"))
    return [(name, text) for name, value in public if name != "training" and (text := _plain(value)) is not None]


def _plain(value: Any) -> str | None:
    """Return a text for a plain value or function, None for anything else, whose text may contain an address."""
    if value is None or isinstance(value, int | float | str):
        return repr(value)
    if isinstance(value, tuple | list):
        return repr([_plain(entry) for entry in value])
    if isinstance(value, dict):
        return repr([(_plain(name), _plain(entry)) for name, entry in value.items()])
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _plain({"": _name(type(value)), **vars(value)}) if hasattr(value, "__dict__") else None
    return _name(value) if hasattr(value, "__qualname__") else None


def _name(thing: Any) -> str:
    return f"{thing.__module__}.{thing.__qualname__}"


def _is_of_library(kind: type) -> bool:
    return kind is object or kind.__module__.partition(".")[0] in _LIBRARIES


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
