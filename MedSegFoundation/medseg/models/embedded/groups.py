"""From prompts in RAS mm to *seed groups*: the voxels one prompt marks, and what they tell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...image import Array
from .features import SeedModel

Seeds = NDArray[np.intp]
#: More seeds than this slow the geodesic maps down and add nothing.
MOST_SEEDS = 4000
NO_SEEDS: Seeds = np.zeros((0, 3), np.intp)


@dataclass(frozen=True)
class Limit:
    """A box that the object does not leave, in voxel coordinates (k, j, i).

    ``to_box`` maps ``voxel - centre`` to box coordinates, inside from -1 to 1 on each axis. A box
    drawn in a slice has one ``flat`` axis and limits that slice only.
    """

    centre: Array
    to_box: Array
    flat: int | None

    def allows(self, voxels: Array) -> Array:
        """True for each of the voxels ``(N, 3)`` that may belong to the object."""
        place = np.abs((voxels - self.centre) @ self.to_box.T)
        if self.flat is None:
            return np.asarray(place.max(1) <= 1)
        others = np.delete(place, self.flat, axis=1).max(1)
        return np.asarray((place[:, self.flat] > 1) | (others <= 1))


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
    ``guess``: for a first click whose size was searched.
    """

    seeds: Seeds
    include: bool
    model: SeedModel
    against: Seeds
    limit: Limit | None = None
    depth: float = 0.0
    guess: Guess | None = None

    @property
    def is_click(self) -> bool:
        """A stroke shows more of an object than a click, a box or a loop all of it."""
        return self.limit is None and not len(self.against) and len(self.seeds) == 1


def thin(seeds: Seeds, most: int = MOST_SEEDS) -> Seeds:
    return seeds if len(seeds) <= most else seeds[:: -(-len(seeds) // most)]
