"""A network in plain torch modules, with the same outputs."""

from collections.abc import Iterable, Iterator
from inspect import signature

import torch
from torch import Tensor, nn

from rcviz._core.checks import check_features, check_positive
from rcviz.convert.chain import Link, NotConvertibleError, assemble, chain_of
from rcviz.layers.plain import Shape, with_current_weights
from rcviz.layers.symmetry import declares
from rcviz.models.network import SequenceModel
from rcviz.models.runtime import copy_module, device_and_dtype, evaluating, without_wrapper
from rcviz.models.scale import output_scale
from rcviz.models.settings import self_contained


@self_contained
def to_standard(model: nn.Module, *, length: int | None = None) -> nn.Sequential:
    """Rebuild a network from plain torch modules, with the same outputs.

    Tied weights are expanded, so that the result does not need rcviz: it can be given to ``torch.export``, to
    :func:`rcviz.export_onnx` or to any tool that supports :class:`torch.nn.Conv1d`. Weights that torch recomputes
    before every forward pass (weight and spectral norm, pruning) are those of the next one in evaluation mode.

    In evaluation mode the outputs are the same up to rounding. In training mode as well, except after batch norm,
    whose statistics are those of each channel alone in torch, and after dropout, which draws for each channel alone.
    The weights are not tied any more: further training makes the two strands differ.

    Parameters
    ----------
    model : nn.Module
        A model made by :func:`rcviz.build_model`, or a chain of layers of rcviz, of torch and of your own that declare
        ``to_plain`` (see :mod:`rcviz.layers.symmetry`): an :class:`nn.Sequential`, or a module that
        :mod:`torch.fx` can trace.
    length : int, optional
        Length of the sequences, for a pooling with ``edge="trim"``, which depends on it. A model made by
        :func:`rcviz.build_model` has it in its configuration.

    Returns
    -------
    nn.Sequential
        Copies on the same device, in the same floating-point type and mode. Parts keep their names; where one becomes
        several, the others have a second word, as in ``weighted_sum_flatten``. Frozen parameters stay frozen.

    Raises
    ------
    ValueError
        Naming the part that a chain of plain torch modules cannot express.

    Examples
    --------
    >>> import rcviz
    >>> model = rcviz.build_model(rcviz.ModelConfig.simulated("revcomp"))
    >>> [name for name, _ in rcviz.to_standard(model).named_children()]
    ['conv1', 'norm1', 'relu1', 'pool', 'weighted_sum', 'weighted_sum_flatten', 'dense']
    """
    model = without_wrapper(model)
    model = with_current_weights(model)
    links = chain_of(model)
    if isinstance(model, SequenceModel):
        built_for = model.config.sequence_length
        length = built_for if length is None else length
        check_features((1, 4, length), 4, built_for)
    device, dtype = device_and_dtype(model)
    sample: Tensor | None = None
    shape: Shape | None = None
    if length is not None:
        check_positive("length", length)
        sample = torch.zeros(1, channels_into(links), length, device=device, dtype=dtype)
        shape = tuple(sample.shape[1:])
    done: list[Link] = []
    for name, part in links:
        has_type = any(tensor.is_floating_point() for tensor in (*part.parameters(), *part.buffers()))
        pieces = _plain_pieces(name, part, shape)
        for _, piece in pieces:
            piece.train(part.training)
            if not has_type:
                piece.to(device=device, dtype=dtype)
        done += pieces
        if sample is None:
            shape = _shape_after((piece for _, piece in pieces), shape)
        else:
            sample = _output(part, sample)
            shape = tuple(sample.shape[1:])
    standard = assemble(done)
    standard.training = model.training
    if output_scale(model) == "value":
        vars(standard)["output_is"] = "value"  # a declaration, see rcviz.output_scale
    return standard


def channels_into(links: Iterable[Link]) -> int:
    """Channels of the first layer that has a number of them; otherwise the four bases."""
    for _, part in links:
        for name in ("in_channels", "n_channels"):
            if hasattr(part, name):
                return int(getattr(part, name))
    return 4


def _plain_pieces(name: str, part: nn.Module, shape: Shape | None) -> list[Link]:
    """Plain torch modules that do what ``part`` does, copies that share nothing with it."""
    if declares(part, "to_plain"):
        try:
            takes_shape = "shape" in signature(part.to_plain).parameters  # type: ignore[arg-type]
            plain = part.to_plain(shape) if takes_shape else part.to_plain()  # type: ignore[operator]
        except ValueError as error:
            raise NotConvertibleError(f"{name} ({type(part).__name__}): {error}") from error
    else:
        plain = part
    if not all(type(module).__module__.startswith("torch.") for module in plain.modules()):
        raise NotConvertibleError(
            f"{name} ({type(part).__name__}) is neither a module of torch nor declares to_plain(), which returns it in "
            f"plain torch modules; torch.export and rcviz.export_onnx take the model as it is"
        )
    return list(_opened(name, copy_module(plain)))


def _opened(name: str, plain: nn.Module) -> Iterator[Link]:
    """Modules in a sequential one; the one that is called ``layer`` has the name of the layer itself."""
    if type(plain) is not nn.Sequential:
        yield name, plain
        return
    for key, piece in plain.named_children():
        yield from _opened(name if key == "layer" else f"{name}_{key}", piece)


def _output(part: nn.Module, sample: Tensor) -> Tensor:
    with evaluating(part):
        output: Tensor = part(sample)
    return output


def _shape_after(pieces: Iterable[nn.Module], shape: Shape | None) -> Shape | None:
    """Shape after plain modules, as far as it can be known without a length."""
    for piece in pieces:
        if isinstance(piece, nn.Linear) or (isinstance(piece, nn.Flatten) and piece.start_dim == 1):
            shape = (getattr(piece, "out_features", None),)
        elif isinstance(piece, nn.Unflatten):
            shape = None
        elif isinstance(piece, nn.Conv1d):
            shape = (piece.out_channels, None)
    return shape
