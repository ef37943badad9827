"""Models of other layouts, orders of bases and outputs, as ones that map one-hot ``(batch, 4, length)`` to logits."""

from collections.abc import Callable
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from rcviz._core.checks import check_choice, check_features
from rcviz.layers.conv import RevCompConv1d
from rcviz.models.runtime import as_logits, check_module, described, one_tensor, run
from rcviz.sequences.alphabet import BASES, reverse_complement

Layout = Literal["NCL", "NLC"]
Scale = Literal["logit", "probability"]
Pick = int | str | Callable[[Any], Any]


class AdaptedModel(nn.Module):
    """A model seen through :func:`as_sequence_model`; its parts go by their names behind ``model.``.

    Attributes
    ----------
    model : nn.Module
        The model itself, not a copy.
    layout, bases, output, output_is
        As given.

    Examples
    --------
    >>> import torch, rcviz
    >>> network = torch.nn.Sequential(torch.nn.Conv1d(4, 8, 15), torch.nn.AdaptiveMaxPool1d(1), torch.nn.Flatten())
    >>> adapted = rcviz.as_sequence_model(network, bases="ACTG")
    >>> adapted.model is network, rcviz.filter_bank(adapted).layer
    (True, 'model.0')
    """

    def __init__(self, model: nn.Module, layout: Layout, bases: str, output: Pick | None, output_is: Scale) -> None:
        super().__init__()
        self.model = model
        self.layout, self.bases, self.output, self.output_is = layout, bases, output, output_is

    def forward(self, x: Float[Tensor, "..."]) -> Float[Tensor, "batch tasks"]:
        """Compute the logits."""
        check_features(x.shape, 4)
        if self.bases != BASES:
            x = x[:, [BASES.index(base) for base in self.bases]]
        y, written = self._picked(run(self.model, x.transpose(1, 2).contiguous() if self.layout == "NLC" else x))
        y = as_logits(y, len(x), written)
        return y if self.output_is == "logit" else self._logit(y)

    def _picked(self, y: Any) -> tuple[Tensor, str]:
        """What ``output`` picks, and how that is written in advice."""
        if self.output is None:
            return one_tensor(y), "y"
        if callable(self.output):
            picked, written = self.output(y), "(...)"
        elif isinstance(y, Tensor):
            raise ValueError(
                f"output={self.output!r} picks one of several outputs, and the model returns one tensor "
                f"{tuple(y.shape)}; leave output out, or give a function of that tensor"
            )
        else:
            try:
                picked, written = y[self.output], f"y[{self.output!r}]"
            except (LookupError, TypeError) as error:
                raise ValueError(
                    f"the model's output has no entry {self.output!r}: it is a {described(y)}; pick one of these"
                ) from error
        if not isinstance(picked, Tensor):
            raise ValueError(
                f"output={_short(self.output)} picks a {type(picked).__name__}, and logits are one tensor; give a "
                f"function that picks it, such as output=lambda y: y[0][0]"
            )
        return picked, written

    def _logit(self, y: Float[Tensor, "batch tasks"]) -> Float[Tensor, "batch tasks"]:
        if not self.training and not bool(((y >= 0) & (y <= 1)).all()):
            raise ValueError(
                f"output_is='probability', and the model gives numbers from {float(y.min()):.3g} to "
                f"{float(y.max()):.3g}; use output_is='logit'"
            )
        # Rounded to 0 or 1, a probability has no finite logit; within rounding it has one.
        return torch.logit(y, eps=torch.finfo(y.dtype).eps)

    def extra_repr(self) -> str:
        """Describe the adapter in ``print(model)``."""
        return (
            f"layout={self.layout!r}, bases={self.bases!r}, output={_short(self.output)}, output_is={self.output_is!r}"
        )


def as_sequence_model(
    model: nn.Module,
    *,
    layout: Layout = "NCL",
    bases: str = BASES,
    output: Pick | None = None,
    output_is: Scale = "logit",
) -> AdaptedModel:
    """Make any network one that maps one-hot ``(batch, 4, length)`` to logits ``(batch, tasks)``.

    Predictions, strand reports, contributions, attributions, training and the explorers then take it. It shares its
    weights with ``model``; a layer is given as the module itself, or by its name behind ``model.``.

    Parameters
    ----------
    model : nn.Module
        Left as found.
    layout : "NCL" or "NLC"
        What the model reads: (batch, 4, length) or (batch, length, 4).
    bases : str
        The order of its four channels, such as "ACTG"; U counts as T. Filters are shown as A, C, G, T all the same.
    output : int, str or callable, optional
        Which of several outputs are the logits: the index in a tuple, the key in a dict, or a function of all that
        the model returns. A profile (batch, tasks, length) needs a function that makes one number a task of it,
        such as ``lambda y: y["profile"].mean(dim=2)``.
    output_is : "logit" or "probability"
        Probabilities are turned into logits, finite ones even where a sigmoid has rounded to 0 or 1. A number that is
        neither, such as a logarithm of counts, goes through as a logit; ask :func:`rcviz.predict` and
        :func:`rcviz.strand_agreement` for ``output="logit"`` then.

    Returns
    -------
    AdaptedModel
        An ``nn.Module``.

    Raises
    ------
    ValueError
        For a layout, an order of bases or a scale that is none, for tied layers over bases that are no complements
        in that order and, when called, for an output that is not there or no logits.

    Examples
    --------
    >>> import torch, rcviz
    >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(800, 3), torch.nn.Sigmoid())
    >>> adapted = rcviz.as_sequence_model(model, layout="NLC", output_is="probability")
    >>> rcviz.predict(adapted, ["ACGT" * 50]).shape
    (1, 3)
    """
    check_module(model)
    check_choice("layout", layout, get_args(Layout))
    check_choice("output_is", output_is, get_args(Scale))
    order = bases.upper().replace("U", "T")
    if sorted(order) != sorted(BASES):
        raise ValueError(
            f"bases must name A, C, G and T once each, in the order of the model's channels, got {bases!r}"
        )
    tied = [name for name, part in model.named_modules() if isinstance(part, RevCompConv1d) and part.in_channels == 4]
    if tied and reverse_complement(order) != order:
        raise ValueError(
            f"{tied[0]} pairs the first channel with the last and the second with the third, and in {order} these are "
            f"no complements; use an order such as ACGT or CATG for tied layers"
        )
    return AdaptedModel(model, layout, order, output, output_is)


def channel_of_each_base(model: nn.Module, layer: nn.Module) -> list[int]:
    """Channels in which a layer of ``model`` reads A, C, G and T, as an adapter around it declares."""
    for part in model.modules():
        if isinstance(part, AdaptedModel) and any(inside is layer for inside in part.modules()):
            return [part.bases.index(base) for base in BASES]
    return list(range(len(BASES)))


def _short(output: Any) -> str:
    return getattr(output, "__name__", "a function") if callable(output) else repr(output)
