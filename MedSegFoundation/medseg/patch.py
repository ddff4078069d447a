"""Mask patches: what a prompt changed, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .image import Mask
from .pieces import PIECE, spans

#: ``(k, j, i)`` slices with start and stop.
Box = tuple[slice, slice, slice]


def bounding_box(mask: Mask) -> Box | None:
    """Smallest ``(k, j, i)`` box around the true voxels; None for an empty mask."""
    slices = _span(np.any(mask, axis=(1, 2)))
    if slices is None:
        return None
    plane = np.any(mask[slices], axis=0)
    rows, columns = _span(np.any(plane, axis=1)), _span(np.any(plane, axis=0))
    assert rows is not None
    assert columns is not None
    return slices, rows, columns


def moved(box: Box, origin: Box) -> Box:
    """A box in the part of an array that was cut out at ``origin``, as one in all of it."""
    pairs = zip(box, origin, strict=True)
    k, j, i = (slice(a.start + o.start, a.stop + o.start) for a, o in pairs)
    return k, j, i


def union(first: Box | None, second: Box | None) -> Box | None:
    """The smallest box around both; None stands for nowhere."""
    if first is None or second is None:
        return first or second
    pairs = zip(first, second, strict=True)
    k, j, i = (slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in pairs)
    return k, j, i


def _span(hit: Mask) -> slice | None:
    places = np.flatnonzero(hit)
    return slice(int(places[0]), int(places[-1]) + 1) if places.size else None


def _difference(before: Mask, after: Mask) -> tuple[slice, slice, slice] | None:
    """Smallest box around the voxels that differ.

    Most prompts change few slices of many, so of a large mask whole slices are compared first,
    eight voxels at a time: a tenth of the time of comparing all voxels one by one.
    """
    if before.size <= PIECE:
        return bounding_box(before != after)
    pairs = zip(before, after, strict=True)
    slices = _span(np.array([not np.array_equal(_words(a), _words(b)) for a, b in pairs]))
    if slices is None:
        return None
    box = bounding_box(before[slices] != after[slices])
    assert box is not None
    return slices, box[1], box[2]


def _words(plane: Mask) -> NDArray[np.unsignedinteger[Any]]:
    flat = np.ascontiguousarray(plane).reshape(-1)
    return flat.view(np.uint64 if flat.size % 8 == 0 else np.uint8)


@dataclass(frozen=True)
class MaskPatch:
    """The voxels of one box of a mask.

    ``start`` is the array index ``(k, j, i)`` of the first voxel, ``voxels`` the new content
    ``(K, J, I)`` of the box. An empty patch (nothing changed) has a size of zero.
    """

    start: tuple[int, int, int]
    voxels: Mask

    @classmethod
    def between(cls, before: Mask, after: Mask) -> MaskPatch:
        """The patch that turns ``before`` into ``after`` (same shape)."""
        box = _difference(before, after)
        if box is None:
            return cls((0, 0, 0), np.zeros((0, 0, 0), bool))
        return cls((box[0].start, box[1].start, box[2].start), after[box].copy())

    @property
    def empty(self) -> bool:
        return self.voxels.size == 0

    @property
    def stop(self) -> tuple[int, int, int]:
        """Array index ``(k, j, i)`` just behind the box."""
        k, j, i = (a + n for a, n in zip(self.start, self.voxels.shape, strict=True))
        return k, j, i

    @property
    def box(self) -> tuple[slice, slice, slice]:
        k, j, i = (slice(a, b) for a, b in zip(self.start, self.stop, strict=True))
        return k, j, i

    def parts(self) -> Iterator[MaskPatch]:
        """The same in pieces of whole slices; their voxels are views."""
        k, j, i = self.start
        for span in spans(self.voxels.shape):
            yield MaskPatch((k + span.start, j, i), self.voxels[span])

    def within(self, part: MaskPatch) -> Mask:
        """The voxels where another patch writes, one of the `parts` of such a patch."""
        first = part.start[0] - self.start[0]
        return self.voxels[first : first + len(part.voxels)]

    def apply(self, mask: Mask) -> None:
        """Write the patch into ``mask`` in place."""
        mask[self.box] = self.voxels

    def gain(self, before: Mask) -> int:
        """How many voxels more the mask has after this patch than ``before``."""
        old = np.count_nonzero(before[self.box])
        return int(np.count_nonzero(self.voxels)) - int(old)

    def undoing(self, before: Mask) -> MaskPatch:
        """The patch that restores ``before`` where this one writes."""
        return MaskPatch(self.start, before[self.box].copy())
