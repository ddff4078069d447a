"""A CT in two resolutions: blocks of about 2 mm to reason on, voxels for the final border."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property

import numpy as np
from scipy import ndimage

from ...image import Array, Image, Mask
from ...patch import bounding_box
from .grid import Field

#: Blocks are this large (mm) at first, and larger when there would be more than so many.
BLOCK_MM, MOST_BLOCKS = 2.0, 4_000_000
#: Hounsfield units outside of these say nothing more: padding below, metal above.
LOWEST, HIGHEST = -1024.0, 3000.0
#: No limit.
ANY = np.inf
#: Noise (HU) that thresholds bear; more is smoothed away first.
BEARABLE = 20.0
#: A number above this (HU) that fills the corners of the image is padding, not air.
FILLED = -900.0


class Scan:
    """The Hounsfield units of a CT.

    ``values``: of voxels, ``low``: means of blocks, both ``(K, J, I)``. ``spacing``: of a block,
    (k, j, i) in mm. ``toward_right``: how much farther right (R of RAS, mm) the next block of each
    axis lies. ``up``: the axis (0, 1, 2 = K, J, I) nearest to the patient's long axis.
    """

    def __init__(self, image: Image) -> None:
        self.values = image.array
        voxel_mm = image.spacing[::-1]
        self.up = int(np.argmax(np.abs(image.affine[2, :3] / image.spacing)[::-1]))
        self.factors = _factors(self.values.shape, voxel_mm)
        k, j, i = (f * s for f, s in zip(self.factors, voxel_mm, strict=True))
        self.spacing = (k, j, i)
        self.block_ml = k * j * i / 1000
        self.toward_right = image.affine[0, 2::-1] * self.factors
        self.low = _block_means(self.values, self.factors)
        _clear_padding(self.low, self.values)
        if self.noise > BEARABLE * np.prod(self.factors) ** 0.5:
            self.low = ndimage.gaussian_filter(self.low, 0.7)

    @cached_property
    def noise(self) -> float:
        """Standard deviation of the noise in HU, from neighbours in soft tissue."""
        slices = self.values[:: max(1, len(self.values) // 24)].astype(np.float32)
        tissue = np.abs(slices) < 150
        steps = np.diff(slices, axis=2)[tissue[..., 1:] & tissue[..., :-1]]
        return 0.0 if steps.size < 100 else float(np.median(np.abs(steps))) / (0.6745 * 2**0.5)

    @cached_property
    def steady(self) -> Array:
        """The voxels, smoothed within slices when they are too noisy for a threshold."""
        excess = self.noise / BEARABLE
        if excess <= 1:
            return self.values
        sigma = min(0.5 * excess, 1.5)
        sigmas = [0.0 if axis == self.up else sigma for axis in range(3)]
        smooth = np.empty(self.values.shape, np.float32)
        return np.asarray(ndimage.gaussian_filter(self.values, sigmas, output=smooth, truncate=3))

    def shrunk(self, mask: Mask, mm: float) -> Mask:
        """Blocks of a mask that lie farther than ``mm`` from its border, along the axes."""
        return ~self.grown(~mask, mm)

    def grown(self, mask: Mask, mm: float) -> Mask:
        """Blocks that lie within ``mm`` of a mask, along the axes."""
        wide = mask.copy()
        for axis, step in enumerate(self.spacing):
            widen(wide, axis, round(mm / step))
        return wide

    def opened(self, mask: Mask, mm: float) -> Mask:
        """A mask without what is thinner than twice ``mm``."""
        return self.grown(self.shrunk(mask, mm), mm) & mask

    def closed(self, mask: Mask, mm: float) -> Mask:
        """A mask with its gaps and bays narrower than twice ``mm``."""
        return self.shrunk(self.grown(mask, mm), mm) | mask

    def label(self, mask: Mask, within_slices: bool = False) -> tuple[Array, int]:
        """Connected parts, numbered from 1; ``within_slices``: those of each axial slice."""
        faces = ndimage.generate_binary_structure(3, 1)
        if within_slices:
            np.moveaxis(faces, self.up, 0)[[0, 2]] = False
        labels, count = ndimage.label(mask, faces)
        return labels, int(count)

    def at_sides(self, labels: Array) -> Array:
        """The numbers of parts that touch a face of the image other than its ends."""
        found = [np.zeros(0, labels.dtype)]
        for axis in range(3):
            if axis != self.up and labels.shape[axis] > 1:
                found += [np.unique(np.moveaxis(labels, axis, 0)[end]) for end in (0, -1)]
        touched = np.unique(np.concatenate(found))
        return touched[touched > 0]

    def voxels(self, sure: Mask, perhaps: Mask, lowest: float, highest: float) -> Mask:
        """Voxels of the blocks ``sure``, and those of ``perhaps`` with values in a range (HU)."""
        found = np.zeros(self.values.shape, bool)
        box = bounding_box(sure | perhaps)
        if box is None:
            return found
        lowest, highest = self._limit(lowest), self._limit(highest, math.floor)
        k, j, i = self.factors
        rows = slice(box[1].start * j, box[1].stop * j)
        columns = slice(box[2].start * i, box[2].stop * i)
        for plane in range(box[0].start, box[0].stop):
            part = (slice(plane * k, (plane + 1) * k), rows, columns)
            some = perhaps[plane, box[1], box[2]]
            values = self.steady[part]
            if some.any():
                fits = values <= highest if highest < ANY else values >= lowest
                if lowest > -ANY and highest < ANY:
                    fits &= values >= lowest
                fits &= self._spread(some, values.shape[1:])
                found[part] = fits
            found[part] |= self._spread(sure[plane, box[1], box[2]], values.shape[1:])
        return found

    def dark(self, limit: float) -> Mask:
        """Voxels below a limit (HU)."""
        return np.asarray(self.steady < self._limit(limit))

    def _limit(self, limit: float, rounded: Callable[[float], int] = math.ceil) -> float:
        """The same limit for whole numbers, which are compared four times as fast with such."""
        whole = np.issubdtype(self.steady.dtype, np.integer) and math.isfinite(limit)
        return rounded(limit) if whole else limit

    def _spread(self, blocks: Mask, shape: tuple[int, ...]) -> Mask:
        """A plane of blocks as a plane of voxels."""
        _, j, i = self.factors
        return blocks.repeat(i, 1)[:, : shape[1]].repeat(j, 0)[: shape[0]]


def widen(mask: Mask, axis: int, reach: int) -> None:
    """Let a mask reach so many voxels farther along an axis, both ways; in place."""
    done, lines = 0, np.moveaxis(mask, axis, 0)
    while done < reach:
        step = min(2 * done + 1, reach - done)
        before = np.moveaxis(mask.copy(), axis, 0)
        lines[step:] |= before[:-step]
        lines[:-step] |= before[step:]
        done += step


def _factors(shape: tuple[int, ...], spacing: tuple[float, ...]) -> tuple[int, int, int]:
    step = BLOCK_MM
    while True:
        k, j, i = (
            min(max(1, int(step / s + 1e-6)), n) for n, s in zip(shape, spacing, strict=True)
        )
        if np.prod([-(-n // f) for n, f in zip(shape, (k, j, i), strict=True)]) <= MOST_BLOCKS:
            return k, j, i
        step *= 1.1


def _block_means(values: Array, factors: tuple[int, int, int]) -> Field:
    """Means of the blocks, a few slices at a time; the last block of an axis may be smaller."""
    starts = [np.arange(0, n, f) for n, f in zip(values.shape, factors, strict=True)]
    counts = [np.diff(np.append(s, n)) for s, n in zip(starts, values.shape, strict=True)]
    share = counts[1][:, None] * counts[2]
    kind = int if np.issubdtype(values.dtype, np.integer) else float
    low, high = kind(LOWEST), kind(HIGHEST)
    means = np.empty([len(s) for s in starts], np.float32)
    for plane, start in enumerate(starts[0]):
        part = np.clip(values[start : start + factors[0]], low, high)
        sums = np.add.reduceat(part.sum(0, dtype=np.float32), starts[1], 0)
        means[plane] = np.add.reduceat(sums, starts[2], 1) / (share * counts[0][plane])
    return means


def _clear_padding(low: Field, values: Array) -> None:
    """What was filled in around a turned or cut image counts as air, whatever number it holds."""
    ends = (slice(None, None, max(1, len(values) - 1)), [0, 0, -1, -1], [0, -1, 0, -1])
    numbers, counts = np.unique(values[ends], return_counts=True)
    fill = float(numbers[counts.argmax()])
    if fill <= FILLED or counts.max() < 3:
        return
    labels, _ = ndimage.label(np.abs(low - fill) < 1e-3)
    corners = labels[:: max(1, len(low) - 1)][:, [0, 0, -1, -1], [0, -1, 0, -1]]
    low[np.isin(labels, corners[corners > 0])] = LOWEST
