"""What the works of a live session need of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from medseg import MaskPatch
from medseg.companion.link import Companion
from medseg.history import State
from medseg.pieces import Pieces

from .editors import Editor
from .target import Written

if TYPE_CHECKING:
    from .work import Work


class Hub(Protocol):
    """What a `Work` needs of the session it belongs to."""

    companion: Companion
    editor: Editor
    preview: bool

    def shown(self, work: Work) -> bool:
        """False while another frame of a sequence is shown: then the result has to wait."""
        ...

    def check(self, work: Work) -> None:
        """Raises `MedsegError` when there is nothing (any more) that could be worked on."""
        ...

    def prepare(self, work: Work, drag: object | None) -> None:
        """Do beforehand what `write` would have to wait for; may be in vain."""
        ...

    def write(self, work: Work, patch: MaskPatch, state: State, drag: object | None) -> Written:
        """Bring a change into the scene; raises `MedsegError`."""
        ...

    def complete(self, completing: Pieces[None]) -> bool:
        """Do a piece of what `Target.completing` gives after a write; True when there are more."""
        ...

    def say(self, line: str) -> None: ...

    def changed(self) -> None: ...
