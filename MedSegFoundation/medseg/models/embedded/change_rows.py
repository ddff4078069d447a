"""What is known of each block that a click may change, in numbers without a unit.

A click sits in the middle of what is wrong, so its depth in the wrong part tells the scale: how far
away a block lies, how deep, and how much like the click's surroundings it looks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ...image import Array, Mask
from .features import Triple
from .grid import Field
from .groups import Group, Seeds
from .maps import PRIOR, View

NAMES = (
    "away",  # log of the distance from the click, in depths
    "deep",  # distance to the border of the mask, in depths
    "alike",  # log ratio of intensities around the click to those of its side farther off
    "odds",  # log odds of the whole object, for this change
    "path",  # log of the length of the cheapest path, in depths
    "unlike",  # log of the difference from the click's intensity, in its spreads
    "gradient",
    "object",  # log ratio of intensities in the mask and near it, for this change
    "deep in all",  # distance to the border of the mask, in radii of the object
    "other",  # log of the distance from the nearest prompt that says the opposite, over `away`
    "size",  # log of the depth, in radii of the object
    "prompts",  # log of their number
    "gap",  # log of how deep the click lies in its side, in depths
    "flat",  # how many axes of the image have one block
    "odds here",  # the mean odds around the click
)
#: Beyond so many depths nothing changes.
REACH = 20.0
#: The size beyond which the mask is no measure any more: little of it, or none, is in the window.
OUTGROWN = 0.5
#: Blocks around the mask that its intensities are compared with.
RIM = 4
_BINS = 48


def described(view: View, odds: Field) -> tuple[Array, Mask]:
    """Rows ``(N, len(NAMES))`` of the blocks that the newest click may change, and which they are.

    ``odds``: log odds ``(K, J, I)`` of the whole object.
    """
    click, scene = view.groups[view.newest], view.scene
    prior, spacing = view.stack[PRIOR], scene.window.spacing
    inside = prior > 0
    side = inside != click.include
    away = away_from(view, view.newest) / click.depth
    blocks = side & (away < REACH)
    sign = 1 if click.include else -1
    odds = np.clip(sign * odds, -4, 4)
    depth = _depth_within(side, spacing, edge=not click.include) / click.depth
    size = np.float32(click.depth / _radius_of(inside, spacing))
    bins = _bins(view, click)
    ball, rest = _ball_and_rest(side, away)
    path = view.maps[view.newest].geodesic[blocks] + np.log(click.model.radius / click.depth)
    unlike = np.abs(scene.smooth[blocks] - click.model.mean) / click.model.spread
    seed = depth[blocks_of(view, view.newest)].max(initial=0.5)
    columns = (
        np.log(away[blocks] + 0.2),
        np.minimum(depth[blocks], 4),
        _log_ratio(bins, ball, rest)[bins[blocks]],
        odds[blocks],
        np.clip(path, -3, 4),
        np.log1p(unlike),
        np.log1p(scene.gradient[blocks]),
        sign * _log_ratio(bins, *_object_and_rim(prior))[bins[blocks]],
        np.minimum(depth[blocks] * size, 2),
        _from_others(view, away, blocks),
        min(float(np.log(size)), OUTGROWN),
        np.log(view.newest + 1),
        np.log(min(seed, 8)),
        prior.shape.count(1),
        odds[ball].mean(),
    )
    rows = np.empty((np.count_nonzero(blocks), len(columns)), np.float32)
    for n, column in enumerate(columns):
        rows[:, n] = column
    return rows, blocks


def away_from(view: View, number: int) -> Field:
    """Distance in mm to the seeds of a group."""
    return np.asarray(
        view.groups[number].model.radius * (np.exp(view.maps[number].distance) - 0.05)
    )


def blocks_of(view: View, number: int) -> tuple[Seeds, ...]:
    """Indices of the blocks that hold seeds of a group."""
    window = view.scene.window
    return tuple(window.block_of(window.within(view.groups[number].seeds)).T)


def _from_others(view: View, away: Field, blocks: Mask) -> Field | float:
    """Log ratio of the distances to the nearest click that says the opposite, and to the newest."""
    click = view.groups[view.newest]
    others = [
        away_from(view, n)[blocks]
        for n, group in enumerate(view.groups[: view.newest])
        if group.include != click.include and group.limit is None and not len(group.against)
    ]
    if not others:
        return 3.0
    ratio = np.minimum.reduce(others) / click.depth / np.maximum(away[blocks], 0.3)
    return np.clip(np.log(ratio + 1e-3), -3, 3)


def _depth_within(part: Mask, spacing: Triple, edge: bool) -> Field:
    """Distance in mm to the border of a part of the window; ``edge``: which ends there."""
    around = [(1, 1) if n > 1 else (0, 0) for n in part.shape]
    padded = np.pad(part, around, constant_values=not edge)
    if padded.all():
        return np.full(part.shape, np.inf, np.float32)
    depth = ndimage.distance_transform_edt(padded, sampling=spacing)
    return np.asarray(
        depth[tuple(slice(a, a + n) for (a, _), n in zip(around, part.shape, strict=True))]
    )


def _radius_of(mask: Mask, spacing: Triple) -> float:
    """Radius in mm of the ball, or of the disc in a single slice, that is as large as a mask."""
    count = max(int(mask.sum()), 1)
    if mask.shape.count(1):
        return float(np.sqrt(count * spacing[1] * spacing[2] / np.pi))
    return float(np.cbrt(0.75 * count * np.prod(spacing) / np.pi))


def _bins(view: View, click: Group) -> NDArray[np.intp]:
    """Intensities of all blocks in steps, the click's own in the middle."""
    smooth = view.scene.smooth
    low, high = np.percentile(smooth, [2, 98])
    scale = 2.5 / max(float(high - low), 1e-6)
    values = np.clip((smooth - click.model.mean) * scale, -2, 2)
    return np.minimum((values + 2) * (_BINS // 4), _BINS - 1).astype(np.intp)


def _ball_and_rest(side: Mask, away: Field) -> tuple[Mask, Mask]:
    """Blocks around the click, and those of its side farther off."""
    ball, rest = (away <= 0.8) & side, side & (away > 2) & (away < 8)
    if not ball.any():
        ball = away <= max(0.8, float(away.min()))
    return ball, rest if np.count_nonzero(rest) >= 8 else side & (away > 1.2)


def _object_and_rim(prior: Field) -> tuple[Mask, Mask]:
    """Blocks inside the mask, and those around it."""
    inside = prior > 0.5
    if not inside.any():
        inside = prior > 0
    width = [min(n, 2 * RIM + 1) for n in prior.shape]
    near = ndimage.maximum_filter(prior > 0, width)
    return inside, near & (prior < -0.5)


def _log_ratio(bins: NDArray[np.intp], one: Mask, other: Mask) -> Field:
    """Log ratio of the intensities of two parts, for each bin; 0 when there is no other part."""
    if not other.any():
        return np.zeros(_BINS, np.float32)
    shares = []
    for part in (one, other):
        counts = np.bincount(bins[part], minlength=_BINS).astype(np.float32)
        counts = ndimage.gaussian_filter1d(counts, 2.0, mode="nearest")
        shares.append(counts / counts.sum() + 0.01)
    return np.clip(np.log(shares[0] / shares[1]), -3, 3)
