"""Films and volumes over time that are read as they are asked for, whatever their length."""

from __future__ import annotations

import math
import tempfile
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from ..courses import Course, ThroughFilm, ThroughVolumes
from ..errors import GeometryError, InputError
from ..image import Array
from . import dicom
from .dicom_apart import FramesFile, frames_of
from .dicom_files import Slice, choose_series, find_slices, header, is_dicom
from .files import damaged, existing, io_error, suffix
from .films import Film
from .images import StrPath, layout_of
from .layout import AXES, Layout
from .raw import TIME_NOTE, Raw, finite, one_channel, sheared

#: Frames by which it is decided whether a film is in colour.
SAMPLE = 8


def open_over_time(
    path: StrPath,
    notes: list[str],
    *,
    prompted: int = 0,
    grey: bool = False,
    series: str | None = None,
    uneven: str = "refuse",
) -> Course | None:
    """A 4D NIfTI, NRRD or MetaImage file, or DICOM with several frames; None for anything else.

    What is packed, or has its frames interleaved, is written once into a file without a name.
    ``prompted``: the volume that prompts belong to. The others: see `medseg.io.read_image`. Raises
    `InputError` or `GeometryError`.
    """
    file = existing(path)
    if suffix(file) == ".seg.nrrd":
        return None
    if file.is_dir():
        told: list[str] = []
        slices = choose_series(find_slices(file, told), series, file.name)
        if len(slices) > 1:
            scan = dicom.scan(slices, file.name, uneven, told)
            notes += told if scan.count > 1 else []
            return _scan_over_time(scan, file.name, notes, prompted, grey)
        notes += told
        file = slices[0].path
    if is_dicom(file):
        frames = frames_of(file)
        return None if frames is None else _dicom_film(frames, notes, grey)
    layout = layout_of(file)
    if layout is None or layout.shape[0] < 2:
        return None
    _straight(layout.affine, file.name)
    notes += layout.notes
    if layout.shape[1] == 1:
        film = _Frames(file.name, layout.shape[0], None, FileVolumes(layout).whole)
        return _film(film, layout.affine, notes, grey)
    if layout.shape[4] > 1:
        raise _in_colour(file.name)
    return ThroughVolumes(FileVolumes(layout), layout.affine, file.name, prompted)


def _scan_over_time(
    scan: dicom.Scan, name: str, notes: list[str], prompted: int, grey: bool
) -> Course | None:
    if scan.count < 2:
        return None
    _straight(scan.affine, name)
    if len(scan.stacks) == 1:
        film = _Frames(name, scan.count, None, lambda t: scan.volume(t)[None])
        return _film(film, scan.affine, notes, grey, scan.modality)
    volumes = ScanVolumes(scan, name)
    return ThroughVolumes(volumes, scan.affine, name, prompted)


def _straight(affine: Array, name: str) -> None:
    if sheared(affine, name):
        raise GeometryError(f"The grid of '{name}' is sheared; resample it to a straight one.")


def _in_colour(name: str) -> InputError:
    return InputError(f"'{name}' is in colour over time; export it as grey.")


class FileVolumes:
    """Volumes over time ``(T, K, J, I)`` in a file: ``[t]`` reads one, ``[t, k]`` one slice."""

    def __init__(self, layout: Layout) -> None:
        self.name, self.shape = layout.path.name, layout.shape[:4]
        self._layout = layout
        self._file, self._start = layout.frames()
        weakref.finalize(self, self._file.close)

    def __getitem__(self, at: int | tuple[int, int]) -> Array:
        t, k = at if isinstance(at, tuple) else (at, None)
        array = self.whole(t) if k is None else self._read(t * self.shape[1] + k, "ji")
        grey = array[0, ..., 0]
        return finite(grey if k is None else grey[0], self.name, [])

    def whole(self, t: int) -> Array:
        """``(1, K, J, I, C)``, as the file means it."""
        return self._read(t, self._layout.axes.replace("t", ""))

    def _read(self, number: int, axes: str) -> Array:
        """The part of that number of all that have these axes."""
        sizes = [self._layout.shape[AXES.index(a)] for a in axes]
        length = math.prod(sizes) * self._layout.dtype.itemsize
        try:
            self._file.seek(self._start + number * length)
            content = bytearray(self._file.read(length))
        except OSError as error:
            raise io_error(self._layout.path, error, "read") from error
        if len(content) < length:
            raise damaged(self._layout.path, "it has become shorter")
        return self._layout.values(content, axes)


