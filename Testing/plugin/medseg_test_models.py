"""Models for tests, announced as a plug-in: with this folder on PYTHONPATH any process has them.

Their masks can be predicted by hand: each prompt paints (or clears) a ball around its positions.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

import numpy as np
from medseg import Capabilities, Image, Prompt
from medseg.image import Mask
from medseg.model import Progress

RADIUS_MM = 3.0
CAPABILITIES = Capabilities(
    prompts=frozenset({"point", "box", "scribble", "lasso"}),
    dimensions=frozenset({"2d", "3d", "2d+t"}),
    start_mask=True,
    normalises=True,
    colour=True,
    licence="Apache-2.0",
)


class Painter:
    """Paints balls of 3 mm radius, in the order of the prompts."""

    name = "painter"
    version = "1"
    weights_hash: str | None = None
    capabilities = CAPABILITIES

    def __init__(self, device: str) -> None:
        self.device = device

    def open(self, image: Image) -> OpenPainter:
        return OpenPainter(self, image)

    def before(self) -> None:
        """Called before each segmentation."""


class OpenPainter:
    def __init__(self, model: Painter, image: Image) -> None:
        self.model = model
        self.image = image

    def segment(
        self, prompts: Sequence[Prompt], start: Mask | None = None, progress: Progress | None = None
    ) -> Mask:
        self.model.before()
        mask = np.zeros(self.image.shape, bool) if start is None else start.copy()
        for number, prompt in enumerate(prompts):
            for position in prompt.positions():
                paint(self.image, mask, position, prompt.include)
            if progress:
                progress((number + 1) / len(prompts))
        return mask


def paint(image: Image, mask: Mask, position: np.ndarray, value: bool) -> None:
    """Set the voxels of ``mask`` within `RADIUS_MM` of a RAS position."""
    centre = image.ras_to_ijk(position)[::-1]
    reach = [RADIUS_MM / s for s in image.spacing[::-1]]
    box = tuple(
        slice(max(0, int(np.ceil(c - r))), min(n, int(np.floor(c + r)) + 1))
        for c, r, n in zip(centre, reach, mask.shape, strict=True)
    )
    axes = np.ogrid[box]
    distance = sum(((a - c) / r) ** 2 for a, c, r in zip(axes, centre, reach, strict=True))
    mask[box][distance <= 1] = value


class Slow(Painter):
    """A painter that takes MEDSEG_TEST_SECONDS (0.05) for each segmentation."""

    name = "slow"

    def before(self) -> None:
        time.sleep(float(os.environ.get("MEDSEG_TEST_SECONDS", "0.05")))


class Hungry(Painter):
    """A painter that runs out of memory everywhere but on the CPU."""

    name = "hungry"

    def before(self) -> None:
        if self.device != "cpu":
            raise MemoryError("CUDA out of memory (made up)")


def painter(device: str) -> Painter:
    return Painter(device)


def slow(device: str) -> Slow:
    return Slow(device)


def hungry(device: str) -> Hungry:
    return Hungry(device)
