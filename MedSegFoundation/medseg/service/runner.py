"""Where models run: the seam between the service and devices, here or in other processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from ..model import Model
from ..protocol.messages import ModelInfo
from .estimate import Cost, Shape

T = TypeVar("T")


class Guarded(Model, Protocol):
    """A model for one session, which may be called from any thread.

    ``open`` and ``segment`` run where the device is, in turn with others. They raise
    `MemoryShortError` when nothing has memory enough. Opening the same image again gives the
    same open image.
    """

    device: str

    def run(self, call: Callable[[], T]) -> T:
        """Run something else for this session, in turn with others."""
        ...

    def take_notes(self) -> list[str]:
        """Sentences for the user that came up since the last call."""
        ...

    def release(self) -> None:
        """Let go of the open image."""
        ...


class Runner(Protocol):
    """Whoever has the devices."""

    def devices(self) -> list[str]:
        """What ``device`` may be, best first."""
        ...

    def models(self) -> list[ModelInfo]: ...

    def model(self, name: str, device: str, user: str) -> Guarded:
        """Raises `ModelError` for a name or device that is not there."""
        ...

    def cost(self, name: str, device: str, shape: Shape) -> Cost: ...

    def free_bytes(self, device: str) -> int | None:
        """Free memory of a device; None when that cannot be told."""
        ...

    def counters(self) -> dict[str, float]: ...

    def close(self, finish: bool) -> None:
        """Take nothing new; wait for what runs when ``finish``."""
        ...
