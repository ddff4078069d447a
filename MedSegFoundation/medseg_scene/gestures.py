"""From presses, moves and releases in a view to prompts; no Qt, so everything here is tested.

Each method says True when the event was for it and stops there. Positions are XY pixels of the
view, origin lower left.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from medseg import Box, Lasso, Point, Prompt, Scribble
from medseg.image import Array

from . import settings as keys
from .desk import Desk
from .live import Entry
from .marks import Mark
from .route import same_prompts
from .solids import Part, cut, distance, dragged, part_at, with_depth
from .views import XY, View

#: How near, in pixels, is "on it".
REACH_PX = 8.0
#: A press that moves less than this is a click.
STILL_PX = 3.0


class Gesture:
    """What all have in common: dragging and deleting prompts that are there already."""

    kind: ClassVar[str] = ""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._held: _Held | None = None
        #: Between press and release.
        self.active = False

    @property
    def marks(self) -> list[Mark]:
        """What is being drawn now; the desk shows it too."""
        return list(self.desk.drawing)

    def press(self, view: View, xy: XY, exclude: bool = False) -> bool:
        """``exclude``: a modifier was down; turns over what `Desk.exclude` says."""
        self.cancel()
        self.active = True
        reason = self.desk.reason or self.desk.can(self.kind)
        if reason:
            self.desk.say(reason)
            return True
        self._held = self._grabbed(view, xy)
        if self._held is None:
            self._begin(view, xy, self.desk.exclude == exclude)
        return True

    def move(self, view: View, xy: XY) -> bool:
        if self._held is not None:
            self._held.to(view, xy)
        elif self.active:
            self._go_on(xy)
        return self.active

    def release(self, view: View, xy: XY) -> bool:
        if self._held is not None:
            self._held.to(view, xy)
        elif self.active:
            self._end(xy)
        active, self.active, self._held = self.active, False, None
        return active

    def cancel(self) -> None:
        """Forget what is being drawn (Escape, another effect, the view is gone)."""
        self._held, self.active = None, False
        self._forget()
        self.desk.draw()

    def delete_at(self, view: View, xy: XY) -> bool:
        """Delete the prompt there, of whatever kind; False when there is none."""
        for index, entry in self._shown():
            if not entry.baked and touches(entry.prompt, view, xy):
                self.desk.remove(index)
                return True
        return False

    def pick(self, ras: Sequence[float] | Array, exclude: bool = False) -> bool:
        """A click on a surface in a 3D view, RAS mm."""
        return False

    def cursor(self, view: View, xy: XY) -> str:
        """ "cross" (draw), "grab" (move), "size" (resize) or "no" (see `Desk.reason`)."""
        if self.desk.reason or self.desk.can(self.kind):
            return "no"
        held = self._held or self._grabbed(view, xy)
        return "cross" if held is None else held.cursor

    # What each does differently

    def _begin(self, view: View, xy: XY, include: bool) -> None:
        raise NotImplementedError

    def _go_on(self, xy: XY) -> None:
        pass

    def _end(self, xy: XY) -> None:
        pass

    def _forget(self) -> None:
        pass

    def _grabbed(self, view: View, xy: XY) -> _Held | None:
        """The prompt there that can be dragged, newest first."""
        for index, entry in self._shown():
            if entry.baked:
                continue
            prompt = entry.prompt
            if isinstance(prompt, Point) and self.kind == Point.kind and touches(prompt, view, xy):
                return _Held(self.desk, index, prompt, view, xy, Part(()))
            if isinstance(prompt, Box) and self.kind == Box.kind:
                part = part_at(prompt, view, xy, REACH_PX)
                if part is not None:
                    return _Held(self.desk, index, prompt, view, xy, part)
        return None

    def _shown(self) -> list[tuple[int, Entry]]:
        """Entries that are not hidden, the newest first."""
        hidden = self.desk.hidden
        entries = list(enumerate(self.desk.entries))
        return [(n, entry) for n, entry in reversed(entries) if n not in hidden]


class PointGesture(Gesture):
    """A click adds a point at once; a press on a point drags it, and the result follows."""

    kind = "point"

    def _begin(self, view: View, xy: XY, include: bool) -> None:
        self.desk.add(Point(view.ras(xy), include))

    def pick(self, ras: Sequence[float] | Array, exclude: bool = False) -> bool:
        reason = self.desk.reason or self.desk.can(self.kind)
        if reason:
            self.desk.say(reason)
        else:
            self.desk.add(Point(np.asarray(ras, float), self.desk.exclude == exclude))
        return True


class DrawnGesture(Gesture):
    """A prompt that is there when the button is released."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._view: View | None = None
        self._way: list[tuple[float, float]] = []
        self._include = True

    def _begin(self, view: View, xy: XY, include: bool) -> None:
        self._view, self._include = view, include
        self._way = [(float(xy[0]), float(xy[1]))]
        self._draw()

    def _go_on(self, xy: XY) -> None:
        if self._way:
            self._reach(xy)
            self._draw()

    def _end(self, xy: XY) -> None:
        if not self._way:
            return
        self._reach(xy)
        prompt = self._prompt()
        self._forget()
        self.desk.draw()
        if prompt is None:
            self.desk.say(self.advice)
        else:
            self.desk.add(prompt)

    #: Said when what was drawn is too small to be a prompt.
    advice: ClassVar[str] = ""

    def _prompt(self) -> Prompt | None:
        """What is drawn so far; None: too small."""
        raise NotImplementedError

    def _reach(self, xy: XY) -> None:
        here = (float(xy[0]), float(xy[1]))
        if np.hypot(*np.subtract(here, self._way[-1])) >= 1.0:
            self._way.append(here)

    def _points(self) -> Array:
        """``(N, 3)`` RAS mm of the way so far."""
        assert self._view is not None
        return np.array([self._view.ras(xy) for xy in self._way])

    def _wide(self) -> bool:
        extent = np.ptp(np.array(self._way), axis=0)
        return bool((extent >= STILL_PX).all())

    def _draw(self) -> None:
        prompt = self._prompt()
        self.desk.draw(*([] if prompt is None else [Mark(prompt)]))

    def _forget(self) -> None:
        self._way = []


