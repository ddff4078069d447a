"""Where a file keeps its voxels, as its header says; read as a whole, or frame by frame.

Frames that lie one after the other in a file that is not packed are read where they are. All
others are written once, one after the other, into a file without a name.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np

from ..errors import InputError
from ..image import Array
from .files import damaged, opened
from .raw import Raw
from .unpack import nameless, one_after_another, pieces

#: All axes, slowest first: time (or layers), slices, rows, columns, channels.
AXES = "tkjic"
#: Bytes of interleaved frames that are sorted at a time.
SORTED = 1 << 24
#: Rows of them that are turned at a time.
TURNED = 512


@dataclass(frozen=True)
class Layout:
    """What a header says.

    ``axes``: letters of `AXES` in the order of the file, slowest first, and their ``sizes``.
    ``data``: the file that has the voxels: what begins at byte ``start`` is unpacked as
    ``packing`` says (see `medseg.io.unpack`), and its first ``skip`` bytes are left out.
    ``affine``: IJK to RAS mm, may be sheared. ``slope``, ``intercept``: 1 and 0 for values that
    are meant as they are.
    """

    path: Path
    axes: str
    sizes: tuple[int, ...]
    dtype: np.dtype[np.generic]
    affine: Array
    data: Path
    start: int = 0
    packing: str = ""
    skip: int = 0
    slope: float = 1.0
    intercept: float = 0.0
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if min(self.sizes) < 1:
            raise damaged(self.path, "its header gives no image size")
        if self.skip < 0:
            raise damaged(self.path, "its header gives no place of the voxels")

    @property
    def shape(self) -> tuple[int, ...]:
        """``(T, K, J, I, C)``."""
        return self._full(self.axes)

    @property
    def length(self) -> int:
        """Bytes of all voxels."""
        return math.prod(self.sizes) * self.dtype.itemsize

    def read(self) -> Raw:
        """All voxels; raises `InputError` when they are not there or damaged."""
        content = bytearray()
        for piece in self._voxels():
            content += piece
        return Raw(
            self.values(content, self.axes), self.affine, self.path.name, notes=[*self.notes]
        )

    def values(self, content: bytearray, axes: str) -> Array:
        """``(T, K, J, I, C)`` of voxels as the file has them, of these axes; rescaled."""
        sizes = [self._size(a) for a in axes]
        array: Array = np.frombuffer(content, self.dtype).reshape(sizes)
        array = array.astype(self.dtype.newbyteorder("="), copy=False)
        order = [axes.index(a) for a in AXES if a in axes]
        full = array.transpose(order).reshape(self._full(axes))
        if (self.slope, self.intercept) == (1.0, 0.0):
            return full
        return (full * np.float64(self.slope) + self.intercept).astype(np.float32)

    def frames(self) -> tuple[IO[bytes], int]:
        """A file with the voxels frame after frame, each with the other axes as they are.

        Also the byte where they begin. Raises `InputError` as `read` does.
        """
        outer, inner = self._around()
        if outer > 1:
            return nameless(self._sorted(outer, inner)), 0
        if self.packing:
            return nameless(one_after_another(self._voxels())), 0
        file, at = opened(self.data), self.start + self.skip
        there = file.seek(0, 2) - at
        if there < self.length:
            file.close()
            raise self._lacking(there)
        return file, at

    def _around(self) -> tuple[int, int]:
        """Numbers outside and inside of the axis of time."""
        at = self.axes.find("t")
        return math.prod(self.sizes[: max(at, 0)]), math.prod(self.sizes[at + 1 :])

    def _voxels(self) -> Iterator[bytes]:
        """As they are in the file; all of it is read, for its checksum."""
        skip, left = self.skip, self.length
        for piece in pieces(self.data, self.start, self.packing):
            part = piece[skip : skip + left]
            skip, left = max(skip - len(piece), 0), left - len(part)
            yield part
        if left:
            raise self._lacking(self.length - left)

    def _sorted(self, outer: int, inner: int) -> Iterator[tuple[int, bytes]]:
        """Chunks of interleaved frames, each with the place where its frame has it."""
        size = inner * self.dtype.itemsize
        row = self.shape[0] * size
        waiting, done = bytearray(), 0
        for piece in self._voxels():
            waiting += piece
            count = len(waiting) // row
            if count * row < SORTED and done + count < outer:
                continue
            of_frames = _turned(memoryview(waiting)[: count * row], count, size)
            for t, chunk in enumerate(of_frames):
                yield (t * outer + done) * size, chunk.tobytes()
            waiting, done = waiting[count * row :], done + count

    def _lacking(self, there: int) -> InputError:
        return damaged(
            self.path, f"it has {max(there, 0)} bytes of voxels instead of {self.length}"
        )

    def _size(self, axis: str) -> int:
        return self.sizes[self.axes.index(axis)]

    def _full(self, axes: str) -> tuple[int, ...]:
        return tuple(self._size(a) if a in axes else 1 for a in AXES)


def _turned(content: memoryview, rows: int, size: int) -> Array:
    """``(T, rows)`` of interleaved pieces of ``size`` bytes; few rows at a time, for the cache."""
    kind = f"u{size}" if size in (1, 2, 4, 8) else f"V{size}"
    block = np.frombuffer(content, kind).reshape(rows, -1)
    turned: Array = np.empty(block.shape[::-1], kind)
    for first in range(0, rows, TURNED):
        turned[:, first : first + TURNED] = block[first : first + TURNED].T
    return turned
