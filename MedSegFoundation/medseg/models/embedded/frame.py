"""A box or loop and what lies just around it, sampled along its own axes.

A *frame* is a regular grid ``(A, B, C)`` along the three axes of the region, so that a turned box,
a box in one slice and a loop in an oblique plane all look alike to what comes next.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree

from ...image import Array, Image, Mask
from .features import Prepared
from .grid import Box, Field, Window

#: Samples of a frame at most.
BUDGET = 18_000
#: How far a frame reaches beyond the region: parts of its mean half edge, and voxels.
SHELL, ROOM = 0.3, 2.0
#: An axis shorter than so many voxels is one slice.
THIN = 1.5
#: A side this near (voxels) to the edge of the image cuts the object off, instead of touching it.
CUT_OFF = 1.0


@dataclass(frozen=True)
class Region:
    """Where a box or loop lies. ``centre``: RAS mm; ``axes``: unit vectors as columns (RAS).

    ``half``: half edge lengths in mm along them, 0 across a box drawn in a slice. ``loop``:
    ``(N, 2)`` mm along the first two axes from the centre; None for a box.
    """

    centre: Array
    axes: Array
    half: Array
    loop: Array | None = None


@dataclass(frozen=True)
class Frame:
    """The samples. Triples follow the axes of the region.

    ``place``: for each axis, where its samples lie: -1 and 1 at the sides of the region.
    ``values``: the image there; ``known``: what of it lies in the image. ``half``, ``steps``: mm.
    ``long``: the axes of more than one sample. ``cut``: for each axis, whether the image ends at
    its low and at its high side. ``inside``: the samples in the region. ``away``: 0 in the middle
    and 1 on the border, of the ellipsoid inscribed in a box or of a loop.
    """

    region: Region
    place: tuple[Array, Array, Array]
    values: Field
    known: Mask
    inside: Mask
    away: Field
    half: Array
    steps: Array
    long: tuple[int, ...]
    cut: tuple[tuple[bool, bool], ...]
    noise: float

    @classmethod
    def of(cls, region: Region, image: Image, prepared: Prepared) -> Frame:
        """The frame of a region that meets the image."""
        voxel = _voxel_along(region, image)
        slices = (2 * region.half < THIN * voxel) | ~_extended(region, image)
        long = tuple(int(n) for n in np.flatnonzero(~slices))
        half = np.where(slices, voxel / 2, region.half)
        room = SHELL * np.minimum(_mean(half[~slices]), 2 * half) + ROOM * voxel[~slices].min()
        steps, counts = _grid(np.where(slices, 0, half + room), voxel)
        lines = [s * (np.arange(n) - (n - 1) / 2) for s, n in zip(steps, counts, strict=True)]
        values, known = _sampled(region, lines, steps, image, prepared)
        keep = _where_known(known)
        lines = [line[part] for line, part in zip(lines, keep, strict=True)]
        values, known = values[keep], known[keep]
        a, b, c = (
            np.zeros(1) if thin else line / h
            for line, h, thin in zip(lines, half, slices, strict=True)
        )
        inside, away = _box(a, b, c) if region.loop is None else _loop(region.loop, lines)
        cut = tuple(
            (False, False) if s else _cut_off(region, n, image) for n, s in enumerate(slices)
        )
        return cls(
            region,
            (a, b, c),
            values,
            known,
            inside & known,
            away.astype(np.float32),
            half,
            steps,
            long,
            cut,
            prepared.noise,
        )

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    @property
    def mean_half(self) -> float:
        """Geometric mean of the half edges in mm, slices left out."""
        return _mean(self.half[list(self.long)])

    @property
    def scale(self) -> float:
        """The same in samples."""
        return self.mean_half / float(self.steps[list(self.long)].min())

    @property
    def sigma(self) -> Array:
        """A smoothing width of one sample, along each axis."""
        finest = self.steps[list(self.long)].min()
        return np.array([finest / s if n in self.long else 0.0 for n, s in enumerate(self.steps)])

    @cached_property
    def across(self) -> Field:
        """``(D, A, B, C)``: signed place along each long axis."""
        places = np.meshgrid(*self.place, indexing="ij")
        return np.stack([places[n] for n in self.long]).astype(np.float32)

    @cached_property
    def beyond(self) -> Field:
        """The same, 0 where the image cuts the object off: there it goes on, and does not end."""
        lines = []
        for n in self.long:
            line, (low, high) = self.place[n], self.cut[n]
            if low or high:
                line = 0 * line if low and high else (1 + line) / 2 if low else (1 - line) / 2
            shape = [1, 1, 1]
            shape[n] = -1
            lines.append(np.broadcast_to(line.reshape(shape), self.shape))
        return np.stack(lines).astype(np.float32)

    @cached_property
    def distance(self) -> Field:
        """`away`, of an ellipsoid that goes on where the image cuts a box off."""
        if self.region.loop is not None:
            return self.away
        return np.sqrt(np.square(self.beyond).sum(0))

    def index_of(self, points: Array) -> Array:
        """``(3, N)``: fractional sample indices of points ``(N, 3)`` in RAS mm."""
        there = (points - self.region.centre) @ self.region.axes
        first = [line[0] * h for line, h in zip(self.place, self.half, strict=True)]
        index = ((there - first) / self.steps).T
        for n in set(range(3)) - set(self.long):
            index[n] = there[:, n] / self.steps[n]
        return np.asarray(index)

    def at(self, field: Field, points: Array, otherwise: Array | float) -> Array:
        """A field ``(A, B, C)`` at points ``(N, 3)`` in RAS mm; ``otherwise`` beyond its grid."""
        index = self.index_of(points)
        clipped = np.clip(index, 0, np.array(self.shape)[:, None] - 1)
        found = ndimage.map_coordinates(field, clipped, order=1)
        return np.where((np.abs(index - clipped) <= 0.5 + 1e-6).all(0), found, otherwise)


def _mean(lengths: Array) -> float:
    return float(np.exp(np.mean(np.log(lengths))))


def _voxel_along(region: Region, image: Image) -> Array:
    """How long a voxel is along each axis of the region, in mm."""
    spacing = np.array(image.spacing)
    directions = image.affine[:3, :3] / spacing
    return np.asarray(np.square(region.axes.T @ directions) @ spacing)


def _extended(region: Region, image: Image) -> NDArray[np.bool_]:
    """False for the axis that runs across an image of one slice."""
    flat = [n for n, length in enumerate(image.shape[::-1]) if length == 1]
    found = np.ones(3, bool)
    for n in flat:
        found[np.abs(region.axes.T @ image.affine[:3, n]).argmax()] = False
    return found


def _grid(reach: Array, voxel: Array) -> tuple[Array, NDArray[np.intp]]:
    """Steps in mm and numbers of samples that reach so far and stay within `BUDGET`."""
    step = float(voxel[reach > 0].min())
    while True:
        steps = np.where(reach > 0, np.maximum(step, voxel), voxel)
        counts = 2 * np.ceil(reach / steps - 0.5).astype(np.intp) + 1
        if counts.prod() <= BUDGET:
            return steps, counts
        step *= 1.07


def _sampled(
    region: Region, lines: list[Array], steps: Array, image: Image, prepared: Prepared
) -> tuple[Field, Mask]:
    """The image at the places of a grid, means of about a sample's size; what lies in it."""
    grid = np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1)
    places = image.ras_to_ijk(region.centre + grid.reshape(-1, 3) @ region.axes.T)[:, ::-1]
    shape = np.array(image.shape)
    known = ((places > -0.5) & (places < shape - 0.5)).all(1)
    near = np.clip(places, 0, shape - 1)
    low, high = np.floor(near.min(0)).astype(int), np.ceil(near.max(0)).astype(int) + 1
    k, j, i = (
        slice(max(a - 2, 0), min(b + 2, n)) for a, b, n in zip(low, high, shape, strict=True)
    )
    box: Box = (k, j, i)
    spacing = np.array(prepared.spacing)
    turn = np.square(region.axes.T @ (image.affine[:3, :3] / np.array(image.spacing)))
    wide = (steps @ turn)[::-1] / spacing
    factors = np.clip((wide + 1e-6).astype(int), 1, [s.stop - s.start for s in box])
    window = Window(box, tuple(factors.tolist()), tuple((factors * spacing).tolist()))
    index = (near - [s.start for s in box] - (factors - 1) / 2) / factors
    found = ndimage.map_coordinates(
        window.shrink(prepared.values), index.T, order=1, mode="nearest"
    )
    size = grid.shape[:3]
    return found.reshape(size).astype(np.float32), np.asarray(known).reshape(size)


