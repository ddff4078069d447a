"""What a test does to the application: click, drag, press keys, wait, look.

Written against names of the real application only, so it works there too (see `real.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

_KEYS = {"Return": 13, "Escape": 27, "Space": 32, "BackSpace": 8, "Delete": 127}


class Host:
    """The hands and eyes of a test."""

    def __init__(self, faults: list) -> None:
        #: Exceptions that were printed and swallowed, in slots and in methods that C++ calls.
        self.errors = faults
        #: Seconds that the longest single turn of the event loop took, see `reset_clock`.
        self.longest_turn = 0.0

    def slice_widget(self, name: str = "Red") -> Any:
        import slicer

        return slicer.app.layoutManager().sliceWidget(name)

    def show_volume(self, volume: Any, widget: Any = None) -> None:
        """Show it in a slice view (by default in all), whole, through its middle."""
        manager = _application().layoutManager()
        widgets = [widget] if widget else [manager.sliceWidget(n) for n in manager.sliceViewNames()]
        for one in widgets:
            one.mrmlSliceCompositeNode().SetBackgroundVolumeID(volume.GetID())
            one.fitSliceToBackground()
            one.sliceLogic().SnapSliceOffsetToIJK()

    def xy(self, widget: Any, place: Iterable[float]) -> tuple[int, int]:
        """Pixels from the lower left: two numbers as they are, three are RAS millimetres."""
        place = [float(v) for v in place]
        if len(place) == 3:
            import vtk

            inverse = vtk.vtkMatrix4x4()
            vtk.vtkMatrix4x4.Invert(widget.mrmlSliceNode().GetXYToRAS(), inverse)
            place = list(inverse.MultiplyPoint([*place, 1.0])[:2])
        return round(place[0]), round(place[1])

    def move(self, widget: Any, place: Iterable[float], modifiers: Iterable[str] = ()) -> None:
        self._invoke(widget, self.xy(widget, place), modifiers, "MouseMoveEvent")

    def click(
        self,
        widget: Any,
        place: Iterable[float],
        button: str = "Left",
        modifiers: Iterable[str] = (),
        double: bool = False,
    ) -> None:
        """``button``: Left, Right or Middle. ``modifiers``: of Shift, Control and Alt."""
        xy = self.xy(widget, place)
        events = ["MouseMoveEvent", f"{button}ButtonPressEvent", f"{button}ButtonReleaseEvent"]
        if double:
            events += [f"{button}ButtonDoubleClickEvent", f"{button}ButtonReleaseEvent"]
        for event in events:
            self._invoke(widget, xy, modifiers, event)

    def drag(
        self,
        widget: Any,
        places: Iterable[Iterable[float]],
        button: str = "Left",
        modifiers: Iterable[str] = (),
        steps: int = 5,
    ) -> None:
        """Press at the first place, go on to the others in ``steps`` moves each, release."""
        way = [self.xy(widget, p) for p in places]
        self._invoke(widget, way[0], modifiers, "MouseMoveEvent")
        self._invoke(widget, way[0], modifiers, f"{button}ButtonPressEvent")
        for (x0, y0), (x1, y1) in pairwise(way):
            for step in range(1, steps + 1):
                part = step / steps
                xy = round(x0 + (x1 - x0) * part), round(y0 + (y1 - y0) * part)
                self._invoke(widget, xy, modifiers, "MouseMoveEvent")
        self._invoke(widget, way[-1], modifiers, f"{button}ButtonReleaseEvent")

    def press_key(self, target: Any, key: str, modifiers: Iterable[str] = ()) -> None:
        """A key in a view (to its interactor), or in another widget (to Qt, with shortcuts)."""
        if not hasattr(target, "mrmlAbstractViewNode"):
            self._qt_key(target, key, modifiers)
            return
        interactor = _interactor(target)
        code = chr(_KEYS[key]) if key in _KEYS else key[0]
        held = set(modifiers)
        interactor.SetAltKey("Alt" in held)
        interactor.SetKeyEventInformation("Control" in held, "Shift" in held, code, 0, key)
        for event in ("KeyPressEvent", "CharEvent", "KeyReleaseEvent"):
            self._timed(lambda event=event: interactor.InvokeEvent(event))
        interactor.SetKeyEventInformation(0, 0, "\0", 0, None)

    def press(self, widget: Any, x: float) -> None:
        """The left mouse button goes down ``x`` pixels from the left of a widget (not a view)."""
        import qt

        at, left, none = qt.QPointF(x, widget.height / 2), qt.Qt.LeftButton, qt.Qt.NoModifier
        event = qt.QMouseEvent(qt.QEvent.MouseButtonPress, at, at, left, left, none)
        self._timed(lambda: qt.QApplication.sendEvent(widget, event))

    def spin(self, until: Callable[[], object], timeout: float = 10.0) -> None:
        """Run the event loop until ``until()``; raises `TimeoutError`."""
        end = time.monotonic() + timeout
        while not until():
            if time.monotonic() > end:
                raise TimeoutError(f"nothing came within {timeout:g} s")
            self._timed(_application().processEvents)
            time.sleep(0.001)

    def turn(self) -> None:
        """One turn of the event loop."""
        self._timed(_application().processEvents)

    def reset_clock(self) -> None:
        self.longest_turn = 0.0

    def screenshot(self, widget: Any, path: str | Path) -> Path:
        """A PNG of a widget or a view, made as large as it wants to be."""
        if not widget.visible:
            widget.show()
        if hasattr(widget, "mrmlAbstractViewNode"):
            widget.viewWidget().forceRender()
        _application().processEvents()
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        if not widget.grab().save(str(path)):
            raise OSError(f"{path} cannot be written")
        return Path(path)

    def _invoke(self, widget: Any, xy: tuple, modifiers: Iterable[str], event: str) -> None:
        interactor, held = _interactor(widget), set(modifiers)
        interactor.SetAltKey("Alt" in held)
        interactor.SetEventInformation(*xy, "Control" in held, "Shift" in held)
        self._timed(lambda: interactor.InvokeEvent(event))

    def _timed(self, function: Callable[[], object]) -> None:
        begin = time.perf_counter()
        function()
        self.longest_turn = max(self.longest_turn, time.perf_counter() - begin)

    def _qt_key(self, widget: Any, key: str, modifiers: Iterable[str]) -> None:
        import qt

        held = 0
        for name in modifiers:
            held |= int(getattr(qt.Qt, f"{name}Modifier"))
        code = getattr(qt.Qt, f"Key_{key.upper() if len(key) == 1 else key}")
        text = key.lower() if len(key) == 1 else ""
        for kind in (qt.QEvent.ShortcutOverride, qt.QEvent.KeyPress, qt.QEvent.KeyRelease):
            event = qt.QKeyEvent(kind, code, held, text)
            self._timed(lambda event=event: qt.QApplication.sendEvent(widget, event))


def _interactor(widget: Any) -> Any:
    view = widget.sliceView() if hasattr(widget, "sliceView") else widget.threeDView()
    return view.interactor()


def _application() -> Any:
    import slicer

    return slicer.app
