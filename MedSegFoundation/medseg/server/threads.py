"""Calls of the service, which block, in threads: long ones must not stand in the way of others."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread

from ..errors import FullError

T = TypeVar("T")
#: Threads for calls that take milliseconds.
QUICK = 16


class Threads:
    """``quick`` calls wait for one another; ``work`` (a model runs) is refused beyond ``most``."""

    def __init__(self, most: int) -> None:
        self._quick = anyio.CapacityLimiter(QUICK)
        self._work = anyio.CapacityLimiter(most)

    async def quick(self, call: Callable[..., T], *given: object) -> T:
        return await anyio.to_thread.run_sync(call, *given, limiter=self._quick)

    async def work(self, call: Callable[..., T], *given: object) -> T:
        """Raises `FullError` at once when ``most`` calls are in work or queueing."""
        if self._work.available_tokens < 1:
            raise FullError("The server is busy with others; try again in a few seconds.")
        return await anyio.to_thread.run_sync(call, *given, limiter=self._work)
