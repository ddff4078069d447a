"""Takes a multi-frame DICOM file apart, so that a film of any length is read frame by frame.

GDCM reads all frames of a file or none. A file with the same header and one frame it reads like
any other, whatever the compression; so that is what it gets.
"""

from __future__ import annotations

import struct
import weakref
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from .dicom_bytes import ITEM, PIXELS, SEQUENCE_END, UNKNOWN, DicomBytes, Element
from .files import io_error, opened
from .unpack import nameless, one_after_another, pieces

#: Transfer syntaxes: the one with implicit types, the usual one, big endian, packed as a whole.
IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
BIG, DEFLATED = "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"
SYNTAX, FRAMES = (0x0002, 0x0010), (0x0028, 0x0008)
#: Where each frame begins among the encapsulated pixels (8 bytes each).
OFFSETS = (0x7FE0, 0x0001)
#: How a picture in JPEG or JPEG 2000 begins.
PICTURES = (b"\xff\xd8\xff", b"\xff\x4f\xff")

#: First and last byte (exclusive).
Span = tuple[int, int]
Tag = tuple[int, int]


class FramesFile:
    """The frames of a file; `one` makes a file of one of them. None of it stays in memory.

    ``head``: a file to the tag of its pixels, that tells of one frame. ``frames``: the spans that
    each is made of. ``native``: not encapsulated.
    """

    def __init__(
        self, path: Path, data: DicomBytes, head: bytes, native: bool, frames: list[list[Span]]
    ) -> None:
        self.path = path
        self._data, self._head, self._native, self._frames = data, head, native, frames

    @property
    def count(self) -> int:
        return len(self._frames)

    def one(self, index: int) -> bytes:
        """A DICOM file with that frame alone; raises `InputError` when it cannot be read."""
        try:
            pixels = b"".join(self._data.content(*span) for span in self._frames[index])
        except OSError as error:
            raise io_error(self.path, error, "read") from error
        pixels += b"\0" * (len(pixels) % 2)
        size = struct.pack(self._data.order + "I", len(pixels))
        if self._native:
            return self._head + size + pixels
        item, end = struct.pack("<2H", *ITEM), struct.pack("<2HI", *SEQUENCE_END, 0)
        empty = item + struct.pack("<I", 0)
        return self._head + struct.pack("<I", UNKNOWN) + empty + item + size + pixels + end


def frames_of(path: Path) -> FramesFile | None:
    """The frames of a file with several; None for any other, and for what is not taken apart.

    Raises `InputError` when the file cannot be read, or is packed and damaged.
    """
    with ExitStack() as stack:
        file = stack.enter_context(opened(path))
        try:
            found = _taken_apart(path, file, stack)
        except (OSError, ValueError, struct.error):
            return None  # whoever reads it whole will tell what is wrong
        if found is not None:
            weakref.finalize(found, stack.pop_all().close)
        return found


def _taken_apart(path: Path, file: IO[bytes], stack: ExitStack) -> FramesFile | None:
    data = DicomBytes(file)
    if data.content(128, 132) != b"DICM":
        return None
    syntax, end = None, 132
    for element in data.elements(132):
        if element.tag[0] != 2:
            break
        syntax = element if element.tag == SYNTAX else syntax
        end = element.end
    if syntax is None:
        return None
    named = data.text(syntax)
    if named == DEFLATED:
        plain = nameless(one_after_another(_inflated(path, data, syntax, end)))
        data = DicomBytes(stack.enter_context(plain))
    else:
        data = DicomBytes(file, ">" if named == BIG else "<", named != IMPLICIT)
    return _with_frames(path, data, end)


def _inflated(path: Path, data: DicomBytes, syntax: Element, end: int) -> Iterator[bytes]:
    """The file as it would be had it not been packed; ``end``: of what is never packed."""
    yield data.content(0, syntax.value)
    yield EXPLICIT.encode().ljust(syntax.length, b"\0")
    yield data.content(syntax.end, end)
    yield from pieces(path, end, "deflate")


def _with_frames(path: Path, data: DicomBytes, at: int) -> FramesFile | None:
    """``at``: where the elements begin that are not about the file itself."""
    told: dict[Tag, Element] = {}
    for element in data.elements(at):
        told[element.tag] = element
        if element.tag == PIXELS:
            break
    pixels, frames = told.get(PIXELS), told.get(FRAMES)
    if pixels is None or frames is None:
        return None
    count, native = int(data.text(frames)), pixels.length != UNKNOWN
    if count < 2:
        return None
    spans = _native(data, pixels, count) if native else _encapsulated(data, told, count)
    if spans is None:
        return None
    tables = min(element.start for element in told.values() if element.tag[0] == PIXELS[0])
    head = data.content(0, frames.value) + b"1".ljust(frames.length)
    head += data.content(frames.end, tables) + data.content(pixels.start, pixels.value - 4)
    return FramesFile(path, data, head, native, spans)


def _native(data: DicomBytes, pixels: Element, count: int) -> list[list[Span]] | None:
    size, padding = divmod(pixels.length, count)
    if padding > 1 or pixels.end > data.size:
        return None
    return [[(at, at + size)] for at in range(pixels.value, pixels.end - padding, size)]


def _encapsulated(
    data: DicomBytes, told: dict[Tag, Element], count: int
) -> list[list[Span]] | None:
    """Of each frame its fragments: one, or as the tables of offsets or the pictures tell."""
    table, *items = data.items(told[PIXELS].value)
    if not items or items[-1].end > data.size:
        return None
    if len(items) == count:
        first = list(range(count))
    else:
        offsets = data.numbers(f"{table.length // 4}I", table.value)
        if OFFSETS in told:
            offsets = data.numbers(f"{told[OFFSETS].length // 8}Q", told[OFFSETS].value)
        places = {item.start - table.end: n for n, item in enumerate(items)}
        first = [places[offset] for offset in offsets if offset in places]
        if len(first) != count:
            first = [n for n, item in enumerate(items) if _begins(data, item)]
    if len(first) != count or first[0] != 0 or sorted(set(first)) != first:
        return None
    ends = [*first[1:], len(items)]
    return [
        [(item.value, item.end) for item in items[n:end]]
        for n, end in zip(first, ends, strict=True)
    ]


def _begins(data: DicomBytes, item: Element) -> bool:
    return data.content(item.value, item.value + 3) in PICTURES
