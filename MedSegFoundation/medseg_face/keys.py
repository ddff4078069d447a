"""Keys that live only while an effect is active; none of Slicer's own is taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
import slicer

Action = Callable[[], object]


class Keys:
    """Shortcuts on the window; ``actions``: key sequence -> what to do."""

    def __init__(self, widget: Any, actions: dict[str, Action], escape: Callable[[], bool]) -> None:
        """``widget``: lies in the window. ``escape``: True when it had something to stop."""
        window = slicer.util.mainWindow() or widget.window()
        self._made = [self._shortcut(window, key, act) for key, act in actions.items()]
        self._escape: _Escape | None = _Escape(window, escape)

    @property
    def shortcuts(self) -> list[Any]:
        return [shortcut for shortcut, _ in self._made]

    def let_go(self) -> None:
        for shortcut, action in self._made:
            shortcut.disconnect("activated()", action)
            shortcut.setParent(None)
            shortcut.deleteLater()
        self._made = []
        if self._escape is not None:
            self._escape.let_go()
            self._escape = None

    @staticmethod
    def _shortcut(window: Any, key: str, action: Action) -> tuple[Any, Action]:
        shortcut = qt.QShortcut(qt.QKeySequence(key), window)
        shortcut.connect("activated()", action)
        return shortcut, action


class _Escape(qt.QObject):
    """Escape stops what runs. When nothing does it stays Slicer's, which leaves the effect.

    A shortcut of our own would make Slicer's ambiguous, and neither would work.
    """

    def __init__(self, window: Any, stop: Callable[[], bool]) -> None:
        super().__init__()
        self._window, self._stop = window, stop
        window.installEventFilter(self)

    def eventFilter(self, watched: Any, event: Any) -> bool:  # noqa: N802
        pressed = event.type() == qt.QEvent.ShortcutOverride and event.key() == qt.Qt.Key_Escape
        if pressed and self._stop():
            event.accept()
            return True
        return False

    def let_go(self) -> None:
        self._window.removeEventFilter(self)
