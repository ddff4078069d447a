"""Undo and redo in bounded memory, for sessions at work and for those that are put back.

The oldest turns are forgotten first; the mask and the prompts never are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from ..errors import InputError
from ..history import DEPTH, History, State


def trim(history: History, most: int) -> None:
    """Forget the oldest undo turns until masks and patches take at most ``most`` bytes."""
    while history.done and _held(history) > most:
        del history.done[0]


def trimmed(data: dict[str, Any], shape: tuple[int, int, int], most: int) -> dict[str, Any]:
    """The same for `History.to_dict` data, before anything of it is unpacked.

    Raises `InputError` when it cannot be read, or takes more even without undo.
    """
    try:
        states, done = list(data["states"]), int(data["done"])
        if len(states) > DEPTH + 1:
            raise InputError("The stored session has more steps than are kept.")
        while _claimed(states, shape) > most:
            if done < 1:
                raise InputError("The stored session is too large to be taken over.")
            del states[0]
            done -= 1
        return {**data, **_renumbered(data, states), "done": done}
    except (KeyError, IndexError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"The stored session cannot be read ({error!r}).") from error


def _held(history: History) -> int:
    turns = [*history.done, *history.undone]
    patches = sum(patch.voxels.nbytes for _, patch in turns)
    return patches + _starts([*(state for state, _ in turns), history.state])


def _starts(states: Iterable[State]) -> int:
    starts = {id(s.start): len(s.start.bits) for s in states if s.start is not None}
    return sum(starts.values())


def _claimed(states: list[dict[str, Any]], shape: tuple[int, int, int]) -> int:
    patches = sum(math.prod(map(int, s["patch"]["size"])) for s in states if s["patch"])
    return patches + len(_used(states)) * (math.prod(shape) // 8)  # kept as bits


def _used(states: list[dict[str, Any]]) -> list[int]:
    return sorted({int(s["start"]) for s in states if s["start"] is not None})


def _renumbered(data: dict[str, Any], states: list[dict[str, Any]]) -> dict[str, Any]:
    """``states`` and ``starts`` with only those start masks that a state still needs."""
    used = _used(states)
    if any(n < 0 for n in used):
        raise IndexError("a negative number")
    new: dict[int | None, int] = {old: n for n, old in enumerate(used)}
    return {
        "starts": [data["starts"][n] for n in used],
        "states": [{**s, "start": new.get(s["start"])} for s in states],
    }
