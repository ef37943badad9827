"""Which value of a convolution makes a filter fire: measured behind normalisation and nonlinearity."""

import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from rcviz.analysis.trial import ACTIVATIONS, Functions, Trial
from rcviz.layers.plain import weight_attributes_kept
from rcviz.models.outputs import run_model
from rcviz.models.prediction import one_hot_batch
from rcviz.models.runtime import evaluating, uncompiled
from rcviz.models.settings import RandomStream

OWN_BIAS = "above zero, with the bank's own bias: what follows the convolution is not known"
_LENGTHS = (1000, 200)
_EXTREME = 1e6
_FINEST = 2 * _EXTREME * 2.0**-50  # width to which a threshold is known
_MOST_PARTS = 64


@dataclass(frozen=True)
class Firing:
    """Value of the convolution, with its bias, from which each filter's activation is above zero.

    Attributes
    ----------
    threshold : ndarray (F,)
        A filter fires above it; minus infinity where it always does, infinity where it never does.
    falling : ndarray (F,) of bool
        Where a filter fires below its threshold instead, as behind a normalisation with a negative factor.
    behind : str
        What the filters were measured behind, or why they could not be.
    """

    threshold: Float[np.ndarray, " filters"]
    falling: Bool[np.ndarray, " filters"]
    behind: str

    @classmethod
    def everywhere(cls, n_filters: int, behind: str) -> "Firing":
        """Filters that fire at every window."""
        return cls(np.full(n_filters, -np.inf), np.zeros(n_filters, dtype=bool), behind)

    @property
    def sign(self) -> Float[np.ndarray, " filters"]:
        """1, or -1 for a filter that fires at its lowest values."""
        return np.where(self.falling, -1.0, 1.0)

    def of_filters(self, index: Any) -> "Firing":
        """The same for some of the filters."""
        return Firing(self.threshold[index], self.falling[index], self.behind)

    def fires(self, values: Float[np.ndarray, "... filters"]) -> Bool[np.ndarray, "... filters"]:
        """Whether filters fire at values of the convolution."""
        return np.where(self.falling, values < self.threshold, values > self.threshold)


def measure_firing(model: nn.Module, convolution: nn.Module, n_filters: int, *, length: int | None = None) -> Firing:
    """Measure from which value of a convolution each of its filters fires, at the first activation behind it.

    Values are put in the place of the convolution's output, and the activation is read; the model runs only so far.
    """
    declared = getattr(getattr(model, "config", None), "sequence_length", None)
    failure: Exception | None = None
    for tried in dict.fromkeys(n for n in (length, declared, *_LENGTHS) if isinstance(n, int)):
        try:
            with evaluating(model), weight_attributes_kept(model), torch.no_grad():
                return _measured(model, convolution, n_filters, tried)
        except Exception as error:  # whatever a network raises on sequences of a length that it does not take
            failure = error
    return Firing.everywhere(n_filters, f"not known, as the model could not be run: {failure}")


def _measured(model: nn.Module, convolution: nn.Module, n_filters: int, length: int) -> Firing:
    x = one_hot_batch(np.random.default_rng(0).integers(0, 4, (1, length), dtype=np.uint8), model)
    trial = Trial(model, convolution, x, until_activation=True)
    if not trial.calls:
        return Firing.everywhere(n_filters, "not known, as the model does not use the layer")
    call = trial.calls[0]
    if call.activation is None:
        return Firing.everywhere(n_filters, "always: no elementwise activation follows the convolution")
    name, module, number = call.activation
    shape = call.result.shape

    def fires(values: Tensor) -> Bool[np.ndarray, "channels ..."]:
        read = _activation(model, convolution, x, values.to(call.result).expand(shape).clone(), module, number)
        return (read.reshape(shape) > 0).cpu().numpy()[0]

    def of_channels(values: Float[np.ndarray, " channels"]) -> Bool[np.ndarray, " channels"]:
        return fires(torch.from_numpy(values).reshape(1, -1, *(1,) * (len(shape) - 2))).reshape(len(values), -1)[:, 0]

    low, high = np.full(shape[1], -_EXTREME), np.full(shape[1], _EXTREME)
    at_low, at_high = of_channels(low), of_channels(high)
    # One pass tries another value at each position, and so divides the range into many parts.
    positions = math.prod(shape[2:])
    parts = min(positions + 1, _MOST_PARTS)
    share, rows = np.arange(parts + 1) / parts, np.arange(shape[1])
    while (high - low).max() > _FINEST:
        tried = low[:, None] + (high - low)[:, None] * share
        values = tried[:, np.minimum(np.arange(positions) + 1, parts - 1)]
        as_high = fires(torch.from_numpy(values).reshape(shape)).reshape(values.shape) == at_high[:, None]
        end = np.column_stack([as_high[:, : parts - 1], np.ones(shape[1], dtype=bool)]).argmax(axis=1) + 1
        low, high = tried[rows, end - 1], tried[rows, end]
    # Where both ends are alike, the filter fires at every value or at none.
    threshold = np.select([at_low & at_high, ~at_low & ~at_high], [-np.inf, np.inf], (low + high) / 2)
    firing = Firing(threshold, at_low & ~at_high, f"behind {name}")
    probe = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    centers = np.where(np.isfinite(threshold), threshold, 0.0)
    probe = probe * 3 + torch.from_numpy(centers).reshape(1, -1, *(1,) * (len(shape) - 2))
    expected = firing.fires(np.moveaxis(probe[0].to(call.result.dtype).cpu().numpy(), 0, -1))
    if (np.moveaxis(fires(probe), 0, -1) != expected).mean() > 1e-3:
        return Firing.everywhere(
            n_filters, f"not known: the activation {name} depends on more than one value of the convolution"
        )
    return Firing(firing.threshold[:n_filters], firing.falling[:n_filters], firing.behind)


class _ActivationReadError(Exception):
    """Ends a forward pass."""


def _activation(
    model: nn.Module, convolution: nn.Module, x: Tensor, values: Tensor, module: nn.Module | None, number: int
) -> Tensor:
    """Output of the activation when the first call of a convolution returns ``values``."""
    calls: dict[nn.Module | None, int] = {}
    read: list[Tensor] = []

    def at_call(part: nn.Module | None, wanted: int, act: Callable[[Any], Any], result: Any) -> Any:
        calls[part] = calls.get(part, -1) + 1
        return act(result) if calls[part] == wanted else result

    def end(result: Tensor) -> None:
        read.append(result.clone())
        raise _ActivationReadError

    def on_function(name: str, args: Any, result: Any) -> Any:
        return at_call(None, number, end, result) if name in ACTIVATIONS else result

    handles = [convolution.register_forward_hook(lambda part, args, y: at_call(part, 0, lambda _: values, y))]
    if module is not None:
        handles.append(module.register_forward_hook(lambda part, args, y: at_call(part, number, end, y)))
    try:
        with (
            RandomStream(0, x.device).drawing(),
            uncompiled(model),
            Functions(on_function) if module is None else nullcontext(),
        ):
            run_model(model, x)
    except _ActivationReadError:
        pass
    finally:
        for handle in handles:
            handle.remove()
    return read[0]
