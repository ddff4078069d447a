"""What of the prompts lies under the cursor, and how it follows when it is dragged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from medseg import Box, Lasso, Point, Prompt

from .route import same_prompts
from .solids import Part, cut, distance, dragged, part_at
from .views import XY, View

if TYPE_CHECKING:
    from .desk import Desk
    from .entries import Entry

#: How near, in pixels, is "on it".
REACH_PX = 8.0
#: A press that moves less than this is a click.
STILL_PX = 3.0


def shown(desk: Desk) -> list[tuple[int, Entry]]:
    """Index and entry of the prompts that are not hidden, the newest first."""
    hidden, entries = desk.hidden, list(enumerate(desk.entries))
    return [(n, entry) for n, entry in reversed(entries) if n not in hidden]


def deletable_at(desk: Desk, view: View, xy: XY) -> int | None:
    """Index of the newest prompt under the cursor, of whatever kind."""
    for index, entry in shown(desk):
        if not entry.baked and touches(entry.prompt, view, xy):
            return index
    return None


def grabbed_at(desk: Desk, kind: str, view: View, xy: XY) -> Held | None:
    """The newest prompt of a kind under the cursor that can be dragged: a point or a box."""
    for index, entry in shown(desk):
        prompt = entry.prompt
        if entry.baked or prompt.kind != kind:
            continue
        if isinstance(prompt, Point) and touches(prompt, view, xy):
            return Held(desk, index, prompt, xy, Part(()))
        if isinstance(prompt, Box):
            part = part_at(prompt, view, xy, REACH_PX)
            if part is not None:
                return Held(desk, index, prompt, xy, part)
    return None


def touches(prompt: Prompt, view: View, xy: XY) -> bool:
    """Whether a prompt is drawn, in the plane of the view, within reach of a place there."""
    near = view.slice_mm / 2 + 1e-6
    if isinstance(prompt, Box):
        polygon = cut(prompt, view)
        if polygon is None:
            return False
        loop = np.concatenate([polygon, polygon[:1]])
        middle = float(np.linalg.norm(polygon.mean(0) - xy[:2]))
        return min(distance(loop, xy), middle) <= REACH_PX
    positions = prompt.positions()
    if not len(positions):
        return False
    placed = view.project(positions)
    if isinstance(prompt, Lasso):
        placed = np.concatenate([placed, placed[:1]])
    placed = placed[np.abs(placed[:, 2]) <= near]
    return bool(len(placed)) and distance(placed[:, :2], xy) <= REACH_PX


class Grip:
    """A prompt that is being moved: its result follows, and all of it is one undo step."""

    def __init__(self, desk: Desk, index: int, prompt: Prompt) -> None:
        self._desk, self._index = desk, index
        self._token = object()
        self._known: list[Prompt] = [prompt]

    def put(self, prompt: Prompt) -> None:
        """It is like this now."""
        index = self.place()
        if index is not None and not same_prompts([prompt], [self._known[-1]]):
            self._known.append(prompt)
            self._desk.move(index, prompt, drag=self._token)

    def place(self) -> int | None:
        """Where it stands in the list now; None: it is gone (undone, another segment)."""
        entries = self._desk.entries
        for prompt in reversed(self._known):
            places = [n for n, e in enumerate(entries) if same_prompts([e.prompt], [prompt])]
            if self._index in places:
                return self._index
            if places:
                return places[0]
        return None


class Held:
    """A prompt that is being dragged in a view."""

    def __init__(self, desk: Desk, index: int, prompt: Point | Box, xy: XY, part: Part) -> None:
        self._first, self._grip = prompt, Grip(desk, index, prompt)
        self._start, self._part = (float(xy[0]), float(xy[1])), part
        self._moved = False

    @property
    def cursor(self) -> str:
        return "size" if self._part.faces else "grab"

    def to(self, view: View, xy: XY) -> None:
        """The cursor is here now."""
        way = np.subtract((float(xy[0]), float(xy[1])), self._start)
        if not self._moved and np.hypot(*way) < STILL_PX:
            return
        self._moved = True
        delta = view.to_ras[:3, :2] @ way
        first = self._first
        moved: Point | Box
        if isinstance(first, Point):
            moved = Point(first.position + delta, first.include)
        else:
            moved = dragged(first, self._part, delta, view.pixel_mm)
        self._grip.put(moved)
