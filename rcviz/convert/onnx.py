"""Models as ONNX files, for runtimes without Python."""

import copy
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
from rcviz.models.network import SequenceModel
from rcviz.models.outputs import one_tensor, run_model
from rcviz.models.runtime import check_not_meta


def export_onnx(model: nn.Module, path: str | os.PathLike[str], *, length: int | None = None) -> None:
    """Write a model as one ONNX file, whole or not at all.

    What goes in is ``sequences``, one-hot float32 (batch, 4, length), what comes out is ``logits``; the batch may have
    any size, the length is fixed. Weights are written as float32, in evaluation mode, the tied ones expanded by
    :func:`rcviz.to_standard` where that is possible, so that the graph consists of plain convolutions; any other model
    is exported as it is. The model is left as found.

    Parameters
    ----------
    model : nn.Module
        Maps one-hot ``(batch, 4, length)`` to one tensor.
    path : path-like
        By custom ``*.onnx``; the folder must exist.
    length : int, optional
        Length of the sequences; a model made by :func:`rcviz.build_model` knows it.

    Raises
    ------
    ImportError
        When onnx or onnxscript is missing, saying what to install.
    ValueError
        For a model whose length is not known or does not fit, that returns no single tensor, that ``torch.onnx`` cannot
        export, or that works for one size of a batch only.

    Examples
    --------
    >>> rcviz.export_onnx(model, "model.onnx")  # doctest: +SKIP
    """
    try:
        import onnx
        import onnxscript  # noqa: F401 - torch.onnx imports it too late for a sentence of ours
    except ImportError as error:
        raise ImportError("exporting needs onnx and onnxscript: pip install 'rcviz[onnx]'") from error
    if length is None:
        length = _known_length(model)
    check_positive("length", length)
    check_not_meta(model)
    network = copy.deepcopy(model).cpu().float().eval()
    with suppress(NotConvertibleError):  # else it goes as it is
        network = to_standard(network, length=length)
    sequences = torch.zeros(2, 4, length)  # two, as one would be taken for a size that never changes
    _try(network, sequences)
    exported = _exported(network, sequences)
    onnx.checker.check_model(exported)
    with atomic_write(path) as temporary:
        onnx.save_model(exported, str(temporary))


def _known_length(model: nn.Module) -> int:
    for part in model.modules():
        if isinstance(part, SequenceModel):
            return part.config.sequence_length
    raise ValueError(
        f"{type(model).__name__} does not say for which length of sequences it is exported; tell it with "
        f"export_onnx(model, path, length=...)"
    )


def _try(network: nn.Module, sequences: Tensor) -> None:
    """Raise unless the network gives a tensor for such sequences."""
    with torch.no_grad():
        one_tensor(run_model(network, sequences))


def _exported(network: nn.Module, sequences: Tensor) -> Any:
    """ONNX model (a protobuf), without the paths of the source files that torch notes in it."""
    try:
        with _quietly():
            program = torch.onnx.export(
                network,
                (sequences,),
                dynamo=True,
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                input_names=["sequences"],
                output_names=["logits"],
                verbose=False,
            )
    except Exception as error:  # whatever the exporter cannot follow
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ValueError(
            f"torch.onnx cannot export {type(network).__name__} ({reason}); torch.export.export(model, ...) says more"
        ) from error
    assert program is not None
    exported = program.model_proto
    if not exported.graph.input[0].type.tensor_type.shape.dim[0].dim_param:
        raise ValueError(
            f"{type(network).__name__} can be exported for one size of a batch only, as its forward pass asks for it; "
            f"write x.shape[0] instead of len(x), and slices instead of chunks"
        )
    for node in exported.graph.node:
        node.ClearField("metadata_props")
    return exported


@contextmanager
def _quietly() -> Iterator[None]:
    """Without what torch says of packages that are not asked for."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
