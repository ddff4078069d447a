"""The GUI's end of the wire: a door that lets only the helper in, and messages both ways.

All sockets are non-blocking and served by the owner's event loop.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

from .watch import Watcher
from .wire import (
    MOST_BYTES,
    MOST_BYTES_OF_STRANGERS,
    BrokenWireError,
    Json,
    Parser,
    frame,
    nonce,
    proof,
    proves,
)

_READ_BYTES = 1 << 18
#: Strangers at the door at the same time, and how long each may stand there.
_STRANGERS = 64
_PATIENCE_SECONDS = 10.0


class Channel:
    """Messages over one connected socket. ``on_closed`` is called once, unless `close` was."""

    def __init__(
        self,
        watcher: Watcher,
        sock: socket.socket,
        on_message: Callable[[Json], None],
        on_closed: Callable[[], None],
    ) -> None:
        self.on_message = on_message
        self.on_closed = on_closed
        self._watcher = watcher
        self._socket = sock
        self._parser = Parser(MOST_BYTES_OF_STRANGERS)
        self._out = bytearray()
        self.open = True
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        watcher.watch(sock, True, False, self._ready)

    def trust(self) -> None:
        """From now on take messages of full size."""
        self._parser.most = MOST_BYTES

    def send(self, message: Json) -> None:
        """Queue a message; raises `BrokenWireError` when it is too large."""
        data = frame(message)
        if self.open:
            self._out += data
            self._flush()

    def flush(self) -> bool:
        """Write what can be written; True when nothing is left to be written."""
        if self.open and self._out:
            self._flush()
        return not self._out

    def close(self) -> None:
        if self.open:
            self.open = False
            self._watcher.watch(self._socket, False, False, self._ready)
            self._socket.close()

    def _ready(self) -> None:
        if not self.open:
            return
        self.flush()
        try:
            data = self._socket.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lost()
            return
        try:
            for message in self._parser.feed(data):
                self.on_message(message)
                if not self.open:
                    return
        except BrokenWireError:
            self._lost()

    def _flush(self) -> None:
        try:
            while self._out:
                with memoryview(self._out) as view:
                    sent = self._socket.send(view[: 1 << 20])
                del self._out[:sent]
        except BlockingIOError:
            pass
        except OSError:
            self._out.clear()  # reading tells that it is closed
        self._watcher.watch(self._socket, True, bool(self._out), self._ready)

    def _lost(self) -> None:
        self.close()
        self.on_closed()


class Door:
    """Listens on 127.0.0.1 for the one who knows the secret; all others are turned away."""

    def __init__(self, watcher: Watcher, secret: str, on_open: Callable[[Channel], None]) -> None:
        self._watcher = watcher
        self._secret = secret
        self._on_open = on_open
        self._strangers: list[Channel] = []
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=_STRANGERS)
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]
        self._open = True
        watcher.watch(self._socket, True, False, self._accept)

    def close(self) -> None:
        if self._open:
            self._open = False
            self._watcher.watch(self._socket, False, False, self._accept)
            self._socket.close()
            for stranger in self._strangers:
                stranger.close()

    def _accept(self) -> None:
        try:
            sock, _ = self._socket.accept()
        except OSError:
            return
        self._strangers = [s for s in self._strangers if s.open]
        if len(self._strangers) >= _STRANGERS:
            self._strangers.pop(0).close()
        stranger = Channel(self._watcher, sock, lambda _: None, lambda: None)
        stranger.on_message = lambda message: self._first(stranger, message)
        self._strangers.append(stranger)
        self._watcher.call_later(_PATIENCE_SECONDS, lambda: self._send_away(stranger))

    def _send_away(self, stranger: Channel) -> None:
        if stranger in self._strangers:
            stranger.close()

    def _first(self, stranger: Channel, message: Json) -> None:
        theirs, ours = str(message.get("nonce")), nonce()
        expected = proof(self._secret, "helper", theirs, ours)
        stranger.on_message = lambda answer: self._second(stranger, expected, answer)
        stranger.send({"nonce": ours, "proof": proof(self._secret, "gui", theirs, ours)})

    def _second(self, stranger: Channel, expected: str, message: Json) -> None:
        if not proves(message, expected):
            stranger.close()
            return
        self._strangers.remove(stranger)
        self.close()
        stranger.trust()
        self._on_open(stranger)
