"""The server process: ready, asked to stop, and gone when what runs is answered."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from types import FrameType

import uvicorn

from ..errors import InputError
from ..service import Service
from .access import Access
from .log import event
from .traffic import Traffic


class Process(uvicorn.Server):
    """Stops in order: refuse new work, let prompts finish, after ``grace`` seconds cancel jobs.

    A second signal ends the process at once. SIGHUP reads the tokens again.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        service: Service,
        traffic: Traffic,
        access: Access,
        grace: float,
        url: str,
    ) -> None:
        super().__init__(config)
        self._service = service
        self._traffic = traffic
        self._access = access
        self._grace = grace
        self._url = url
        self._drain: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        if hasattr(signal, "SIGHUP"):
            self._loop.add_signal_handler(signal.SIGHUP, self._reload)
        await super().startup(sockets)
        print(f"medseg serves at {self._url}", file=sys.stderr, flush=True)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._traffic.draining:
            os._exit(1)
        self._traffic.draining = True
        self._loop.call_soon_threadsafe(self._start_drain)

    def _start_drain(self) -> None:
        self._drain = self._loop.create_task(self._finish())

    async def _finish(self) -> None:
        event("stopping", in_work=self._traffic.in_work)
        quiet = asyncio.ensure_future(self._traffic.quiet())
        await asyncio.wait({quiet}, timeout=self._grace)
        if not quiet.done():
            await asyncio.to_thread(self._service.cancel_jobs)
            await quiet
        self.should_exit = True

    def _reload(self) -> None:
        try:
            self._access.reload()
            event("tokens-read")
        except InputError as error:  # the old tokens stay
            event("tokens-not-read")
            print(f"medseg: {error} The tokens stay as they were.", file=sys.stderr, flush=True)
