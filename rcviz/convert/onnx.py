"""Models as ONNX files, for runtimes without Python."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch import Tensor, nn

from rcviz._core.checks import check_positive
from rcviz._core.files import atomic_write
from rcviz.convert.chain import NotConvertibleError
from rcviz.convert.standard import to_standard
from rcviz.layers.plain import with_current_weights
from rcviz.models.network import SequenceModel
from rcviz.models.outputs import one_tensor, run_model
from rcviz.models.runtime import check_layers_visible, check_not_meta, copy_module, evaluating, without_wrapper
from rcviz.models.scale import returned_scale
from rcviz.models.settings import self_contained


@self_contained
def export_onnx(model: nn.Module, path: str | os.PathLike[str], *, length: int | None = None) -> None:
    """Write a model as one ONNX file, atomically.

    The input is named ``sequences``, one-hot float32 (batch, 4, length), the output ``logits``, or ``values`` if the
    model declares these. The batch may have any size, the length is fixed. The model is exported in evaluation mode,
    with weights in float32. Tied weights are expanded by :func:`rcviz.to_standard` where that is possible, so that the
    graph consists of plain convolutions; any other model is exported as it is. The model itself is not modified.

    Parameters
    ----------
    model : nn.Module
        Maps one-hot ``(batch, 4, length)`` to one tensor.
    path : path-like
        Usually ends in ``.onnx``; the folder must exist.
    length : int, optional
        Length of the sequences; a model made by :func:`rcviz.build_model` has it in its configuration.

    Raises
    ------
    ImportError
        When onnx or onnxscript is missing, with the command that installs it.
    ValueError
        For a model whose length is not known or does not fit, that does not return one tensor, that ``torch.onnx``
        cannot export, or that works for one batch size only.

    Examples
    --------
    >>> rcviz.export_onnx(model, "model.onnx")  # doctest: +SKIP
    """
    try:
        import onnx
        import onnxscript  # noqa: F401 - torch.onnx imports it too late for the error below
    except ImportError as error:
        raise ImportError("exporting needs onnx and onnxscript: pip install 'rcviz[onnx]'") from error
    if length is None:
        length = _known_length(model)
    check_positive("length", length)
    check_not_meta(model)
    check_layers_visible(model)
    model = without_wrapper(model)
    network = copy_module(with_current_weights(model)).cpu().float().eval()
    with suppress(NotConvertibleError):  # otherwise it is exported as it is
        network = to_standard(network, length=length)
    sequences = torch.zeros(2, 4, length)  # two sequences, because torch.export takes a size of one for a constant
    _try(network, sequences)
    exported = _exported(network, sequences, returned_scale(model))
    onnx.checker.check_model(exported)
    with atomic_write(path) as temporary:
        onnx.save_model(exported, str(temporary))


def _known_length(model: nn.Module) -> int:
    for part in model.modules():
        if isinstance(part, SequenceModel):
            return part.config.sequence_length
    raise ValueError(
        f"length is needed, because {type(model).__name__} does not store the length of its sequences; use "
        f"export_onnx(model, path, length=...)"
    )


def _try(network: nn.Module, sequences: Tensor) -> None:
    """Raise unless the network gives a tensor for such sequences."""
    with evaluating(network):
        one_tensor(run_model(network, sequences))


def _exported(network: nn.Module, sequences: Tensor, scale: str) -> Any:
    """ONNX model (a protobuf), without the paths of source files that torch writes into it."""
    try:
        with _quietly():
            program = torch.onnx.export(
                network,
                (sequences,),
                dynamo=True,
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                input_names=["sequences"],
                output_names=[f"{scale}s"],
                verbose=False,
            )
    except Exception as error:  # the exporter raises many kinds of errors
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ValueError(
            f"torch.onnx cannot export {type(network).__name__} ({reason}); torch.export.export(model, "
            f"...) gives the details"
        ) from error
    assert program is not None
    exported = program.model_proto
    if not exported.graph.input[0].type.tensor_type.shape.dim[0].dim_param:
        raise ValueError(
            f"{type(network).__name__} can be exported for one batch size only, because its forward pass uses it as a "
            f"constant; write x.shape[0] instead of len(x), and slices instead of chunks"
        )
    for node in exported.graph.node:
        node.ClearField("metadata_props")
    return exported


@contextmanager
def _quietly() -> Iterator[None]:
    """Silence torch's warnings about packages that are not needed here."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
