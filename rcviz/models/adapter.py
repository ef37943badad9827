"""Adapters for models of other layouts, inputs and outputs: one-hot ``(batch, 4, length)`` in, logits out."""

import math
from collections.abc import Callable
from numbers import Real
from typing import Any, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from rcviz._core.checks import check_choice, check_features, shown
from rcviz.layers.facts import has_paired_channels, is_convolution
from rcviz.models.outputs import Layout, as_logits, describe_output, fields_of, one_tensor, run_model
from rcviz.models.runtime import check_module
from rcviz.models.scale import Scale, logits_of_probabilities
from rcviz.sequences.alphabet import BASES, reverse_complement

Selector = int | str | Callable[[Any], Any]
Inputs = Callable[[Tensor], Any]


class AdaptedModel(nn.Module):
    """A model wrapped by :func:`as_sequence_model`; the names of its layers begin with ``model.``.

    Attributes
    ----------
    model : nn.Module
        The model itself, not a copy.
    layout, bases, unknown, inputs, output, output_is
        As given.

    Examples
    --------
    >>> import torch, rcviz
    >>> network = torch.nn.Sequential(torch.nn.Conv1d(4, 8, 15), torch.nn.AdaptiveMaxPool1d(1), torch.nn.Flatten())
    >>> adapted = rcviz.as_sequence_model(network, bases="ACTG")
    >>> adapted.model is network, rcviz.filter_bank(adapted).layer
    (True, 'model.0')
    """

    converts_probabilities = True

    def __init__(
        self,
        model: nn.Module,
        layout: Layout,
        bases: str,
        unknown: float,
        inputs: Inputs | None,
        output: Selector | None,
        output_is: Scale,
    ) -> None:
        super().__init__()
        self.model = model
        self.layout, self.bases, self.unknown, self.inputs = layout, bases, unknown, inputs
        self.output, self.output_is = output, output_is

    def forward(self, x: Float[Tensor, "..."]) -> Float[Tensor, "batch tasks *length"]:
        """Compute the logits, or the values of ``output_is="value"``; or a profile, for RevCompConjoined."""
        if self.output_is == "probability":
            return logits_of_probabilities(self.model, lambda: self._outputs(x))
        return self._outputs(x)

    def _outputs(self, x: Float[Tensor, "..."]) -> Float[Tensor, "batch tasks *length"]:
        """Run the model, and select its output."""
        check_features(x.shape, 4)
        if self.bases != BASES:
            x = x[:, [BASES.index(base) for base in self.bases]]
        if self.unknown:
            x = torch.where((x == 0).all(dim=1, keepdim=True), self.unknown, x)
        y = run_model(self.model, x, layout=self.layout, inputs=self.inputs)
        y = self._select(y)
        if y.ndim == 3 and y.is_floating_point() and y.shape[0] == x.shape[0]:
            return y  # a profile, which RevCompConjoined reads; other users refuse it
        return as_logits(y, x.shape[0], self.expression)  # not len(), which torch.export would record as a number

    @property
    def expression(self) -> str:
        """The selected output, as advice in errors writes it."""
        if self.output is None:
            return "y"
        return "(...)" if callable(self.output) else f"y[{self.output!r}]"

    def _select(self, y: Any) -> Tensor:
        """Return the tensor that ``output`` selects."""
        if self.output is None:
            return one_tensor(y)
        if callable(self.output):
            selected = self.output(y)
        elif isinstance(y, Tensor):
            raise ValueError(
                f"output={self.output!r} selects one of several outputs, but the model returns one tensor "
                f"{tuple(y.shape)}; leave output out, or pass a function of that tensor"
            )
        else:
            selected = self._entry(y)
        if not isinstance(selected, Tensor):
            raise ValueError(
                f"output={_short(self.output)} must select one tensor, got a {type(selected).__name__}; pass a "
                f"function that selects the tensor, such as output=lambda y: y[0][0]"
            )
        return selected

    def _entry(self, y: Any) -> Any:
        """Return the entry of several outputs that has the index, key or name ``output``."""
        fields = fields_of(y)
        if self.output in fields:
            return fields[self.output]
        try:
            return y[self.output]
        except (LookupError, TypeError) as error:
            raise ValueError(
                f"output={self.output!r} is not in the model's output, a {describe_output(y)}; select one of these"
            ) from error

    def extra_repr(self) -> str:
        """Describe the adapter in ``print(model)``."""
        peculiar = f", unknown={self.unknown!r}" if self.unknown else ""
        peculiar += "" if self.inputs is None else f", inputs={_short(self.inputs)}"
        return (
            f"layout={self.layout!r}, bases={self.bases!r}{peculiar}, output={_short(self.output)}, "
            f"output_is={self.output_is!r}"
        )


