"""A part of the panel: it shows what the desk says, and tells it what the user did."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Slot = Callable[..., object]


class Part:
    """Widgets, the signals they are heard by, and what was set on them last.

    PythonQt holds a connected method for good, and its owner with it: so `follow` connects all,
    and `let_go` disconnects all. Both may be called again and again.
    """

    def __init__(self) -> None:
        self.desk: Any = None
        self._heard: list[tuple[Any, str, Slot]] = []
        self._made: list[tuple[Any, str, Slot]] = []
        self._last: dict[tuple[int, str], Any] = {}

    def refresh(self) -> None:
        """Show what is so now; changes only what differs."""
        raise NotImplementedError

    def follow(self, desk: Any) -> None:
        """After `let_go`, if it followed one before."""
        self.desk = desk
        for widget, signal, slot in self._heard:
            if not widget.connect(signal, slot):  # PythonQt raises nothing
                raise TypeError(f"{widget.className()} has no signal {signal}")
            self._made.append((widget, signal, slot))

    def let_go(self) -> None:
        for widget, signal, slot in self._made:
            widget.disconnect(signal, slot)
        self._made, self.desk = [], None

    @property
    def connections(self) -> int:
        return len(self._made)

    def on(self, widget: Any, signal: str, slot: Slot) -> None:
        """While a desk is followed, ``signal`` ("clicked()") calls ``slot``."""
        self._heard.append((widget, signal, slot))

    def put(self, widget: Any, **values: Any) -> None:
        """Set properties that only the panel changes: text, toolTip, enabled, visible."""
        for name, value in values.items():
            key = id(widget), name
            if key not in self._last or self._last[key] != value:
                setattr(widget, name, value)
                self._last[key] = value

    def put_choice(self, widget: Any, **values: Any) -> None:
        """Set what the user changes too (checked, value, currentIndex); no signal is sent."""
        for name, value in values.items():
            if getattr(widget, name) != value:
                before = widget.blockSignals(True)
                setattr(widget, name, value)
                widget.blockSignals(before)

    def usable(self, widget: Any, tip: str, reason: str = "") -> None:
        """Enabled with its tool tip, or disabled with the reason why."""
        self.put(widget, enabled=not reason, toolTip=reason or tip)


def named(widget: Any, name: str, tip: str = "") -> Any:
    """Give a widget the name that a screen reader says, and a tool tip."""
    widget.setAccessibleName(name)
    widget.setToolTip(tip or name)
    return widget
