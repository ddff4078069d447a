"""Puts the border of a mask where the image has it: halfway between inside and outside."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ...image import Mask
from ...patch import bounding_box
from .grid import Field, dilated, eroded

#: The border moves by a voxel at most; the width of the neighbourhood whose means decide.
NEAR = 5
#: Contrast between the sides, in noise, below which the border stays.
CLEAR = 4.0


def settle(mask: Mask, smooth: Field, noise: float) -> Mask:
    """The mask with border voxels given to the side whose nearby mean intensity they are nearer to.

    Voxels that mix two tissues look strange to both, so a mask grown from likeness stops short of
    them. Where both sides look alike nothing moves. ``mask`` and ``smooth``: ``(K, J, I)``;
    ``noise`` in the unit of ``smooth``. One step of the local region model of Lankton and
    Tannenbaum (IEEE TIP 2008).
    """
    box = bounding_box(mask)
    if box is None:
        return mask
    room = tuple(
        slice(max(0, b.start - NEAR), min(n, b.stop + NEAR))
        for b, n in zip(box, mask.shape, strict=True)
    )
    settled = mask.copy()
    settled[room] = _settled(mask[room], smooth[room], noise)
    return settled


def _settled(mask: Mask, smooth: Field, noise: float) -> Mask:
    wide, core = dilated(mask), eroded(mask)
    inside, some_inside = _local_mean(smooth, core if core.any() else mask)
    outside, some_outside = _local_mean(smooth, ~wide)
    known = some_inside & some_outside & (np.abs(inside - outside) > CLEAR * noise)
    nearer = np.abs(smooth - inside) < np.abs(smooth - outside)
    return np.where(known & wide & ~core, nearer, mask)


def _local_mean(values: Field, where: Mask) -> tuple[Field, Mask]:
    """Mean of the values in the neighbourhood of each voxel, and whether there are any."""
    counts = _counts(where)
    means = ndimage.uniform_filter(values * where, NEAR, mode="constant")
    means *= NEAR**3 / np.maximum(counts, 1, dtype=np.float32)
    return means, counts > 0


def _counts(where: Mask) -> NDArray[np.uint8]:
    """How many voxels of the neighbourhood of each are marked."""
    counts = where.astype(np.uint8)
    for axis in range(3):
        width = [(NEAR // 2, NEAR // 2) if n == axis else (0, 0) for n in range(3)]
        padded = np.moveaxis(np.pad(counts, width), axis, 0)
        counts = np.zeros_like(counts)
        for first in range(NEAR):
            np.moveaxis(counts, axis, 0)[...] += padded[first : first + where.shape[axis]]
    return counts
