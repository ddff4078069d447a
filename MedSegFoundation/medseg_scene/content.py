"""Where a mask has voxels, and its mark, at the cost of the slices that change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from medseg.image import Array, Mask
from medseg.record import joined_mark, slice_mark

from .boxes import Box, box_of


@dataclass(frozen=True)
class _Slice:
    """``rows``, ``columns``: first and last-plus-one that hold voxels."""

    voxels: int
    rows: tuple[int, int]
    columns: tuple[int, int]
    mark: bytes


class Content:
    """Number of voxels, bounding box and mark of a mask ``(K, J, I)``, at first empty.

    The mask is looked at again only in slices of which `changed` was told.
    """

    def __init__(self, mask: Mask) -> None:
        self._mask = mask
        self._slices: list[_Slice | None] = [None] * len(mask)
        self._stale: set[int] = set()

    def changed(self, slices: slice) -> None:
        """These slices (start to stop) may hold something else now."""
        self._stale.update(range(slices.start, slices.stop))

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
        for k in self._stale:
            self._slices[k] = _looked_at(self._mask[k])
        self._stale.clear()
        return self._slices


def _looked_at(plane: Mask) -> _Slice | None:
    mark = slice_mark(plane)
    if not mark:
        return None
    rows = _span(np.any(plane, axis=1))
    part = plane[slice(*rows)]
    return _Slice(int(np.count_nonzero(part)), rows, _span(np.any(part, axis=0)), mark)


def _span(hit: Array) -> tuple[int, int]:
    places = np.flatnonzero(hit)
    return int(places[0]), int(places[-1]) + 1
