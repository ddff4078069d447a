"""Where a session stands and how it got there: prompts, mask, undo and redo, without any model.

A `Session` keeps one beside its model. Whoever only follows a session that runs elsewhere (a
companion process, a server) keeps one too, fed with the answers: it can put the session back,
voxel for voxel, when the other side is gone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from .blank import blank
from .errors import InputError, PromptError
from .image import Mask
from .packing import MOST_VOXELS, Bits, packing_patch, unpack_mask, unpack_patch
from .patch import Box, MaskPatch, bounding_box, moved, union
from .pieces import Pieces, at_once
from .prompts import Prompt, from_dict, to_dict
from .story import Story

T = TypeVar("T")


@dataclass(frozen=True)
class State:
    """Prompts so far; the first ``baked`` of them are already part of the ``start`` mask.

    ``story``: how ``start`` came about, when it (or what was edited since) was propagated.
    """

    prompts: tuple[Prompt, ...] = ()
    baked: int = 0
    start: Bits | None = None
    story: Story | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.baked <= len(self.prompts):
            raise PromptError(
                f"{self.baked} of {len(self.prompts)} prompts cannot be part of the mask."
            )

    @property
    def active(self) -> tuple[Prompt, ...]:
        """The prompts that correct ``start``, or describe the object alone."""
        return self.prompts[self.baked :]


Turn = tuple[State, MaskPatch]
#: Actions that can be undone; older ones are forgotten.
DEPTH = 100


class History:
    """State, mask ``(K, J, I)`` and its voxel count, and the turns of undo and redo."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.shape = shape
        self.state = State()
        self.mask: Mask = blank(shape)
        self.voxels = 0
        #: There are no voxels outside of it; None: none at all.
        self._reach: Box | None = None
        self.done: list[Turn] = []
        self.undone: list[Turn] = []

    @property
    def box(self) -> Box | None:
        """The smallest box around all voxels; None when there are none."""
        if self._reach is None:
            return None
        found = bounding_box(self.mask[self._reach])
        self._reach = None if found is None else moved(found, self._reach)
        return self._reach

    def commit(self, state: State, patch: MaskPatch) -> None:
        """Take one action: the state it leads to and what it changed in the mask."""
        self.note(state, at_once(self.changing(patch)))

    def changing(self, patch: MaskPatch) -> Pieces[MaskPatch]:
        """Bring a patch into the mask, in pieces; returns what takes it back."""
        back = MaskPatch(patch.start, blank(patch.voxels.shape))
        for number, part in enumerate(patch.parts()):
            if number:
                yield
            before = self.mask[part.box]
            if before.any():
                back.within(part)[...] = before
            self.voxels += part.gain(self.mask)
            part.apply(self.mask)
        if not patch.empty:
            self._reach = union(self._reach, patch.box)
        return back

    def note(self, state: State, back: MaskPatch) -> None:
        """One action is done: the state it has led to, and what takes its change back."""
        self.done.append((self.state, back))
        del self.done[:-DEPTH]
        self.undone.clear()
        self.state = state

    def undo(self) -> MaskPatch:
        """Take back the last action; raises `PromptError` when there is none."""
        return at_once(self.undoing())

    def undoing(self) -> Pieces[MaskPatch]:
        """`undo` in pieces."""
        return self._travelling(self.done, self.undone, "undo")

    def redo(self) -> MaskPatch:
        """Do again what `undo` took back; raises `PromptError` when there is nothing."""
        return at_once(self.redoing())

    def redoing(self) -> Pieces[MaskPatch]:
        """`redo` in pieces."""
        return self._travelling(self.undone, self.done, "redo")

    def forget(self) -> None:
        """Drop undo and redo (and their memory)."""
        self.done.clear()
        self.undone.clear()

    def stand(self, state: State, mask: Mask | Bits | None) -> None:
        """Be at ``state`` with ``mask`` (None: empty), with nothing to undo."""
        at_once(self.standing(state, mask))

    def standing(self, state: State, mask: Mask | Bits | None) -> Pieces[None]:
        """`stand` in pieces, where the mask comes as bits."""
        made, voxels, reach = blank(self.shape), 0, None
        if isinstance(mask, Bits):
            reach = mask.box
            for part in mask.parts():
                part.apply(made)
                voxels += int(np.count_nonzero(part.voxels))
                yield
        elif mask is not None:
            made = self.copy(mask)
            voxels, reach = int(np.count_nonzero(made)), bounding_box(made)
        self.state, self.mask, self.voxels, self._reach = state, made, voxels, reach
        self.forget()

    def copy(self, mask: Mask) -> Mask:
        """A bool copy of a mask; raises `PromptError` when it has another shape."""
        self._check(mask.shape)
        return np.array(mask, dtype=bool)

    def bits(self, mask: Mask | Bits) -> Bits:
        """A mask to be kept in a `State`; raises `PromptError` when it has another shape."""
        self._check(mask.shape)
        return mask if isinstance(mask, Bits) else Bits.of(np.asarray(mask, dtype=bool))

    def _check(self, shape: tuple[int, ...]) -> None:
        if shape != self.shape:
            raise PromptError(
                f"The mask has shape {shape}, the image {self.shape}; "
                "resample the mask to the image first."
            )

    def _travelling(self, source: list[Turn], target: list[Turn], what: str) -> Pieces[MaskPatch]:
        if not source:
            raise PromptError(f"There is nothing to {what}.")
        state, patch = source[-1]
        back = yield from self.changing(patch)
        del source[-1]
        target.append((self.state, back))
        self.state = state
        return patch

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON-able data; masks and prompts that states share are stored once."""
        return at_once(self.packing())

    def packing(self) -> Pieces[dict[str, Any]]:
        """`to_dict` in pieces."""
        prompts: _Shared[Prompt] = _Shared()
        starts: _Shared[Bits] = _Shared()
        states = []
        for state, patch in [*self.done, *self.undone, (self.state, None)]:
            packed = None if patch is None else (yield from packing_patch(patch))
            states.append(
                {
                    "prompts": [prompts.place(p) for p in state.prompts],
                    "baked": state.baked,
                    "start": None if state.start is None else starts.place(state.start),
                    "story": None if state.story is None else state.story.to_dict(),
                    "patch": packed,
                }
            )
            yield
        mask = yield from Bits.making(self.mask, self.box)
        for bits in [*starts.items, mask]:
            yield
            yield from bits.packing()
        return {
            "prompts": [to_dict(p) for p in prompts.items],
            "starts": [bits.to_dict() for bits in starts.items],
            "states": states,
            "done": len(self.done),
            "mask": mask.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any], shape: tuple[int, int, int]) -> History:
        """Inverse of `to_dict`; raises `InputError` or `PromptError` when it does not fit."""
        history = cls(shape)
        try:
            prompts = [from_dict(p) for p in data["prompts"]]
            _refuse_many(len(data["states"]), len(data["starts"]), shape)
            starts = [Bits.from_dict(m, shape) for m in data["starts"]]
            turns: list[tuple[State, MaskPatch | None]] = []
            for entry in data["states"]:
                listed = tuple(_pick(prompts, n) for n in entry["prompts"])
                start = None if entry["start"] is None else _pick(starts, entry["start"])
                patch = entry["patch"]
                story = Story.from_dict(entry.get("story"))
                state = State(listed, int(entry["baked"]), start, story)
                turns.append((state, None if patch is None else unpack_patch(patch, shape)))
            done = int(data["done"])
            mask = unpack_mask(data["mask"], shape)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"The stored session cannot be read ({error!r}).") from error
        whole = [patch is None for _, patch in turns]
        if not 0 <= done < len(turns) or whole != [False] * (len(turns) - 1) + [True]:
            raise InputError("The stored session cannot be read (its steps do not fit).")
        past = [(state, patch) for state, patch in turns if patch is not None]
        history.stand(turns[-1][0], mask)
        history.done, history.undone = past[:done], past[done:]
        return history


def read_only(mask: Mask) -> Mask:
    """A view of a mask for those who must not write into it."""
    view = mask.view()
    view.setflags(write=False)
    return view


def _refuse_many(states: int, starts: int, shape: tuple[int, int, int]) -> None:
    if states > DEPTH + 1 or starts > states or starts * math.prod(shape) > MOST_VOXELS:
        raise InputError("The stored session is too large to be taken over.")


def _pick(items: list[Any], number: Any) -> Any:
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < len(items):
        raise InputError("The stored session cannot be read (it points at what is not there).")
    return items[number]


class _Shared(Generic[T]):
    """The very objects that several states have in common, each once."""

    def __init__(self) -> None:
        self.items: list[T] = []
        self._places: dict[int, int] = {}

    def place(self, item: T) -> int:
        """Where it stands; it is put there when new."""
        if id(item) not in self._places:
            self._places[id(item)] = len(self.items)
            self.items.append(item)
        return self._places[id(item)]
