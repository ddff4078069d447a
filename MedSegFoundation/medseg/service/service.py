"""Everything together; one object per process."""

from __future__ import annotations

import threading
from types import TracebackType

from ..errors import FullError
from .backend import UserBackend
from .counters import Counters
from .devices import LocalRunner
from .images import ImageStore
from .jobs import JobStore
from .log import event
from .queue import CLOSED
from .runner import Runner
from .sessions import SessionStore
from .settings import Settings

__all__ = ["Service", "UserBackend"]


class Service:
    """Answers many users at once; a context manager.

    ``runner``: who has the devices and models; None takes those of this machine, and counts
    what happens there.
    """

    def __init__(self, settings: Settings | None = None, runner: Runner | None = None) -> None:
        self.settings = settings or Settings()
        self.counters_ = Counters()
        self.runner = runner or LocalRunner(self.settings, self.counters_)
        self.images = ImageStore(self.settings)
        self.sessions = SessionStore(self.settings, self.images, self.runner)
        self.jobs = JobStore(self.settings)
        self._closing = threading.Event()
        threading.Thread(target=self._reap, name="medseg reaper", daemon=True).start()

    def __enter__(self) -> Service:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close(finish=False)

    def backend(self, user: str) -> UserBackend:
        """What ``user`` may do and see: own images, sessions and jobs only."""
        return UserBackend(self, user)

    def admit(self) -> None:
        """Raise `FullError` once the service is closing."""
        if self._closing.is_set():
            raise FullError(CLOSED)

    def sweep(self) -> None:
        """Give up what nobody uses; happens by itself every few seconds."""
        given_up = self.sessions.sweep()
        if given_up:
            self.counters_.count("expired", given_up)
            event("sessions expired", count=given_up)
        self.jobs.sweep()
        self.images.sweep()

    def counters(self) -> dict[str, float]:
        """Plain numbers for whoever watches: what there is now, and what has been (``_total``)."""
        return {
            "sessions": len(self.sessions.all()),
            "jobs": len(self.jobs.running()),
            **self.images.counters(),
            **self.runner.counters(),
            **self.counters_.read(),
        }

    def cancel_jobs(self) -> None:
        """Stop all jobs within one frame; their readers get the last line."""
        for job in self.jobs.running():
            job.cancel()

    def close(self, finish: bool = True, seconds: float | None = None) -> None:
        """Take nothing new; with ``finish``, what runs ends first.

        Jobs get at most ``seconds`` for that (None: what they need) and are cancelled then.
        """
        self._closing.set()
        self.jobs.close(finish, seconds)
        self.runner.close(finish)

    def _reap(self) -> None:
        while not self._closing.wait(self.settings.sweep_seconds):
            self.sweep()
