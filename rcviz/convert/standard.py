"""A network in plain torch modules, with the same outputs."""

from dataclasses import replace

import torch
from torch import nn

from rcviz._core.checks import check_features, check_positive
from rcviz.convert._chain import Link, assemble, chain_of
from rcviz.convert._plain import Features, channels_into, plain_modules
from rcviz.models.network import SequenceModel
from rcviz.models.runtime import device_and_dtype


def to_standard(model: nn.Module, *, length: int | None = None) -> nn.Sequential:
    """Rebuild a network from plain torch modules, with the same outputs.

    Tied weights are written out, partners and all, so that the result needs no rcviz: it can be handed to
    ``torch.export``, to :func:`rcviz.export_onnx` or to any tool that knows :class:`torch.nn.Conv1d`.

    In evaluation mode the outputs are the same up to rounding. In training mode they are, too, except behind batch
    norm, which in torch has statistics for each channel alone and not for both strands, and behind dropout, which
    draws for each channel alone. Nothing ties the weights any more: trained on, the two strands go apart.

    Parameters
    ----------
    model : nn.Module
        A model made by :func:`rcviz.build_model`, or a chain of layers of rcviz and torch: an :class:`nn.Sequential`,
        or a module whose forward pass :mod:`torch.fx` can follow.
    length : int, optional
        Length of the sequences, for a pooling with ``edge="trim"``, which leaves out as much as it demands; a model
        made by :func:`rcviz.build_model` knows it.

    Returns
    -------
    nn.Sequential
        Copies on the same device, in the same floating-point type and mode. Parts keep their names; where one becomes
        several, the others have a word more, as in ``weighted_sum_flatten``. What was frozen still is.

    Raises
    ------
    ValueError
        Naming the part that plain torch modules behind each other cannot express.

    Examples
    --------
    >>> import rcviz
    >>> model = rcviz.build_model(rcviz.ModelConfig.simulated("revcomp"))
    >>> [name for name, _ in rcviz.to_standard(model).named_children()]
    ['conv1', 'norm1', 'relu1', 'pool', 'weighted_sum', 'weighted_sum_flatten', 'dense']
    """
    links = chain_of(model)
    if isinstance(model, SequenceModel):
        built_for = model.config.sequence_length
        length = built_for if length is None else length
        check_features((1, 4, length), 4, built_for)
    device, dtype = device_and_dtype(model)
    features = Features(like=torch.empty(0, device=device, dtype=dtype))
    if length is not None:
        check_positive("length", length)
        features = replace(features, sample=features.like.new_zeros(1, channels_into(links), length))
    done: list[Link] = []
    for name, part in links:
        for word, plain in plain_modules(name, part, features):
            done.append((f"{name}_{word}" if word else name, plain.train(part.training)))
        features = features.behind(part)
    standard = assemble(done)
    standard.training = model.training
    return standard
