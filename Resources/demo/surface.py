"""Draws masks as lit surfaces with numpy and scipy alone, so that no OpenGL is needed.

Parallel rays run from the viewer through a smoothed mask to the first place where it passes
one half. What a surface point sees of the light, and of its surroundings, is read from a
blurred copy of all masks together: a cheap stand-in for soft shadows and ambient occlusion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from medseg.image import Image, Mask
from medseg.patch import bounding_box
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[Any]

MARGIN_MM = 6.0
SMOOTH_MM = 0.8
SHADE_MM = 5.0


@dataclass(frozen=True)
class Surface:
    """A mask ``(K, J, I)`` to draw. ``glass``: shown by its rim only, the rest shines through."""

    mask: Mask
    color: tuple[float, float, float]
    glass: bool = False


@dataclass(frozen=True)
class View:
    """Where the viewer stands. ``toward``, ``up``: RAS directions; ``pixel``: mm."""

    toward: Sequence[float]
    up: Sequence[float] = (0.0, 0.0, 1.0)
    pixel: float = 0.3

    def axes(self) -> Array:
        """``(3, 3)`` rows: picture right, picture up, away from the viewer; RAS unit vectors."""
        away = np.asarray(self.toward, float) / np.linalg.norm(self.toward)
        right = np.cross(away, self.up)
        right /= np.linalg.norm(right)
        return np.stack([right, np.cross(right, away), away])


def render(
    image: Image, surfaces: Sequence[Surface], view: View, background: Sequence[float]
) -> Array:
    """RGB picture ``(rows, columns, 3)`` from 0 to 1, first row on top, empty margins cut off."""
    rays = _Rays(image, np.any([s.mask for s in surfaces], axis=0), view)
    solid = np.any([s.mask for s in surfaces if not s.glass], axis=0)
    shade = ndimage.gaussian_filter(solid.astype(np.float32), _voxels(image, SHADE_MM))
    picture = np.broadcast_to(np.asarray(background, float), (*rays.shape, 3)).copy()
    depth = np.full(rays.shape, np.inf)
    painted = np.zeros(rays.shape, bool)
    for surface in sorted(surfaces, key=lambda s: s.glass):
        hit, normal = rays.cast(surface.mask)
        painted |= np.isfinite(hit)
        if surface.glass:
            _add_glass(picture, normal, np.isfinite(hit), surface.color)
            continue
        seen = hit < depth
        depth[seen] = hit[seen]
        light = _light(rays, shade, hit, normal, seen)
        picture[seen] = np.asarray(surface.color) * light[:, None] + _gloss(normal[seen])[:, None]
    smooth = ndimage.gaussian_filter(np.clip(picture, 0, 1), (0.6, 0.6, 0))
    rows, columns = (np.flatnonzero(painted.any(axis)) for axis in (1, 0))
    return smooth[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1][::-1]


def _voxels(image: Image, mm: float) -> list[float]:
    """A length in mm as voxels along K, J, I."""
    return [mm / s for s in image.spacing[::-1]]


class _Rays:
    """Parallel rays over the bounding box of a mask, in the frame of a view (mm)."""

    def __init__(self, image: Image, mask: Mask, view: View) -> None:
        self.image, self.axes = image, view.axes()
        low, high = self._extent(image, mask)
        x, y = (np.arange(low[n], high[n], view.pixel) for n in range(2))
        self.shape = (len(y), len(x))
        self.xy = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)

    def _extent(self, image: Image, mask: Mask) -> tuple[Array, Array]:
        """Lowest and highest place of a mask in the frame of the view, with a margin."""
        box = bounding_box(mask)
        if box is None:
            raise ValueError("there is nothing to draw in an empty mask")
        ends = [(side.start, side.stop - 1) for side in reversed(box)]
        corners = np.stack(np.meshgrid(*ends), axis=-1).reshape(-1, 3)
        placed = image.ijk_to_ras(corners) @ self.axes.T
        return placed.min(0) - MARGIN_MM, placed.max(0) + MARGIN_MM

    def indices(self, image: Image, rays: Array, depth: Array) -> Array:
        """``(3, N)`` array indices (k, j, i) of places ``depth`` mm along rays number ``rays``."""
        places = np.column_stack([self.xy[rays], depth]) @ self.axes
        return image.ras_to_ijk(places).T[::-1]

    def cast(self, mask: Mask) -> tuple[Array, Array]:
        """Depth in mm (infinite where nothing is hit) and outward normal in the view's frame."""
        low, high = self._extent(self.image, mask)
        part = _cropped(self.image.with_array(mask))
        soft = ndimage.gaussian_filter(part.array.astype(np.float32), _voxels(part, SMOOTH_MM))
        near = np.flatnonzero(((self.xy > low[:2]) & (self.xy < high[:2])).all(axis=1))
        steps = np.arange(low[2], high[2], min(part.spacing))
        depth = np.full(len(self.xy), np.inf)
        depth[near] = _first_crossing(
            soft, self.indices(part, near, np.zeros(len(near))), self._ahead(part), steps
        )
        rays = np.flatnonzero(np.isfinite(depth))
        at = self.indices(part, rays, depth[rays])
        slope = np.stack([_sample(g, at) for g in np.gradient(soft)][::-1], axis=-1)
        direction = part.affine[:3, :3] / np.square(part.spacing)
        normal = np.zeros((len(self.xy), 3))
        normal[rays] = -slope @ (self.axes @ direction).T
        normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-9
        return depth.reshape(self.shape), normal.reshape(*self.shape, 3)

    def _ahead(self, image: Image) -> Array:
        """``(3, 1)``: array indices (k, j, i) that one mm away from the viewer makes."""
        return self.indices(image, [0], [1.0]) - self.indices(image, [0], [0.0])


