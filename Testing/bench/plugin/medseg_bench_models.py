"""Models that cost nothing but a mask: shapes as large as those of the peer's stub.

``ball``: radius 40 voxels. ``ellipsoid``: about 100 x 100 x 60 voxels (i, j, k).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from medseg import Capabilities, Image, Prompt
from medseg.image import Mask
from medseg.model import Progress

RADII = {"ball": (40, 40, 40), "ellipsoid": (30, 50, 50)}


@cache
def shape(name: str) -> Mask:
    """``(K, J, I)`` of one shape, its centre in the middle."""
    k, j, i = (np.arange(-r, r + 1) / r for r in RADII[name])
    return np.asarray(k[:, None, None] ** 2 + j[:, None] ** 2 + i**2 <= 1 + 1e-9)


class Painter:
    """Each prompt paints (or clears) a shape; only a new one is work."""

    version = "1"
    weights_hash: str | None = None
    capabilities = Capabilities(
        prompts=frozenset({"point"}),
        dimensions=frozenset({"3d"}),
        start_mask=True,
        normalises=True,
        colour=False,
        licence="Apache-2.0",
    )

    def __init__(self, name: str) -> None:
        self.name = name

    def open(self, image: Image) -> OpenPainter:
        return OpenPainter(image, shape(self.name))


class OpenPainter:
    def __init__(self, image: Image, stamp: Mask) -> None:
        self.image = image
        self.stamp = stamp
        self.radii = np.array(stamp.shape) // 2
        self.start: Mask | None = None
        self.seen: list[Prompt] = []
        self.mask = np.zeros(image.shape, bool)

    def segment(
        self, prompts: Sequence[Prompt], start: Mask | None = None, progress: Progress | None = None
    ) -> Mask:
        """The very array that it goes on painting in: a copy would cost more than all else."""
        if start is not self.start or not _begins_with(prompts, self.seen):
            self.start, self.seen = start, []
            self.mask = np.zeros(self.image.shape, bool) if start is None else start.copy()
        for prompt in prompts[len(self.seen) :]:
            self._paint(prompt)
        self.seen = list(prompts)
        return self.mask

    def _paint(self, prompt: Prompt) -> None:
        centre = np.rint(self.image.ras_to_ijk(prompt.positions()[0])[::-1]).astype(int)
        low = np.maximum(centre - self.radii, 0)
        high = np.minimum(centre + self.radii + 1, self.image.shape)
        first, last = low - centre + self.radii, high - centre + self.radii
        part = self.stamp[tuple(slice(a, b) for a, b in zip(first, last, strict=True))]
        self.mask[tuple(slice(a, b) for a, b in zip(low, high, strict=True))][part] = prompt.include


def _begins_with(prompts: Sequence[Prompt], seen: Sequence[Prompt]) -> bool:
    return len(prompts) >= len(seen) and all(a is b for a, b in zip(prompts, seen, strict=False))


def ball(device: str) -> Painter:
    return Painter("ball")


def ellipsoid(device: str) -> Painter:
    return Painter("ellipsoid")
