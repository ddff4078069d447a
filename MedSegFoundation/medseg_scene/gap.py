"""What lies between a session in the helper and the scene: how to close it, and what it came to.

The scene is the truth. Before a request the session is led to where the scene stands; after it,
the session's mask differs from the scene's by what is to be written.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from medseg import MaskPatch
from medseg.actions import Action
from medseg.companion.linked import LinkedSession
from medseg.companion.pending import Pending
from medseg.history import State
from medseg.image import Mask

from .boxes import Box, corner, moved, patch_box, patched, union
from .preview import Preview
from .route import route
from .target import Target

Steps = list[Callable[[], Pending[Any]]]


class Gap:
    """Between ``target``, as last seen, and ``linked``."""

    def __init__(self, target: Target, linked: LinkedSession) -> None:
        self._target = target
        self._linked = linked
        #: Where the two masks may differ; None: nowhere.
        self.box: Box | None = None
        self._lost = False

    def widen(self, box: Box | None) -> None:
        self.box = union(self.box, box)

    def close(self) -> None:
        """The session stands where the scene stands."""
        self._lost, self.box = False, None

    def difference(self) -> MaskPatch:
        """What the session's mask has that the scene has not."""
        if self.box is None:
            return _nothing()
        mask = self._linked.mirror.history.mask[self.box]
        between = MaskPatch.between(self._target.mask[self.box], mask)
        return moved(between, corner(self.box))

    def steps(self, state: State, preview: Preview | None) -> Steps:
        """What to ask of the session so that it stands at ``state``, with the scene's mask.

        ``preview``: its patch counts as if it were in the scene.
        """
        patches = [] if preview is None else [preview.patch]
        change = self._scene(patches)
        actions: list[Action] | None = None
        if not self._lost:
            history = self._linked.mirror.history
            actions = route(history, state, change, self._target.bits)
        if actions is not None:
            return [partial(self._linked.do, action) for action in actions]
        mask = self._target.copy()
        if not change.empty:
            change.apply(mask)
        self._lost = True
        return [partial(self._restore, state, mask)]

    def _scene(self, patches: list[MaskPatch]) -> MaskPatch:
        """The scene's mask where the session's may differ."""
        for patch in patches:
            self.widen(patch_box(patch))
        if self.box is None:
            return _nothing()
        return MaskPatch(corner(self.box), patched(self._target.mask, self.box, patches))

    def _restore(self, state: State, mask: Mask) -> Pending[None]:
        return self._linked.restore(
            state.prompts, baked=state.baked, start=state.start, mask=mask, story=state.story
        )


def _nothing() -> MaskPatch:
    return MaskPatch((0, 0, 0), np.zeros((0, 0, 0), bool))
