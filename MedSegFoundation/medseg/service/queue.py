"""One thread per device, and users who take turns on it."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from ..errors import FullError

T = TypeVar("T")
CLOSED = "The server is shutting down; try again in a minute."


class _Work(Generic[T]):
    def __init__(self, call: Callable[[], T]) -> None:
        self.call = call
        self.done = threading.Event()
        self.error: BaseException | None = None
        self.result: T

    def run(self) -> None:
        try:
            self.result = self.call()
        except BaseException as error:  # it belongs to the caller, who raises it
            self.error = error
        self.done.set()

    def take(self) -> T:
        self.done.wait()
        if self.error is not None:
            try:
                raise self.error
            finally:
                self.error = None  # with its traceback go the arrays of the frames in it
        return self.result


class DeviceQueue:
    """Runs calls one at a time on one persistent daemon thread.

    Users are served in turn, one call each; the calls of one user in the order they came.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._users: OrderedDict[str, deque[_Work[Any]]] = OrderedDict()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def run(self, user: str, call: Callable[[], T]) -> T:
        """The result of ``call``, or what it raises; `FullError` once the queue is closed."""
        if threading.current_thread() is self._thread:
            return call()
        work = _Work(call)
        with self._changed:
            if self._closed:
                raise FullError(CLOSED)
            if self._thread is None:
                name = f"medseg {self.name}"
                self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
                self._thread.start()
            self._users.setdefault(user, deque()).append(work)
            self._changed.notify()
        return work.take()

    @property
    def waiting(self) -> int:
        """Calls that have not begun."""
        with self._changed:
            return sum(map(len, self._users.values()))

    def close(self, finish: bool) -> None:
        """Take nothing new; what waits is done (``finish``) or refused, then the thread ends."""
        with self._changed:
            self._closed = True
            if not finish:
                for work in (w for waiting in self._users.values() for w in waiting):
                    work.error = FullError(CLOSED)
                    work.done.set()
                self._users.clear()
            self._changed.notify()
        if finish and self._thread is not None:
            self._thread.join()

    def _serve(self) -> None:
        while (work := self._next()) is not None:
            work.run()
            del work

    def _next(self) -> _Work[Any] | None:
        with self._changed:
            while not self._users and not self._closed:
                self._changed.wait()
            if not self._users:
                return None
            user, waiting = self._users.popitem(last=False)
            work = waiting.popleft()
            if waiting:
                self._users[user] = waiting
            return work