def _cropped(image: Image) -> Image:
    """The part around the true voxels of a mask image, with a margin for smoothing."""
    box = bounding_box(image.array)
    assert box is not None
    start = [max(side.start - 4, 0) for side in box]
    stop = [min(side.stop + 4, n) for side, n in zip(box, image.shape, strict=True)]
    return image.crop(start, stop)


def _first_crossing(soft: Array, start: Array, ahead: Array, steps: Array) -> Array:
    """Depth in mm where each ray first meets ``soft`` = 0.5, interpolated between two steps."""
    start, ahead = start.astype(np.float32), ahead.astype(np.float32)
    depth = np.full(start.shape[1], np.inf)
    active = np.arange(start.shape[1])
    before = np.zeros(len(active), np.float32)
    for z in steps:
        value = _sample(soft, start + ahead * np.float32(z))
        hit = value >= 0.5
        rise = np.maximum(value[hit] - before[hit], 1e-6)
        depth[active[hit]] = z - (steps[1] - steps[0]) * (value[hit] - 0.5) / rise
        active, start, before = active[~hit], start[:, ~hit], value[~hit]
    return depth


def _sample(volume: Array, indices: Array) -> Array:
    sampled: Array = ndimage.map_coordinates(volume, indices, order=1, mode="constant")
    return sampled


KEY_LIGHT = np.array([-0.45, 0.7, -0.6]) / np.linalg.norm([-0.45, 0.7, -0.6])


def _light(rays: _Rays, shade: Array, hit: Array, normal: Array, seen: Array) -> Array:
    """Brightness of the seen points: ambient, a soft key light from above, a faint fill."""
    number = np.flatnonzero(seen.ravel())
    n, z = normal[seen], hit[seen]
    place = np.column_stack([rays.xy[number], z])

    def occupied(direction: Array, mm: float) -> Array:
        ras = (place + direction * mm) @ rays.axes
        return _sample(shade, rays.image.ras_to_ijk(ras).T[::-1])

    open_sky = np.clip(1.25 - 1.5 * occupied(n, 4.0), 0.25, 1.0)
    shadow = np.exp(-1.1 * sum(occupied(KEY_LIGHT, mm) for mm in (9.0, 18.0, 27.0)))
    key = np.clip(n @ KEY_LIGHT, 0, 1) * shadow
    fill = np.clip(-n[:, 2], 0, 1)
    return open_sky * (0.30 + 0.30 * fill) + 0.62 * key


def _gloss(normal: Array) -> Array:
    half = KEY_LIGHT + np.array([0.0, 0.0, -1.0])
    return 0.16 * np.clip(normal @ (half / np.linalg.norm(half)), 0, 1) ** 24


def _add_glass(picture: Array, normal: Array, seen: Array, color: Sequence[float]) -> None:
    """A translucent shell: dense where it is seen edge on, with a little light on top."""
    n = normal[seen]
    rim = np.clip(1 - np.abs(n[:, 2]), 0, 1) ** 2.2
    alpha = (0.06 + 0.62 * rim + 0.16 * np.clip(n @ KEY_LIGHT, 0, 1))[:, None]
    picture[seen] = picture[seen] * (1 - alpha) + np.asarray(color) * alpha
