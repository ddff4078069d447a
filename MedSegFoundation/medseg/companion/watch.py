"""What the GUI half asks of an event loop, and a small loop of our own for scripts."""

from __future__ import annotations

import heapq
import itertools
import selectors
import socket
import time
from collections.abc import Callable
from typing import Protocol

Callback = Callable[[], None]


class Watcher(Protocol):
    """An event loop: Qt (`QSocketNotifier` and `QTimer`), asyncio, or a `Pump`."""

    def watch(self, sock: socket.socket, read: bool, write: bool, ready: Callback) -> None:
        """Call ``ready`` whenever the socket can be read or written, as asked, from now on.

        A second call for the same socket takes the place of the first; with neither ``read`` nor
        ``write`` the socket is let go (it is closed next).
        """
        ...

    def call_later(self, seconds: float, callback: Callback) -> None:
        """Call once, ``seconds`` from now, never before this returns."""
        ...


class Pump:
    """A `Watcher` that runs only while `run_until` does."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Callback]] = []
        self._number = itertools.count()
        #: Seconds that the longest single callback took.
        self.longest_turn = 0.0

    def watch(self, sock: socket.socket, read: bool, write: bool, ready: Callback) -> None:
        events = selectors.EVENT_READ * read | selectors.EVENT_WRITE * write
        known = sock in self._selector.get_map()
        if not events:
            if known:
                self._selector.unregister(sock)
        elif known:
            self._selector.modify(sock, events, ready)
        else:
            self._selector.register(sock, events, ready)

    def call_later(self, seconds: float, callback: Callback) -> None:
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._number), callback))

    def run_until(self, finished: Callable[[], bool], timeout: float = 60.0) -> None:
        """Turn until ``finished()``; raises `TimeoutError` after ``timeout`` seconds."""
        end = time.monotonic() + timeout
        while not finished():
            if time.monotonic() > end:
                raise TimeoutError(f"Nothing came within {timeout:g} s.")
            self.turn(end)

    def turn(self, end: float) -> None:
        """Wait for the next events, until ``end`` (monotonic) at most, and serve them."""
        until = min(end, self._timers[0][0]) if self._timers else end
        for key, _ in self._selector.select(max(0.0, until - time.monotonic())):
            self._run(key.data)
        due = []
        while self._timers and self._timers[0][0] <= time.monotonic():
            due.append(heapq.heappop(self._timers)[2])
        for callback in due:
            self._run(callback)

    def close(self) -> None:
        self._selector.close()

    def _run(self, callback: Callback) -> None:
        begin = time.perf_counter()
        callback()
        self.longest_turn = max(self.longest_turn, time.perf_counter() - begin)
