"""Feature maps that differ from those of a few references in a window of positions, stored as these windows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor


@dataclass(frozen=True)
class ChangedWindows:
    """A batch of feature maps, each of them that of a reference outside of one window.

    Attributes
    ----------
    reference : Tensor (references, ..., length, ...)
    values : Tensor (batch, ..., width, ...)
        Of the positions in the window. The window may hold positions that are not changed, and lies inside the map.
    row : Tensor (batch,) of int
        Index of each map's reference.
    start : Tensor (batch,) of int
        First position of each window.
    axis : int
        Axis of the positions, at least 1.
    """

    reference: Tensor
    values: Tensor
    row: Int[Tensor, " batch"]
    start: Int[Tensor, " batch"]
    axis: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the batch as a tensor."""
        return (len(self.row), *self.reference.shape[1:])

    @property
    def length(self) -> int:
        """Number of positions."""
        return int(self.reference.shape[self.axis])

    @property
    def width(self) -> int:
        """Number of positions in a window."""
        return int(self.values.shape[self.axis])

    def at(self, first: Int[Tensor, " batch"], width: int, fill: float = 0.0, *, changed: bool = True) -> Tensor:
        """Read ``width`` positions from ``first`` on; beyond the ends they have the value ``fill``.

        With ``changed=False`` they are read from the references.
        """
        if changed and first is self.start and width == self.width:
            return self.values
        n, length, axis = len(self.reference), self.length, self.axis
        # Positions first: each is then one row, and a window is gathered row by row.
        reference = self.reference.movedim(axis, 1)
        values = self.values.movedim(axis, 1)
        rest = reference.shape[2:]
        outside = reference.new_full((1, rest.numel()), fill)
        source = torch.cat([reference.reshape(n * length, -1), values.reshape(values.shape[:2].numel(), -1), outside])
        position = first[:, None] + torch.arange(width, device=first.device)
        index = self.row[:, None] * length + position
        if changed:
            offset = position - self.start[:, None]
            own = torch.arange(len(self.row), device=first.device)[:, None] * self.width + offset
            index = torch.where((offset >= 0) & (offset < self.width), n * length + own, index)
        index = torch.where((position >= 0) & (position < length), index, len(source) - 1)
        return source.index_select(0, index.flatten()).reshape(len(first), width, *rest).movedim(1, axis)

    def whole(self) -> Tensor:
        """Return the batch as an ordinary tensor."""
        result = self.reference.index_select(0, self.row).movedim(self.axis, 1)
        position = self.start[:, None] + torch.arange(self.width, device=self.start.device)
        batch = torch.arange(len(self.row), device=self.start.device)[:, None]
        result[batch, position] = self.values.movedim(self.axis, 1)
        return result.movedim(1, self.axis)

    def made(self, reference: Tensor, values: Tensor, start: Tensor | None = None, axis: int | None = None) -> Any:
        """Maps of the same references that were computed from these; a tensor where a window is the whole map."""
        axis = self.axis if axis is None else axis
        if values.shape[axis] == reference.shape[axis]:
            return values
        return ChangedWindows(reference, values, self.row, self.start if start is None else start, axis)

    def outputs_reached(self, reach: int, stride: int, padding: int, n_outputs: int) -> tuple[Tensor, int]:
        """First output, and number of outputs, of a sliding window of ``reach`` positions that read a change."""
        width = min(n_outputs, (self.width - 1 + reach - 1) // stride + 1)
        first = torch.div(self.start + padding - (reach - 1) + stride - 1, stride, rounding_mode="floor")
        return first.clamp(0, n_outputs - width), width

    def inside(self, start: Int[Tensor, " batch"], width: int, length: int) -> tuple[Tensor, int]:
        """Move windows into a part of the map of ``length`` positions; only positions outside of it are lost."""
        width = min(width, length)
        return start.clamp(0, length - width), width


def common_window(parts: Sequence[ChangedWindows]) -> tuple[Int[Tensor, " batch"], int]:
    """Smallest window that holds those of all parts, which have one length."""
    first = parts[0]
    if all(part.start is first.start and part.width == first.width for part in parts):
        return first.start, first.width
    start = torch.stack([part.start for part in parts]).amin(dim=0)
    end = torch.stack([part.start + part.width for part in parts]).amax(dim=0)
    return first.inside(start, int((end - start).max()), first.length)


def joined(parts: Sequence[ChangedWindows], *, alternating: bool) -> ChangedWindows:
    """Batches one after the other, or with the maps of all parts alternating, as one batch."""
    width = max(part.width for part in parts)
    windows = [part.inside(part.start, width, part.length)[0] for part in parts]
    values = [part.at(start, width) for part, start in zip(parts, windows, strict=True)]

    def join(tensors: Sequence[Tensor]) -> Tensor:
        return torch.stack(list(tensors), dim=1).flatten(0, 1) if alternating else torch.cat(list(tensors))

    n = len(parts[0].reference)
    rows = [part.row * len(parts) + k if alternating else part.row + k * n for k, part in enumerate(parts)]
    return ChangedWindows(
        join([part.reference for part in parts]), join(values), join(rows), join(windows), parts[0].axis
    )


class WindowTensor(Tensor):
    """A tensor of which only windows are stored: one batch of them, or several that are stacked along a new axis 1.

    It is ``stale`` if an operation in place has changed the memory that it would share.
    """

    windows: ChangedWindows
    stacked: tuple[ChangedWindows, ...]
    stale: bool
