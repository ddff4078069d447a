"""Where results may change a segment at all, beside the rules of the segment editor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from medseg import Image, InputError
from medseg.image import Array, Mask

from .boxes import Box, corner, size
from .grids import shifted
from .transforms import matrix_array

#: A voxel centre this far (mm) beyond the border of an ROI still counts as on it.
_ROUNDING_MM = 1e-6


class Limits(Protocol):
    """Says which voxels may change."""

    def allowed(self, image: Image, box: Box) -> Mask:
        """``(K, J, I)`` of the box, True where changes are written; raises `InputError`."""
        ...


@dataclass(frozen=True)
class Slab:
    """The slices ``first`` to ``last`` (inclusive) along ``axis`` (0, 1, 2 = K, J, I)."""

    axis: int
    first: int
    last: int

    def __post_init__(self) -> None:
        if self.axis not in (0, 1, 2) or self.first > self.last:
            raise InputError("A slab needs an axis 0, 1 or 2 and a first slice before the last.")

    def allowed(self, image: Image, box: Box) -> Mask:
        index = np.arange(box[self.axis].start, box[self.axis].stop)
        inside = (index >= self.first) & (index <= self.last)
        shape = [1, 1, 1]
        shape[self.axis] = -1
        return np.broadcast_to(inside.reshape(shape), size(box))


@dataclass(frozen=True, eq=False)
class NearPlane:
    """What lies within ``mm / 2`` of a plane: a slab of slices of any view, also an oblique one.

    ``position``: RAS mm of a point of the plane; ``normal``: unit vector in RAS.
    """

    position: Array
    normal: Array
    mm: float

    def allowed(self, image: Image, box: Box) -> Mask:
        matrix = shifted(image.affine, corner(box)[::-1])
        row = self.normal @ matrix[:3]
        row[3] -= self.normal @ self.position
        return np.abs(_linear(row, size(box))) <= self.mm / 2 + _ROUNDING_MM


class InsideRoi:
    """What lies in a ``vtkMRMLMarkupsROINode``, wherever it is moved, turned or scaled to."""

    def __init__(self, node: Any) -> None:
        self.node = node

    def allowed(self, image: Image, box: Box) -> Mask:
        if self.node.GetScene() is None:
            raise InputError(
                "The ROI that changes are limited to is gone; choose another one, or none."
            )
        to_object = np.linalg.inv(matrix_array(self.node.GetObjectToWorldMatrix()))
        matrix = to_object @ shifted(image.affine, corner(box)[::-1])
        half = np.array(self.node.GetSize()) / 2 + _ROUNDING_MM
        inside = np.ones(size(box), bool)
        for row, most in zip(matrix, half, strict=False):
            inside &= np.abs(_linear(row, size(box))) <= most
        return ~inside if self.node.GetInsideOut() else inside


def _linear(row: Array, shape: tuple[int, int, int]) -> Array:
    """``row`` (i, j, k, 1) times the indices of a box ``(K, J, I)``."""
    k, j, i = np.ogrid[: shape[0], : shape[1], : shape[2]]
    values: Array = row[0] * i + row[1] * j + row[2] * k + row[3]
    return values


def place_roi(node: Any, volume: Any | None) -> None:
    """Put a new ROI without size around the middle half of a volume; others stay as they are."""
    if volume is None or any(node.GetSize()):
        return
    bounds = [0.0] * 6
    volume.GetRASBounds(bounds)
    low, high = np.array(bounds[::2]), np.array(bounds[1::2])
    if (high > low).all():
        node.SetXYZ(*(low + high) / 2)
        node.SetSize(*(high - low) / 2)
