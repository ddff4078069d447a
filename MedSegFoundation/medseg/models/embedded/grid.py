"""Working grids: a window of the image around a prompt, coarse enough to be quick."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...image import Array, Mask

Box = tuple[slice, slice, slice]
Field = NDArray[np.float32]


@dataclass(frozen=True)
class Window:
    """A box of the image, seen in blocks of ``factors`` voxels.

    All triples are ``(k, j, i)``: ``box`` in image voxels, ``factors`` voxels per block,
    ``spacing`` of a block in mm. The last block of an axis may reach over the image edge.
    """

    box: Box
    factors: tuple[int, int, int]
    spacing: tuple[float, float, float]

    @classmethod
    def around(
        cls,
        seeds: Array,
        reach: float,
        step: float,
        shape: Sequence[int],
        spacing: tuple[float, float, float],
    ) -> Window:
        """The window ``reach`` mm around seeds ``(N, 3)`` (k, j, i), blocks of up to ``step`` mm.

        ``spacing``: voxel size ``(k, j, i)`` in mm.
        """
        factors, box = [], []
        for axis in range(3):
            factor = max(1, int(step / spacing[axis]))
            margin = int(np.ceil(reach / spacing[axis]))
            low = max(0, int(seeds[:, axis].min()) - margin)
            high = min(shape[axis], int(seeds[:, axis].max()) + margin + 1)
            factors.append(min(factor, high - low))
            box.append(slice(low, high))
        k, j, i = (f * s for f, s in zip(factors, spacing, strict=True))
        return cls((box[0], box[1], box[2]), (factors[0], factors[1], factors[2]), (k, j, i))

    @property
    def image_shape(self) -> tuple[int, int, int]:
        k, j, i = (b.stop - b.start for b in self.box)
        return k, j, i

    @property
    def shape(self) -> tuple[int, int, int]:
        k, j, i = (-(-n // f) for n, f in zip(self.image_shape, self.factors, strict=True))
        return k, j, i

    def shrink(self, array: Array) -> Field:
        """Block means of the window of an image ``(K, J, I)``."""
        part = np.asarray(array[self.box], dtype=np.float32)
        for axis, factor in enumerate(self.factors):
            if factor > 1:
                part = _block_means(part, axis, factor)
        return part

    def grow(self, blocks: Field) -> Field:
        """Linear interpolation from blocks back to the image voxels of the window."""
        part = blocks
        for axis, (factor, length) in enumerate(zip(self.factors, self.image_shape, strict=True)):
            if factor > 1:
                part = _interpolate(part, axis, factor, length)
        return part

    def centres(self) -> Array:
        """``(N, 3)`` image voxel coordinates (k, j, i) of the block centres, in C order."""
        factors = np.array(self.factors)
        start = np.array([b.start for b in self.box])
        return np.indices(self.shape).reshape(3, -1).T * factors + start + (factors - 1) / 2

    def within(self, voxels: NDArray[np.intp]) -> NDArray[np.intp]:
        """Those of the image voxels ``(N, 3)`` (k, j, i) that lie in the window."""
        low = np.array([b.start for b in self.box])
        high = np.array([b.stop for b in self.box])
        return voxels[((voxels >= low) & (voxels < high)).all(1)]

    def block_of(self, voxels: Array) -> NDArray[np.intp]:
        """Block indices ``(N, 3)`` of image voxels ``(N, 3)``, both (k, j, i)."""
        start = [b.start for b in self.box]
        return np.asarray((voxels - start) // np.array(self.factors), dtype=np.intp)


def dilated(mask: Mask) -> Mask:
    """The mask ``(K, J, I)`` and its face neighbours."""
    return with_neighbours(mask, np.logical_or)


def eroded(mask: Mask) -> Mask:
    """The mask ``(K, J, I)`` without what has a face neighbour outside; edges of the grid stay."""
    return with_neighbours(mask, np.logical_and)


def with_neighbours(mask: Array, join: np.ufunc) -> Array:
    """Each value of ``(K, J, I)`` joined with those of its face neighbours."""
    out = mask.copy()
    for axis in range(mask.ndim):
        new, old = np.moveaxis(out, axis, 0), np.moveaxis(mask, axis, 0)
        join(new[1:], old[:-1], out=new[1:])
        join(new[:-1], old[1:], out=new[:-1])
    return out


def _block_means(part: Field, axis: int, factor: int) -> Field:
    """Means of ``factor`` voxels along one axis; the last block may hold fewer."""

    def at(start: int, stop: int | None, step: int) -> tuple[slice, ...]:
        return tuple(slice(start, stop, step) if n == axis else slice(None) for n in range(3))

    length = part.shape[axis]
    sums = part[at(0, None, factor)].copy()
    for first in range(1, factor):
        some = part[at(first, None, factor)]
        sums[at(0, some.shape[axis], 1)] += some
    whole = length // factor
    sums[at(0, whole, 1)] /= factor
    sums[at(whole, None, 1)] /= max(length - whole * factor, 1)
    return sums


def _interpolate(part: Field, axis: int, factor: int, length: int) -> Field:
    """Stretch one axis from block centres to voxel centres."""
    count = part.shape[axis]
    place = np.clip((np.arange(length) + 0.5) / factor - 0.5, 0, count - 1)
    low = np.minimum(place.astype(int), max(count - 2, 0))
    high = np.minimum(low + 1, count - 1)
    shape = [1, 1, 1]
    shape[axis] = -1
    weight = (place - low).astype(np.float32).reshape(shape)
    first = np.take(part, low, axis=axis)
    return first + (np.take(part, high, axis=axis) - first) * weight
