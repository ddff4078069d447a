# ruff: noqa: N802, N815
"""The keys of the segment editor widget."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from PySide6 import QtGui, QtWidgets

_PREVIOUS_SEGMENT, _NEXT_SEGMENT = ("Q", "/", ",", ">"), ("W", "*", ".", "<")


class EditorKeys:
    """Shortcuts on a window, from `installKeyboardShortcuts` to `uninstallKeyboardShortcuts`."""

    _shortcuts: list[QtGui.QShortcut]
    _effects: list[Any]
    _active: Any
    _last: Any
    logic: Any

    setActiveEffect: Callable[[Any], None]
    undo: Callable[[], None]
    redo: Callable[[], None]

    def installKeyboardShortcuts(self, parent: QtWidgets.QWidget | None = None) -> None:
        self.uninstallKeyboardShortcuts()
        for number in range(1, 11):
            self._key(parent, str(number % 10), partial(self._toggle, number - 1))
            self._key(parent, f"Shift+{number % 10}", partial(self._toggle, number + 9))
        self._key(parent, "Esc", lambda: self.setActiveEffect(None))
        self._key(parent, "Space", self._toggle_last)
        for key in ("Z", "Ctrl+Z"):
            self._key(parent, key, self.undo)
        for key in ("Y", "Ctrl+Shift+Z"):
            self._key(parent, key, self.redo)
        for keys, step in ((_PREVIOUS_SEGMENT, -1), (_NEXT_SEGMENT, 1)):
            for key in keys:
                self._key(parent, key, partial(self.logic.SelectSegmentAtOffset, step))
        self._key(parent, "I", self.logic.ToggleSourceVolumeIntensityMask)

    def uninstallKeyboardShortcuts(self) -> None:
        for shortcut in self._shortcuts:
            shortcut.setParent(None)
            shortcut.deleteLater()
        self._shortcuts = []

    def _key(self, parent: QtWidgets.QWidget | None, key: str, act: Callable[[], object]) -> None:
        shortcut = QtGui.QShortcut(QtGui.QKeySequence(key), parent)
        shortcut.activated.connect(lambda: act() and None)
        self._shortcuts.append(shortcut)

    def _toggle(self, index: int) -> None:
        if index < len(self._effects):
            chosen = self._effects[index]
            self.setActiveEffect(None if chosen is self._active else chosen)

    def _toggle_last(self) -> None:
        self.setActiveEffect(self._last if self._active is None else None)
