"""What the first prompt will need is made ready while the user still aims."""

from __future__ import annotations

from typing import Any

from .owner import CompanionOwner
from .sequences import Source


class Ahead:
    """Has the helper take a volume and open it in a model; the session of it is there then."""

    def __init__(self, owner: CompanionOwner) -> None:
        self._owner = owner
        self._source: Source | None = None
        self._opened: tuple[Any, ...] = ()

    def source(self, volume: Any) -> Source:
        """The images of a volume; the same ones that `open` hands over."""
        if self._source is None or self._source.volume is not volume:
            self._source = Source(volume)
        return self._source

    def open(self, volume: Any, model: str, device: str) -> None:
        """Only once for the same volume, model and device. Copies the voxels slice by slice.

        Nothing goes to a server before a prompt asks for it; frames of a sequence wait for the
        first prompt too.
        """
        source, wanted = self.source(volume), (volume, model, device)
        if self._opened == wanted or self._owner.server is not None:
            return
        self._opened = wanted
        if source.browser is None:
            self._owner.companion().prepare(source.image(), model, device)

    def drop(self) -> None:
        """What nobody has asked for is closed."""
        if self._opened and self._owner.started:
            self._owner.companion().unprepare()
        self._opened = ()
