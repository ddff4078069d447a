"""HTTP/1.1 connections that cannot be held open for nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from .answers import PROBLEM, RETRY_AFTER, dumps
from .rules import Rules
from .traffic import Traffic

#: Seconds that a connection may rest between two requests.
KEEP_ALIVE = 75
_FULL = "The server has too many connections; try again in a few seconds."


def protocol(rules: Rules, traffic: Traffic) -> type[asyncio.Protocol]:
    """The protocol class for uvicorn: limits on connections, slow senders and slow readers."""

    class Connection(H11Protocol):
        _timer: asyncio.TimerHandle | None = None
        _stalled: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            traffic.connected(1)
            if len(self.connections) > rules.connections:
                transport.write(_answer(503, "full", _FULL))
                transport.close()
            else:
                self._await_request(rules.patience)

        def connection_lost(self, exc: Exception | None) -> None:
            _cancel(self._timer)
            _cancel(self._stalled)
            traffic.connected(-1)
            super().connection_lost(exc)

        def handle_events(self) -> None:
            before = self.cycle
            super().handle_events()
            if self.cycle is not before and not self.cycle.response_complete:
                _cancel(self._timer)

        def on_response_complete(self) -> None:
            self._await_request(KEEP_ALIVE + rules.patience)
            super().on_response_complete()

        def send_400_response(self, msg: str) -> None:
            if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                self.transport.write(_answer(400, "request", "This is not valid HTTP/1.1."))
            self.transport.close()

        def pause_writing(self) -> None:
            super().pause_writing()
            self._stalled = self.loop.call_later(rules.patience, self.transport.abort)

        def resume_writing(self) -> None:
            _cancel(self._stalled)
            super().resume_writing()

        def _await_request(self, seconds: float) -> None:
            """Whatever trickles in, the head of the next request must be whole by then."""
            _cancel(self._timer)
            self._timer = self.loop.call_later(seconds, self.transport.abort)

    return Connection


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()


def _answer(status: int, code: str, detail: str) -> bytes:
    body = dumps(
        {"type": f"urn:medseg:problem:{code}", "title": code, "status": status, "detail": detail}
    )
    head = f"HTTP/1.1 {status} Refused\r\ncontent-type: {PROBLEM}\r\nretry-after: {RETRY_AFTER}\r\n"
    return f"{head}content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body
