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
from .hits import STILL_PX, Held, deletable_at, grabbed_at
from .marks import Mark
from .solids import with_depth
from .views import XY, View


class Gesture:
    """What all have in common: dragging and deleting prompts that are there already."""

    kind: ClassVar[str] = ""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._held: Held | None = None
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
        self._held = grabbed_at(self.desk, self.kind, view, xy)
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
        index = deletable_at(self.desk, view, xy)
        if index is not None:
            self.desk.remove(index)
        return index is not None

    def pick(self, ras: Sequence[float] | Array, exclude: bool = False) -> bool:
        """A click on a surface in a 3D view, RAS mm."""
        return False

    def cursor(self, view: View, xy: XY) -> str:
        """ "cross" (draw), "grab" (move), "size" (resize) or "no" (see `Desk.reason`)."""
        if self.desk.reason or self.desk.can(self.kind):
            return "no"
        held = self._held or grabbed_at(self.desk, self.kind, view, xy)
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
