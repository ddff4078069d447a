"""Takes a multi-frame DICOM file apart, so that a film of any length is read frame by frame.

GDCM reads all frames of a file or none. A file with the same header and one frame it reads like
any other, whatever the compression; so that is what it gets.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .files import io_error

#: Value representations whose length is 4 bytes behind 2 empty ones (DICOM PS3.5, 7.1.2).
LONG = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
#: Transfer syntaxes that are not taken apart: big endian, and compressed as a whole.
OTHERS = {"1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"}
IMPLICIT = "1.2.840.10008.1.2"
SYNTAX, FRAMES, PIXELS = (0x0002, 0x0010), (0x0028, 0x0008), (0x7FE0, 0x0010)
ITEM, ITEM_END, SEQUENCE_END = (0xFFFE, 0xE000), (0xFFFE, 0xE00D), (0xFFFE, 0xE0DD)
UNKNOWN = 0xFFFFFFFF

Tag = tuple[int, int]


@dataclass(frozen=True)
class _Element:
    """Element ``tag`` from byte ``start`` on; its ``length`` bytes begin at ``value``."""

    tag: Tag
    start: int
    value: int
    length: int


class FramesFile:
    """The frames of a file; `one` makes a file of one of them. None of it stays in memory."""

    def __init__(self, path: Path, header: bytes, native: bool, places: list[tuple[int, int]]):
        self.path = path
        self._header, self._native, self._places = header, native, places

    @property
    def count(self) -> int:
        return len(self._places)

    def one(self, index: int) -> bytes:
        """A DICOM file with that frame alone; raises `InputError` when it cannot be read."""
        at, length = self._places[index]
        try:
            with self.path.open("rb") as file:
                file.seek(at)
                pixels = file.read(length)
        except OSError as error:
            raise io_error(self.path, error, "read") from error
        size = struct.pack("<I", length)
        if self._native:
            return self._header + size + pixels
        item, end = struct.pack("<2H", *ITEM), struct.pack("<2HI", *SEQUENCE_END, 0)
        empty = item + struct.pack("<I", 0)
        return self._header + struct.pack("<I", UNKNOWN) + empty + item + size + pixels + end


def frames_of(path: Path) -> FramesFile | None:
    """The frames of a file with several; None for any other, and for what is not taken apart."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _taken_apart(path, data)
    except (OSError, ValueError, struct.error):
        return None  # whoever reads it whole will tell what is wrong


def _taken_apart(path: Path, data: mmap.mmap) -> FramesFile | None:
    if data[128:132] != b"DICM":
        return None
    syntax, at = "", 132
    for element in _elements(data, at, explicit=True):
        if element.tag[0] != 2:
            break
        at = element.value + element.length
        if element.tag == SYNTAX:
            syntax = _text(data, element)
    if not syntax or syntax in OTHERS:
        return None
    frames = None
    for element in _elements(data, at, explicit=syntax != IMPLICIT):
        if element.tag == FRAMES:
            frames = element
        if element.tag == PIXELS and frames is not None:
            return _with_pixels(path, data, frames, element)
    return None


def _with_pixels(
    path: Path, data: mmap.mmap, frames: _Element, pixels: _Element
) -> FramesFile | None:
    count = int(_text(data, frames))
    head = bytearray(data[: pixels.value - 4])
    head[frames.value : frames.value + frames.length] = b"1".ljust(frames.length)
    if pixels.length == UNKNOWN:
        items = list(_items(data, pixels.value))
        places = [(item.value, item.length) for item in items[1:]]  # the first one is a table
    elif pixels.length % count or pixels.value + pixels.length > len(data):
        return None
    else:
        size = pixels.length // count
        places = [(pixels.value + n * size, size) for n in range(count)]
    whole = len(places) == count > 1
    return FramesFile(path, bytes(head), pixels.length != UNKNOWN, places) if whole else None


def _elements(data: mmap.mmap, at: int, explicit: bool) -> Iterator[_Element]:
    """One element after the other, not those within sequences, to the end or a delimiter."""
    while at + 8 <= len(data):
        tag = struct.unpack_from("<2H", data, at)
        start, value = at, at + 8
        if tag in (ITEM_END, SEQUENCE_END):
            return
        if explicit and data[at + 4 : at + 6] not in LONG:
            (length,) = struct.unpack_from("<H", data, at + 6)
        elif explicit:
            (length,), value = struct.unpack_from("<I", data, at + 8), at + 12
        else:
            (length,) = struct.unpack_from("<I", data, at + 4)
        element = _Element((tag[0], tag[1]), start, value, length)
        yield element
        if length == UNKNOWN and element.tag == PIXELS:
            return
        at = _behind(data, value, explicit) if length == UNKNOWN else value + length


def _behind(data: mmap.mmap, at: int, explicit: bool) -> int:
    """Where a sequence without a length ends that begins at ``at``."""
    for item in _items(data, at, explicit):
        at = item.value + item.length
    return at + 8


def _items(data: mmap.mmap, at: int, explicit: bool = True) -> Iterator[_Element]:
    """The items of a sequence to its delimiter; raises `ValueError` when there is none."""
    while True:
        group, number, length = struct.unpack_from("<2HI", data, at)
        if (group, number) == SEQUENCE_END:
            return
        if (group, number) != ITEM:
            raise ValueError("no item")
        value = at + 8
        if length == UNKNOWN:
            end = value
            for element in _elements(data, value, explicit):
                end = element.value + element.length
                if element.length == UNKNOWN:
                    end = _behind(data, element.value, explicit)
            length = end + 8 - value
        yield _Element(ITEM, at, value, length)
        at = value + length


def _text(data: mmap.mmap, element: _Element) -> str:
    return data[element.value : element.value + element.length].decode("ascii").strip("\0 ")
