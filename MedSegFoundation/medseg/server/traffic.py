"""What is under way, and whether the server is on its way out."""

from __future__ import annotations

import asyncio


class Traffic:
    """Counts requests in work and connections. Used from the event loop only."""

    def __init__(self) -> None:
        self.in_work = 0
        self.connections = 0
        self.draining = False
        self._changed = asyncio.Event()

    def connected(self, change: int) -> None:
        """One connection more, or one less (-1)."""
        self.connections += change

    def began(self) -> None:
        self.in_work += 1

    def ended(self) -> None:
        self.in_work -= 1
        self._changed.set()

    async def quiet(self) -> None:
        """Wait until nothing is in work."""
        while self.in_work:
            self._changed.clear()
            await self._changed.wait()
