"""The classical step: geodesic reach, ray radii and an intensity model vote; votes are log odds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .grid import Field
from .maps import CHANNELS, View

SIGNED = CHANNELS.index("signed")
UNLIKE = CHANNELS.index("unlike_smooth")
STAR = CHANNELS.index("star")
DISTANCE = CHANNELS.index("distance")


@dataclass(frozen=True)
class Votes:
    """How much each kind of evidence counts, and where it turns (see `evidence`)."""

    reach: float = 4.0
    reach_turn: float = 0.35
    star: float = 1.1
    star_turn: float = 1.1
    alike: float = 2.2
    alike_turn: float = 1.7
    alike_later: float = 0.5
    histogram: float = 1.0
    histogram_most: float = 1.0
    rival: float = 2.0
    rounds: int = 2
    near: float = 1.3


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
