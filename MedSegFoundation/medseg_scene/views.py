"""A slice view as geometry: pixels to world millimetres and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from medseg.image import Array

from .transforms import matrix_array

XY = Sequence[float]


@dataclass(frozen=True, eq=False)
class View:
    """What a slice view shows.

    ``to_ras``: ``(4, 4)``, XY pixels (origin lower left, z = 0) to world RAS mm.
    ``size``: width and height in pixels.
    """

    to_ras: Array
    size: tuple[int, int] = (256, 256)

    @classmethod
    def of(cls, slice_node: Any) -> View:
        """The view of a ``vtkMRMLSliceNode``, also an oblique one."""
        width, height = slice_node.GetDimensions()[:2]
        return cls(matrix_array(slice_node.GetXYToRAS()), (width, height))

    @cached_property
    def from_ras(self) -> Array:
        """``(4, 4)``, world RAS mm to pixels."""
        return np.linalg.inv(self.to_ras)

    @cached_property
    def pixel_mm(self) -> float:
        """Edge of a pixel in mm."""
        return float(np.linalg.norm(self.to_ras[:3, 0]))

    @cached_property
    def slice_mm(self) -> float:
        """From one slice to the next, in mm."""
        return float(np.linalg.norm(self.to_ras[:3, 2]))

    @cached_property
    def axes(self) -> Array:
        """``(3, 3)``: unit vectors to the right, upwards and along `normal`, as columns, in RAS."""
        right = self.to_ras[:3, 0] / np.linalg.norm(self.to_ras[:3, 0])
        up = self.to_ras[:3, 1] - right * (right @ self.to_ras[:3, 1])
        up = up / np.linalg.norm(up)
        normal = np.cross(right, up)
        side = 1.0 if normal @ self.to_ras[:3, 2] >= 0 else -1.0
        return np.stack([right, up, side * normal], axis=1)

    @property
    def normal(self) -> Array:
        """``(3,)`` unit vector in RAS, to the next slice."""
        normal: Array = self.axes[:, 2]
        return normal

    def ras(self, xy: XY) -> Array:
        """``(3,)`` world RAS mm of a pixel."""
        return self.to_ras[:3, :2] @ np.asarray(xy[:2], float) + self.to_ras[:3, 3]

    def xy(self, ras: Sequence[float] | Array) -> tuple[float, float, float]:
        """Pixel of a RAS position, and how many mm it lies off the plane (along `normal`)."""
        x, y, off = self.project(np.asarray(ras, float)[None])[0]
        return float(x), float(y), float(off)

    def project(self, points: Array) -> Array:
        """``(N, 3)``: `xy` of ``(N, 3)`` RAS positions."""
        points = np.asarray(points, float)
        placed = points @ self.from_ras[:3, :3].T + self.from_ras[:3, 3]
        placed[:, 2] = (points - self.to_ras[:3, 3]) @ self.normal
        return placed
