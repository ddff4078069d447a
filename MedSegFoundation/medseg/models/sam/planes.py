"""The slice a prompt lies in: one of the grid's own, or an oblique one that is resampled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.ndimage import map_coordinates

from ...errors import PromptError
from ...image import Array, Image, Mask
from ...prompts import Box, Point, Prompt

#: Cosine from which on a plane counts as one of the grid's own (0.6 degrees).
ALIGNED = 0.99995
#: Part of its length that a stroke may leave its plane by.
FLAT = 0.02
#: How much coarser an axis must be for its slices to be the natural ones.
COARSE = 1.5


class Plane(Protocol):
    """A slice ``(A, B)`` through an image."""

    @property
    def shape(self) -> tuple[int, int]: ...

    def pixels(self) -> Array:
        """``(A, B)`` or ``(A, B, C)``."""
        ...

    def locate(self, ras: Array) -> Array:
        """``(N, 3)`` RAS mm as ``(N, 2)`` pixel positions (a, b), as fractions."""
        ...

    def away(self, ras: Array) -> Array:
        """``(N,)`` distances from the plane, in half thicknesses of a slice."""
        ...

    def lift(self, flat: Mask, volume: Mask) -> None:
        """Write a mask ``(A, B)`` into the ``(K, J, I)`` one, this slice only."""
        ...

    def cut(self, volume: Mask) -> Mask:
        """The ``(A, B)`` part of a ``(K, J, I)`` mask in this slice."""
        ...


@dataclass(frozen=True)
class GridPlane:
    """Slice ``index`` along array axis 0, 1 or 2 (K, J, I)."""

    image: Image
    axis: int
    index: int

    @property
    def shape(self) -> tuple[int, int]:
        a, b = (n for axis, n in enumerate(self.image.shape) if axis != self.axis)
        return a, b

    def pixels(self) -> Array:
        return np.take(self.image.array, self.index, axis=self.axis)

    def locate(self, ras: Array) -> Array:
        kji = self.image.ras_to_ijk(ras)[:, ::-1]
        return np.delete(kji, self.axis, axis=1)

    def away(self, ras: Array) -> Array:
        kji = self.image.ras_to_ijk(ras)[:, ::-1]
        return np.abs(kji[:, self.axis] - self.index) * 2

    def lift(self, flat: Mask, volume: Mask) -> None:
        volume[self._slab] = flat

    def cut(self, volume: Mask) -> Mask:
        return volume[self._slab]

    @property
    def _slab(self) -> tuple[slice | int, ...]:
        return tuple(self.index if n == self.axis else slice(None) for n in range(3))


class ObliquePlane:
    """A plane through ``centre`` (RAS mm) with unit ``normal``, in pixels of the finest spacing."""

    def __init__(self, image: Image, centre: Array, normal: Array) -> None:
        self.image, self.centre, self.normal = image, centre, normal
        self._step = min(image.spacing)
        self._axes = _across(normal, image)
        size = np.array(image.shape[::-1])
        corners = np.array(np.meshgrid(*[[0, n - 1] for n in size])).reshape(3, -1).T
        flat = (image.ijk_to_ras(corners) - centre) @ self._axes
        low, high = np.floor(flat.min(0) / self._step), np.ceil(flat.max(0) / self._step)
        self._low = low * self._step
        a, b = (high - low).astype(int) + 1
        self.shape = (int(a), int(b))
        directions = image.affine[:3, :3] / np.array(image.spacing)
        self._half = float(np.abs(normal @ directions) @ np.array(image.spacing)) / 2

    def pixels(self) -> Array:
        array = self.image.array
        at = self.image.ras_to_ijk(self._grid())[..., ::-1].reshape(-1, 3).T
        planes = array[..., None] if array.ndim == 3 else array
        made = [
            map_coordinates(planes[..., c], at, order=1, mode="nearest").reshape(self.shape)
            for c in range(planes.shape[3])
        ]
        return np.stack(made, -1) if array.ndim == 4 else made[0]

    def locate(self, ras: Array) -> Array:
        return ((ras - self.centre) @ self._axes - self._low) / self._step

    def away(self, ras: Array) -> Array:
        return np.abs((ras - self.centre) @ self.normal) / self._half

    def lift(self, flat: Mask, volume: Mask) -> None:
        for k in range(volume.shape[0]):
            here, at = self._voxels(k)
            volume[k][here] = flat[tuple(at.T)]

    def cut(self, volume: Mask) -> Mask:
        at = np.floor(self.image.ras_to_ijk(self._grid())[..., ::-1] + 0.5).astype(int)
        inside = ((at >= 0) & (at < volume.shape)).all(-1)
        at[~inside] = 0
        return volume[tuple(np.moveaxis(at, -1, 0))] & inside

    def _grid(self) -> Array:
        """``(A, B, 3)`` RAS positions of the pixels."""
        a, b = (self._low[n] + self._step * np.arange(self.shape[n]) for n in range(2))
        first, second = self._axes.T
        return self.centre + a[:, None, None] * first + b[None, :, None] * second

    def _voxels(self, k: int) -> tuple[Mask, Array]:
        """Which voxels ``(J, I)`` of slice ``k`` lie in the plane, and their pixels ``(N, 2)``."""
        j, i = np.indices(self.image.shape[1:])
        ijk = np.stack([i, j, np.full_like(i, k)], -1)
        ras = self.image.ijk_to_ras(ijk)
        here = np.abs((ras - self.centre) @ self.normal) <= self._half
        at = np.floor(self.locate(ras[here]) + 0.5).astype(int)
        inside = ((at >= 0) & (at < self.shape)).all(1)
        here[here] = inside
        return here, at[inside]


def natural_axis(image: Image) -> int:
    """Array axis of the slices that points belong to when nothing tells.

    Of a film or a single slice the only one; else the clearly coarsest; else the axial ones.
    """
    if image.time_axis:
        return 0
    if 1 in image.shape:
        return image.shape.index(1)
    spacing = image.spacing[::-1]
    order = np.argsort(spacing)
    if spacing[order[2]] > COARSE * spacing[order[1]]:
        return int(order[2])
    upwards = np.abs(image.affine[2, :3]) / np.array(image.spacing)
    return 2 - int(np.argmax(upwards))


def planes_of(image: Image, prompts: Sequence[Prompt], axis: int) -> list[tuple[Plane, list[int]]]:
    """The slices that prompts lie in, with the indices of their prompts, first met first.

    A flat box, a lasso and a stroke have a plane of their own. A box with depth has all slices
    along ``axis`` that it crosses. A point belongs to a plane that it lies in, else to ``axis``.
    """
    found: list[tuple[Plane, list[int]]] = []
    points = [n for n, p in enumerate(prompts) if isinstance(p, Point)]
    for number in [n for n in range(len(prompts)) if n not in points] + points:
        prompt = prompts[number]
        for plane in _planes(image, prompt, axis, [p for p, _ in found]):
            same = next((listed for other, listed in found if _same(plane, other)), None)
            if same is None:
                found.append((plane, [number]))
            else:
                same.append(number)
    return [(plane, sorted(listed)) for plane, listed in found]


def _planes(image: Image, prompt: Prompt, axis: int, known: Sequence[Plane]) -> list[Plane]:
    positions = prompt.positions()
    if isinstance(prompt, Point):
        for plane in known:
            if plane.away(positions)[0] <= 1:
                return [plane]
        return [_grid_plane(image, axis, positions)]
    if isinstance(prompt, Box):
        return _box_planes(image, prompt, axis)
    kji = image.ras_to_ijk(positions)[:, ::-1]
    flat = [n for n in range(3) if np.ptp(kji[:, n]) < 1]
    if flat:
        return [_grid_plane(image, axis if axis in flat else flat[0], positions)]
    centre = positions.mean(0)
    _, sizes, rows = np.linalg.svd(positions - centre, full_matrices=False)
    if sizes[2] > FLAT * sizes[0]:
        raise PromptError(
            f"This {prompt.kind} does not lie in one plane; draw it in a single slice view."
        )
    return [_plane(image, centre, rows[2])]


def _box_planes(image: Image, box: Box, axis: int) -> list[Plane]:
    assert box.axes is not None
    thin = int(np.argmin(box.size))
    normal = box.axes[:, thin]
    if box.size[thin] <= min(image.spacing):
        return [_plane(image, box.center, normal)]
    kji = image.ras_to_ijk(box.positions())[:, axis * -1 + 2]
    low = max(0, int(np.ceil(kji.min() - 1e-6)))
    high = min(image.shape[axis] - 1, int(np.floor(kji.max() + 1e-6)))
    if low > high:  # between two slices
        return [_grid_plane(image, axis, box.center[None])]
    return [GridPlane(image, axis, n) for n in range(low, high + 1)]


def _plane(image: Image, centre: Array, normal: Array) -> Plane:
    directions = image.affine[:3, :3] / np.array(image.spacing)
    cosines = np.abs(normal @ directions)
    if cosines.max() > ALIGNED:
        return _grid_plane(image, 2 - int(np.argmax(cosines)), centre[None])
    return ObliquePlane(image, centre, normal)


def _grid_plane(image: Image, axis: int, positions: Array) -> GridPlane:
    kji = image.ras_to_ijk(positions)[:, ::-1]
    index = int(np.floor(np.median(kji[:, axis]) + 0.5))
    return GridPlane(image, axis, min(max(index, 0), image.shape[axis] - 1))


def _same(a: Plane, b: Plane) -> bool:
    if isinstance(a, GridPlane) and isinstance(b, GridPlane):
        return (a.axis, a.index) == (b.axis, b.index)
    if isinstance(a, ObliquePlane) and isinstance(b, ObliquePlane):
        near = float(a.away(b.centre[None])[0]) <= 1
        return near and abs(float(a.normal @ b.normal)) > ALIGNED
    return False


def _across(normal: Array, image: Image) -> Array:
    """``(3, 2)`` unit vectors in the plane, the first as near to the image's rows as can be."""
    down = image.affine[:3, 1] / image.spacing[1]
    if abs(down @ normal) > 0.9:
        down = image.affine[:3, 2] / image.spacing[2]
    first = down - (down @ normal) * normal
    first /= np.linalg.norm(first)
    return np.stack([first, np.cross(first, normal)], 1)
