"""Leases of the nnInteractive protocol: who is there, since when, and for how much longer."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..errors import ExpiredError, FullError
from ..protocol.backend import Backend
from .nninteractive_work import EXPIRED, Work

#: A client without any sign of life (the official one sends one every 30 s) is gone after this.
LIVENESS_SECONDS = 60.0
#: Seconds between looks for leases that are over, while there are any.
SWEEP_SECONDS = 15.0


class Lease:
    """One client. ``seen`` and ``active``: times of its last sign of life and its last action."""

    def __init__(self, user: str, backend: Backend, now: float) -> None:
        self.user = user
        self.work = Work(backend)
        self.lock = threading.Lock()
        self.seen = self.active = now


class Leases:
    """All clients; safe to use from any thread."""

    def __init__(
        self, most: int, idle_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.most = most
        self.idle_seconds = idle_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._leases: dict[str, Lease] = {}
        self._sweeper: threading.Timer | None = None

    def claim(self, user: str, backend: Backend) -> str:
        """A new lease; raises `FullError` when there are too many."""
        self.sweep()
        token = secrets.token_urlsafe(24)
        with self._lock:
            if len(self._leases) >= self.most:
                raise FullError(f"The server is at capacity ({self.most} sessions); try later.")
            self._leases[token] = Lease(user, backend, self._clock())
            self._sweep_later()
        return token

    def find(self, user: str, token: str | None) -> Lease:
        """A user's lease; raises `ExpiredError` when there is none of that name."""
        with self._lock:
            lease = self._leases.get(token or "")
        if lease is None or lease.user != user or self._over(lease):
            raise ExpiredError(EXPIRED)
        return lease

    def remaining(self, lease: Lease) -> float:
        """Seconds until it ends for lack of actions."""
        return max(0.0, lease.active + self.idle_seconds - self._clock())

    def beat(self, lease: Lease) -> None:
        """A sign of life, which is no action."""
        lease.seen = self._clock()

    @contextmanager
    def using(self, user: str, token: str | None) -> Iterator[Work]:
        """The work of a lease, for one action; others of the same client wait."""
        lease = self.find(user, token)
        with lease.lock:
            lease.seen = lease.active = self._clock()
            try:
                yield lease.work
            finally:
                lease.seen = lease.active = self._clock()

    def release(self, user: str, token: str | None) -> None:
        """End a lease; nothing happens when it has ended already."""
        with self._lock:
            lease = self._leases.get(token or "")
            if lease is None or lease.user != user:
                return
            del self._leases[token or ""]
        _end(lease)

    def sweep(self) -> None:
        """End the leases of clients that are gone or idle, unless they are at work."""
        with self._lock:
            over = [t for t, one in self._leases.items() if self._over(one)]
            ended = [self._leases.pop(token) for token in over]
        for lease in ended:
            _end(lease)

    def _sweep_later(self) -> None:
        """Sweep now and then for as long as there are leases."""
        if self._sweeper is None and self._leases:
            self._sweeper = threading.Timer(SWEEP_SECONDS, self._swept)
            self._sweeper.daemon = True
            self._sweeper.start()

    def _swept(self) -> None:
        self.sweep()
        with self._lock:
            self._sweeper = None
            self._sweep_later()

    def _over(self, lease: Lease) -> bool:
        now = self._clock()
        late = now - lease.seen > LIVENESS_SECONDS or now - lease.active > self.idle_seconds
        return late and not lease.lock.locked()


def _end(lease: Lease) -> None:
    with lease.lock:
        lease.work.close()
