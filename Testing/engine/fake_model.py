"""A model whose masks can be predicted by hand: each point paints or clears one voxel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from medseg import Capabilities, Image, MedsegError, Prompt
from medseg.image import Mask
from medseg.model import Progress

CAPABILITIES = Capabilities(
    prompts=frozenset({"point", "box", "scribble"}),
    dimensions=frozenset({"2d", "3d", "2d+t"}),
    start_mask=True,
    normalises=True,
    colour=False,
    licence="Apache-2.0",
)


class FakeModel:
    """Paints the voxels of the prompts' positions; boxes paint their corners."""

    name = "fake"
    version = "1"
    weights_hash: str | None = None

    def __init__(self, fails: MedsegError | None = None, **capabilities: object) -> None:
        self.capabilities = replace(CAPABILITIES, **capabilities)
        self.fails = fails
        self.calls: list[tuple[tuple[Prompt, ...], bool]] = []

    def open(self, image: Image) -> FakeModel:
        self.image = image
        return self

    def segment(
        self, prompts: Sequence[Prompt], start: Mask | None = None, progress: Progress | None = None
    ) -> Mask:
        self.calls.append((tuple(prompts), start is not None))
        if self.fails:
            raise self.fails
        mask = np.zeros(self.image.shape, bool) if start is None else start.copy()
        for number, prompt in enumerate(prompts):
            for position in prompt.positions():
                voxel = self.image.voxel_at(position)
                if voxel is not None:
                    mask[voxel] = prompt.include
            if progress:
                progress((number + 1) / len(prompts))
        return mask
