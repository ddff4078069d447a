"""A click that corrects a mask: how large the wrong part is, and which blocks change."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from ...image import Array, Mask
from ...patch import bounding_box
from .features import Prepared, SeedModel, Triple
from .grid import Field
from .groups import Group, Seeds
from .maps import PRIOR, View

#: Of the ball in which a correction would be even throughout: seeds more uneven than so much noise
#: are looked at, ever smaller shares of the gap are tried, and by how much (in spreads) the middle
#: and the shell may differ.
_UNEVEN = 1.0
_SHARES = (1.0, 0.8, 0.64, 0.5, 0.4, 0.32, 0.25)
_SAME_MEAN, _SAME_SPREAD = 0.3, 1.6
#: A correction takes intensities from this share of its depth, and its radius lies within these.
_CORE = 0.8
_LEAST, _MOST = 0.7, 1.5


@dataclass(frozen=True)
class Local:
    """What speaks for a block being wrong as well, in log odds (see `corrected`)."""

    start: float
    away: float
    deep: float
    alike: float
    evidence: float


#: Fitted by logistic regression to simulated corrections of `abdomen_ct_short` and of synthetic
#: volumes; the starts were then set by the Dice of whole sessions.
ADD = Local(start=0.58, away=-0.23, deep=-0.93, alike=1.2, evidence=0.35)
TAKE = Local(start=1.78, away=-1.39, deep=-2.02, alike=0.36, evidence=0.28)
#: What the mask so far counts on the side that a correction leaves alone, and what a click counts
#: within this share of its depth.
HELD, CERTAIN, CORE = 3.0, 4.0, 0.7


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


def corrected(view: View, odds: Field) -> Field:
    """Log odds after the newest click: how the mask so far changes around it.

    A click sits in the middle of what is wrong, so the distance to the mask's border tells its
    scale. Wrong as well are blocks near it, not much deeper in the wrong side, with intensities
    of the click's surrounding and not of the blocks farther off. ``odds``: those of the whole
    object. The side that the click does not speak of keeps its mask.
    """
    newest, include = view.groups[view.newest], view.groups[view.newest].include
    prior = view.stack[PRIOR]
    side = (prior <= 0) == include
    deep = _depth_within(side, view, edge=not include)
    radius = newest.depth or _depth_of_stroke(deep, view)
    away = _away(view, view.newest) / radius
    rule = ADD if include else TAKE
    wrong = rule.start + rule.away * np.log(np.minimum(away, 20) + 0.2)
    wrong += rule.deep * np.minimum(deep / radius, 4) + rule.alike * _alike(view, side, away)
    wrong += rule.evidence * np.clip(odds if include else -odds, -4, 4)
    changed = np.where(side, wrong if include else -wrong, HELD * prior)
    for number, group in enumerate(view.groups[: view.newest + 1]):
        core = CORE * (group.depth if number < view.newest else radius)
        near = _away(view, number) <= max(core, 0.5 * min(view.scene.window.spacing))
        changed[near] = CERTAIN if group.include else -CERTAIN
    return np.asarray(changed, dtype=np.float32)


def _away(view: View, number: int) -> Field:
    """Distance in mm to the seeds of a group."""
    return np.asarray(
        view.groups[number].model.radius * (np.exp(view.maps[number].distance) - 0.05)
    )


def _depth_within(part: Mask, view: View, edge: bool) -> Field:
    """Distance in mm to the border of a part of the window; ``edge``: which ends there."""
    around = [(1, 1) if n > 1 else (0, 0) for n in part.shape]
    padded = np.pad(part, around, constant_values=not edge)
    if padded.all():
        return np.full(part.shape, np.inf, np.float32)
    depth = ndimage.distance_transform_edt(padded, sampling=view.scene.window.spacing)
    return np.asarray(
        depth[tuple(slice(a, a + n) for (a, _), n in zip(around, part.shape, strict=True))]
    )


def _depth_of_stroke(deep: Field, view: View) -> float:
    """How deep the deepest seed lies in the wrong side, as far as its model goes."""
    group, window = view.groups[view.newest], view.scene.window
    blocks = window.block_of(window.within(group.seeds))
    deepest = float(deep[tuple(blocks.T)].max()) if len(blocks) else 0.0
    return max(min(deepest, 1.5 * group.model.radius), 0.7 * min(window.spacing))


def _alike(view: View, side: Mask, away: Field) -> Field:
    """Log ratio of the intensities around the click to those of its side farther off."""
    low, high = np.percentile(view.scene.smooth, [2, 98])
    scale = 2.5 / max(float(high - low), 1e-6)
    values = np.clip((view.scene.smooth - view.groups[view.newest].model.mean) * scale, -2, 2)
    ball, rest = (away <= 0.8) & side, side & (away > 2) & (away < 8)
    if not ball.any():
        ball = away <= max(0.8, float(away.min()))
    if rest.sum() < 8:
        rest = side & (away > 1.2)
    if not rest.any():
        return np.zeros_like(away)
    bins = np.clip((values + 2) * 12, 0, 47).astype(np.intp)
    shares = []
    for part in (ball, rest):
        counts = np.bincount(bins[part], minlength=48).astype(float)
        counts = ndimage.gaussian_filter1d(counts, 2.0, mode="nearest")
        shares.append(counts / counts.sum() + 0.01)
    return np.clip(np.log(shares[0] / shares[1]), -3, 3)[bins]
