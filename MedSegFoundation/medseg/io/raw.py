"""What a file holds before it becomes an image: frames, channels, shear and all."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..errors import GeometryError, InputError
from ..image import Array, Image, is_sheared
from ..resample import SHEAR_NOTE, orthogonalise

#: Luminance of R, G and B (ITU-R BT.601).
LUMINANCE = (0.299, 0.587, 0.114)
#: Ultrasound counts as grey when fewer than this part of its pixels are clearly coloured:
#: JPEG adds faint colour, scanners draw a coloured ECG line.
GREY_PART, GREY_STEP = 0.01, 32
TIME_NOTE = "Third axis is time: each frame counts as 1 mm, so volumes are not millilitres."


@dataclass
class Raw:
    """Voxels ``(T, K, J, I, C)`` with ``affine`` (IJK to RAS mm, may be sheared)."""

    array: Array
    affine: Array
    name: str
    modality: str | None = None
    notes: list[str] = field(default_factory=list)


def to_image(raw: Raw, *, frame: int | None = None, grey: bool = False) -> Image:
    """The image in ``raw``: one frame (or 2D + time), one channel, finite, right-angled.

    Raises `InputError` when a frame must be chosen, the image is in colour (unless ``grey``) or
    most voxels are not numbers.
    """
    notes = list(raw.notes)
    array, affine, time_axis = _pick_frame(raw, frame, notes)
    array = finite(one_channel(array, raw, grey, notes), raw.name, notes)
    if sheared(affine, raw.name):
        array, affine = orthogonalise(array, affine)
        notes.append(SHEAR_NOTE)
    return Image(array, affine, raw.modality, raw.name, time_axis, tuple(notes))


def to_labels(raw: Raw, *, frame: int | None = None) -> Image:
    """The label map in ``raw`` as whole numbers; `InputError` when it holds anything else."""
    notes = list(raw.notes)
    array, affine, time_axis = _pick_frame(raw, frame, notes)
    if array.shape[-1] > 1 and np.ptp(array, axis=-1).any():
        raise InputError(
            f"'{raw.name}' is in colour and not a label map; a label map has one whole number "
            "per voxel."
        )
    array = _whole(array[..., 0], raw.name)
    if sheared(affine, raw.name):
        array, affine = orthogonalise(array, affine, nearest=True)
        notes.append(SHEAR_NOTE)
    return Image(array, affine, None, raw.name, time_axis, tuple(notes))


def complete_axes(affine: Array, ndim: int) -> Array:
    """Give a 2D image a third axis: the normal of its plane, as thick as its pixels are wide."""
    affine = affine.copy()
    if ndim < 3 or not np.linalg.norm(affine[:3, 2]):
        normal = np.cross(affine[:3, 0], affine[:3, 1])
        width = np.linalg.norm(affine[:3, :2], axis=0).mean()
        length = np.linalg.norm(normal)
        affine[:3, 2] = normal / length * width if length else affine[:3, 2]
    return affine


def sheared(affine: Array, name: str) -> bool:
    """True for axes that are not at right angles; `GeometryError` for axes that are none."""
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise GeometryError(
            f"The header of '{name}' gives no usable place: its axes do not span space; "
            "export it again."
        )
    return is_sheared(affine)


def _pick_frame(raw: Raw, frame: int | None, notes: list[str]) -> tuple[Array, Array, bool]:
    frames, slices = raw.array.shape[:2]
    if frame is not None:
        if not 0 <= frame < frames:
            many = f"frames 0 to {frames - 1}" if frames > 1 else "one frame only"
            raise InputError(f"There is no frame {frame} in '{raw.name}': it has {many}.")
        return raw.array[frame], raw.affine, False
    if frames == 1:
        return raw.array[0], raw.affine, False
    if slices > 1:
        raise InputError(
            f"'{raw.name}' holds {frames} frames of a 3D image; "
            f"choose one with --frame N (0 to {frames - 1})."
        )
    affine = raw.affine.copy()
    affine[:3, 2] /= np.linalg.norm(affine[:3, 2]) or 1.0
    notes.append(TIME_NOTE)
    return raw.array[:, 0], affine, True


def one_channel(array: Array, raw: Raw, grey: bool, notes: list[str]) -> Array:
    """``(K, J, I, C)`` to ``(K, J, I)``; `InputError` for colour, unless ``grey``."""
    channels = array.shape[-1]
    if channels == 1:
        return array[..., 0]
    if channels not in (3, 4) or array.dtype.kind not in "ui":
        raise InputError(
            f"'{raw.name}' has {channels} numbers per voxel and is not a grey or colour image; "
            "export one of them as an image of its own."
        )
    red, green, blue = (array[..., c].astype(np.int32) for c in range(3))
    difference = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    if not difference.any():
        return array[..., 0].copy()
    faint = raw.modality == "US" and np.mean(difference > GREY_STEP) < GREY_PART
    if not grey and not faint:
        raise InputError(
            f"'{raw.name}' is in colour; pass --grey to read its luminance as a grey image."
        )
    notes.append("The colours were converted to grey (luminance).")
    weighted = sum(w * c for w, c in zip(LUMINANCE, (red, green, blue), strict=True))
    return np.rint(weighted).astype(array.dtype)


def finite(array: Array, name: str, notes: list[str]) -> Array:
    """Whole numbers as they are, fractions as float32 without NaN and infinity."""
    if array.dtype.kind == "b":
        return array.astype(np.uint8)
    if array.dtype.kind in "ui":
        return array
    if array.dtype.kind != "f":
        raise InputError(f"'{name}' has voxels of a kind that is not a number ({array.dtype}).")
    with np.errstate(over="ignore"):
        array = array.astype(np.float32, copy=False)
    good = np.isfinite(array)
    bad = int(good.size - np.count_nonzero(good))
    if 2 * bad >= good.size:
        raise InputError(
            f"'{name}' has {bad} of {good.size} voxels that are not numbers (NaN or infinite); "
            "export it again."
        )
    if bad:
        array = np.where(good, array, array[good].min())
        notes.append(f"{bad} voxels were not numbers and got the lowest value instead.")
    return array


def _whole(array: Array, name: str) -> Array:
    """Labels as an integer array."""
    if array.dtype.kind in "ui":
        return array
    if array.dtype.kind == "b":
        return array.astype(np.uint8)
    if array.dtype.kind != "f" or not np.isfinite(array).all() or (array != np.rint(array)).any():
        raise InputError(
            f"'{name}' is not a label map: it holds values that are not whole numbers."
        )
    if np.abs(array).max() >= 2**31:
        raise InputError(f"'{name}' is not a label map: its values are too large.")
    return array.astype(np.int32)
