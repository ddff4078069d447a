"""Writes what was found in every slice or frame: segments, labels, pictures, or a video."""

from __future__ import annotations

import os
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from ..courses import Course, ThroughFilm, ThroughVolumes, places
from ..errors import InputError
from ..image import Array
from ..patch import Box
from . import nifti, nrrd, seg_nrrd
from .files import io_error, mode_for, suffix, write_atomic
from .films import VIDEOS, opencv
from .itk import sitk
from .seg_nrrd import Segment

#: Colours of the outlines in a video (r, g, b), of one object after the other (Okabe and Ito), and
#: their width in pixels of a video of 500 lines.
OUTLINES = ((0, 158, 115), (230, 159, 0), (86, 180, 233), (204, 121, 167), (240, 228, 66))
WIDTH = 2
#: Frames a second where the film does not tell.
RATE = 25.0

#: Label map ``(rows, A, B)`` of a place: 0, or the number of the object from 1 on, uint8.
Labels = Callable[[int], Array]


def kind_of(path: Path, course: Course) -> str:
    """ "segments", "labels", "pictures" or "video"; `InputError` when it cannot go there."""
    if suffix(path) in (".nii", ".nii.gz"):
        return "labels"
    if isinstance(course, ThroughVolumes):
        raise InputError(f"'{path}' must end in .nii.gz or .nii for volumes over time.")
    if suffix(path) in (".seg.nrrd", ".nrrd"):
        return "segments" if suffix(path) == ".seg.nrrd" else "labels"
    if suffix(path) in VIDEOS:
        return "video"
    if not path.suffix or path.is_dir():
        return "pictures"
    raise InputError(f"'{path}' must be a folder, or end in .seg.nrrd, .nii.gz, .nii or .mp4.")


def write_segments(path: Path, course: Course, labels: Labels, segments: Sequence[Segment]) -> None:
    """A .seg.nrrd, frames along K, as 3D Slicer opens it; one at a time.

    The masks of ``segments`` are not looked at: number n of the labels is that of segment n - 1.
    """
    count, shape = places(course), course.rows[0].shape
    boxes = _boxes(labels, count, len(segments))
    slices = (labels(place)[0] for place in range(count))
    affine = course.still(0).affine
    write_atomic(path, seg_nrrd.encode_labels(segments, boxes, slices, (count, *shape), affine))


def _boxes(labels: Labels, count: int, objects: int) -> list[Box | None]:
    """Around all voxels of each object, None for one that is nowhere."""
    low, high = np.full((objects, 3), np.iinfo(int).max), np.zeros((objects, 3), int)
    for place in range(count):
        found = labels(place)[0]
        for number in np.unique(found[found > 0]).tolist():
            j, i = np.nonzero(found == number)
            n = number - 1
            low[n] = np.minimum(low[n], (place, j.min(), i.min()))
            high[n] = np.maximum(high[n], (place + 1, j.max() + 1, i.max() + 1))
    sides = [list(map(slice, *ends)) for ends in zip(low.tolist(), high.tolist(), strict=True)]
    return [(k, j, i) if k.stop else None for k, j, i in sides]


def write_labels(path: Path, course: Course, labels: Labels) -> None:
    """``(T, K, J, I)`` of volumes over time, frames along K of a film; one at a time."""
    count, shape = places(course), course.rows[0].shape
    affine = course.still(0).affine
    if suffix(path) == ".nrrd":
        slices = (labels(place)[0] for place in range(count))
        kind = np.dtype(np.uint8)
        write_atomic(path, nrrd.encode_slices(slices, (count, *shape), kind, affine))
        return
    over_time = isinstance(course, ThroughVolumes)
    size = (count, len(course.rows), *shape) if over_time else (count, *shape)

    def plain() -> Iterator[bytes]:
        yield nifti.header(size, np.dtype(np.uint8), affine)
        for place in range(count):
            yield nifti.body(labels(place))

    write_atomic(path, _gzipped(plain()) if suffix(path) == ".nii.gz" else plain())


def _gzipped(chunks: Iterator[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(level=6, wbits=31)
    for chunk in chunks:
        yield packer.compress(chunk)
    yield packer.flush()


def write_pictures(folder: Path, course: Course, labels: Labels, objects: int = 1) -> None:
    """A PNG for each frame, 255 in the last object, and grey in the others in even steps."""
    digits = len(str(places(course) - 1))
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise io_error(folder, error, "write") from error
    for place in range(places(course)):
        picture = sitk.GetImageFromArray(labels(place)[0] * np.uint8(255 // objects))
        path = folder / f"{place:0{digits}d}.png"
        try:
            sitk.WriteImage(picture, str(path))
        except RuntimeError as error:
            raise InputError(
                f"Cannot write '{path}'; check the disk and the permission."
            ) from error


def write_video(path: Path, course: Course, labels: Labels, count: int) -> None:
    """The first ``count`` frames of the film with the outlines of the objects, to look at."""
    cv2 = opencv()
    slices = course.rows[0]
    rate = course.film.rate if isinstance(course, ThroughFilm) else None
    handle, temporary = tempfile.mkstemp(prefix=".medseg-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    try:
        code = cv2.VideoWriter_fourcc(*("MJPG" if suffix(path) == ".avi" else "mp4v"))
        video = cv2.VideoWriter(temporary, code, rate or RATE, slices.shape[::-1])
        if not video.isOpened():
            raise InputError(f"A video cannot be written as '{path.name}'; use .mp4 or .avi.")
        window = _window(slices.pixels(0))
        for place in range(count):
            video.write(_outlined(slices.pixels(place), labels(place)[0], window))
        video.release()
        os.chmod(temporary, mode_for(path))
        os.replace(temporary, path)
    except OSError as error:
        raise io_error(path, error, "write") from error
    finally:
        Path(temporary).unlink(missing_ok=True)


def _window(pixels: Array) -> tuple[float, float]:
    if pixels.dtype == np.uint8:
        return 0.0, 255.0
    low, high = np.percentile(pixels, [1, 99])
    return float(low), float(max(high, low + 1))


def _outlined(pixels: Array, labels: Array, window: tuple[float, float]) -> Array:
    """Picture ``(A, B, 3)`` as OpenCV wants it: uint8, blue first."""
    cv2 = opencv()
    low, high = window
    grey = np.clip((pixels.astype(np.float32) - low) / (high - low) * 255, 0, 255).astype(np.uint8)
    picture = np.repeat(grey[..., None], 3, 2) if grey.ndim == 2 else grey[..., ::-1].copy()
    width = max(1, round(WIDTH * labels.shape[0] / 500))
    drawn: Array = np.ascontiguousarray(picture)
    for number in np.unique(labels[labels > 0]).tolist():
        mask = (labels == number).astype(np.uint8)
        lines, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        colour = OUTLINES[(number - 1) % len(OUTLINES)]
        drawn = cv2.drawContours(drawn, lines, -1, colour[::-1], width)
    return drawn
