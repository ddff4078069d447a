"""Films of any length: a video file, or a folder of pictures; a few frames are in memory."""

from __future__ import annotations

import os
import re
from collections import OrderedDict
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..errors import InputError
from ..image import Array
from .files import check_png, damaged, existing
from .images import STILLS, StrPath
from .itk import sitk

VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".wmv", ".mpg", ".mpeg", ".m4v")
#: Bytes of frames that are kept, and the least number of frames.
KEPT_BYTES, KEPT_FRAMES = 256_000_000, 8


class BrokenOffError(InputError):
    """A film that ends before its time; ``at``: the first frame that is not there."""

    def __init__(self, sentence: str, at: int) -> None:
        super().__init__(sentence)
        self.at = at


class Reader(Protocol):
    """Where frames come from. ``rate``: frames a second, None when it is not known."""

    name: str
    count: int
    rate: float | None

    def read(self, index: int, most: int) -> Iterator[tuple[int, Array]]:
        """Frame ``index``, after what was read on the way to it, at most ``most`` frames."""
        ...


class Film:
    """A film as `medseg.slices.Slices`, grey ``(A, B)`` or RGB ``(A, B, 3)``.

    ``spacing``: pixel size (a, b) in mm. Whatever its length, it holds the frames that were asked
    for last, and no others.
    """

    film = True

    def __init__(
        self,
        reader: Reader,
        spacing: tuple[float, float] = (1.0, 1.0),
        modality: str | None = None,
    ) -> None:
        self._reader = reader
        self.spacing, self.modality = spacing, modality
        self._kept: OrderedDict[int, Array] = OrderedDict()
        first = next(iter(reader.read(0, 1)))[1]
        self._most = max(KEPT_FRAMES, KEPT_BYTES // first.nbytes)
        self.shape: tuple[int, int] = (first.shape[0], first.shape[1])
        self.channels = first.shape[2] if first.ndim == 3 else 1
        self._keep(0, first)

    @property
    def name(self) -> str:
        return self._reader.name

    @property
    def count(self) -> int:
        return self._reader.count

    @property
    def rate(self) -> float | None:
        return self._reader.rate

    def pixels(self, index: int) -> Array:
        """One frame; raises `InputError` when the film has none there or it cannot be read."""
        if not 0 <= index < self.count:
            raise InputError(
                f"There is no frame {index} in '{self.name}': it has frames 0 to {self.count - 1}."
            )
        if index not in self._kept:
            for number, picture in self._reader.read(index, max(self._most // 4, 1)):
                self._keep(number, picture)
        self._kept.move_to_end(index)
        return self._kept[index]

    def _keep(self, index: int, picture: Array) -> None:
        if picture.shape[:2] != self.shape or (picture.ndim == 3) != (self.channels > 1):
            raise InputError(
                f"Frame {index} of '{self.name}' has another size or kind than the first one; "
                "take it out of the folder."
            )
        picture.setflags(write=False)
        self._kept[index] = picture
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)


def is_film(path: StrPath) -> bool:
    """True for a video file, and for a folder of PNG or JPEG pictures."""
    file = existing(path)
    return bool(_pictures(file)) if file.is_dir() else file.suffix.lower() in VIDEOS


def open_film(path: StrPath) -> Film:
    """A video file, or a folder whose pictures are its frames in the order of their numbers.

    Videos need the package opencv-python-headless. Raises `InputError` with one sentence.
    """
    file = existing(path)
    return Film(_Folder(file) if file.is_dir() else _Video(file))


def _pictures(folder: Path) -> list[Path]:
    found = [p for p in folder.iterdir() if p.suffix.lower() in STILLS]
    return sorted(found, key=lambda p: _natural(p.name))


def _natural(name: str) -> list[tuple[int, str]]:
    """Sorts "frame10" behind "frame9"."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]


class _Folder:
    def __init__(self, folder: Path) -> None:
        self.rate: float | None = None
        self.name = folder.name
        self.pictures = _pictures(folder)
        self.count = len(self.pictures)
        if not self.count:
            raise InputError(f"The folder '{folder}' holds no PNG or JPEG pictures.")

    def read(self, index: int, most: int) -> Iterator[tuple[int, Array]]:
        path = self.pictures[index]
        reader = STILLS[path.suffix.lower()]
        if reader == "PNGImageIO":
            check_png(path)
        try:
            array: Array = sitk.GetArrayFromImage(sitk.ReadImage(str(path), imageIO=reader))
        except RuntimeError as error:
            raise damaged(path, "it cannot be read as a picture") from error
        if array.ndim == 3 and array.shape[2] == 2:
            array = array[..., 0]
        yield index, np.ascontiguousarray(array[..., :3] if array.ndim == 3 else array)


class _Video:
    def __init__(self, path: Path) -> None:
        self.name = path.name
        cv2 = opencv()
        self._video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        if not self._video.isOpened():
            raise damaged(path, "it cannot be read as a video")
        self.count = int(self._video.get(cv2.CAP_PROP_FRAME_COUNT))
        if self.count < 1:
            raise damaged(path, "it tells no number of frames")
        self.rate: float | None = float(self._video.get(cv2.CAP_PROP_FPS)) or None
        self._next = 0

    def read(self, index: int, most: int) -> Iterator[tuple[int, Array]]:
        cv2 = opencv()
        if not self._next <= index < self._next + most:
            self._next = max(0, index - most + 1)
            self._video.set(cv2.CAP_PROP_POS_FRAMES, self._next)
        while self._next <= index:
            there, picture = self._video.read()
            if not there:
                raise BrokenOffError(
                    f"The video '{self.name}' breaks off at frame {self._next} of {self.count}; "
                    f"end with --last {self._next - 1}, or copy the file again.",
                    self._next,
                )
            self._next += 1
            yield self._next - 1, np.ascontiguousarray(picture[..., ::-1])  # from BGR


def opencv() -> Any:
    """OpenCV, quiet; raises `InputError` where it is not installed."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    try:
        return import_module("cv2")
    except ImportError as error:
        raise InputError(
            "Videos need the package opencv-python-headless; install it, or export the frames "
            "as PNG pictures in a folder."
        ) from error
