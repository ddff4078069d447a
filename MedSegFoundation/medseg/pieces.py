"""Work on whole masks that is done in one go, or a piece in each turn of an event loop.

A function that gives `Pieces` stops between pieces of some million voxels. What it works on must
not change meanwhile.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")
Pieces = Generator[None, None, T]
#: Voxels of a piece: a few milliseconds, and less than numpy asks large pages for (see `blank`).
PIECE = 1 << 21


def at_once(pieces: Pieces[T]) -> T:
    """What comes of it, without stops."""
    try:
        while True:
            next(pieces)
    except StopIteration as end:
        result: T = end.value
        return result


def spans(shape: Sequence[int], voxels: int = PIECE) -> Iterator[slice]:
    """The slices of a mask ``(K, J, I)`` in groups of about so many voxels.

    All but the last have a multiple of eight slices, so their bits are whole bytes.
    """
    step = max(1, voxels // max(1, 8 * math.prod(shape[1:]))) * 8
    for first in range(0, shape[0], step):
        yield slice(first, min(first + step, shape[0]))
