"""From the cut in blocks to voxels of the image, its border following the image's own intensities.

Only the box of blocks that a prompt may change is looked at voxel by voxel: a correction in a large
image costs what it changes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ...image import Mask
from ...patch import bounding_box
from .border import NEAR, settle
from .features import Prepared
from .grid import Box, Field, Window

#: Voxels around a box that decide about the border in it.
MARGIN = NEAR + 1
#: A cut below this is far from any border.
NOTHING = 0.02


@dataclass(frozen=True)
class Part:
    """Some blocks of a window: the box that is wanted, and the wider one that decides about it."""

    window: Window
    inner: Box
    wide: Box

    @classmethod
    def around(cls, blocks: Mask, window: Window) -> Part | None:
        """The part that holds all of ``blocks`` ``(K, J, I)`` and their neighbours, if any."""
        box = bounding_box(blocks)
        if box is None:
            return None
        inner = wider(box, (1, 1, 1), window.shape)
        k, j, i = (-(-MARGIN // factor) + 1 for factor in window.factors)
        return cls(window, inner, wider(inner, (k, j, i), window.shape))

    @property
    def view(self) -> Window:
        """The wider box as a window of its own."""
        return self._window(self.wide)

    @property
    def box(self) -> Box:
        """The wanted voxels, as a box of the image."""
        return self._window(self.inner).box

    def wanted(self, voxels: Mask) -> Mask:
        """Of the voxels of `view`, those that are wanted."""
        place = (
            slice(a.start - b.start, a.stop - b.start)
            for a, b in zip(self.box, self.view.box, strict=True)
        )
        return voxels[tuple(place)]

    def _window(self, blocks: Box) -> Window:
        k, j, i = (
            slice(whole.start + b.start * f, min(whole.start + b.stop * f, whole.stop))
            for whole, b, f in zip(self.window.box, blocks, self.window.factors, strict=True)
        )
        return Window((k, j, i), self.window.factors, self.window.spacing)


def wider(box: Box, room: tuple[int, int, int], shape: tuple[int, int, int]) -> Box:
    """A box with ``room`` more on both sides of each axis, as far as ``shape`` goes."""
    k, j, i = (
        slice(max(0, side.start - more), min(count, side.stop + more))
        for side, more, count in zip(box, room, shape, strict=True)
    )
    return k, j, i


def to_voxels(u: Field, part: Part, prepared: Prepared) -> Mask:
    """The mask of the wanted voxels, for the cut ``u`` (0 to 1) of the blocks of the window."""
    view = part.view
    smooth = prepared.smooth[view.box]
    fine = view.grow(u[part.wide])
    if max(view.factors) > 1:
        fine = fine + _detail(u, part, prepared)
    return part.wanted(settle(fine > 0.5, smooth, prepared.noise))


def _detail(u: Field, part: Part, prepared: Prepared) -> Field:
    """What block means hide: voxels near the border nearer to inside or outside intensities."""
    blocks = part.window.shrink(prepared.smooth)
    inside, outside = (
        ndimage.uniform_filter(blocks * w, 5) / np.maximum(ndimage.uniform_filter(w, 5), 1e-3)
        for w in (u, 1 - u)
    )
    view, near = part.view, part.wide
    middle = view.grow(((inside + outside) / 2)[near])
    contrast = view.grow((inside - outside)[near])
    border = view.grow((4 * u * (1 - u))[near])
    spread = np.square(contrast) + np.square(2 * prepared.noise)
    smooth = prepared.smooth[view.box]
    return np.clip(border, 0, 1) * np.clip((smooth - middle) * contrast / spread, -0.5, 0.5)
