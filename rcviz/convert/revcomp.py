"""Conversion of a plain network to one that shares its weights between the strands."""

import dataclasses
from contextlib import suppress
from dataclasses import dataclass

import pandas as pd
import torch
from torch import nn

from rcviz._core.checks import check_positive
from rcviz.convert.chain import Link, NotConvertibleError, assemble, chain_of
from rcviz.convert.counterparts import Features, Tied, is_dense, merge_strands, tie
from rcviz.layers.plain import with_current_weights
from rcviz.models.network import SequenceModel, build_model
from rcviz.models.outputs import run_model
from rcviz.models.runtime import check_module, device_and_dtype, evaluating, without_wrapper
from rcviz.models.settings import self_contained

_COLUMNS = ["module", "kind", "became", "change", "parameters", "parameters_after", "zeros"]


@dataclass(frozen=True)
class RevCompConversion:
    """A network that shares its weights between the strands, and a table of what changed.

    Attributes
    ----------
    model : nn.Sequential
        The new network; a :class:`rcviz.SequenceModel` where the old one was.
    table : DataFrame
        One row per part, in order of use: ``module`` (dotted name), ``kind`` (class), ``became`` (classes), ``change``
        (as text), ``parameters`` and ``parameters_after`` (as stored), ``zeros`` (number of weights that start at
        zero: those for the channels of the other strand, which further training can learn).

    Examples
    --------
    >>> import torch, rcviz
    >>> conversion = rcviz.to_revcomp(torch.nn.Sequential(torch.nn.Conv1d(4, 16, 15), torch.nn.ReLU()))
    >>> conversion.table[["module", "became"]].values.tolist()
    [['0', 'RevCompConv1d'], ['1', 'ReLU']]
    """

    model: nn.Sequential
    table: pd.DataFrame


@self_contained
def to_revcomp(model: nn.Module, *, length: int | None = None) -> RevCompConversion:
    """Convert a plain convolutional network to one that shares its weights between the strands.

    Filters stay, channels double: ``n`` filters become ``2 n`` channels, each filter and its RC. All weights are
    copied, so that nothing learned is lost. A filter of a later layer reads its own strand's channels as before and
    starts with zeros for the other strand's. The last dense layer merges the strands and gives each of them half of its
    weights. In evaluation mode its outputs are therefore exactly the mean of the plain network's outputs for a sequence
    and for its RC, and the same for both strands.

    Weights that torch recomputes before every forward pass (weight and spectral norm, pruning) are those of the next
    one in evaluation mode; the copies are plain.

    This needs no training. With further training, the zeros are learned as well, and batch norms use the statistics of
    both strands. Layers between the first and the last have twice as many weights and four times as many operations as
    those of the plain network.

    Parameters
    ----------
    model : nn.Module
        A chain of convolutions, batch norms, pooling, dropout, pointwise activations and dense layers that reads
        ``(batch, channels, length)``, channels ``i`` and ``n - 1 - i`` being RC partners as in one-hot DNA: an
        :class:`nn.Sequential`, a model made by :func:`rcviz.build_model`, or a module that :mod:`torch.fx`
        can trace. It is not modified.
    length : int, optional
        Length of the sequences; a pooling whose windows do not fill it is then refused here and not at the first call.
        A model made by :func:`rcviz.build_model` has it in its configuration.

    Returns
    -------
    RevCompConversion
        On the same device, in the same floating-point type and mode. Without a dense layer the mean over the strands
        is added after the flattened features; a feature map at the end stays a feature map of paired channels.

    Raises
    ------
    ValueError
        Naming the part that cannot be converted and what to do: a module used twice, recurrent layers, an odd number of
        input channels, padding or pooling that treats the two ends differently, shortcuts, parts of another kind.

    Examples
    --------
    >>> import torch, rcviz
    >>> body = [torch.nn.Conv1d(4, 16, 15), torch.nn.ReLU(), torch.nn.AdaptiveMaxPool1d(1), torch.nn.Flatten()]
    >>> conversion = rcviz.to_revcomp(torch.nn.Sequential(*body, torch.nn.Linear(16, 1)))
    >>> conversion.table["became"].tolist()
    ['RevCompConv1d', 'ReLU', 'AdaptiveMaxPool1d', 'Flatten', 'RevCompLinear']
    >>> rcviz.assert_invariant(conversion.model, torch.eye(4)[torch.randint(4, (8, 100))].mT)
    """
    check_module(model)
    model = with_current_weights(model)
    model = without_wrapper(model)
    links = chain_of(model)
    if length is None and isinstance(model, SequenceModel):
        length = model.config.sequence_length
    dense = [index for index, (_, part) in enumerate(links) if is_dense(part)]
    features = Features()
    done: list[Link] = []
    rows: list[tuple[object, ...]] = []
    for index, (name, part) in enumerate(links):
        tied = tie(name, part, features, last=index in dense[-1:])
        done += _named(name, tied, part.training)
        rows.append((name, type(part).__name__, *_described(tied, _count(part))))
        features = tied.features
    if not features.doubled and not features.merged:
        raise NotConvertibleError(f"{type(model).__name__} has neither a convolution nor a dense layer to convert")
    if not features.merged and features.form != "map":
        tied = merge_strands(features)
        done += _named("strands", tied, model.training)
        rows.append(("", "", *_described(tied, 0)))
    converted = assemble(done)
    converted.training = model.training
    if length is not None:
        check_positive("length", length)
        _try(converted, _channels_into(links, length), length)
    if isinstance(model, SequenceModel):
        converted = _as_sequence_model(model, converted)
    return RevCompConversion(converted, pd.DataFrame(rows, columns=_COLUMNS))


