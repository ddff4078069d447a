"""What a service allows, and where it takes time and devices from."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..protocol.images import CHUNK_BYTES
from ..protocol.messages import Limits


@dataclass(frozen=True)
class Settings:
    """Sizes in bytes before compression, times in seconds.

    ``image_bytes``: the largest image. ``chunk_bytes``: the largest chunk of several slices.
    ``message_bytes``: the largest message, and the largest chunk of one slice.
    ``store_bytes``: all images in memory together. ``sessions`` and ``sessions_per_user``: open
    at once. ``history_bytes``: what one session may keep to undo; the oldest is forgotten first.
    ``lease_seconds``: a session that nobody uses is given up after this time, what is
    left of a finished job or an unused image, too. ``cache``: a folder that keeps images over a
    restart (voxels only, no names), at most ``cache_bytes``; None keeps nothing.
    ``cpu_fallback``: go on with the CPU when a device runs out of memory. ``devices``: what to
    offer, best first; None looks. ``clock``: never runs backwards, counts seconds.
    """

    image_bytes: int = 4 << 30
    chunk_bytes: int = CHUNK_BYTES
    message_bytes: int = 64 << 20
    store_bytes: int = 8 << 30
    sessions: int = 64
    sessions_per_user: int = 16
    history_bytes: int = 1 << 30
    lease_seconds: float = 900.0
    sweep_seconds: float = 5.0
    cache: Path | None = None
    cache_bytes: int = 32 << 30
    cpu_fallback: bool = True
    devices: tuple[str, ...] | None = None
    clock: Callable[[], float] = time.monotonic

    def limits(self) -> Limits:
        """What of this a sender has to know."""
        return Limits(
            self.image_bytes,
            self.chunk_bytes,
            self.message_bytes,
            self.sessions_per_user,
            self.lease_seconds,
        )
