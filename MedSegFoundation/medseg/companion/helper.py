"""One helper process as the GUI sees it, from its start to its end."""

from __future__ import annotations

import contextlib
import json
import secrets
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping

from . import launch
from .channel import Channel, Door
from .watch import Watcher
from .wire import Json

#: How often a starting or ending process is looked at.
_LOOK_SECONDS = 0.1
#: A process that has not come back by then never will.
_START_SECONDS = 90.0
#: How long a helper may take to say good-bye to a server.
_FAREWELL_SECONDS = 1.0


class Helper:
    """Starts the process at once; raises `OSError` when that is not possible.

    ``on_up`` is called when it has connected, ``on_dead`` once when it is gone without `end`.
    """

    def __init__(
        self,
        watcher: Watcher,
        python: str,
        env: Mapping[str, str] | None,
        prefix: str,
        on_up: Callable[[], None],
        on_message: Callable[[Json], None],
        on_dead: Callable[[], None],
    ) -> None:
        self._watcher = watcher
        self._on_up, self._on_message, self._on_dead = on_up, on_message, on_dead
        self._channel: Channel | None = None
        self._over = False
        self._latest = time.monotonic() + _START_SECONDS
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (closed when the process is reaped)
        secret = secrets.token_hex(32)
        self._door = Door(watcher, secret, self._opened)
        try:
            self._process = launch.start(python, env, self._log)
            greeting = {"port": self._door.port, "secret": secret, "prefix": prefix}
            self._greet(json.dumps(greeting).encode() + b"\n")
        except OSError:
            self._door.close()
            self._log.close()
            raise
        watcher.call_later(_LOOK_SECONDS, self._look)

    @property
    def reaped(self) -> bool:
        return self._process.returncode is not None

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, message: Json) -> None:
        if self._channel is not None:
            self._channel.send(message)

    def last_words(self) -> str:
        """The last line that a process which is gone has written about why."""
        if self._log.closed:
            return ""
        self._log.seek(max(0, self._log.seek(0, 2) - 4096))
        lines = self._log.read().decode("utf-8", "replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def kill(self) -> None:
        """Let it die now; ``on_dead`` is called."""
        self._died()

    def end(self) -> None:
        """Ask it to go, and see to it that it went; waits a second at most, mostly far less."""
        farewell = not self._over and self._channel is not None
        self._over = True
        if farewell and self._channel is not None:
            self._channel.send({"id": 0, "call": "bye", "args": {}})
            farewell = self._channel.flush()
        if farewell:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_FAREWELL_SECONDS)
        self._let_go()
        self._process.wait()
        self._log.close()

    def _greet(self, line: bytes) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # gone already: `_look` sees it
            self._process.stdin.write(line)
            self._process.stdin.flush()

    def _opened(self, channel: Channel) -> None:
        self._channel = channel
        channel.on_message, channel.on_closed = self._on_message, self._died
        self._on_up()

    def _look(self) -> None:
        if self._over or self._channel is not None:
            return
        if self._process.poll() is not None or time.monotonic() > self._latest:
            self._died()
        else:
            self._watcher.call_later(_LOOK_SECONDS, self._look)

    def _died(self) -> None:
        if not self._over:
            self._over = True
            self._let_go()
            self._on_dead()
            self._reap()

    def _let_go(self) -> None:
        """Kill it, and close all that leads to it."""
        self._door.close()
        if self._channel is not None:
            self._channel.close()
        self._process.kill()
        with contextlib.suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()

    def _reap(self) -> None:
        if self._process.poll() is None:
            self._watcher.call_later(_LOOK_SECONDS, self._reap)
        else:
            self._log.close()
