"""An image with its true place in the patient.

Conventions, everywhere in the engine:

* voxel arrays are ``(K, J, I)`` (slowest first, as numpy and SimpleITK give them), colour
  images ``(K, J, I, C)``;
* indices and sizes called ``ijk`` are ``(i, j, k)``, fastest first, as in NIfTI and VTK;
* world positions are RAS millimetres, of voxel centres;
* ``affine`` maps homogeneous IJK indices to RAS mm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import GeometryError, InputError

Array = NDArray[Any]
Mask = NDArray[np.bool_]

#: Largest cosine between two axes that still counts as rounding (0.06 degrees).
SHEAR_TOLERANCE = 1e-3


def axis_cosines(affine: Array) -> Array:
    """Cosines between the axis pairs (i, j), (i, k), (j, k) of an affine."""
    axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    return np.array([axes[:, 0] @ axes[:, 1], axes[:, 0] @ axes[:, 2], axes[:, 1] @ axes[:, 2]])


def is_sheared(affine: Array) -> bool:
    """True when the axes of the grid are not at right angles."""
    return bool(np.abs(axis_cosines(affine)).max() > SHEAR_TOLERANCE)


@dataclass(frozen=True)
class Image:
    """Voxels on a right-angled grid.

    Parameters
    ----------
    array:
        ``(K, J, I)`` scalars, or ``(K, J, I, C)`` for colour.
    affine:
        ``(4, 4)``, IJK to RAS mm. Oblique, anisotropic and left-handed grids are welcome;
        a sheared one raises `GeometryError` (use `medseg.resample.orthogonalise`).
    modality:
        DICOM modality ("CT", "MR", "US", ...) when it is known.
    time_axis:
        True when K counts frames of a 2D + time sequence instead of slices.
    notes:
        Sentences about what was done on the way in (resampled, no orientation, ...).
    """

    array: Array
    affine: Array = field(default_factory=lambda: np.eye(4))
    modality: str | None = None
    name: str = ""
    time_axis: bool = False
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        array = np.asarray(self.array)
        affine = np.array(self.affine, dtype=float)
        if array.ndim not in (3, 4) or 0 in array.shape:
            raise InputError(
                "An image needs (K, J, I) or (K, J, I, C) voxels, "
                f"this one has shape {array.shape}."
            )
        if affine.shape != (4, 4) or not np.isfinite(affine).all():
            raise GeometryError("The image has no usable 4x4 affine (IJK to RAS mm).")
        if abs(np.linalg.det(affine[:3, :3])) < 1e-9:
            raise GeometryError("The image axes do not span space: its affine is singular.")
        if is_sheared(affine):
            raise GeometryError(
                "The image grid is sheared (its axes are not at right angles); resample it first."
            )
        object.__setattr__(self, "array", array)
        object.__setattr__(self, "affine", affine)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Grid size ``(K, J, I)``, without the colour channels."""
        k, j, i = self.array.shape[:3]
        return k, j, i

    @property
    def as_given(self) -> tuple[Array, Array]:
        """Voxels and affine before anything was done to them, where that is still to be done."""
        return self.array, self.affine

    @property
    def channels(self) -> int:
        return self.array.shape[3] if self.array.ndim == 4 else 1

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel size ``(i, j, k)`` in mm."""
        i, j, k = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(i), float(j), float(k)

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in millilitres."""
        return float(abs(np.linalg.det(self.affine[:3, :3])) / 1000.0)

    def ijk_to_ras(self, ijk: ArrayLike) -> Array:
        """``(..., 3)`` IJK indices (may be fractions) to RAS mm."""
        points = np.asarray(ijk, dtype=float)
        return points @ self.affine[:3, :3].T + self.affine[:3, 3]

    def ras_to_ijk(self, ras: ArrayLike) -> Array:
        """``(..., 3)`` RAS mm to IJK indices, as fractions."""
        points = np.asarray(ras, dtype=float) - self.affine[:3, 3]
        return points @ np.linalg.inv(self.affine[:3, :3]).T

    def voxel_at(self, ras: ArrayLike) -> tuple[int, int, int] | None:
        """Array index ``(k, j, i)`` of the voxel that holds a RAS position; None when outside."""
        i, j, k = np.floor(self.ras_to_ijk(ras) + 0.5).astype(int)
        inside = 0 <= k < self.shape[0] and 0 <= j < self.shape[1] and 0 <= i < self.shape[2]
        return (int(k), int(j), int(i)) if inside else None

    def ras_bounds(self) -> Array:
        """``(2, 3)``: lowest and highest RAS coordinate of the image, voxel edges included."""
        k, j, i = self.shape
        corners = np.array(np.meshgrid([-0.5, i - 0.5], [-0.5, j - 0.5], [-0.5, k - 0.5]))
        ras = self.ijk_to_ras(corners.reshape(3, -1).T)
        return np.stack([ras.min(0), ras.max(0)])

    def same_grid(self, other: Image, tolerance_mm: float = 1e-2) -> bool:
        """True when both images have the same voxels in the same places."""
        if self.shape != other.shape:
            return False
        corner = np.array(self.shape[::-1]) - 1
        ends = np.array([[0, 0, 0], [corner[0], 0, 0], [0, corner[1], 0], [0, 0, corner[2]]])
        return bool(np.abs(self.ijk_to_ras(ends) - other.ijk_to_ras(ends)).max() <= tolerance_mm)

    def with_array(self, array: Array) -> Image:
        """The same grid with other voxels."""
        return replace(self, array=array)

    def crop(self, start: Sequence[int], stop: Sequence[int]) -> Image:
        """The part between array indices ``start`` (in) and ``stop`` (out), both ``(k, j, i)``."""
        box = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
        affine = self.affine.copy()
        affine[:3, 3] = self.ijk_to_ras(list(start)[::-1])
        return replace(self, array=self.array[box], affine=affine)
