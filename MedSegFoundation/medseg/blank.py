"""Empty masks of which only what is written takes memory, and time."""

from __future__ import annotations

import math
import mmap

import numpy as np

from .image import Mask

#: Bytes for which numpy asks for large pages.
_LARGE = 1 << 22


def blank(shape: tuple[int, int, int]) -> Mask:
    """An empty mask ``(K, J, I)`` whose memory comes in pages of 4 kB as they are written.

    A large array of numpy asks for pages of 2 MB, and each is cleared when it is first written.
    A click writes short rows in many slices, so that half of the mask would be cleared at once.
    Worse, the system may first move other memory aside to have such pages, for a second or more.
    """
    voxels = math.prod(shape)
    if voxels < _LARGE:
        return np.zeros(shape, bool)
    return np.frombuffer(_room(voxels), bool).reshape(shape)


def _room(size: int) -> mmap.mmap:
    """Cleared memory of this process, to be written."""
    if not hasattr(mmap, "MAP_PRIVATE"):  # Windows, which knows small pages only
        return mmap.mmap(-1, size)
    room = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        room.madvise(mmap.MADV_NOHUGEPAGE)
    return room
