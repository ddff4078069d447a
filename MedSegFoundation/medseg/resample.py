"""Moves voxels between grids: sheared to right-angled, and labels onto an image."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from .errors import GeometryError
from .image import Array, Image
from .patch import bounding_box

Box = tuple[slice, slice, slice]

#: Note for an image that `orthogonalise` has changed.
SHEAR_NOTE = "The grid was sheared (tilted gantry); resampled onto a right-angled grid."


def sample(
    array: Array,
    to_source: Array,
    shape: Sequence[int],
    *,
    nearest: bool = False,
    fill: float = 0.0,
) -> Array:
    """Take voxels of ``array`` ``(K, J, I)`` at the voxel centres of another grid.

    ``to_source``: ``(4, 4)``, IJK of the new grid to IJK of ``array``. ``shape``: ``(K, J, I)``
    of the new grid. Linear unless ``nearest``; ``fill`` outside the voxels of ``array``. The
    type of the voxels stays (whole numbers are rounded).
    """
    out = np.full(shape, fill, dtype=array.dtype)
    size = np.array(array.shape[::-1], dtype=float)[:, None, None]
    j, i = np.indices(shape[1:], dtype=float)
    for k in range(shape[0]):
        ijk = np.stack([row[0] * i + row[1] * j + row[2] * k + row[3] for row in to_source[:3]])
        inside = ((ijk > -0.5 - 1e-6) & (ijk < size - 0.5 + 1e-6)).all(axis=0)
        if inside.any():
            out[k][inside] = _values(array, ijk[:, inside], size[:, 0], nearest)
    return out


def _values(array: Array, ijk: Array, size: Array, nearest: bool) -> Array:
    """Voxels of ``array`` at ``(3, N)`` IJK positions inside it."""
    if nearest:
        # Just below a half, so that rounding noise cannot speckle grids half a voxel apart.
        index = np.clip(np.floor(ijk + 0.5 - 1e-6), 0, size - 1).astype(int)
        picked: Array = array[index[2], index[1], index[0]]
        return picked
    kji = np.clip(ijk, 0, size - 1)[::-1]
    from scipy import ndimage  # takes long to load; Slicer's window needs it hardly ever

    values: Array = ndimage.map_coordinates(array, kji, output=np.float64, order=1, mode="nearest")
    return values if array.dtype.kind == "f" else np.rint(values)


def orthogonalise(
    array: Array, affine: Array, *, nearest: bool = False, fill: float | None = None
) -> tuple[Array, Array]:
    """Resample a sheared grid onto a right-angled one that covers all its voxels.

    ``array`` ``(K, J, I)``, ``affine`` IJK to RAS mm. The I axis keeps its direction, J its
    plane, so the slices of a tilted gantry stay slices. ``nearest`` for labels; ``fill``
    outside, by default the lowest value (0 with ``nearest``). Returns the new array and affine;
    every world position keeps its intensity.
    """
    shape, straight = right_angled(array.shape, affine)
    if fill is None:
        fill = 0.0 if nearest else float(array.min())
    to_source = np.linalg.inv(affine) @ straight
    return sample(array, to_source, shape, nearest=nearest, fill=fill), straight


def right_angled(shape: Sequence[int], affine: Array) -> tuple[tuple[int, int, int], Array]:
    """Size ``(K, J, I)`` and affine of the grid that `orthogonalise` makes of such an image."""
    if abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise GeometryError("The image axes do not span space: its affine is singular.")
    axes, r = np.linalg.qr(affine[:3, :3])
    spacing = np.abs(np.diag(r))
    axes = axes * np.sign(np.diag(r))
    spacing[:2] = np.linalg.norm(affine[:3, :2], axis=0)
    straight = np.eye(4)
    straight[:3, :3] = axes * spacing
    low, high = _extent(np.linalg.inv(straight) @ affine, shape)
    straight[:3, 3] = straight[:3, :3] @ low
    k, j, i = (int(n) for n in (high - low + 1)[::-1])
    return (k, j, i), straight


class ShearedScan(Image):
    """A sheared scan as the image that `orthogonalise` makes of it.

    Its voxels are resampled when somebody asks for them, and not before: the window of an
    application needs only their place, the process that computes has them made there.
    """

    def __init__(self, array: Array, affine: Array, modality: str | None = None, name: str = ""):
        """``array``: ``(K, J, I)`` or ``(K, J, I, C)``, on the sheared grid of ``affine``."""
        shape, straight = right_angled(array.shape[:3], affine)
        values = {
            "_shape": shape,
            "affine": straight,
            "modality": modality,
            "name": name,
            "time_axis": False,
        }
        self.__dict__.update(values, _given=(array, affine), notes=(SHEAR_NOTE,))

    @property
    def as_given(self) -> tuple[Array, Array]:
        given: tuple[Array, Array] = self.__dict__["_given"]
        return given

    @property
    def shape(self) -> tuple[int, int, int]:
        shape: tuple[int, int, int] = self.__dict__["_shape"]
        return shape

    @cached_property
    def array(self) -> Array:
        """``(K, J, I)`` or ``(K, J, I, C)``, read-only."""
        array, affine = self.as_given
        if array.ndim == 3:
            straight = orthogonalise(array, affine)[0]
        else:
            channels = [orthogonalise(array[..., c], affine)[0] for c in range(array.shape[3])]
            straight = np.stack(channels, axis=-1)
        straight.setflags(write=False)
        return straight

    @property
    def resampled(self) -> Image:
        """The same with its voxels."""
        return Image(self.array, self.affine, self.modality, self.name, notes=self.notes)


def _extent(to_new: Array, shape: Sequence[int]) -> tuple[Array, Array]:
    """Lowest and highest IJK of a new grid that holds all voxel centres of an old one.

    The lowest index starts at a voxel centre of the old grid, so untouched axes stay on it.
    """
    ends = [[0, n - 1] for n in shape[::-1]]
    corners = np.array(np.meshgrid(*ends)).reshape(3, -1)
    new = to_new[:3, :3] @ corners + to_new[:3, 3:]
    low = new.min(axis=1)
    return low, low + np.ceil(new.max(axis=1) - low - 1e-6)


def labels_onto(image: Image, labels: Image, *, must_hit: bool = True) -> Array:
    """The labels ``(K, J, I)`` on the grid of ``image``, by nearest neighbour; 0 elsewhere.

    Raises `GeometryError` when the two grids do not overlap, or (with ``must_hit``) when there
    are labels but none of them falls on the image.
    """
    if image.same_grid(labels):
        return labels.array.copy()
    what = f"'{labels.name}'" if labels.name else "the label map"
    if (image.time_axis or labels.time_axis) and image.shape[0] != labels.shape[0]:
        raise GeometryError(
            f"Label map {what} has {labels.shape[0]} frames, the image {image.shape[0]}; "
            "use labels of the same sequence."
        )
    whole = tuple(slice(0, n) for n in labels.shape)
    if _reached(image, labels, whole) is None:
        raise GeometryError(
            f"The grid of {what} does not overlap the image; check that both are of one patient "
            "and one frame of reference."
        )
    out = np.zeros(image.shape, labels.array.dtype)
    held = bounding_box(labels.array != 0)
    box = None if held is None else _reached(image, labels, held)
    if box is not None:
        target = image.crop([s.start for s in box], [s.stop for s in box])
        to_source = np.linalg.inv(labels.affine) @ target.affine
        out[box] = sample(labels.array, to_source, target.shape, nearest=True)
    if must_hit and held is not None and not out.any():
        raise GeometryError(
            f"No labelled voxel of {what} falls on the image; check that both are of one patient."
        )
    return out


def _reached(image: Image, labels: Image, box: Sequence[slice]) -> Box | None:
    """The box ``(k, j, i)`` of the image that a box of the labels may touch; None when none."""
    ends = [[s.start - 0.5, s.stop - 0.5] for s in box[::-1]]
    corners = np.array(np.meshgrid(*ends)).reshape(3, -1).T
    ijk = image.ras_to_ijk(labels.ijk_to_ras(corners))
    size = np.array(image.shape[::-1])
    start = np.clip(np.ceil(ijk.min(0) - 1e-6), 0, size).astype(int)
    stop = np.clip(np.floor(ijk.max(0) + 1e-6) + 1, 0, size).astype(int)
    if (stop <= start).any():
        return None
    i, j, k = (slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))
    return k, j, i
