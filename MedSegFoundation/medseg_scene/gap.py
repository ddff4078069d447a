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
from medseg.actions import Accept, Action
from medseg.blank import blank
from medseg.companion.linked import LinkedSession
from medseg.companion.pending import Pending
from medseg.history import State
from medseg.packing import Bits
from medseg.pieces import Pieces

from .boxes import Box, corner, moved, patch_box, patched, size, slabs, union, within
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

    def difference(self) -> Pieces[MaskPatch]:
        """What the session's mask has that the scene has not; in pieces."""
        mask, found = self._linked.mirror.history.mask, None
        for number, part in enumerate(slabs(self.box) if self.box else ()):
            if number:
                yield
            between = MaskPatch.between(self._target.mask[part], mask[part])
            found = union(found, patch_box(moved(between, corner(part))))
        return _nothing() if found is None else MaskPatch(corner(found), mask[found].copy())

    def steps(self, state: State, preview: Preview | None) -> Pieces[Steps]:
        """What to ask of the session so that it stands at ``state``, with the scene's mask.

        ``preview``: its patch counts as if it were in the scene. In pieces; nothing is asked yet.
        """
        patches = [] if preview is None else [preview.patch]
        change = yield from self._scene(patches)
        actions: list[Action] | None = None
        if not self._lost:
            history = self._linked.mirror.history
            actions = yield from route(history, state, change, self._target.packing)
        if actions is None:
            bits = yield from self._bits(change if patches else None)
            return [partial(self._restore, state, bits)]
        for action in actions:
            if isinstance(action, Accept):
                yield from action.packing()
        return [partial(self._linked.do, action) for action in actions]

    def _scene(self, patches: list[MaskPatch]) -> Pieces[MaskPatch]:
        """The scene's mask where the session's may differ."""
        for patch in patches:
            self.widen(patch_box(patch))
        box = self.box
        if box is None:
            return _nothing()
        voxels = blank(size(box))
        for number, part in enumerate(slabs(box)):
            if number:
                yield
            voxels[within(part, box)] = patched(self._target.mask, part, patches)
        return MaskPatch(corner(box), voxels)

    def _bits(self, change: MaskPatch | None) -> Pieces[Bits]:
        """The scene's mask, after a change."""
        if change is None:
            return (yield from self._target.packing())
        mask = self._target.copy()
        change.apply(mask)
        return (yield from Bits.making(mask))

    def _restore(self, state: State, mask: Bits) -> Pending[None]:
        self._lost = True
        return self._linked.restore(
            state.prompts, baked=state.baked, start=state.start, mask=mask, story=state.story
        )


def _nothing() -> MaskPatch:
    return MaskPatch((0, 0, 0), np.zeros((0, 0, 0), bool))
