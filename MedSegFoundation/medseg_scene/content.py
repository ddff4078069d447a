"""Where a mask has voxels, kept up to date change by change."""

from __future__ import annotations

import numpy as np
from medseg.image import Mask

from .boxes import Box, box_of


class Content:
    """How many voxels lie in each slice along each axis of a mask ``(K, J, I)``, at first none.

    That gives number and bounding box without a look at the mask.
    """

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self._counts = [np.zeros(n, np.int64) for n in shape]

    def replace(self, box: Box, before: Mask, after: Mask) -> None:
        """What is in a box of the mask changes; both ``(K, J, I)`` of the box."""
        for axis, (counts, side) in enumerate(zip(self._counts, box, strict=True)):
            others = tuple(n for n in range(3) if n != axis)
            counts[side] += np.count_nonzero(after, others) - np.count_nonzero(before, others)

    @property
    def voxels(self) -> int:
        return int(self._counts[0].sum())

    @property
    def box(self) -> Box | None:
        """The smallest box around all voxels; None when there are none."""
        held = [np.flatnonzero(counts) for counts in self._counts]
        if not held[0].size:
            return None
        return box_of([int(h[0]) for h in held], [int(h[-1]) + 1 for h in held])
