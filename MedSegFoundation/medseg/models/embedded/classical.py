"""The classical step: geodesic reach, ray radii and an intensity model vote; votes are log odds."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from .grid import Field
from .maps import CHANNELS, PRIOR, View

SIGNED = CHANNELS.index("signed")
UNLIKE = CHANNELS.index("unlike_smooth")
STAR = CHANNELS.index("star")
DISTANCE = CHANNELS.index("distance")
GRADIENT = CHANNELS.index("gradient")


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
