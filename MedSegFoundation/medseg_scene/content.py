"""Where a mask has voxels, and its mark, at the cost of the slices that change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from medseg.image import Mask
from medseg.patch import MaskPatch
from medseg.pieces import Pieces
from medseg.record import joined_mark, rows_mark

from .boxes import Box, box_of

#: Slices that are looked at in one piece.
TOGETHER = 32
#: First and last-plus-one.
Span = tuple[int, int]


@dataclass(frozen=True)
class _Slice:
    """``rows``, ``columns``: those that hold voxels."""

    voxels: int
    rows: Span
    columns: Span
    mark: bytes


class Content:
    """Number of voxels, bounding box and mark of a mask ``(K, J, I)``, at first empty.

    The mask is looked at again only where `changed` was told of.
    """

    def __init__(self, mask: Mask) -> None:
        self._mask = mask
        self._slices: list[_Slice | None] = [None] * len(mask)
        self._stale: dict[int, tuple[Span, Span]] = {}

    def changed(self, box: Box) -> None:
        """This part may hold something else now."""
        slices, rows, columns = ((side.start, side.stop) for side in box)
        for k in range(*slices):
            known = self._stale.get(k, (rows, columns))
            self._stale[k] = _both(known[0], rows), _both(known[1], columns)

    def foreseen(self, patch: MaskPatch) -> Pieces[dict[int, _Slice | None]]:
        """What the slices of a patch will hold once it is in the mask; for `became`."""
        self._fresh()
        (_, *area), found = patch.box, {}
        rows, columns = ((side.start, side.stop) for side in area)
        for n, voxels in enumerate(patch.voxels):
            if n % TOGETHER == TOGETHER - 1:
                yield
            k = patch.start[0] + n
            plane = self._mask[k].copy()
            self._mask[k][tuple(area)] = plane[tuple(area)]  # takes memory where there was none
            plane[tuple(area)] = voxels
            found[k] = _looked_at(plane, self._slices[k], rows, columns)
        return found

    def became(self, slices: dict[int, _Slice | None]) -> None:
        """The mask holds now what was `foreseen`."""
        for k, one in slices.items():
            self._slices[k] = one
            self._stale.pop(k, None)

    def look(self) -> None:
        """Look at what changed now, for those who shall not wait for it later."""
        self._fresh()

    @property
    def voxels(self) -> int:
        return sum(one.voxels for one in self._fresh() if one)

    @property
    def box(self) -> Box | None:
        """The smallest box around all voxels; None when there are none."""
        held = [(k, one) for k, one in enumerate(self._fresh()) if one]
        if not held:
            return None
        ends = [one.rows + one.columns for _, one in held]
        low, high = np.min(ends, 0), np.max(ends, 0)
        return box_of((held[0][0], low[0], low[2]), (held[-1][0] + 1, high[1], high[3]))

    @property
    def mark(self) -> str:
        """`medseg.record.mask_mark` of the mask."""
        marks = [one.mark if one else b"" for one in self._fresh()]
        return joined_mark(self._mask.shape, marks)

    def _fresh(self) -> Sequence[_Slice | None]:
        for k, (rows, columns) in self._stale.items():
            self._slices[k] = _looked_at(self._mask[k], self._slices[k], rows, columns)
        self._stale.clear()
        return self._slices


def _looked_at(plane: Mask, before: _Slice | None, rows: Span, columns: Span) -> _Slice | None:
    """What a slice holds that was ``before`` and has changed within ``rows`` and ``columns``."""
    if before is not None:
        rows, columns = _both(before.rows, rows), _both(before.columns, columns)
    part = plane[slice(*rows), slice(*columns)]
    hit = np.flatnonzero(part.any(axis=1))
    if not hit.size:
        return None
    part = part[hit[0] : hit[-1] + 1]
    first, last = rows[0] + int(hit[0]), rows[0] + int(hit[-1])
    across = np.flatnonzero(part.any(axis=0))
    held = columns[0] + int(across[0]), columns[0] + int(across[-1]) + 1
    mark = rows_mark(plane, first, last)
    return _Slice(int(np.count_nonzero(part)), (first, last + 1), held, mark)


def _both(first: Span, second: Span) -> Span:
    return min(first[0], second[0]), max(first[1], second[1])