class BoxGesture(DrawnGesture):
    """A drag draws a box in the slice; edges, corners and middle of boxes can be dragged."""

    kind = "box"
    advice = "Drag from one corner of the object to the opposite one to draw a box."

    @property
    def depth(self) -> float:
        """Depth in mm of boxes that are drawn; 0 makes them flat. Remembered."""
        return float(self.desk.settings.get(keys.BOX_DEPTH, 0.0))

    @depth.setter
    def depth(self, mm: float) -> None:
        self.desk.settings.set(keys.BOX_DEPTH, float(mm))

    def give_depth(self, index: int, mm: float) -> None:
        """Make a flat box ``mm`` deep, or a deep one flat (0)."""
        entries = self.desk.entries
        box = entries[index].prompt if 0 <= index < len(entries) else None
        if isinstance(box, Box):
            self.desk.move(index, with_depth(box, mm))

    def _prompt(self) -> Box | None:
        view = self._view
        corners = np.array([self._way[0], self._way[-1]])
        if view is None or (np.abs(corners[1] - corners[0]) < STILL_PX).any():
            return None
        first, last = view.ras(corners[0]), view.ras(corners[1])
        size = np.abs(view.axes.T @ (last - first))
        size[2] = self.depth
        return Box((first + last) / 2, size, view.axes, self._include)


class ScribbleGesture(DrawnGesture):
    """A stroke; a click is a short one."""

    kind = "scribble"

    @property
    def radius(self) -> float:
        """Half the width of the stroke in mm; 0 is one voxel. Remembered."""
        return float(self.desk.settings.get(keys.SCRIBBLE_RADIUS, 0.0))

    @radius.setter
    def radius(self, mm: float) -> None:
        self.desk.settings.set(keys.SCRIBBLE_RADIUS, float(mm))

    def _prompt(self) -> Scribble:
        return Scribble(self._points(), self._include, self.radius)


class LassoGesture(DrawnGesture):
    """A loop that closes itself when the button is released."""

    kind = "lasso"
    advice = "Draw a loop around the object with the button held down."

    def _prompt(self) -> Lasso | None:
        if len(self._way) < 3 or not self._wide():
            return None
        return Lasso(self._points(), self._include)


GESTURES = {g.kind: g for g in (PointGesture, BoxGesture, ScribbleGesture, LassoGesture)}


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


class _Held:
    """A prompt that is being dragged: its result follows, and all of it is one undo step."""

    def __init__(
        self, desk: Desk, index: int, prompt: Point | Box, view: View, xy: XY, part: Part
    ) -> None:
        self._desk, self._index, self._first = desk, index, prompt
        self._start, self._part = (float(xy[0]), float(xy[1])), part
        self._token = object()
        self._known: list[Prompt] = [prompt]
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
        index = self._place()
        if index is not None and not same_prompts([moved], [self._known[-1]]):
            self._known.append(moved)
            self._desk.move(index, moved, drag=self._token)

    def _place(self) -> int | None:
        """Where it stands in the list now; None: it is gone (undone, another segment)."""
        entries = self._desk.entries
        for prompt in reversed(self._known):
            places = [n for n, e in enumerate(entries) if same_prompts([e.prompt], [prompt])]
            if self._index in places:
                return self._index
            if places:
                return places[0]
        return None
