"""Which of the two lungs a block belongs to.

Lungs touch in front of and behind the heart. As in Hu, Hoffman and Reinhardt (IEEE Trans Med
Imaging 20(6), 2001) they are shrunk until they fall apart; each block then belongs to the nearest
of the parts, and the parts to the side of the body that they lie on.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ...image import Array, Mask
from ...patch import bounding_box
from .text_grid import Scan

#: How far (mm) lungs are shrunk, in this order, until they fall apart.
SHRUNK_MM = (0.0, 3.0, 6.0, 9.0, 12.0, 16.0)
#: A part with a smaller share of the other side is one lung that reaches over the middle.
OVER, SMALL = 0.12, 0.02
#: No lung is wider than this (mm); what does not fall apart and is wider is cut in the middle.
ONE_MM = 170.0
#: Turns of finding the middle between the parts of both sides.
TURNS = 5


def right_side(scan: Scan, lung: Mask, body: Mask) -> Mask:
    """Blocks ``(K, J, I)`` nearer to the patient's right lung than to the left one.

    ``lung``: blocks of both, at least one. An image that shows one lung only has its middle in the
    middle of the body in its slices.
    """
    box = bounding_box(lung)
    assert box is not None
    place = _toward_right(scan, lung.shape)
    parts, middle = _fallen_apart(scan, lung, place, _middle_of_body(scan, lung, body, place))
    sides = np.concatenate([[0.0], np.sign(_centres(parts, place) - middle)])[parts]
    if np.ptp(place[parts > 0]) > ONE_MM:
        joined = _joined(parts, place, middle)
        sides[joined] = np.sign(place[joined] - middle)
    near = ndimage.distance_transform_edt(
        sides[box] == 0, sampling=scan.spacing, return_distances=False, return_indices=True
    )
    right = place > middle
    right[box] = sides[box][tuple(near)] > 0
    return right


def _toward_right(scan: Scan, shape: tuple[int, ...]) -> Array:
    """How far (mm) each block lies toward the patient's right."""
    k, j, i = np.ogrid[: shape[0], : shape[1], : shape[2]]
    a, b, c = scan.toward_right
    return np.asarray(a * k + b * j + c * i, np.float32)


def _middle_of_body(scan: Scan, lung: Mask, body: Mask, place: Array) -> float:
    """Where the middle of the body is in the slices that hold lung."""
    others = tuple(axis for axis in range(3) if axis != scan.up)
    held = np.any(lung, axis=others, keepdims=True)
    return float(place[body & held].mean())


def _fallen_apart(scan: Scan, lung: Mask, place: Array, middle: float) -> tuple[Array, float]:
    """Parts of the lungs, shrunk until none is on both sides, and where the middle is."""
    parts, best = np.zeros(lung.shape, int), middle
    for mm in SHRUNK_MM:
        labels, count = scan.label(scan.shrunk(lung, mm))
        sizes = np.bincount(labels.ravel(), minlength=count + 1)
        keep = sizes >= SMALL * sizes[1:].sum(initial=0)
        keep[0] = False
        if not keep.any():
            break
        parts = (np.cumsum(keep) * keep)[labels]
        best = _between(parts, place, middle)
        if not _joined(parts, place, best).any():
            break
    return parts, best


def _between(parts: Array, place: Array, middle: float) -> float:
    """The middle between the parts right and left of it; as given when one side has none."""
    at, sizes = _centres(parts, place), np.bincount(parts.ravel())[1:]
    for _ in range(TURNS):
        right = at > middle
        if right.all() or not right.any():
            break
        ends = [np.average(at[side], weights=sizes[side]) for side in (right, ~right)]
        middle = float(np.mean(ends))
    return middle


def _centres(parts: Array, values: Array) -> Array:
    """Mean of the values in each part."""
    return np.asarray(ndimage.mean(values, parts, np.arange(1, parts.max() + 1)))


def _joined(parts: Array, place: Array, middle: float) -> Mask:
    """Blocks of parts that are on both sides."""
    right = _centres(parts, place > middle)
    over = np.minimum(right, 1 - right) > OVER
    return np.asarray(np.concatenate([[False], over])[parts])
