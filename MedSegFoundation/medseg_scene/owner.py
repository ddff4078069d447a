"""One helper process for the whole application, started when it is first needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from medseg.companion.link import Companion, Server
from medseg.companion.pending import Pending
from medseg.companion.watch import Pump, Watcher
from medseg.protocol.messages import Welcome

T = TypeVar("T")
Listener = Callable[[str], object]


class Loop(Watcher, Protocol):
    """An event loop that a script can turn."""

    def run_until(self, finished: Callable[[], bool], timeout: float = 60.0) -> None:
        """Turn until ``finished()``; raises `TimeoutError` after ``timeout`` seconds."""
        ...


class CompanionOwner:
    """Holds the `Companion` of the application and forwards its status lines.

    ``loop``: None takes a `Pump`, which turns only while `wait` does. Other options go to
    `Companion` (``python``, ``server``, ``env``).
    """

    def __init__(self, loop: Loop | None = None, **options: Any) -> None:
        self.loop: Loop = loop or Pump()
        #: The last status line.
        self.line = ""
        self._options = options
        self._listeners: list[Listener] = []
        self._companion: Companion | None = None
        #: What `greet` was told, or will be; None before the first one.
        self.greeting: Pending[Welcome] | None = None

    @property
    def started(self) -> bool:
        return self._companion is not None

    @property
    def server(self) -> Server | None:
        """Where the work is done; None: on this computer."""
        server: Server | None = self._options.get("server")
        return server

    def companion(self) -> Companion:
        """The one companion; the first call starts it, which takes no time here."""
        if self._companion is None:
            self._companion = Companion(self.loop, on_status=self._tell, **self._options)
            self._companion.start()
        return self._companion

    def connect(self, server: Server | None) -> None:
        """Work on a server, or on this machine (None), now or once it is started."""
        self._options["server"], self.greeting = server, None
        if self._companion is not None:
            self.greeting = self._companion.connect(server)
        self._tell(f"Working on {server.url}." if server else "Working on this computer.")

    def use_python(self, python: str | None, env: Mapping[str, str] | None = None) -> None:
        """Run the helper with another interpreter, now or once it is started; None: this one."""
        self._options["python"], self._options["env"] = python, env
        if self._companion is not None:
            self._companion.use_python(python, env)
        self.look_again("The helper process runs with another Python now.")

    def look_again(self, line: str) -> None:
        """What there is has changed (a model was stored): ask anew, and say ``line``."""
        self.greeting = None if self._companion is None else self._companion.welcome()
        self._tell(line)

    def greet(self) -> Pending[Welcome]:
        """What the other side has and can do; starts the helper when there is none.

        The same answer until another one is connected to, or until it failed.
        """
        if self.greeting is None or self.greeting.error is not None:
            self.greeting = self.companion().welcome()
        return self.greeting

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Be told each status line; call what is returned to hear no more."""
        self._listeners.append(listener)

        def let_go() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return let_go

    def wait(self, pending: Pending[T], timeout: float = 600.0) -> T:
        """For scripts: turn the loop until there is a result; raises its error."""
        self.loop.run_until(lambda: pending.finished, timeout)
        return pending.result

    def close(self) -> None:
        """End the helper; the next `companion` starts another."""
        companion, self._companion, self.greeting = self._companion, None, None
        if companion is not None:
            companion.close()

    def _tell(self, line: str) -> None:
        self.line = line
        for listener in list(self._listeners):
            listener(line)


_owner: CompanionOwner | None = None


def owner() -> CompanionOwner:
    """The owner of this application; scripts get one that is driven by `CompanionOwner.wait`."""
    global _owner
    if _owner is None:
        _owner = CompanionOwner()
    return _owner


def use_owner(mine: CompanionOwner | None) -> None:
    """Make ``mine`` the application's owner; the one before is closed."""
    global _owner
    before, _owner = _owner, mine
    if before is not None and before is not mine:
        before.close()
