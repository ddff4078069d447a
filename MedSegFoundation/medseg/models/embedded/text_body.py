"""The patient in a CT: everything within the skin, without table, clothes and blankets.

Solid blocks, opened so that the table comes off, largest parts, holes filled slice by slice; as
in Hu, Hoffman and Reinhardt, IEEE Trans Med Imaging 20(6), 2001, who find the lungs that way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ...image import Mask
from .text_grid import LOWEST, Scan

#: Half of air, half of skin (HU).
SKIN = -400.0
#: Air is at most this much brighter (HU) than the room; so is the lung not.
ROOM_SPREAD = 60.0
#: Whatever is thinner than twice this (mm) comes off: table shells, clothes, lines.
THIN_MM = 4.0
#: Gaps as wide as twice this (mm) that are open to the room stay outside: between arm and trunk.
GAP_MM = 12.0
#: A second part of the body has at least this share of the first; or this much bone in it.
LEAST_SHARE, BONE_SHARE = 0.01, 0.004
#: Lungs are thicker than twice this (mm), and brighter than this (HU).
CUT_MM, FOAM = 8.0, -910.0


@dataclass(frozen=True)
class Body:
    """``mask``: blocks ``(K, J, I)`` of the patient. ``solid``: those of tissue, anybody's.

    ``room``: HU below which a block holds nothing but air.
    """

    mask: Mask
    solid: Mask
    room: float


def body(scan: Scan) -> Body:
    """Find the patient; the mask is empty when there is none."""
    solid = scan.low > SKIN
    room = _room(scan)
    trunk = _trunk(scan, solid)
    if not trunk.any():
        return Body(trunk, solid, room)
    outside = _outside(scan, ~solid & (scan.low < room))
    mask = _filled(scan, trunk, outside)
    mask |= _cut_lungs(scan, mask, solid, outside)
    return Body(mask, solid, room)


def _room(scan: Scan) -> float:
    """HU below which a block holds only air, from the darkest blocks of the image."""
    air = scan.low[(scan.low < -900) & (scan.low > -1023)]
    return float(np.percentile(air, 20) if air.size > 50 else -1000.0) + ROOM_SPREAD


def _trunk(scan: Scan, solid: Mask) -> Mask:
    """Solid parts that are a person: not thin, of tissue, and large or with bone in them."""
    cores = scan.shrunk(solid, THIN_MM)
    labels, count = scan.label(cores)
    if not count:
        return cores
    numbers = np.arange(1, count + 1)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    core = labels > 0
    values, parts = scan.low[core], labels[core]
    tissue = ndimage.mean((values > -200) & (values < 200), parts, numbers)
    bone = ndimage.mean(values > 250, parts, numbers)
    likely = np.where(tissue > 0.4, sizes, 0)
    if not likely.any():
        return np.zeros_like(cores)
    first = likely.argmax()
    keep = (tissue > 0.4) & (bone > BONE_SHARE) & (sizes > LEAST_SHARE * sizes[first])
    keep[first] = True
    chosen = np.concatenate([[False], keep])[labels]
    return scan.grown(chosen, THIN_MM) & solid


def _outside(scan: Scan, air: Mask) -> Mask:
    """Air that is joined to the sides of the image."""
    labels, _ = scan.label(air)
    return np.isin(labels, scan.at_sides(labels))


def _filled(scan: Scan, trunk: Mask, outside: Mask) -> Mask:
    """With all that is enclosed in a slice, but for wide gaps that open to the room elsewhere."""
    labels, count = scan.label(~trunk, within_slices=True)
    open_ones = np.zeros(count + 1, bool)
    open_ones[scan.at_sides(labels)] = True
    mask = ~open_ones[labels] | trunk
    return mask & ~scan.opened(mask & outside, GAP_MM)


def _cut_lungs(scan: Scan, mask: Mask, solid: Mask, outside: Mask) -> Mask:
    """Lungs that the edge of the field of view cuts open, and the thin wall left beside them.

    They are thick, brighter than the air of the room and than foam, and walled by the body.
    """
    air = ~mask & ~solid & ~outside
    labels, count = scan.label(scan.opened(air, CUT_MM))
    if not count:
        return labels > 0
    thick = labels > 0
    bright = ndimage.median(scan.low[thick], labels[thick], np.arange(1, count + 1))
    near = ndimage.maximum_filter(labels, 1 + 2 * round(2 * CUT_MM / min(scan.spacing)))
    rim = np.where((solid | outside) & (scan.low > LOWEST + 1), near, 0).ravel()
    walls = np.bincount(rim, minlength=count + 1)[1:]
    own = np.bincount(rim, weights=(mask & solid).ravel(), minlength=count + 1)[1:]
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:] * scan.block_ml
    keep = (sizes > 50) & (bright > FOAM) & (own > 0.6 * np.maximum(walls, 1))
    lungs = np.concatenate([[False], keep])[labels]
    return scan.grown(lungs, CUT_MM) & ~outside
