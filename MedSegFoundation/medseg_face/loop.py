"""Slicer's event loop as the engine and scene layer want it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import qt

Callback = Callable[[], None]
#: How often a script's wait looks whether it may end, when nothing else happens.
_LOOK_MS = 20


class QtLoop:
    """A `medseg_scene.owner.Loop` on Qt: sockets by `QSocketNotifier`, delays by `QTimer`."""

    def __init__(self) -> None:
        self._notifiers: dict[Any, list[Any]] = {}
        self._waits: list[tuple[Callable[[], bool], Any]] = []
        #: Seconds that the longest single callback took.
        self.longest_turn = 0.0

    def watch(self, sock: Any, read: bool, write: bool, ready: Callback) -> None:
        """Call ``ready`` whenever the socket can be read or written, as asked."""
        for notifier in self._notifiers.pop(sock, []):
            notifier.setEnabled(False)
            notifier.deleteLater()  # not at once: this may be its own signal
        kinds = [qt.QSocketNotifier.Read] * read + [qt.QSocketNotifier.Write] * write
        made = [qt.QSocketNotifier(sock.fileno(), kind) for kind in kinds]
        for notifier in made:
            notifier.connect("activated(int)", lambda *_: self._ready(sock, made, ready))
        if made:
            self._notifiers[sock] = made

    def call_later(self, seconds: float, callback: Callback) -> None:
        """Call once, ``seconds`` from now."""
        qt.QTimer.singleShot(max(0, round(seconds * 1000)), lambda: self._run(callback))

    def run_until(self, finished: Callable[[], bool], timeout: float = 60.0) -> None:
        """For scripts: let the application go on until ``finished()``.

        Raises `TimeoutError` after ``timeout`` seconds.
        """
        if finished():
            return
        loop, timer = qt.QEventLoop(), qt.QTimer()
        wait = (finished, loop)
        end = time.monotonic() + timeout

        def look() -> None:
            if finished() or time.monotonic() > end:
                loop.quit()

        timer.connect("timeout()", look)
        timer.start(_LOOK_MS)
        self._waits.append(wait)
        try:
            loop.exec()
        finally:
            timer.stop()
            self._waits.remove(wait)
        if not finished():
            raise TimeoutError(f"Nothing came within {timeout:g} s.")

    def _ready(self, sock: Any, notifiers: list[Any], ready: Callback) -> None:
        if self._notifiers.get(sock) is notifiers:  # another watch may have taken its place
            self._run(ready)

    def _run(self, callback: Callback) -> None:
        begin = time.perf_counter()
        try:
            callback()
        finally:
            self.longest_turn = max(self.longest_turn, time.perf_counter() - begin)
            for finished, loop in self._waits:
                if finished():
                    loop.quit()
