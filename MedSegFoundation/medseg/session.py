"""A session: one image, one model, a growing list of prompts, and the mask they make."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from .actions import Action, Add, Forward, Redo, Remove, Replace, Reset, SetMask, Undo
from .errors import PromptError
from .history import History, State, read_only
from .image import Image, Mask
from .model import Model, Progress, check_image, check_prompt
from .packing import Bits
from .patch import MaskPatch
from .prompts import Prompt
from .story import Story


@dataclass(frozen=True)
class Step:
    """What one action did: the changed box, and the whole mask's size after it.

    ``notes``: sentences for the user, as when the work went on with the CPU.
    """

    patch: MaskPatch
    seconds: float
    voxels: int
    ml: float
    notes: tuple[str, ...] = ()


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
        self.history = History(image.shape)
        self._start: tuple[Bits | None, Mask | None] = (None, None)

    @property
    def mask(self) -> Mask:
        """The current mask (read-only view)."""
        return read_only(self.history.mask)

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """All prompts since the last reset, in order."""
        return self.history.state.prompts

    @property
    def baked(self) -> int:
        """How many of the prompts came before the last outside edit of the mask."""
        return self.history.state.baked

    @property
    def start(self) -> Mask | None:
        """The mask that the prompts from number ``baked`` on correct (read-only view), if any."""
        return self._unpacked(self.history.state.start)

    @property
    def can_undo(self) -> bool:
        return bool(self.history.done)

    @property
    def can_redo(self) -> bool:
        return bool(self.history.undone)

    def do(self, action: Action, progress: Progress | None = None) -> Step:
        """Do one action; raises what the methods below raise, the session is unchanged then."""
        begin = time.perf_counter()
        if isinstance(action, Undo):
            patch = self.history.undo()
        elif isinstance(action, Redo):
            patch = self.history.redo()
        else:
            patch = self._forward(action, progress)
        voxels = self.history.voxels
        return Step(patch, time.perf_counter() - begin, voxels, voxels * self.image.voxel_ml)

    def add(self, *prompts: Prompt, progress: Progress | None = None) -> Step:
        """Add prompts as one action and refine the mask with them.

        Raises `UnsupportedPromptError` or `PromptError`; the session is unchanged then.
        """
        return self.do(Add(prompts), progress)

    def remove(self, index: int) -> Step:
        """Take one prompt back, wherever it stands in the list; the result follows."""
        return self.do(Remove(index))

    def replace(self, index: int, prompt: Prompt) -> Step:
        """Exchange one prompt (a dragged point, a loosened box); the result follows."""
        return self.do(Replace(index, prompt))

    def set_mask(self, mask: Mask) -> Step:
        """Take a mask made elsewhere (a hand edit, a file); later prompts correct it.

        ``mask``: bool ``(K, J, I)`` on the grid of the image. Prompts given before stay listed,
        but are part of the mask now and do not act again.
        """
        return self.do(SetMask(mask))

    def reset(self) -> Step:
        """Forget prompts and mask (can be undone)."""
        return self.do(Reset())

    def restore(
        self,
        prompts: Iterable[Prompt] = (),
        *,
        baked: int = 0,
        start: Mask | Bits | None = None,
        mask: Mask | None = None,
        story: Story | None = None,
    ) -> None:
        """Stand where a session kept elsewhere (in a scene) stood, without running the model.

        ``start`` and ``mask``: bool ``(K, J, I)`` on the grid of the image, copied; None means no
        start mask, or an empty mask. ``mask`` is believed to be the result of the rest. ``story``:
        how ``start`` was propagated. Own undo and redo are forgotten. Raises `PromptError`; the
        session is unchanged then.
        """
        bits = None if start is None else self.history.bits(start)
        self.history.stand(State(tuple(prompts), baked, bits, story), mask)

    def resume(self, history: History) -> None:
        """Stand where a session that ran elsewhere stood, undo and redo included.

        Raises `PromptError` when it was about an image of another size.
        """
        if history.shape != self.image.shape:
            raise PromptError(
                f"The stored session is about an image of shape {history.shape}, "
                f"this one has {self.image.shape}."
            )
        self.history = history

    def forget_history(self) -> None:
        """Drop undo and redo (and their memory): for an owner with an undo stack of its own."""
        self.history.forget()

    def undo(self) -> Step:
        """Take back the last action; raises `PromptError` when there is none."""
        return self.do(Undo())

    def redo(self) -> Step:
        """Do again what `undo` took back; raises `PromptError` when there is nothing."""
        return self.do(Redo())

    def _forward(self, action: Forward, progress: Progress | None) -> MaskPatch:
        if isinstance(action, SetMask):
            action = SetMask(self.history.copy(action.mask))
        for prompt in action.new_prompts():
            self._check(prompt)
        state = action.lead(self.history.state, self.history.mask)
        result = self._run(state, progress)
        patch = MaskPatch.between(self.history.mask, result)
        self.history.commit(state, patch)
        return patch

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

    def _run(self, state: State, progress: Progress | None) -> Mask:
        if state.active:
            return self._open.segment(state.active, self._unpacked(state.start), progress)
        start = self._unpacked(state.start)
        return np.zeros(self.image.shape, bool) if start is None else start

    def _unpacked(self, bits: Bits | None) -> Mask | None:
        """A start mask, the same object as long as it is the same one."""
        if bits is not self._start[0]:
            self._start = bits, None if bits is None else read_only(bits.mask())
        return self._start[1]
