"""Films and volumes over time that are read as they are asked for, whatever their length."""

from __future__ import annotations

import tempfile
import weakref
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import numpy as np

from ..courses import Course, ThroughFilm, ThroughVolumes
from ..errors import GeometryError, InputError
from ..image import Array
from . import dicom, nifti
from .dicom_apart import FramesFile, frames_of
from .dicom_files import Slice, header, is_dicom
from .files import damaged, existing, io_error, suffix
from .films import Film
from .images import StrPath, read_over_time
from .raw import TIME_NOTE, Raw, finite, one_channel, sheared

#: Frames by which it is decided whether a film is in colour.
SAMPLE = 8
_PIECE = 1 << 20


def open_over_time(
    path: StrPath, notes: list[str], *, prompted: int = 0, grey: bool = False
) -> Course | None:
    """A 4D NIfTI, NRRD or MetaImage file, or a multi-frame DICOM film; None for anything else.

    NIfTI and DICOM stay on the disk (a compressed NIfTI is unpacked into a file without a name),
    the others are read whole. ``prompted``: the volume that prompts belong to. ``grey``: see
    `medseg.io.read_image`. Raises `InputError` or `GeometryError`.
    """
    file = existing(path)
    if suffix(file) in (".nii", ".nii.gz"):
        volumes = NiftiVolumes(file)
        if volumes.shape[0] > 1:
            return volumes.course(prompted, notes)
        return None
    if file.is_file() and is_dicom(file):
        frames = frames_of(file)
        return None if frames is None else _dicom_film(frames, notes, grey)
    raw = read_over_time(file)
    if raw is None:
        return None
    return ThroughVolumes(raw.array[..., 0], raw.affine, raw.name, prompted)


