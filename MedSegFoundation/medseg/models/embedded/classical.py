"""The classical step: geodesic reach, ray radii and an intensity model vote; votes are log odds."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from ...image import Mask
from .grid import Field
from .maps import CHANNELS, View

SIGNED = CHANNELS.index("signed")
UNLIKE = CHANNELS.index("unlike_smooth")
STAR = CHANNELS.index("star")
DISTANCE = CHANNELS.index("distance")
GRADIENT = CHANNELS.index("gradient")
PRIOR = CHANNELS.index("prior")


@dataclass(frozen=True)
class Votes:
    """How much each kind of evidence counts, and where it turns (see `evidence`)."""

    reach: float = 4.0
    reach_turn: float = 0.45
    star: float = 1.1
    star_turn: float = 1.1
    alike: float = 1.6
    alike_turn: float = 1.7
    alike_later: float = 0.5
    histogram: float = 1.0
    histogram_most: float = 1.5
    rival: float = 3.5
    rounds: int = 2
    near: float = 1.3
    distrust: float = 0.03
    gap: float = 1.5
    depth: float = 4.0


#: Sizes tried for the object of the newest prompt, as factors of the measured one.
SIZES = (0.5, 0.7, 1.0, 1.4, 2.0, 2.8)
#: Log scale beyond which the maps of a group, cut off at some radii, say nothing any more.
LARGEST = 1.8
#: What a size is worth: sharpness of the border, unlikeness of inside and rim (both fitted on
#: synthetic volumes).
SHARP, APART = 0.12, 0.13


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


def decide(view: View, votes: Votes = Votes()) -> Field:
    """Log odds ``(K, J, I)``; settles the size of the newest group in ``view.scales`` first."""
    if view.groups[view.newest].limit is not None:
        return evidence(view, votes)
    if (view.stack[PRIOR] > 0).any():
        view.scales[view.newest] = _correction(view, votes)
        return evidence(view, votes)
    return _best_size(view, votes)


def _best_size(view: View, votes: Votes) -> Field:
    """The odds for the size whose border is worth most."""
    tried = []
    for size in SIZES:
        scales = list(view.scales)
        scales[view.newest] = float(np.log(size))
        odds = evidence(replace(view, scales=scales), votes)
        tried.append((_worth(odds, view) - votes.distrust * np.log(size) ** 2, scales, odds))
    _, view.scales[:], odds = max(tried, key=lambda one: one[0])
    return odds


def _correction(view: View, votes: Votes) -> float:
    """Log scale of a correction: it is about as large as it lies deep in the wrong part.

    A click to take away sits between the borders of mask and object, so its depth in the mask
    tells how much is wrong; for one to add, the gap to the mask says half of it.
    """
    group, window = view.groups[view.newest], view.scene.window
    inside = view.stack[PRIOR] > 0
    around = [(1, 1) if n > 1 else (0, 0) for n in inside.shape]
    wrong = np.pad(~inside if group.include else inside, around, constant_values=group.include)
    depth = ndimage.distance_transform_edt(wrong, sampling=window.spacing)
    blocks = window.block_of(window.within(group.seeds)) + [low for low, _ in around]
    deepest = float(depth[tuple(blocks.T)].max()) if len(blocks) else 0.0
    deepest = max(deepest, 0.7 * min(window.spacing))
    expected = view.expected_size(view.newest)
    if group.include:
        # A stroke shows its own size, as the first one did; only a point needs the gap to tell.
        most = LARGEST if len(group.seeds) == 1 else min(0.0, view.scales[0])
        return min(0.5 * float(np.log(votes.gap * deepest / expected)), most)
    return min(float(np.log(votes.depth * deepest / expected)), LARGEST)


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


def _worth(odds: Field, view: View) -> float:
    """How well a border lies: on edges, with other intensities just outside than inside."""
    inside = ndimage.gaussian_filter(odds, 0.7) > 0
    core, wide = ndimage.binary_erosion(inside, border_value=1), ndimage.binary_dilation(inside)
    border = wide & ~core
    rim = ndimage.binary_dilation(wide) & ~inside
    if not border.any() or not rim.any():
        return -1.0
    bins = np.clip((view.stack[SIGNED] + 2) * 6, 0, 23).astype(np.intp)
    shares = [np.bincount(bins[part], minlength=24) + 0.5 for part in (inside, rim)]
    alike = float(np.sqrt(shares[0] / shares[0].sum() * shares[1] / shares[1].sum()).sum())
    return SHARP * float(view.stack[GRADIENT][border].mean()) - APART * float(np.log(alike))


def evidence(view: View, votes: Votes = Votes()) -> Field:
    """Log odds ``(K, J, I)`` that a block belongs to the object.

    First from place (how far along the cheapest path, how far beyond the ray radius) and from
    likeness to the seeds; then the intensities inside and around that first guess are learned
    and the guess repeated with them (the iteration of GrabCut, Rother et al., SIGGRAPH 2004).
    """
    stack = view.stack
    own, rival = view.reach(True), view.reach(False)
    place = votes.reach * np.minimum(votes.reach_turn - own, 1)
    place += votes.star * np.minimum(votes.star_turn - stack[STAR], 1)
    place += votes.rival * (np.clip(rival - own, -1.5, 0.5) - 0.5)
    alike = votes.alike * np.minimum(votes.alike_turn - stack[UNLIKE], 0.7)
    odds = place + alike
    for _ in range(votes.rounds):
        inside = np.where(odds > 0, 1 / (1 + np.exp(-odds)), 0)
        outside = ((odds < 0) & (stack[DISTANCE] < votes.near)) + 3.0 * (rival < -0.3)
        if inside.sum() < 4 or outside.sum() < 4:
            break
        learned = _histogram_odds(stack[SIGNED], inside, outside, votes.histogram_most)
        odds = place + votes.alike_later * alike + votes.histogram * learned
    return np.asarray(odds, dtype=np.float32)


def _histogram_odds(values: Field, inside: Field, outside: Field, most: float) -> Field:
    """Log ratio of the two smoothed histograms at every block; ``values`` lie in -2..2."""
    bins = np.clip((values + 2) * 16, 0, 63).astype(np.intp)
    shares = []
    for weight in (inside, outside):
        counts = np.bincount(bins.ravel(), weights=weight.ravel(), minlength=64)
        counts = ndimage.gaussian_filter1d(counts, 1.5, mode="nearest")
        shares.append(counts / counts.sum() + 0.004)
    return np.clip(np.log(shares[0] / shares[1]), -3, most)[bins]
