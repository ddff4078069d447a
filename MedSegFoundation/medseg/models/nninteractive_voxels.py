"""Prompts in mm as the voxel interactions of the nnInteractive protocol.

All indices follow the array axes ``(k, j, i)``; intervals are ``(first, behind the last)``.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from ..errors import PromptError, UnsupportedPromptError
from ..image import Array, Image
from ..prompts import Box, Lasso, Point, Scribble

Intervals = list[list[int]]
#: Part of a voxel by which a box or a loop may lean against the grid and still count as straight.
_LEANING = 0.25
_ROUNDING = 1e-3


def point_index(image: Image, point: Point) -> list[int]:
    voxel = image.voxel_at(point.position)
    if voxel is None:
        raise PromptError("The point lies outside the image.")
    return list(voxel)


def box_intervals(image: Image, box: Box, solid: bool) -> Intervals:
    """The voxels whose centres are in the box.

    ``solid``: False when the server only takes boxes that are one voxel thick. Raises
    `UnsupportedPromptError` for a box that it cannot take.
    """
    assert box.axes is not None
    lean = np.sort(np.abs(image.affine[:3, :3].T @ box.axes) / np.array(image.spacing)[:, None])
    half = np.array(box.size).max() / 2 / min(image.spacing)
    if (lean[:, 1] * half > _LEANING).any():
        raise UnsupportedPromptError(
            "nnInteractive takes boxes along the image axes only; turn this one or use a lasso."
        )
    corners = image.ras_to_ijk(box.positions())[:, ::-1]
    low, high = corners.min(0), corners.max(0)
    first = np.ceil(low - _ROUNDING).astype(int)
    last = np.floor(high + _ROUNDING).astype(int)
    between = first > last  # no centre: take the nearest
    first[between] = last[between] = np.floor((low + high)[between] / 2 + 0.5).astype(int)
    first, last = np.maximum(first, 0), np.minimum(last, np.array(image.shape) - 1)
    if (first > last).any():
        raise PromptError("The box holds no voxel of the image; draw it larger.")
    if not solid and (first < last).all():
        raise UnsupportedPromptError(
            "This nnInteractive server takes boxes drawn in one slice only; make this one flat."
        )
    return [[int(a), int(b) + 1] for a, b in zip(first, last, strict=True)]


def scribble_drawing(image: Image, stroke: Scribble, thickness: Any) -> tuple[Array, Intervals]:
    """The stroke as uint8, 1 where it is, and the box that the array fills.

    ``thickness``: the voxels along each axis that the server would like a drawn stroke to have.
    A stroke in one slice stays in it.
    """
    places = image.ras_to_ijk(_dense(stroke, image))[:, ::-1]
    voxels = np.unique(np.floor(places + 0.5).astype(int), axis=0)
    if stroke.connected or stroke.radius > 0:
        voxels = _thick(voxels, stroke, image, thickness)
    inside = ((voxels >= 0) & (voxels < image.shape)).all(1)
    if not inside.any():
        raise PromptError("The scribble lies outside the image.")
    return _drawn(voxels[inside])


def lasso_drawing(image: Image, lasso: Lasso) -> tuple[Array, Intervals]:
    """The inside of the loop as uint8, and the box that the array fills."""
    corners = image.ras_to_ijk(lasso.points)[:, ::-1]
    extent = np.ptp(corners, axis=0)
    axis = int(extent.argmin())
    if extent[axis] > 2 * _LEANING:
        raise UnsupportedPromptError(
            "nnInteractive takes loops within one slice of the image only; draw it in a slice."
        )
    level = int(np.floor(corners[:, axis].mean() + 0.5))
    rest = [a for a in range(3) if a != axis]
    shape = np.array(image.shape)
    plane = filled(corners[:, rest], shape[rest])
    voxels = np.insert(np.argwhere(plane), axis, level, axis=1)
    if not len(voxels) or not 0 <= level < shape[axis]:
        raise PromptError("The lasso holds no voxel of the image; draw it larger.")
    return _drawn(voxels)


def _dense(stroke: Scribble, image: Image) -> Array:
    """Positions in mm along the stroke, closer than the voxels."""
    points = stroke.points
    if not stroke.connected or len(points) == 1:
        return points
    step = min(image.spacing) / 2
    parts = [points[:1]]
    for a, b in pairwise(points):
        count = int(np.ceil(np.linalg.norm(b - a) / step)) or 1
        parts.append(a + (b - a) * np.arange(1, count + 1)[:, None] / count)
    return np.concatenate(parts)


def _thick(voxels: Array, stroke: Scribble, image: Image, thickness: Any) -> Array:
    """The voxels within the radius of the stroke, or as many as the server likes."""
    spacing = np.array(image.spacing[::-1])
    wish = np.array(thickness, dtype=float) / 2 * spacing if stroke.connected else np.zeros(3)
    radius = np.maximum(stroke.radius, wish)
    reach = np.floor(radius / spacing).astype(int)
    reach[np.ptp(voxels, axis=0) == 0] = 0
    offsets = np.indices(2 * reach + 1).reshape(3, -1).T - reach
    near = ((offsets * spacing / np.maximum(radius, 1e-9)) ** 2).sum(1) <= 1
    return np.unique((voxels[:, None] + offsets[near]).reshape(-1, 3), axis=0)


def filled(loop: Array, shape: Array) -> Array:
    """Pixels ``(rows, columns)`` whose centres are within a loop ``(N, 2)``, by crossings."""
    rows, columns = np.arange(shape[0]), np.arange(shape[1])
    plane = np.zeros(tuple(shape), bool)
    for (r0, c0), (r1, c1) in zip(loop, np.roll(loop, -1, axis=0), strict=True):
        crossed = (r0 > rows) != (r1 > rows)
        if crossed.any():
            at = c0 + (rows[crossed] - r0) / (r1 - r0) * (c1 - c0)
            plane[crossed] ^= columns < at[:, None]
    return plane


def _drawn(voxels: Array) -> tuple[Array, Intervals]:
    first, behind = voxels.min(0), voxels.max(0) + 1
    drawing = np.zeros(behind - first, np.uint8)
    drawing[tuple((voxels - first).T)] = 1
    return drawing, [[int(a), int(b)] for a, b in zip(first, behind, strict=True)]
