"""A session: one image, one model, a growing list of prompts, and the mask they make."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from .errors import PromptError
from .image import Image, Mask
from .model import Model, Progress, check_image, check_prompt
from .patch import MaskPatch
from .prompts import Prompt


@dataclass(frozen=True)
class Step:
    """What one action did: the changed box, and the whole mask's size after it."""

    patch: MaskPatch
    seconds: float
    voxels: int
    ml: float


@dataclass(frozen=True)
class _State:
    """Prompts so far; the first ``baked`` of them are already part of the ``start`` mask."""

    prompts: tuple[Prompt, ...] = ()
    baked: int = 0
    start: Mask | None = None


def _read_only(mask: Mask) -> Mask:
    view = mask.view()
    view.setflags(write=False)
    return view


class Session:
    """Prompts in, mask patches out; every action can be undone and redone.

    The mask is a pure function of image, start mask and prompts, so a session can be replayed
    anywhere from those three. ``mask`` is ``(K, J, I)`` on the grid of the image.
    """

    def __init__(self, image: Image, model: Model) -> None:
        check_image(model, image)
        self.image = image
        self.model = model
        self._open = model.open(image)
        self._mask: Mask = np.zeros(image.shape, bool)
        self._state = _State()
        self._done: list[tuple[_State, MaskPatch]] = []
        self._undone: list[tuple[_State, MaskPatch]] = []

    @property
    def mask(self) -> Mask:
        """The current mask (read-only view)."""
        return _read_only(self._mask)

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """All prompts since the last reset, in order."""
        return self._state.prompts

    @property
    def baked(self) -> int:
        """How many of the prompts came before the last outside edit of the mask."""
        return self._state.baked

    @property
    def start(self) -> Mask | None:
        """The mask that the prompts from number ``baked`` on correct (read-only view), if any."""
        return None if self._state.start is None else _read_only(self._state.start)

    @property
    def can_undo(self) -> bool:
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        return bool(self._undone)

    def add(self, *prompts: Prompt, progress: Progress | None = None) -> Step:
        """Add prompts as one action and refine the mask with them.

        Raises `UnsupportedPromptError` or `PromptError`; the session is unchanged then.
        """
        for prompt in prompts:
            self._check(prompt)
        return self._act(
            replace(self._state, prompts=self._state.prompts + prompts), progress=progress
        )

    def remove(self, index: int) -> Step:
        """Take one prompt back, wherever it stands in the list; the result follows."""
        return self._change(index, ())

    def replace(self, index: int, prompt: Prompt) -> Step:
        """Exchange one prompt (a dragged point, a loosened box); the result follows."""
        self._check(prompt)
        return self._change(index, (prompt,))

    def set_mask(self, mask: Mask) -> Step:
        """Take a mask made elsewhere (a hand edit, a file); later prompts correct it.

        ``mask``: bool ``(K, J, I)`` on the grid of the image. Prompts given before stay listed,
        but are part of the mask now and do not act again.
        """
        kept = self._copy(mask)
        state = replace(self._state, start=kept, baked=len(self._state.prompts))
        return self._act(state, result=kept)

    def reset(self) -> Step:
        """Forget prompts and mask (can be undone)."""
        return self._act(_State(), result=np.zeros(self.image.shape, bool))

    def restore(
        self,
        prompts: Iterable[Prompt] = (),
        *,
        baked: int = 0,
        start: Mask | None = None,
        mask: Mask | None = None,
    ) -> None:
        """Stand where a session kept elsewhere (in a scene) stood, without running the model.

        ``start`` and ``mask``: bool ``(K, J, I)`` on the grid of the image, copied; None means no
        start mask, or an empty mask. ``mask`` is believed to be the result of the rest. Own undo
        and redo are forgotten. Raises `PromptError`; the session is unchanged then.
        """
        listed = tuple(prompts)
        if not 0 <= baked <= len(listed):
            raise PromptError(f"{baked} of {len(listed)} prompts cannot be part of the mask.")
        state = _State(listed, baked, None if start is None else self._copy(start))
        self._mask = np.zeros(self.image.shape, bool) if mask is None else self._copy(mask)
        self._state = state
        self.forget_history()

    def forget_history(self) -> None:
        """Drop undo and redo (and their memory): for an owner with an undo stack of its own."""
        self._done.clear()
        self._undone.clear()

    def undo(self) -> Step:
        """Take back the last action; raises `PromptError` when there is none."""
        return self._travel(self._done, self._undone, "undo")

    def redo(self) -> Step:
        """Do again what `undo` took back; raises `PromptError` when there is nothing."""
        return self._travel(self._undone, self._done, "redo")

    def _copy(self, mask: Mask) -> Mask:
        if mask.shape != self.image.shape:
            raise PromptError(
                f"The mask has shape {mask.shape}, the image {self.image.shape}; "
                "resample the mask to the image first."
            )
        return np.array(mask, dtype=bool)

    def _check(self, prompt: Prompt) -> None:
        check_prompt(self.model, prompt)
        positions = prompt.positions()
        if not len(positions):
            return
        low, high = self.image.ras_bounds()
        if prompt.kind == "box":
            outside = (positions.max(0) < low).any() or (positions.min(0) > high).any()
        else:
            outside = all(self.image.voxel_at(p) is None for p in positions)
        if outside:
            at = ", ".join(f"{v:.1f}" for v in positions.mean(0))
            span = " x ".join(f"{a:.1f}..{b:.1f}" for a, b in zip(low, high, strict=True))
            raise PromptError(
                f"The {prompt.kind} at R,A,S = {at} mm lies outside the image ({span} mm)."
            )

    def _change(self, index: int, new: tuple[Prompt, ...]) -> Step:
        prompts = self._state.prompts
        if not 0 <= index < len(prompts):
            raise PromptError(f"There is no prompt {index}; the session has {len(prompts)}.")
        if index < self._state.baked:
            raise PromptError(
                "This prompt came before a hand edit and is part of the mask; use undo instead."
            )
        changed = (*prompts[:index], *new, *prompts[index + 1 :])
        return self._act(replace(self._state, prompts=changed))

    def _act(
        self, state: _State, result: Mask | None = None, progress: Progress | None = None
    ) -> Step:
        begin = time.perf_counter()
        if result is None:
            result = self._run(state, progress)
        patch = MaskPatch.between(self._mask, result)
        self._done.append((self._state, patch.undoing(self._mask)))
        self._undone.clear()
        self._state = state
        return self._finish(patch, begin)

    def _run(self, state: _State, progress: Progress | None) -> Mask:
        active = state.prompts[state.baked :]
        if active:
            return self._open.segment(active, state.start, progress)
        return np.zeros(self.image.shape, bool) if state.start is None else state.start

    def _travel(
        self,
        source: list[tuple[_State, MaskPatch]],
        target: list[tuple[_State, MaskPatch]],
        what: str,
    ) -> Step:
        if not source:
            raise PromptError(f"There is nothing to {what}.")
        begin = time.perf_counter()
        state, patch = source.pop()
        target.append((self._state, patch.undoing(self._mask)))
        self._state = state
        return self._finish(patch, begin)

    def _finish(self, patch: MaskPatch, begin: float) -> Step:
        patch.apply(self._mask)
        voxels = int(np.count_nonzero(self._mask))
        return Step(patch, time.perf_counter() - begin, voxels, voxels * self.image.voxel_ml)
