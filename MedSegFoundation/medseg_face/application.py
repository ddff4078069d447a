"""What there is once per application: the helper process's owner and the user's settings."""

from __future__ import annotations

from typing import Any

import medseg_scene
import qt
import slicer
from medseg_scene import CompanionOwner
from medseg_scene import settings as keys
from medseg_scene.servers import chosen
from medseg_scene.settings import Settings

from .loop import QtLoop

_GROUP = "MedSegFoundation"


class QtSettings:
    """`medseg_scene.settings.Settings` in Slicer's own settings file."""

    def get(self, key: str, default: Any) -> Any:
        """The value, of the type of ``default``; ``default`` where there is none that fits."""
        value = qt.QSettings().value(f"{_GROUP}/{key}")
        if value is None:
            return default
        if isinstance(default, bool):  # the file knows text only
            return str(value).lower() in ("true", "1")
        if isinstance(default, (int, float, str)):
            try:
                return type(default)(value)
            except (TypeError, ValueError):
                return default
        return value

    def set(self, key: str, value: Any) -> None:
        qt.QSettings().setValue(f"{_GROUP}/{key}", value)


class Face:
    """The one owner of the helper process on Qt's event loop, and the settings.

    Making it starts nothing.
    """

    def __init__(self) -> None:
        self.settings: Settings = QtSettings()
        self.loop = QtLoop()
        self.owner = CompanionOwner(self.loop, **self._options())
        medseg_scene.use_owner(self.owner)
        slicer.app.connect("aboutToQuit()", self.owner.close)

    def _options(self) -> dict[str, Any]:
        options: dict[str, Any] = {}
        server = chosen(self.settings)
        if server is not None:
            options["server"] = server
        python = self.settings.get(keys.WORKER_PYTHON, "")
        if python:
            options["python"] = python
            options["env"] = slicer.util.startupEnvironment()
        return options


_face: Face | None = None


def face() -> Face:
    """The application's; made by the first call."""
    global _face
    if _face is None:
        _face = Face()
    return _face


def close() -> None:
    """End the helper and forget it all; the next `face` starts afresh."""
    global _face
    before, _face = _face, None
    if before is not None:
        slicer.app.disconnect("aboutToQuit()", before.owner.close)
        medseg_scene.use_owner(None)
