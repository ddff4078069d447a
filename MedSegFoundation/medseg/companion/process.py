"""The helper process: connects back to the GUI, answers its calls, and dies with it.

It ends at once, in the middle of whatever it does, when its standard input or the connection
closes: the GUI is gone then, however it went.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import threading
from typing import Any, NoReturn

from . import shared
from .wire import Json, Parser, frame, nonce, proof, proves

_NICENESS = 10
_CONNECT_SECONDS = 30.0


def main() -> NoReturn:
    """Runs until the GUI lets go."""
    greeting = json.loads(_line())
    prefix = str(greeting["prefix"])
    _be_modest()
    threading.Thread(target=_watch_input, args=(prefix,), daemon=True).start()
    wire = Wire(prefix)
    try:
        wire.connect(int(greeting["port"]), str(greeting["secret"]))
    except OSError as error:
        sys.exit(f"The program that started this process cannot be reached ({error}).")
    from .calls import Answerer  # it loads scipy and more: after the connection, to be quick

    answerer = Answerer(prefix, wire.send, lambda: leave(prefix))
    wire.serve(answerer.take)


def leave(prefix: str) -> NoReturn:
    """End now. Files that a dead GUI was still writing go too."""
    shared.sweep(prefix)
    os._exit(0)


class Wire:
    """The helper's end of the connection: blocking, `send` from any thread."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._lock = threading.Lock()
        self._parser = Parser()

    def connect(self, port: int, secret: str) -> None:
        """Connect to the GUI; both prove that they know ``secret``. Raises `OSError`."""
        self._socket = socket.create_connection(("127.0.0.1", port), _CONNECT_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ours = nonce()
        self._socket.sendall(frame({"nonce": ours}))
        answer = self._first()
        theirs = str(answer.get("nonce"))
        if not proves(answer, proof(secret, "gui", ours, theirs)):
            raise OSError("it does not know the secret")
        self._socket.sendall(frame({"proof": proof(secret, "helper", ours, theirs)}))
        self._socket.settimeout(None)

    def serve(self, take: Any) -> NoReturn:
        """Hand every message to ``take``, until the other side is gone."""
        while data := self._receive():
            for message in self._parser.feed(data):
                take(message)
        leave(self._prefix)

    def send(self, message: Json) -> None:
        data = frame(message)
        try:
            with self._lock:
                self._socket.sendall(data)
        except OSError:
            leave(self._prefix)

    def _first(self) -> Json:
        while data := self._receive():
            for message in self._parser.feed(data):
                return message
        raise OSError("it hung up")

    def _receive(self) -> bytes:
        try:
            return self._socket.recv(1 << 20)
        except ConnectionError:
            return b""


def _line() -> bytes:
    """The line that the GUI writes first; nothing behind it is read."""
    line = b""
    while not line.endswith(b"\n"):
        if not (byte := os.read(0, 1)):
            sys.exit("This process is started by a program with a window, not by hand.")
        line += byte
    return line


def _watch_input(prefix: str) -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    leave(prefix)


def _be_modest() -> None:
    """Let the GUI go first; Windows was told so at the start. Ctrl+C is meant for the GUI."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            os.nice(_NICENESS)