def as_sequence_model(
    model: nn.Module,
    *,
    layout: Layout = "NCL",
    bases: str = BASES,
    unknown: float = 0.0,
    inputs: Inputs | None = None,
    output: Selector | None = None,
    output_is: Scale = "logit",
) -> AdaptedModel:
    """Wrap any network so that it maps one-hot ``(batch, 4, length)`` to logits or values ``(batch, tasks)``.

    Prediction, strand agreement, contributions, attributions, training and the explorers accept the result. It shares
    its weights with ``model``; a layer is passed as the module itself, or as its name with ``model.`` before it.

    Parameters
    ----------
    model : nn.Module
        Not modified.
    layout : "NCL", "NLC", "NC1L", "NCL1", "N1CL" or "N1LC"
        Axes of the model's input: N sequences, C the four bases, L positions, and 1 an axis of size one for networks
        with two-dimensional convolutions. "NCL" is (batch, 4, length) and "NC1L" is (batch, 4, 1, length).
    bases : str
        Order of its four channels, such as "ACTG"; U is read as T. Filters are still shown in the order A, C, G, T.
    unknown : float
        Value of the four channels where the base is not known (N), such as the 0.25 of Selene and Sei.
    inputs : callable, optional
        From the sequences, a tensor in ``layout`` with the channels in the order of ``bases``, to what the model is
        called with: a tensor, a tuple for ``model(*inputs(x))``, or a dict for ``model(**inputs(x))``. For control
        tracks, such as ``lambda x: (x, x.new_zeros(x.shape[0], 2, x.shape[2]))``, and for token ids, such as
        ``lambda x: x.argmax(dim=1)``. Token ids have no gradient: attributions to bases are then refused.
    output : int, str or callable, optional
        Selects the logits among several outputs: the index in a tuple, the key in a dict, the name of an attribute, or
        a function of everything that the model returns. A profile (batch, tasks, length) needs a function that reduces
        it to one number per task, such as ``lambda y: y["profile"].mean(dim=2)``.
    output_is : "logit", "probability" or "value"
        Scale of the output, which all predictions, analyses and plots follow; see :func:`rcviz.output_scale`.
        ``"probability"``: the adapted model returns the logits, which are those that went into the last sigmoid where
        that is found. ``"value"``: any other number, such as a logarithm of counts; no sigmoid is applied to it.

    Returns
    -------
    AdaptedModel
        An ``nn.Module``.

    Raises
    ------
    ValueError
        For a layout, order of bases or scale that does not exist, and a model that is adapted already; for tied layers
        if reversing the order of bases does not give their complements; and, when the model is called, if ``inputs`` or
        ``output`` does not fit it.

    Examples
    --------
    >>> import torch, rcviz
    >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(800, 3), torch.nn.Sigmoid())
    >>> adapted = rcviz.as_sequence_model(model, layout="NLC", output_is="probability")
    >>> rcviz.predict(adapted, ["ACGT" * 50]).shape
    (1, 3)
    """
    check_module(model)
    if isinstance(model, AdaptedModel):
        raise ValueError(
            f"model is adapted already ({model.extra_repr()}); pass model.model, and declare everything in one call"
        )
    check_choice("layout", layout, get_args(Layout))
    check_choice("output_is", output_is, get_args(Scale))
    if output_is == "value" and getattr(model, "average", None) == "probability":
        raise ValueError(
            "output_is='value' does not fit RevCompConjoined(average='probability'), which treats outputs as logits; "
            "average values as they are, with average='logit'"
        )
    order = str(bases).upper().replace("U", "T")
    if sorted(order) != sorted(BASES):
        raise ValueError(
            f"bases must name A, C, G and T once each, in the order of the model's channels, got {shown(bases)}"
        )
    _check_input_settings(unknown, inputs)
    tied = [
        name
        for name, part in model.named_modules()
        if is_convolution(part) and part.in_channels == 4 and has_paired_channels(part)
    ]
    if tied and reverse_complement(order) != order:
        raise ValueError(
            f"bases must pair complements for tied layers: {tied[0]} pairs the first channel with the last and the "
            f"second with the third, got {order}; use an order such as ACGT or CATG"
        )
    return AdaptedModel(model, layout, order, float(unknown), inputs, output, output_is)


def _check_input_settings(unknown: Any, inputs: Any) -> None:
    if isinstance(unknown, bool) or not isinstance(unknown, Real) or not math.isfinite(unknown):
        raise ValueError(f"unknown must be a finite number, the value of the four bases at an N, got {shown(unknown)}")
    if inputs is not None and not callable(inputs):
        raise ValueError(
            f"inputs must be a function from the sequences to what the model is called with, got a "
            f"{type(inputs).__name__}"
        )


def channel_of_each_base(model: nn.Module, layer: nn.Module) -> list[int]:
    """Channels in which a layer of ``model`` reads A, C, G and T, as declared by the adapter around it."""
    order = BASES  # of the channels that the model inside is given
    for part in model.modules():  # from the outside in
        if isinstance(part, AdaptedModel) and any(inside is layer for inside in part.modules()):
            order = "".join(order[BASES.index(base)] for base in part.bases)
    return [order.index(base) for base in BASES]


def _short(output: Any) -> str:
    return getattr(output, "__name__", "a function") if callable(output) else repr(output)
