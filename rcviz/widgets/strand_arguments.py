"""What a strand explorer is called with: names for models, layers and attributions."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import nn

from rcviz.analysis.attributions import StrandAttributions
from rcviz.models.runtime import find_module
from rcviz.sequences.sequence_set import SequenceSet


def named_models(models: Any) -> dict[str, nn.Module]:
    """Name the models, given as a dict, a sequence or a single model."""
    if isinstance(models, nn.Module):
        models = {"model": models}
    elif not isinstance(models, Mapping):
        given = list(models) if isinstance(models, Sequence) else [models]
        models = {f"model {number}": model for number, model in enumerate(given, start=1)}
    if not models:
        raise ValueError("there are no models; give a dict such as {'RC': model}")
    for name, model in models.items():
        if not isinstance(model, nn.Module):
            raise ValueError(f"{name} must be a torch.nn.Module, got {type(model).__name__}")
    return {str(name): model for name, model in models.items()}


def named_attributions(
    models: dict[str, nn.Module], attributions: Any, data: SequenceSet, task: int | np.integer | str
) -> dict[str, StrandAttributions]:
    """Check the attributions that users give for some of the models: a pair of arrays, forward and reverse, each."""
    if attributions is None:
        return {}
    if not isinstance(attributions, Mapping):
        if len(models) > 1:
            raise ValueError(
                f"attributions must be a dict of model to (forward, reverse), as there are {len(models)} models, got "
                f"{type(attributions).__name__}"
            )
        attributions = dict.fromkeys(models, attributions)
    found = {}
    for name, given in attributions.items():
        if name not in models:
            raise ValueError(f"attributions names a model {name!r}, and the models are: {', '.join(models)}")
        if isinstance(given, StrandAttributions):
            if not np.array_equal(given.codes, data.codes):
                raise ValueError(f"attributions of {name} are those of other sequences; give those of the same data")
            found[name] = given
            continue
        if not isinstance(given, tuple | list) or len(given) != 2:
            raise ValueError(
                f"attributions of {name} must be a pair of arrays (forward, reverse), both in forward coordinates, got "
                f"{type(given).__name__}"
            )
        forward, reverse = given
        try:
            found[name] = StrandAttributions.from_arrays(forward, reverse, data, task=task)
        except ValueError as error:
            raise ValueError(f"attributions of {name}: {error}") from error
    return found


def named_layers(models: dict[str, nn.Module], layer: Any) -> dict[str, str]:
    """Find the layer of each model; models without an entry use their first convolution."""
    given = {str(name): each for name, each in layer.items()} if isinstance(layer, Mapping) else None
    if given is None:
        given = {} if layer is None else dict.fromkeys(models, layer)
    for name in given:
        if name not in models:
            raise ValueError(f"layer names a model {name!r}, and the models are: {', '.join(models)}")
    return {name: find_module(models[name], each)[0] for name, each in given.items()}
