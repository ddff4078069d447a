"""Dense motion between two slices."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .grid import Field

#: Motion is taken as even over so many pixels on each side.
RADIUS = 5
#: Steps at each size of the picture, and the smallest size.
WARPS, SMALLEST = 4, 16
#: Below this share of the strongest texture a place does not tell its motion.
FLAT = 1e-6


def dense_motion(before: Field, now: Field) -> Field:
    """Offsets ``(2, A, B)`` in pixels from each place of ``now`` to where it was ``before``.

    Both ``(A, B)``. Iterative Lucas-Kanade, coarse to fine (Le Besnerais and Champagnat, IEEE
    ICIP 2005).
    """
    if min(now.shape) < 3:
        return np.zeros((2, *now.shape), np.float32)
    levels = _pyramid(before, now)
    flow: Field = np.zeros((2, *levels[-1][0].shape), np.float32)
    for first, second in reversed(levels):
        if first.shape != flow.shape[1:]:
            factors = np.array(first.shape) / flow.shape[1:]
            flow = 2 * ndimage.zoom(flow, (1, *factors), order=1)
        for _ in range(WARPS):
            flow = _refined(first, second, flow)
    return flow


def bent(field: Field, flow: Field) -> Field:
    """What a field ``(A, B)`` of the slice before looks like now."""
    places = np.indices(field.shape, dtype=np.float32) + flow
    moved: Field = ndimage.map_coordinates(field, places, order=1, mode="nearest")
    return moved


def _pyramid(before: Field, now: Field) -> list[tuple[Field, Field]]:
    """Both pictures, each time half as large."""
    levels = [(before, now)]
    while min(levels[-1][0].shape) >= 2 * SMALLEST:
        first, second = (ndimage.gaussian_filter(f, 1.0)[::2, ::2] for f in levels[-1])
        levels.append((first, second))
    return levels


def _refined(before: Field, now: Field, flow: Field) -> Field:
    """The motion that best explains what is left, by least squares around each place."""
    moved = bent(before, flow)
    slopes: Field = np.array(np.gradient(moved))
    rest = now - moved + (slopes * flow).sum(0)
    size = 2 * RADIUS + 1
    aa, ab, bb, ar, br = (
        ndimage.uniform_filter(product, size)
        for product in (
            slopes[0] * slopes[0],
            slopes[0] * slopes[1],
            slopes[1] * slopes[1],
            slopes[0] * rest,
            slopes[1] * rest,
        )
    )
    determinant = aa * bb - ab * ab
    clear = determinant > FLAT * np.square(aa + bb).max()
    scale = np.where(clear, 1 / np.where(clear, determinant, 1), 0)
    found = np.stack([bb * ar - ab * br, aa * br - ab * ar]) * scale
    better: Field = np.where(clear, found, flow).astype(np.float32)
    return better
