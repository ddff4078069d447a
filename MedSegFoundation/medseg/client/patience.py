"""How long to wait for a server, and how often to ask again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ..errors import RemoteError


@dataclass(frozen=True)
class Timeout:
    """Seconds. ``connect``: until a connection stands. ``read``: between two bytes of an answer.

    ``work``: the same where a model runs before the answer comes (opening, prompts, uploads).
    """

    connect: float = 5.0
    read: float = 30.0
    work: float = 300.0


@dataclass(frozen=True)
class Backoff:
    """Waits of ``first`` seconds, growing by ``factor`` up to ``longest``, half of it at random.

    There are at most ``attempts`` in all, and none starts more than ``total`` seconds after the
    first one did. ``sleep``, ``random`` (0 to 1) and ``clock`` (seconds) are for tests.
    """

    attempts: int = 12
    first: float = 0.1
    factor: float = 2.0
    longest: float = 5.0
    total: float = 40.0
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)
    random: Callable[[], float] = field(default=random.random, repr=False)
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)


class Transient(Exception):  # noqa: N818 (not an error for the user yet)
    """``problem`` may pass; ``after``: seconds that the server asks to wait, if it does."""

    def __init__(self, problem: RemoteError, after: float | None = None) -> None:
        super().__init__(str(problem))
        self.problem = problem
        self.after = after


class Patience:
    """The waits of one thing that is tried again, for at least ``total`` seconds."""

    def __init__(self, backoff: Backoff, total: float = 0.0) -> None:
        self._backoff = backoff
        self._total = max(backoff.total, total)
        self.renew()

    def renew(self) -> None:
        """There was progress: count from the start again."""
        self._failures = 0
        self._begin = self._backoff.clock()

    def wait(self, failure: Transient) -> None:
        """Wait before the next attempt; raises the problem when there must not be one."""
        backoff = self._backoff
        self._failures += 1
        grown = backoff.first * backoff.factor ** (self._failures - 1)
        pause = min(grown, backoff.longest) * (0.5 + 0.5 * backoff.random())
        pause = max(pause, failure.after or 0.0)
        spent = backoff.clock() - self._begin
        if self._failures >= backoff.attempts or spent + pause > self._total:
            raise failure.problem
        backoff.sleep(pause)
