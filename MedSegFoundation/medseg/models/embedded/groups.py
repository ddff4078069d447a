"""From prompts in RAS mm to *seed groups*: the voxels one prompt marks, and what they tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...image import Array
from .enclosed import Found
from .features import SeedModel

Seeds = NDArray[np.intp]
#: More seeds than this slow the geodesic maps down and add nothing.
MOST_SEEDS = 4000
NO_SEEDS: Seeds = np.zeros((0, 3), np.intp)


@dataclass(frozen=True)
class Limit:
    """A box that the object does not leave, in voxel coordinates (k, j, i).

    ``to_box`` maps ``voxel - centre`` to box coordinates, inside from -1 to 1 on each axis. A box
    drawn in a slice has one ``flat`` axis and limits that slice only; in others the object may go
    on as it will.
    """

    centre: Array
    to_box: Array
    flat: int | None

    def ends(self) -> tuple[Array, Array]:
        """Lowest and highest voxel coordinates (k, j, i) in the box."""
        reach = np.abs(np.linalg.inv(self.to_box)).sum(1)
        return self.centre - reach, self.centre + reach

    def concerns(self, voxels: Array) -> Array:
        """True for each of the voxels ``(N, 3)`` that it says something about."""
        if self.flat is None:
            return np.ones(len(voxels), bool)
        return np.asarray(np.abs((voxels - self.centre) @ self.to_box[self.flat]) <= 1)

    def holds(self, voxels: Array) -> Array:
        """True for each of the voxels ``(N, 3)`` in the box."""
        return np.asarray(np.abs((voxels - self.centre) @ self.to_box.T).max(1) <= 1)


def allowed(limits: Sequence[Limit], voxels: Array) -> Array:
    """True for voxels ``(N, 3)`` that no limit concerns, or that lie in a box."""
    concerned, held = np.zeros(len(voxels), bool), np.zeros(len(voxels), bool)
    for limit in limits:
        concerned |= limit.concerns(voxels)
        held |= limit.holds(voxels)
    return held | ~concerned


@dataclass(frozen=True)
class Guess:
    """What the search for the size of a first click found (see `sizes`).

    ``scales``: logs of how much larger than its radius says the object may be; ``shares``: how
    much each counts, 1 together; ``low``, ``high``: the voxels (k, j, i) that are worth a look.
    """

    scales: Array
    shares: Array
    low: Seeds
    high: Seeds


@dataclass(frozen=True)
class Group:
    """One prompt on the grid of an image.

    ``seeds``: ``(N, 3)`` voxels (k, j, i) of the object (``include``) or of its surrounding.
    ``model``: intensity and size around them. ``against``: ``(M, 3)`` voxels the same prompt
    shows to be outside (around a box or a loop), possibly none. ``depth``: for a click that
    corrects a mask, how far in mm the wrong part reaches around it in every direction, else 0.
    ``guess``: for a first click whose size was searched. ``found``: what an including box or loop
    encloses.
    """

    seeds: Seeds
    include: bool
    model: SeedModel
    against: Seeds
    limit: Limit | None = None
    depth: float = 0.0
    guess: Guess | None = None
    found: Found | None = None

    @property
    def encloses(self) -> bool:
        """A box or loop that is no slice of something larger: it decides alone."""
        return self.found is not None and not self.found.in_slice

    @property
    def is_click(self) -> bool:
        """A stroke shows more of an object than a click, a box or a loop all of it."""
        return self.limit is None and not len(self.against) and len(self.seeds) == 1


def thin(seeds: Seeds, most: int = MOST_SEEDS) -> Seeds:
    return seeds if len(seeds) <= most else seeds[:: -(-len(seeds) // most)]
