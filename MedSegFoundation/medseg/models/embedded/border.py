"""Puts the border of a mask where the image has it: halfway between inside and outside."""

from __future__ import annotations

import numpy as np
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
    wide = dilated(mask)
    core = eroded(mask)
    inside, weight_in = _local_mean(smooth, core if core.any() else mask)
    outside, weight_out = _local_mean(smooth, ~wide)
    known = (weight_in > 1e-3) & (weight_out > 1e-3)
    known &= np.abs(inside - outside) > CLEAR * noise
    nearer = np.abs(smooth - inside) < np.abs(smooth - outside)
    return np.where(known & wide & ~core, nearer, mask)


def _local_mean(values: Field, where: Mask) -> tuple[Field, Field]:
    weight = ndimage.uniform_filter(where.astype(np.float32), NEAR, mode="constant")
    total = ndimage.uniform_filter(values * where, NEAR, mode="constant")
    return total / np.maximum(weight, 1e-6), weight
