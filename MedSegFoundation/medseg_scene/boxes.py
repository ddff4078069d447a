"""Boxes of array indices ``(k, j, i)``: the part of a mask that a change is about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from medseg.image import Mask
from medseg.patch import Box as Box
from medseg.patch import MaskPatch
from medseg.patch import union as union
from medseg.pieces import PIECE


def box_of(start: Sequence[int], stop: Sequence[int]) -> Box:
    """The box between ``(k, j, i)`` indices ``start`` (in) and ``stop`` (out)."""
    k, j, i = (slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))
    return k, j, i


def clipped(start: Sequence[int], stop: Sequence[int], shape: Sequence[int]) -> Box | None:
    """`box_of` inside an array of that shape; None when nothing of it is inside."""
    low = [max(0, int(a)) for a in start]
    high = [min(n, int(b)) for b, n in zip(stop, shape, strict=True)]
    return None if any(b <= a for a, b in zip(low, high, strict=True)) else box_of(low, high)


def common(first: Box, second: Box) -> Box | None:
    """Where both are."""
    pairs = list(zip(first, second, strict=True))
    low = [max(a.start, b.start) for a, b in pairs]
    high = [min(a.stop, b.stop) for a, b in pairs]
    return None if any(b <= a for a, b in zip(low, high, strict=True)) else box_of(low, high)


def corner(box: Box) -> tuple[int, int, int]:
    """Its first ``(k, j, i)``."""
    k, j, i = (side.start for side in box)
    return k, j, i


def size(box: Box) -> tuple[int, int, int]:
    k, j, i = (side.stop - side.start for side in box)
    return k, j, i


def within(box: Box, outer: Box) -> Box:
    """``box`` in the indices of an array that was cut out at ``outer``."""
    origin = corner(outer)
    return box_of(
        [side.start - o for side, o in zip(box, origin, strict=True)],
        [side.stop - o for side, o in zip(box, origin, strict=True)],
    )


def moved(patch: MaskPatch, start: Sequence[int]) -> MaskPatch:
    """A patch of a part that begins at ``start`` as a patch of the whole."""
    if patch.empty:
        return patch
    k, j, i = (a + b for a, b in zip(patch.start, start, strict=True))
    return MaskPatch((k, j, i), patch.voxels)


def patch_box(patch: MaskPatch) -> Box | None:
    """Where a patch writes."""
    return None if patch.empty else patch.box


def patched(mask: Mask, box: Box, patches: Sequence[MaskPatch]) -> Mask:
    """What ``mask[box]`` holds after some patches."""
    part = mask[box].copy()
    for patch in patches:
        both = None if patch.empty else common(patch.box, box)
        if both is not None:
            part[within(both, box)] = patch.voxels[within(both, patch.box)]
    return part


def slabs(box: Box, voxels: int = PIECE) -> Iterator[Box]:
    """The box in pieces of whole slices, of about so many voxels each."""
    _, rows, columns = size(box)
    step = max(1, voxels // (rows * columns))
    for first in range(box[0].start, box[0].stop, step):
        yield slice(first, min(first + step, box[0].stop)), box[1], box[2]
