"""Mask patches: what a prompt changed, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .image import Mask


def bounding_box(mask: Mask) -> tuple[slice, slice, slice] | None:
    """Smallest ``(k, j, i)`` box around the true voxels; None for an empty mask."""
    box = []
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        hit = np.flatnonzero(mask.any(axis=others))
        if hit.size == 0:
            return None
        box.append(slice(int(hit[0]), int(hit[-1]) + 1))
    return box[0], box[1], box[2]


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
        box = bounding_box(before != after)
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

    def apply(self, mask: Mask) -> None:
        """Write the patch into ``mask`` in place."""
        mask[self.box] = self.voxels

    def undoing(self, before: Mask) -> MaskPatch:
        """The patch that restores ``before`` where this one writes."""
        return MaskPatch(self.start, before[self.box].copy())
