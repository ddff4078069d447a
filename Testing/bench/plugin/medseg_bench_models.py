"""A model that costs nothing but a mask: balls as large as those of the peer's stub."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from medseg import Capabilities, Image, Prompt
from medseg.image import Mask
from medseg.model import Progress

BALL_VOXELS = 40
_AXIS = np.arange(-BALL_VOXELS, BALL_VOXELS + 1)
_BALL = _AXIS[:, None, None] ** 2 + _AXIS[:, None] ** 2 + _AXIS**2 <= BALL_VOXELS**2


class Ball:
    """Each prompt paints (or clears) a ball; only a new one is work."""

    name = "ball"
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

    def __init__(self, device: str) -> None:
        pass

    def open(self, image: Image) -> OpenBall:
        return OpenBall(image)


class OpenBall:
    def __init__(self, image: Image) -> None:
        self.image = image
        self.seen: list[Prompt] = []
        self.mask = np.zeros(image.shape, bool)

    def segment(
        self, prompts: Sequence[Prompt], start: Mask | None = None, progress: Progress | None = None
    ) -> Mask:
        if start is not None or not _begins_with(prompts, self.seen):
            self.seen = []
            self.mask = np.zeros(self.image.shape, bool) if start is None else start.copy()
        for prompt in prompts[len(self.seen) :]:
            self._paint(prompt)
        self.seen = [] if start is not None else list(prompts)
        return self.mask.copy()

    def _paint(self, prompt: Prompt) -> None:
        centre = np.rint(self.image.ras_to_ijk(prompt.positions()[0])[::-1]).astype(int)
        low = np.maximum(centre - BALL_VOXELS, 0)
        high = np.minimum(centre + BALL_VOXELS + 1, self.image.shape)
        first, last = low - centre + BALL_VOXELS, high - centre + BALL_VOXELS
        part = _BALL[tuple(slice(a, b) for a, b in zip(first, last, strict=True))]
        self.mask[tuple(slice(a, b) for a, b in zip(low, high, strict=True))][part] = prompt.include


def _begins_with(prompts: Sequence[Prompt], seen: Sequence[Prompt]) -> bool:
    return len(prompts) >= len(seen) and all(a is b for a, b in zip(prompts, seen, strict=False))


def ball(device: str) -> Ball:
    return Ball(device)
