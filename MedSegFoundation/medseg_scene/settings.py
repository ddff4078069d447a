"""What is remembered from one day to the next: in QSettings by a face, in a dict by scripts."""

from __future__ import annotations

from typing import Any, Protocol

MODEL = "model"
DEVICE = "device"
PREVIEW = "preview"
SCRIBBLE_RADIUS = "scribble/radius"
BOX_DEPTH = "box/depth"
SERVER_URL = "server/url"
SERVER_CA = "server/ca"
WORKER_PYTHON = "worker/python"


class Settings(Protocol):
    """Values by key; they are plain text, numbers or booleans."""

    def get(self, key: str, default: Any) -> Any:
        """The value, of the type of ``default``; ``default`` where there is none that fits."""
        ...

    def set(self, key: str, value: Any) -> None: ...


class DictSettings:
    """Settings that last as long as this object."""

    def __init__(self, values: dict[str, Any] | None = None) -> None:
        self.values = values if values is not None else {}

    def get(self, key: str, default: Any) -> Any:
        return self.values.get(key, default)

    def set(self, key: str, value: Any) -> None:
        self.values[key] = value
