"""How a session gets from where it stands to where the scene stands, without running a model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from medseg import MaskPatch, Prompt
from medseg.actions import Accept, Action, Redo, Reset, Undo
from medseg.history import History, State, Turn
from medseg.image import Mask
from medseg.packing import Bits
from medseg.pieces import Pieces
from medseg.prompts import to_dict

from .boxes import patch_box, patched, slabs, union


def same_prompts(first: Sequence[Prompt], second: Sequence[Prompt]) -> bool:
    """True for the same list, be it read from a tag or the very objects."""
    return len(first) == len(second) and all(
        a is b or to_dict(a) == to_dict(b) for a, b in zip(first, second, strict=True)
    )


def same_state(first: State, second: State) -> bool:
    return (
        first.baked == second.baked
        and same_prompts(first.prompts, second.prompts)
        and first.start == second.start
    )


def route(
    history: History, state: State, change: MaskPatch, wanted: Callable[[], Pieces[Bits]]
) -> Pieces[list[Action] | None]:
    """The actions that lead from ``history`` to ``state``; None: it must be put there whole.

    In pieces, as masks are compared.

    ``change``: what is to become of the mask, on a box outside of which it is right already;
    ``wanted``: that mask. Undo and redo in the scene are undo and redo of the session, a hand
    edit is a change that is accepted.
    """
    if same_state(history.state, state) and (yield from _leads(history.mask, [], change)):
        return []
    undo = yield from _turns(history.done, history, state, change)
    if undo:
        return [Undo()] * undo
    redo = yield from _turns(history.undone, history, state, change)
    if redo:
        return [Redo()] * redo
    if not state.prompts and state.start is None:
        return [Reset()]
    baked = state.baked == len(state.prompts) and state.start is not None
    if baked and same_prompts(history.state.prompts, state.prompts):
        same = state.start == (yield from wanted())
        return [Accept(change, state.start, state.story)] if same else None
    return None


def _turns(turns: Sequence[Turn], history: History, state: State, change: MaskPatch) -> Pieces[int]:
    """How many turns from the end lead to the state and the change; 0: they do not."""
    patches: list[MaskPatch] = []
    for number, (there, patch) in enumerate(reversed(turns), start=1):
        patches.append(patch)
        if same_state(there, state) and (yield from _leads(history.mask, patches, change)):
            return number
    return 0


def _leads(mask: Mask, patches: Iterable[MaskPatch], change: MaskPatch) -> Pieces[bool]:
    """Whether patches, one after the other, make the same of a mask as ``change``."""
    patches, box = list(patches), patch_box(change)
    for patch in patches:
        box = union(box, patch_box(patch))
    for number, part in enumerate(slabs(box) if box else ()):
        if number:
            yield
        if not np.array_equal(patched(mask, part, patches), patched(mask, part, [change])):
            return False
    return True