class NiftiVolumes:
    """Volumes over time ``(T, K, J, I)`` in a file: ``[t]`` reads one, ``[t, k]`` one slice."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self._path = path
        self._file = _unpacked(path)
        weakref.finalize(self, self._file.close)
        layout = nifti.layout(self._file.read(nifti.HEADER), path)
        self._layout = layout
        t, k, j, i, channels = layout.shape
        if t > 1 and channels > 1:
            raise InputError(f"'{path.name}' is in colour over time; export it as grey.")
        self.shape = (t, k, j, i)
        size = self._file.seek(0, 2)
        if not 0 <= layout.offset <= size - layout.bytes:
            there = max(size - layout.offset, 0)
            raise damaged(path, f"it has {there} bytes of voxels instead of {layout.bytes}")

    def __getitem__(self, at: int | tuple[int, int]) -> Array:
        t, k = at if isinstance(at, tuple) else (at, None)
        _, slices, j, i = self.shape
        first = t * slices + (k or 0)
        count = (slices if k is None else 1) * j * i
        dtype = np.dtype(self._layout.dtype)
        try:
            self._file.seek(self._layout.offset + first * j * i * dtype.itemsize)
            data = self._file.read(count * dtype.itemsize)
        except OSError as error:
            raise io_error(self._path, error, "read") from error
        array = np.frombuffer(data, dtype).astype(dtype.newbyteorder("="))
        shaped = array.reshape((slices, j, i) if k is None else (j, i))
        return finite(self._layout.rescaled(shaped), self.name, [])

    def course(self, prompted: int, notes: list[str]) -> Course:
        """Volumes, or a film where each is a single slice."""
        affine = self._layout.affine
        notes += self._layout.notes
        if sheared(affine, self.name):
            raise GeometryError(
                f"The grid of '{self.name}' is sheared; resample it to a straight one."
            )
        if self.shape[1] > 1:
            return ThroughVolumes(self, affine, self.name, prompted)
        notes.append(TIME_NOTE)
        affine = _frames_a_mm_apart(affine)
        return ThroughFilm(Film(_Slices(self), _spacing(affine)), affine)


class _Slices:
    """Volumes of one slice as the frames of a film (see `films.Reader`)."""

    def __init__(self, volumes: NiftiVolumes) -> None:
        self._volumes = volumes
        self.rate: float | None = None
        self.name, self.count = volumes.name, volumes.shape[0]

    def read(self, index: int, most: int) -> Iterator[tuple[int, Array]]:
        yield index, self._volumes[index, 0]


class _DicomFrames:
    """Frames of a DICOM file as those of a film; ``grey``: turn colour into luminance."""

    def __init__(self, frames: FramesFile, rate: float | None) -> None:
        self.name, self.count, self.rate = frames.path.name, frames.count, rate
        self.grey = False
        self._frames = frames

    def read(self, index: int, most: int) -> Iterator[tuple[int, Array]]:
        frame = Raw(self.pixels(index)[None], np.eye(4), self.name)
        yield index, finite(one_channel(frame.array[0], frame, True, [])[0], self.name, [])

    def pixels(self, index: int) -> Array:
        """``(1, J, I, C)``."""
        with _one_frame(self._frames, index) as item:
            return dicom.pixels([item])


class _one_frame:  # noqa: N801 (used like a function)
    """A file of one frame, while it is needed."""

    def __init__(self, frames: FramesFile, index: int) -> None:
        self._frames, self._index = frames, index
        self._folder = tempfile.TemporaryDirectory(prefix="medseg-frame-")

    def __enter__(self) -> Slice:
        path = Path(self._folder.name) / self._frames.path.name
        path.write_bytes(self._frames.one(self._index))
        try:
            return header(path)
        except RuntimeError as error:
            raise damaged(self._frames.path, "its frames cannot be read") from error

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()


def _dicom_film(frames: FramesFile, notes: list[str], grey: bool) -> Course | None:
    """None for what is no film: slices of a volume, or frames that can mean many things."""
    with _one_frame(frames, 0) as item:
        if dicom.is_volume(item) or item.modality == "NM":
            return None
        affine = dicom.film_grid(item, notes)
        step = item.number("0018|1063")
        modality = item.modality or None
    reader = _DicomFrames(frames, 1000 / step if step > 0 else None)
    notes.append(
        f"{frames.count} frames, {step:g} ms apart." if step > 0 else f"{frames.count} frames."
    )
    shown = np.linspace(0, frames.count - 1, min(SAMPLE, frames.count)).astype(int)
    sample = np.stack([reader.pixels(int(n)) for n in shown])
    one_channel(sample[:, 0], Raw(sample, affine, reader.name, modality), grey, notes)
    notes.append(TIME_NOTE)
    affine = _frames_a_mm_apart(affine)
    return ThroughFilm(Film(reader, _spacing(affine), modality), affine)


def _frames_a_mm_apart(affine: Array) -> Array:
    affine = affine.copy()
    affine[:3, 2] /= np.linalg.norm(affine[:3, 2]) or 1.0
    return affine


def _spacing(affine: Array) -> tuple[float, float]:
    """Pixel size ``(j, i)`` in mm."""
    i, j = np.linalg.norm(affine[:3, :2], axis=0)
    return float(j), float(i)


def _unpacked(path: Path) -> IO[bytes]:
    """The file, or what is packed in it (gzip) in a file without a name."""
    try:
        file = path.open("rb")
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if not packed:
            return file
        with file, ExitStack() as stack:
            plain = stack.enter_context(tempfile.TemporaryFile(prefix="medseg-unpacked-"))
            for piece in _inflated(file, path):
                plain.write(piece)
            plain.seek(0)
            stack.pop_all()
            return plain
    except OSError as error:
        raise io_error(path, error, "read") from error


def _inflated(file: IO[bytes], path: Path) -> Iterator[bytes]:
    stream = zlib.decompressobj(wbits=31)
    data = file.read(_PIECE)
    while data:
        try:
            yield stream.decompress(data)
        except zlib.error as error:
            raise damaged(path, "its compressed data are not valid") from error
        if not stream.eof:
            data = file.read(_PIECE)
            continue
        data = stream.unused_data or file.read(_PIECE)
        if not data.startswith(b"\x1f"):
            return
        stream = zlib.decompressobj(wbits=31)
    if not stream.eof:
        raise damaged(path, "its compressed data end too early")