class ScanVolumes:
    """Volumes over time ``(T, K, J, I)`` in DICOM files, as `FileVolumes`."""

    def __init__(self, scan: dicom.Scan, name: str) -> None:
        self.name, self._scan = name, scan
        slices, rows, columns, channels = scan.volume(0).shape
        if channels > 1:
            raise _in_colour(name)
        self.shape = (scan.count, slices, rows, columns)

    def __getitem__(self, at: int | tuple[int, int]) -> Array:
        t, k = at if isinstance(at, tuple) else (at, slice(None))
        if isinstance(k, int) and self._scan.along is None:
            array = dicom.pixels([self._scan.stacks[k][t]])[0]
        else:
            array = self._scan.volume(t)[k]
        return finite(array[..., 0], self.name, [])


class _Frames:
    """Frames one by one (see `films.Reader`), colour as luminance.

    ``pixels``: ``(1, 1, J, I, C)`` of the frame with that number.
    """

    def __init__(
        self, name: str, count: int, rate: float | None, pixels: Callable[[int], Array]
    ) -> None:
        self.name, self.count, self.rate, self.pixels = name, count, rate, pixels

    def read(self, index: int, most: int) -> Iterator[tuple[int, Array]]:
        frame = Raw(self.pixels(index), np.eye(4), self.name)
        grey = one_channel(frame.array[0], frame, True, [])
        yield index, finite(grey[0], self.name, [])


def _film(
    frames: _Frames, affine: Array, notes: list[str], grey: bool, modality: str | None = None
) -> Course:
    """Raises `InputError` for a film in colour, unless ``grey``."""
    shown = np.linspace(0, frames.count - 1, min(SAMPLE, frames.count)).astype(int)
    sample = np.concatenate([frames.pixels(int(n)) for n in shown])
    one_channel(sample[:, 0], Raw(sample, affine, frames.name, modality), grey, notes)
    notes.append(TIME_NOTE)
    affine = affine.copy()
    affine[:3, 2] /= np.linalg.norm(affine[:3, 2]) or 1.0
    i, j = np.linalg.norm(affine[:3, :2], axis=0).tolist()
    return ThroughFilm(Film(frames, (j, i), modality), affine)


@contextmanager
def _one_frame(frames: FramesFile, index: int) -> Iterator[Slice]:
    """A file of one frame, while it is needed."""
    content = frames.one(index)
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="medseg-frame-"))
            path = Path(folder) / frames.path.name
            path.write_bytes(content)
            item = header(path)
        except OSError as error:
            raise io_error(Path(tempfile.gettempdir()), error, "write") from error
        except RuntimeError as error:
            raise damaged(frames.path, "its frames cannot be read") from error
        yield item


def _dicom_film(frames: FramesFile, notes: list[str], grey: bool) -> Course | None:
    """None for what is no film: slices of a volume, or frames that can mean many things."""

    def pixels(index: int) -> Array:
        with _one_frame(frames, index) as item:
            return dicom.pixels([item])[None]

    with _one_frame(frames, 0) as item:
        if dicom.is_volume(item) or item.modality == "NM":
            return None
        affine = dicom.film_grid(item, notes)
        step = item.number("0018|1063")
    rate = 1000 / step if step > 0 else None
    each = f", {step:g} ms apart" if rate else ""
    notes.append(f"{frames.count} frames{each}.")
    film = _Frames(frames.path.name, frames.count, rate, pixels)
    return _film(film, affine, notes, grey, item.modality or None)
