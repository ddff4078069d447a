"""Boxes as they are cut by the plane of a view, and taken by their faces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from medseg import Box
from medseg.image import Array

from .views import XY, View

#: Pairs of the corners of `Box.positions` that differ in one coordinate: the twelve edges.
_SIGNS = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T
_EDGES = [
    (a, b)
    for a in range(8)
    for b in range(a + 1, 8)
    if np.count_nonzero(_SIGNS[a] != _SIGNS[b]) == 1
]


def cut(box: Box, view: View) -> Array | None:
    """``(N, 2)`` pixels: the corners of the polygon in which a plane cuts a box; None: nowhere.

    A flat box is in all planes within half a slice.
    """
    near = view.slice_mm / 2
    placed = view.project(box.positions())
    off = placed[:, 2]
    if np.abs(off).max() <= near and not (box.size > 0).all():
        return _around(placed[:, :2])
    found = []
    for a, b in _EDGES:
        if off[a] != off[b] and min(off[a], off[b]) <= 0 <= max(off[a], off[b]):
            part = off[a] / (off[a] - off[b])
            found.append(placed[a, :2] * (1 - part) + placed[b, :2] * part)
    return _around(np.array(found)) if len(found) > 1 else None


def outline_of(box: Box, view: View) -> Array:
    """``(N, 2)`` pixels: a flat box as it would look from above, wherever it lies."""
    return _around(view.project(box.positions())[:, :2])


def _around(points: Array) -> Array:
    """The corners of a convex polygon in order, each once."""
    points = points[np.unique(np.round(points, 3), axis=0, return_index=True)[1]]
    x, y = (points - points.mean(0)).T
    return points[np.argsort(np.arctan2(y, x))]


@dataclass(frozen=True)
class Part:
    """A part of a box that can be dragged: ``faces`` as (axis, side -1 or 1); none: all of it."""

    faces: tuple[tuple[int, int], ...]


def part_at(box: Box, view: View, xy: XY, reach_px: float) -> Part | None:
    """The edge, corner or middle of a box that lies within some pixels of a place in a view."""
    polygon = cut(box, view)
    if polygon is None:
        return None
    near = [face for face in _faces(box, view) if _face_distance(box, face, view, xy) <= reach_px]
    if near:
        return Part(tuple(near))
    if np.linalg.norm(polygon.mean(0) - xy[:2]) <= reach_px:
        return Part(())
    return None


def dragged(box: Box, part: Part, delta: Array, least_mm: float) -> Box:
    """The box after its part was dragged by ``delta`` (RAS mm); no edge gets below ``least_mm``.

    A face of a flat box that is pulled along its normal gives the box depth.
    """
    assert box.axes is not None
    if not part.faces:
        return Box(box.center + delta, box.size, box.axes, box.include)
    low, high = -box.size / 2, box.size / 2
    for axis, side in part.faces:
        shift = float(box.axes[:, axis] @ delta)
        if box.size[axis] == 0:
            side = 1 if shift > 0 else -1
        least = 0.0 if box.size[axis] == 0 else min(least_mm, box.size[axis])
        if side > 0:
            high[axis] = max(high[axis] + shift, low[axis] + least)
        else:
            low[axis] = min(low[axis] + shift, high[axis] - least)
    center = box.center + box.axes @ ((low + high) / 2)
    return Box(center, high - low, box.axes, box.include)


def with_depth(box: Box, mm: float) -> Box:
    """The box with ``mm`` along its flat axis, or along its third; 0 makes it flat."""
    flat = np.flatnonzero(box.size == 0)
    size = box.size.copy()
    size[flat[0] if flat.size else 2] = mm
    return Box(box.center, size, box.axes, box.include)


def _faces(box: Box, view: View) -> list[tuple[int, int]]:
    """Faces that are seen from their edge in a view; a flat box has one face for both sides."""
    assert box.axes is not None
    along = np.abs(box.axes.T @ view.normal)
    return [
        (axis, side)
        for axis in range(3)
        if along[axis] < 0.98
        for side in ((1,) if box.size[axis] == 0 else (-1, 1))
    ]


def _face_distance(box: Box, face: tuple[int, int], view: View, xy: XY) -> float:
    """Pixels from a place in a view to where its plane cuts a face."""
    assert box.axes is not None
    axis, side = face
    size = box.size.copy()
    center = box.center + box.axes[:, axis] * side * size[axis] / 2
    others = [n for n in range(3) if n != axis]
    corners = np.array(
        [
            center
            + box.axes[:, others[0]] * size[others[0]] / 2 * a
            + box.axes[:, others[1]] * size[others[1]] / 2 * b
            for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))
        ]
    )
    placed = view.project(corners)
    off, ends = placed[:, 2], []
    if np.abs(off).max() <= view.slice_mm / 2:
        ends = list(placed[:, :2])
    else:
        for a, b in ((0, 1), (1, 2), (2, 3), (3, 0)):
            if off[a] != off[b] and min(off[a], off[b]) <= 0 <= max(off[a], off[b]):
                part = off[a] / (off[a] - off[b])
                ends.append(placed[a, :2] * (1 - part) + placed[b, :2] * part)
    if not ends:
        return float("inf")
    line = np.array(ends)
    first, last = _farthest(line)
    return distance(np.array([first, last]), xy)


def _farthest(points: Array) -> tuple[Array, Array]:
    gaps = np.linalg.norm(points[:, None] - points[None], axis=2)
    a, b = np.unravel_index(gaps.argmax(), gaps.shape)
    return points[a], points[b]


def distance(line: Array, xy: XY) -> float:
    """Pixels from a place to the nearest point of a polyline ``(N, 2)``."""
    at = np.asarray(xy[:2], float)
    if len(line) == 1:
        return float(np.linalg.norm(line[0] - at))
    start, way = line[:-1], np.diff(line, axis=0)
    length = np.maximum((way**2).sum(1), 1e-12)
    part = np.clip(((at - start) * way).sum(1) / length, 0, 1)
    return float(np.linalg.norm(start + part[:, None] * way - at, axis=1).min())
