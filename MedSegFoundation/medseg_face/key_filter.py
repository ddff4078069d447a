"""Keys of one widget while it has the focus, also those that are shortcuts of the window."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt


class KeyFilter(qt.QObject):
    """Calls an action for its key. Slicer's own Space and Delete would come first otherwise."""

    def __init__(self, widget: Any, actions: dict[int, Callable[[], object]]) -> None:
        """``actions``: by ``qt.Qt.Key_...``."""
        super().__init__()
        self._widget, self._actions = widget, actions
        self._on = False

    def start(self) -> None:
        if not self._on:
            self._widget.installEventFilter(self)
        self._on = True

    def stop(self) -> None:
        if self._on:
            self._widget.removeEventFilter(self)
        self._on = False

    def eventFilter(self, watched: Any, event: Any) -> bool:  # noqa: N802
        kind = event.type()
        if kind not in (qt.QEvent.ShortcutOverride, qt.QEvent.KeyPress):
            return False
        action = self._actions.get(int(event.key()))
        if action is None:
            return False
        event.accept()
        if kind == qt.QEvent.KeyPress:
            action()
        return True
