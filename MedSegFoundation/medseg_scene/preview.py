"""A result that is shown before it is taken."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from medseg.history import State
from medseg.image import Array, Mask
from medseg.patch import MaskPatch

from .grids import shifted


@dataclass(frozen=True)
class Preview:
    """What accepting would change.

    ``patch``: in the image; ``before``: what is there now; ``state``: what the segment would
    remember; ``depth``: prompts so far; ``affine``: IJK of the image to RAS mm.
    """

    patch: MaskPatch
    before: Mask
    state: State
    depth: int
    image_affine: Array

    @cached_property
    def added(self) -> Mask:
        """``(K, J, I)`` of the patch: voxels that would come in."""
        return np.asarray(self.patch.voxels & ~self.before)

    @cached_property
    def removed(self) -> Mask:
        """``(K, J, I)`` of the patch: voxels that would go."""
        return np.asarray(self.before & ~self.patch.voxels)

    @property
    def affine(self) -> Array:
        """``(4, 4)`` IJK of the patch to RAS mm, to draw it in its place."""
        return shifted(self.image_affine, self.patch.start[::-1])