def _named(name: str, tied: Tied, training: bool) -> list[Link]:
    return [(f"{name}_{word}" if word else name, module.train(training)) for word, module in tied.modules]


def _described(tied: Tied, parameters: int) -> tuple[object, ...]:
    became = ", ".join(type(module).__name__ for _, module in tied.modules)
    return became, tied.change, parameters, sum(_count(module) for _, module in tied.modules), tied.zeros


def _count(part: nn.Module) -> int:
    return sum(parameter.numel() for parameter in part.parameters())


def _channels_into(links: list[Link], length: int) -> int:
    for _, part in links:
        if isinstance(part, nn.Conv1d):
            return part.in_channels
        if isinstance(part, nn.Linear):
            return part.in_features // length
    return 4


def _try(converted: nn.Sequential, n_channels: int, length: int) -> None:
    """Raise where a part does not accept sequences of that length, naming it."""
    device, dtype = device_and_dtype(converted)
    x = sequences = torch.zeros(1, n_channels, length, device=device, dtype=dtype)
    with evaluating(converted):
        for name, part in converted.named_children():
            try:
                x = part(x)
            except (ValueError, RuntimeError) as error:
                if isinstance(error, RuntimeError):
                    with suppress(RuntimeError):
                        run_model(converted, sequences)  # its error names parts on different devices
                raise NotConvertibleError(
                    f"{name} ({type(part).__name__}) does not accept sequences of length {length}: {error}"
                ) from error


def _as_sequence_model(model: SequenceModel, converted: nn.Sequential) -> SequenceModel:
    """Copy the weights into a model with a configuration, which can be saved."""
    device, dtype = device_and_dtype(converted)
    built = build_model(dataclasses.replace(model.config, architecture="revcomp")).to(device=device, dtype=dtype)
    built.load_state_dict(converted.state_dict())
    for parameter, learned in zip(built.parameters(), converted.parameters(), strict=True):
        parameter.requires_grad_(learned.requires_grad)
    for part, other in zip(built.modules(), converted.modules(), strict=True):
        part.training = other.training
    return built
