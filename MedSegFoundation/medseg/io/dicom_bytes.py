"""The elements of a DICOM file (PS3.5, chapter 7), read one after the other where they lie."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

#: Value representations whose length is 4 bytes behind 2 empty ones (DICOM PS3.5, 7.1.2).
LONG = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
PIXELS = (0x7FE0, 0x0010)
ITEM, ITEM_END, SEQUENCE_END = (0xFFFE, 0xE000), (0xFFFE, 0xE00D), (0xFFFE, 0xE0DD)
UNKNOWN = 0xFFFFFFFF


@dataclass(frozen=True)
class Element:
    """Element ``tag`` from byte ``start`` on; its ``length`` bytes begin at ``value``."""

    tag: tuple[int, int]
    start: int
    value: int
    length: int

    @property
    def end(self) -> int:
        return self.value + self.length


class DicomBytes:
    """A file with elements; ``order``: "<" or ">". ``explicit``: each tells what it is."""

    def __init__(self, file: IO[bytes], order: str = "<", explicit: bool = True) -> None:
        self._file, self.order, self._explicit = file, order, explicit
        self.size = file.seek(0, 2)

    def content(self, start: int, end: int) -> bytes:
        """Less where the file ends before."""
        self._file.seek(start)
        return self._file.read(end - start)

    def numbers(self, kind: str, at: int) -> tuple[int, ...]:
        """As `struct.unpack` gives them."""
        kind = self.order + kind
        return struct.unpack(kind, self.content(at, at + struct.calcsize(kind)))

    def text(self, element: Element) -> str:
        return self.content(element.value, element.end).decode("ascii").strip("\0 ")

    def elements(self, at: int) -> Iterator[Element]:
        """One element after the other, not those within sequences, to the end or a delimiter."""
        while at + 8 <= self.size:
            group, number = self.numbers("2H", at)
            if (group, number) in (ITEM_END, SEQUENCE_END):
                return
            value = at + 8
            if self._explicit and self.content(at + 4, at + 6) not in LONG:
                (length,) = self.numbers("H", at + 6)
            elif self._explicit:
                (length,), value = self.numbers("I", at + 8), at + 12
            else:
                (length,) = self.numbers("I", at + 4)
            element = Element((group, number), at, value, length)
            yield element
            if length == UNKNOWN and element.tag == PIXELS:
                return
            at = self._behind(value) if length == UNKNOWN else element.end

    def items(self, at: int) -> Iterator[Element]:
        """The items of a sequence to its delimiter; raises `ValueError` when there is none."""
        while True:
            group, number, length = self.numbers("2HI", at)
            if (group, number) == SEQUENCE_END:
                return
            if (group, number) != ITEM:
                raise ValueError("no item")
            value = at + 8
            if length == UNKNOWN:
                end = value
                for element in self.elements(value):
                    unknown = element.length == UNKNOWN
                    end = self._behind(element.value) if unknown else element.end
                length = end + 8 - value
            yield Element(ITEM, at, value, length)
            at = value + length

    def _behind(self, at: int) -> int:
        """Where a sequence without a length ends that begins at ``at``."""
        for item in self.items(at):
            at = item.end
        return at + 8
