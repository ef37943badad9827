"""Whether the weights of a model are still those that something was computed from."""

import zlib
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from rcviz.layers.torch_internals import version_of

_MOST = 1 << 20
"""Most numbers of one tensor that are read; of larger ones an even sample is."""


class Fingerprint:
    """Weights of models at the time of the call, in a few bytes.

    A checksum of the numbers also sees a change through ``.data``, and that a training step was undone; a million
    numbers take about a millisecond. Of larger tensors a sample is read, and torch's version counter decides as well.

    Parameters
    ----------
    models : iterable of nn.Module

    Examples
    --------
    >>> before = Fingerprint([model])
    >>> before.changed()
    False
    """

    def __init__(self, models: Iterable[nn.Module]) -> None:
        self._models = tuple(models)
        self._checksums = self._read()

    def changed(self) -> bool:
        """Whether a weight differs now."""
        return self._read() != self._checksums

    def _read(self) -> tuple[tuple[int, int], ...]:
        return tuple(_summary(tensor) for model in self._models for tensor in (*model.parameters(), *model.buffers()))


def _summary(tensor: Tensor) -> tuple[int, int]:
    """Checksum of a tensor and, if only a sample of it is read, its version; all of it is read if that is not known."""
    if tensor.is_meta or tensor.layout != torch.strided or not tensor.numel():
        return 0, 0
    flat = tensor.detach().reshape(-1)
    version = version_of(tensor)
    step = 1 if version is None else -(-len(flat) // _MOST)
    numbers = flat[::step].contiguous().cpu().view(torch.uint8).numpy()
    return zlib.crc32(numbers.data), (version or 0) if step > 1 else 0
