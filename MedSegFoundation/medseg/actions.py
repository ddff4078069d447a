"""What can be done to a session, as plain data: one class per action.

An action says to which `State` it leads. A session asks its model for the mask there; whoever
only follows the session (`medseg.history`) takes the mask from the answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

from .errors import InputError, PromptError
from .history import State
from .image import Mask
from .packing import Bits, packing_patch, unpack_mask, unpack_patch
from .patch import Box, MaskPatch
from .pieces import Pieces, at_once
from .prompts import Prompt, from_dict, to_dict
from .story import Story


class _Forward:
    def new_prompts(self) -> tuple[Prompt, ...]:
        """Prompts that the session has not seen yet."""
        return ()


@dataclass(frozen=True)
class Add(_Forward):
    """Add prompts and refine the mask with them."""

    name: ClassVar[str] = "add"
    prompts: tuple[Prompt, ...]

    def lead(self, state: State, mask: Mask) -> State:
        return replace(state, prompts=state.prompts + self.prompts)

    def data(self) -> dict[str, Any]:
        return {"prompts": [to_dict(p) for p in self.prompts]}

    def new_prompts(self) -> tuple[Prompt, ...]:
        return self.prompts


@dataclass(frozen=True)
class Remove(_Forward):
    """Take one prompt back, wherever it stands in the list."""

    name: ClassVar[str] = "remove"
    index: int

    def lead(self, state: State, mask: Mask) -> State:
        return _exchange(state, self.index, ())

    def data(self) -> dict[str, Any]:
        return {"index": self.index}


@dataclass(frozen=True)
class Replace(_Forward):
    """Exchange one prompt (a dragged point, a loosened box)."""

    name: ClassVar[str] = "replace"
    index: int
    prompt: Prompt

    def lead(self, state: State, mask: Mask) -> State:
        return _exchange(state, self.index, (self.prompt,))

    def data(self) -> dict[str, Any]:
        return {"index": self.index, "prompts": [to_dict(self.prompt)]}

    def new_prompts(self) -> tuple[Prompt, ...]:
        return (self.prompt,)


@dataclass(frozen=True, eq=False)
class SetMask(_Forward):
    """Take a mask ``(K, J, I)`` made elsewhere; prompts so far become part of it."""

    name: ClassVar[str] = "set_mask"
    mask: Mask

    def lead(self, state: State, mask: Mask) -> State:
        return replace(state, start=self._bits, baked=len(state.prompts))

    def data(self) -> dict[str, Any]:
        return {"mask": self._bits.to_dict()}

    @cached_property
    def _bits(self) -> Bits:
        return Bits.of(self.mask)


@dataclass(frozen=True, eq=False)
class Accept(_Forward):
    """Take the result of a long job; prompts so far become part of the mask.

    ``start``: the mask that it leads to, for those who know it. ``story``: how the result came
    about; without one the story of the mask before goes on.
    """

    name: ClassVar[str] = "accept"
    patch: MaskPatch
    start: Bits | None = None
    story: Story | None = None

    def lead(self, state: State, mask: Mask) -> State:
        changed = mask
        if self.start is None:
            changed = mask.copy()
            self.patch.apply(changed)
        return at_once(self.leading(state, changed))

    def leading(self, state: State, after: Mask, box: Box | None = None) -> Pieces[State]:
        """`lead` for those who have the mask ``(K, J, I)`` after it, in pieces.

        ``box``: that of its true voxels, for those who know it.
        """
        start = self.start
        if start is None:
            start = yield from Bits.making(after, box)
        story = self.story or state.story
        return replace(state, start=start, baked=len(state.prompts), story=story)

    def packing(self) -> Pieces[None]:
        """Pack it now, in pieces; `data` costs nothing then."""
        if "_packed" not in self.__dict__:
            self.__dict__["_packed"] = yield from packing_patch(self.patch)

    @cached_property
    def _packed(self) -> dict[str, Any]:
        return at_once(packing_patch(self.patch))

    def data(self) -> dict[str, Any]:
        story = {} if self.story is None else {"story": self.story.to_dict()}
        return {"patch": self._packed, **story}


@dataclass(frozen=True)
class Reset(_Forward):
    """Forget prompts and mask."""

    name: ClassVar[str] = "reset"

    def lead(self, state: State, mask: Mask) -> State:
        return State()

    def data(self) -> dict[str, Any]:
        return {}


@dataclass(frozen=True)
class Undo:
    """Take back the last action."""

    name: ClassVar[str] = "undo"

    def data(self) -> dict[str, Any]:
        return {}


@dataclass(frozen=True)
class Redo:
    """Do again what was taken back."""

    name: ClassVar[str] = "redo"

    def data(self) -> dict[str, Any]:
        return {}


Forward = Add | Remove | Replace | SetMask | Accept | Reset
Action = Add | Remove | Replace | SetMask | Accept | Reset | Undo | Redo
NAMES = tuple(c.name for c in (Add, Remove, Replace, SetMask, Accept, Reset, Undo, Redo))

_BARE: dict[str, Callable[[], Action]] = {"reset": Reset, "undo": Undo, "redo": Redo}


def from_data(name: str, data: dict[str, Any], shape: tuple[int, int, int]) -> Action:
    """The action called ``name``; ``data`` as its `data` method gives it, absent parts as None.

    ``shape``: ``(K, J, I)`` of the session's image. Raises `InputError` or `PromptError`.
    """
    if name == "add":
        return Add(tuple(_prompts(data)))
    if name == "remove":
        return Remove(_index(data))
    if name == "replace":
        prompts = _prompts(data)
        if len(prompts) != 1:
            raise PromptError("To replace a prompt, give exactly one new prompt.")
        return Replace(_index(data), prompts[0])
    if name == "set_mask":
        return SetMask(unpack_mask(_part(data, "mask"), shape))
    if name == "accept":
        story = Story.from_dict(data.get("story"))
        return Accept(unpack_patch(_part(data, "patch"), shape), story=story)
    if name in _BARE:
        return _BARE[name]()
    raise InputError(f"'{name}' is not an action; known are {', '.join(NAMES)}.")


def _exchange(state: State, index: int, new: tuple[Prompt, ...]) -> State:
    prompts = state.prompts
    if not 0 <= index < len(prompts):
        raise PromptError(f"There is no prompt {index}; the session has {len(prompts)}.")
    if index < state.baked:
        raise PromptError(
            "This prompt came before a hand edit and is part of the mask; use undo instead."
        )
    return replace(state, prompts=(*prompts[:index], *new, *prompts[index + 1 :]))


def _prompts(data: dict[str, Any]) -> list[Prompt]:
    listed = data.get("prompts")
    if not isinstance(listed, list) or not all(isinstance(p, dict) for p in listed):
        raise PromptError("This action needs a list of prompts.")
    return [from_dict(p) for p in listed]


def _index(data: dict[str, Any]) -> int:
    index = data.get("index")
    if not isinstance(index, int) or isinstance(index, bool):
        raise PromptError("This action needs the index of a prompt.")
    return index


def _part(data: dict[str, Any], name: str) -> dict[str, Any]:
    part = data.get(name)
    if not isinstance(part, dict):
        raise InputError(f"This action needs a {name}.")
    return part
