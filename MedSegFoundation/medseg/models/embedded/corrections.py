"""A click that corrects a mask: how large the wrong part is (see `changes` for what changes)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...image import Array, Mask
from ...patch import bounding_box
from .features import Prepared, SeedModel, Triple
from .groups import Group, Seeds

#: Of the ball in which a correction would be even throughout: seeds more uneven than so much noise
#: are looked at, ever smaller shares of the gap are tried, and by how much (in spreads) the middle
#: and the shell may differ.
_UNEVEN = 1.0
_SHARES = (1.0, 0.8, 0.64, 0.5, 0.4, 0.32, 0.25)
_SAME_MEAN, _SAME_SPREAD = 0.3, 1.6
#: A correction takes intensities from this share of its depth, and its radius lies within these.
_CORE = 0.8
_LEAST, _MOST = 0.7, 1.5


def correction(found: Group, before: Mask, prepared: Prepared, widest: float) -> Group:
    """A click that corrects a mask, with the depth of the wrong part and a model to suit."""
    seed, smallest = found.seeds[0], min(prepared.spacing)
    gap = _gap(before, seed, found.include, prepared.spacing)
    depth = _depth(found, gap, prepared, widest) if found.include else gap
    depth = max(depth, 0.7 * smallest)
    radius = float(np.clip(found.model.radius, _LEAST * depth, _MOST * depth))
    mean, spread = _middle(_ball(prepared, seed, _CORE * depth))
    radii = found.model.radii * radius / found.model.radius
    model = SeedModel(mean, max(spread, 0.6 * prepared.noise), radii)
    return replace(found, model=model, depth=depth)


def _depth(found: Group, gap: float, prepared: Prepared, widest: float) -> float:
    """Radius of what a click adds: up to the mask at most, as far as the image stays the same.

    It is as wide as the object so far, or as its own rays say. Rays end early in texture, though:
    there the ball counts whose shell has the intensities of its middle.
    """
    depth = min(gap, found.model.radius, widest)
    if found.model.spread <= _UNEVEN * prepared.noise:
        return depth
    for share in _SHARES:
        if share * gap <= depth:
            break
        if _even_throughout(prepared, found.seeds[0], share * gap):
            return share * gap
    return depth


def _even_throughout(prepared: Prepared, seed: Seeds, radius: float) -> bool:
    """Whether middle and shell of a ball agree in mean and spread."""
    shell = _ball(prepared, seed, 0.9 * radius, 0.5 * radius)
    if not len(shell):
        return False
    parts = [_middle(_ball(prepared, seed, 0.5 * radius)), _middle(shell)]
    low, high = sorted(max(spread, prepared.noise) for _, spread in parts)
    return abs(parts[0][0] - parts[1][0]) <= _SAME_MEAN * low and high <= _SAME_SPREAD * low


def _middle(values: Array) -> tuple[float, float]:
    """Median, and the standard deviation that the median deviation from it stands for."""
    middle = float(np.median(values))
    return middle, 1.4826 * float(np.median(np.abs(values - middle)))


def _ball(prepared: Prepared, seed: Seeds, radius: float, beyond: float = -1.0) -> Array:
    """Smoothed values up to ``radius`` mm from a voxel, and more than ``beyond``."""
    shape, spacing = np.array(prepared.values.shape), np.array(prepared.spacing)
    reach = np.where(shape > 1, radius / spacing, 0).astype(int)
    low, high = np.maximum(seed - reach, 0), np.minimum(seed + reach + 1, shape)
    part = prepared.smooth[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    steps = [(np.arange(a, b) - s) * w for a, b, s, w in zip(low, high, seed, spacing, strict=True)]
    away = np.sqrt(sum(np.square(step) for step in np.ix_(*steps)))
    return part[(away <= radius + 1e-6) & (away > beyond + 1e-6)]


def _gap(mask: Mask, seed: Seeds, include: bool, spacing: Triple) -> float:
    """Distance in mm from a voxel to the mask, or out of it; 0 where it is there already.

    The edge of the image ends the mask; an axis of one voxel has none.
    """
    if mask[tuple(seed)] == include:
        return 0.0
    box = bounding_box(mask)
    assert box is not None
    low = np.minimum([b.start for b in box], seed)
    high = np.maximum([b.stop for b in box], seed + 1)
    around = [0 if include or n == 1 else 1 for n in mask.shape]
    part = mask[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    goal = np.argwhere(np.pad(part, [(n, n) for n in around]) == include)
    away = (goal + low - around - seed) * np.array(spacing)
    return float(np.sqrt(np.square(away).sum(1).min()))
