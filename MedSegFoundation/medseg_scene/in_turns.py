"""What a work does over several turns of the loop."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from medseg import MedsegError
from medseg.pieces import Pieces

from .requests import Request

if TYPE_CHECKING:
    from .hub import Hub

T = TypeVar("T")


class InTurns:
    """One thing at a time, for the request that is current."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        #: What is done in turns now.
        self._passing: Pieces[Any] | None = None

    def _in_turns(
        self, request: Request | None, pieces: Pieces[T], done: Callable[[T], None]
    ) -> None:
        """Do a piece now, and one in each turn, as long as somebody waits for the request.

        Then ``done`` with what comes of it. Between turns anything may happen to the scene.
        """
        self._passing = pieces
        self._go_on(request, pieces, done)

    def _go_on(self, request: Request | None, pieces: Pieces[T], done: Callable[[T], None]) -> None:
        if pieces is not self._passing or self._given_up(request):
            return
        try:
            self._check()
            next(pieces)
        except StopIteration as end:
            self._passing = None
            done(end.value)
        except MedsegError as error:
            self._failed(request, error)
        else:
            self._soon(partial(self._go_on, request, pieces, done))

    def _soon(self, do: Callable[[], None]) -> None:
        """In a turn of its own."""
        self.hub.companion.watcher.call_later(0, do)

    def _check(self) -> None:
        """Raises `MedsegError` when there is nothing (any more) that could be worked on."""
        raise NotImplementedError

    def _given_up(self, request: Request | None) -> bool:
        """Go on with the next one when nobody waits for this one any more."""
        raise NotImplementedError

    def _failed(self, request: Request | None, error: MedsegError) -> None:
        raise NotImplementedError
