"""What an effect has while it is active: events go to its gesture, marks come from its desk."""

from __future__ import annotations

from typing import Any

import qt
import vtk
from medseg_scene.box_handles import BoxHandles
from medseg_scene.gestures import GESTURES
from medseg_scene.marks import Mark, marks
from medseg_scene.views import View

from . import desks, icons
from .drawing import Canvas, SpaceCanvas
from .editor import hand_back, take_over
from .keys import Keys
from .widgets import canvas, is_slice, shown_views

_POINTERS = {"grab": "OpenHandCursor", "size": "SizeAllCursor", "no": "ForbiddenCursor"}
#: A press in a 3D view that moves less than so many pixels is a click.
_STILL_PX = 3


class Stage:
    """Made when an effect becomes active, closed when it is left."""

    def __init__(self, effect: Any, kind: str, icon: str) -> None:
        self.effect, self.kind, self._icon = effect, kind, icon
        self.desk = desks.desk_of(effect)
        self.gesture = GESTURES.get(kind, GESTURES["point"])(self.desk)
        self._handles = BoxHandles(self.desk) if kind == "box" else None
        self._canvases: dict[str, tuple[Any, Canvas]] = {}
        self._marks: list[Any] = []
        self._pointer: tuple[Any, tuple[int, int]] | None = None
        self._pointers: dict[str, str] = {}
        self._pressed: tuple[Any, tuple[int, int]] | None = None
        take_over(effect.parameterSetNode())
        self._keys = Keys(
            effect.optionsFrame(),
            {"X": self._turn_over, "Del": self._delete},
            self.stop,
        )
        self._unlisten = self.desk.listen(self.draw)

    def open(self) -> None:
        """Show what is there, and have the helper process ready for the first prompt."""
        self.desk.wake()
        self.draw()

    def close(self) -> None:
        """Leave nothing behind in any view or window; what runs goes on."""
        self._unlisten()
        self._keys.let_go()
        self.gesture.cancel()
        if self._handles is not None:
            self._handles.close()
        self.desk.rest()
        for view, drawn in self._canvases.values():
            drawn.close()
            canvas(view).scheduleRender()
        self._canvases = {}
        hand_back(self.effect.parameterSetNode())

    def stop(self) -> bool:
        """Escape: leave out what is being drawn or computed; False when there is nothing."""
        if not (self.gesture.active or self.desk.busy):
            return False
        self.gesture.cancel()
        self.desk.cancel()
        self._pressed = None
        return True

    # Events

    def event(self, name: str, interactor: Any, view: Any) -> bool:
        """An event of a view; True: nobody else gets it."""
        at = interactor.GetEventPosition()
        xy = int(at[0]), int(at[1])
        if name == "KeyPressEvent":
            return self._key(interactor.GetKeySym())
        held = bool(interactor.GetShiftKey() or interactor.GetAltKey())
        exclude = bool(interactor.GetControlKey())
        if not is_slice(view):
            return self._in_space(name, view, xy, exclude, held)
        self._pointer = None if name == "LeaveEvent" else (view, xy)
        if name == "MouseMoveEvent":
            return self._moved(view, xy)
        if name == "LeftButtonPressEvent":
            return self._press(view, xy, exclude, held)
        if name == "LeftButtonDoubleClickEvent":  # would enlarge the view, between two prompts
            self._pressed = view, xy
            return True
        if name == "LeftButtonReleaseEvent" and self._pressed is not None:
            self._pressed = None
            self.gesture.release(self._view(view), xy)
            return True
        return False

    def view_changed(self, view: Any) -> None:
        """Another slice, zoom or size."""
        found = self._canvases.get(_key(view))
        if found is not None and is_slice(view):
            self._draw_slice(*found)

    def draw(self) -> None:
        """Show in every view what the desk says now."""
        if self._handles is not None:
            self._handles.follow()
        self._marks = marks(self.desk, handles=self.kind == "box")
        shown = {_key(v): v for v in shown_views() if self._belongs(v)}
        for key in [k for k in self._canvases if k not in shown]:
            self._canvases.pop(key)[1].close()
        for key, view in shown.items():
            if key not in self._canvases:
                renderer = self.effect.renderer(view)
                kind = Canvas if is_slice(view) else SpaceCanvas
                self._canvases[key] = view, kind(renderer)
            drawn = self._canvases[key][1]
            if isinstance(drawn, SpaceCanvas):
                drawn.show_marks([m for m in self._marks if isinstance(m, Mark)])
                canvas(view).scheduleRender()
            else:
                self._draw_slice(view, drawn)

    # Slice views

    def _press(self, view: Any, xy: tuple[int, int], exclude: bool, held: bool) -> bool:
        if held:  # Slicer's own: pan, window and level
            return False
        taken = bool(self.gesture.press(self._view(view), xy, exclude))
        self._pressed = (view, xy) if taken else None
        return taken

    def _moved(self, view: Any, xy: tuple[int, int]) -> bool:
        seen = self._view(view)
        if self._pressed is not None:
            self.gesture.move(seen, xy)
        pointer = str(self.gesture.cursor(seen, xy))
        if self._pointers.get(_key(view), "cross") != pointer:
            self._pointers[_key(view)] = pointer
            canvas(view).setViewCursor(self._cursor(pointer))
        return self._pressed is not None

    def _cursor(self, pointer: str) -> Any:
        name = _POINTERS.get(pointer)
        return icons.cursor(self._icon) if name is None else qt.QCursor(getattr(qt.Qt, name))

    def _draw_slice(self, view: Any, drawn: Canvas) -> None:
        seen = self._view(view)
        drawn.show(mark.in_view(seen) for mark in self._marks)
        canvas(view).scheduleRender()

    @staticmethod
    def _view(view: Any) -> View:
        return View.of(view.mrmlSliceNode())

    # 3D views

    def _in_space(
        self, name: str, view: Any, xy: tuple[int, int], exclude: bool, held: bool
    ) -> bool:
        """A click on a surface; drags stay the camera's, so no event is kept from it."""
        if name == "LeftButtonPressEvent":
            self._pressed = None if held else (view, xy)
        elif name == "LeftButtonReleaseEvent" and self._pressed is not None:
            (_, before), self._pressed = self._pressed, None
            if max(abs(xy[0] - before[0]), abs(xy[1] - before[1])) < _STILL_PX:
                self._pick(view, xy, exclude)
        return False

    def _pick(self, view: Any, xy: tuple[int, int], exclude: bool) -> None:
        picker = vtk.vtkCellPicker()
        picker.SetTolerance(0.005)
        if picker.Pick(xy[0], xy[1], 0, self.effect.renderer(view)):
            self.gesture.pick(picker.GetPickPosition(), exclude)

    # Keys

    def _key(self, name: str) -> bool:
        """A key that a view got: only where no shortcut took it before."""
        if name in ("Delete", "BackSpace"):
            return self._delete()
        return name == "Escape" and self.stop()

    def _delete(self) -> bool:
        """The prompt under the pointer goes."""
        if self._pointer is None:
            return False
        view, xy = self._pointer
        return bool(self.gesture.delete_at(self._view(view), xy))

    def _turn_over(self) -> None:
        self.desk.exclude = not self.desk.exclude

    def _belongs(self, view: Any) -> bool:
        return bool(self.effect.segmentationDisplayableInView(view.mrmlAbstractViewNode()))


def _key(view: Any) -> str:
    return str(view.mrmlAbstractViewNode().GetID())