def _where_known(known: Mask) -> Box:
    """The samples of each axis that are needed: some of them lie in the image."""
    parts = []
    for axis in range(3):
        others = tuple(n for n in range(3) if n != axis)
        found = np.flatnonzero(known.any(others))
        parts.append(slice(int(found[0]), int(found[-1]) + 1) if len(found) else slice(None))
    return parts[0], parts[1], parts[2]


def _cut_off(region: Region, axis: int, image: Image) -> tuple[bool, bool]:
    """Whether the low and the high side of a region along an axis lie at the edge of the image."""
    ends = region.centre + np.array([[-1.0], [1.0]]) * region.half[axis] * region.axes[:, axis]
    places = image.ras_to_ijk(ends)
    low, high = places < CUT_OFF - 0.5, places > np.array(image.shape[::-1]) - 0.5 - CUT_OFF
    across = np.array(image.shape)[::-1] == 1
    found = ((low | high) & ~across).any(1)
    return bool(found[0]), bool(found[1])


def _box(a: Array, b: Array, c: Array) -> tuple[Mask, Array]:
    square = np.square(np.meshgrid(a, b, c, indexing="ij"))
    return np.asarray(square.max(0) <= 1), np.sqrt(square.sum(0))


def _loop(loop: Array, lines: list[Array]) -> tuple[Mask, Array]:
    a, b = np.meshgrid(lines[0], lines[1], indexing="ij")
    points = np.stack([a.ravel(), b.ravel()], axis=1)
    inside = in_polygon(points, loop)
    edge = KDTree(resampled(loop)).query(points)[0]
    deepest = max(float(edge[inside].max()) if inside.any() else 0.0, 1e-6)
    away = 1 + np.where(inside, -edge, edge) / deepest
    return inside.reshape(*a.shape, 1), away.reshape(*a.shape, 1)


def in_polygon(points: Array, loop: Array) -> Array:
    """Even-odd rule for points ``(N, 2)`` and a closed loop ``(M, 2)``."""
    inside = np.zeros(len(points), bool)
    for a, b in zip(loop, np.roll(loop, -1, axis=0), strict=True):
        crosses = (a[1] > points[:, 1]) != (b[1] > points[:, 1])
        rise = b[1] - a[1] if b[1] != a[1] else 1.0
        inside ^= crosses & (points[:, 0] < a[0] + (points[:, 1] - a[1]) / rise * (b[0] - a[0]))
    return inside


def resampled(loop: Array, count: int = 128) -> Array:
    """Points spread evenly along a closed loop ``(M, 2)``."""
    closed = np.concatenate([loop, loop[:1]])
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    at = np.linspace(0, along[-1], count, endpoint=False)
    return np.stack([np.interp(at, along, closed[:, axis]) for axis in range(2)], axis=1)
