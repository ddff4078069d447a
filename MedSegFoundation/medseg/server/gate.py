"""The outermost layer: who comes in, what is refused at the door, and the line in the log."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import FullError, MedsegError, VersionError
from ..protocol.messages import VERSION, VERSIONS
from .access import Access, label
from .answers import Refusal, failure, problem
from .log import event, fault
from .metrics import Metrics
from .rules import Rules
from .traffic import Traffic

VERSIONS_HEADER = "Medseg-Versions"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "[::1]"})
#: Answered without a token, and when the server is full.
_OPEN = frozenset({"/healthz", "/readyz", "/openapi.json"})


class Gate:
    """ASGI middleware; see `Rules` for what it keeps to. ``scope["state"]["user"]`` is set."""

    def __init__(
        self, app: ASGIApp, access: Access, rules: Rules, metrics: Metrics, traffic: Traffic
    ) -> None:
        self.app = app
        self.access = access
        self.rules = rules
        self.metrics = metrics
        self.traffic = traffic
        self._users: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        call = _Call(scope, receive, send)
        self.traffic.began()
        try:
            refused = self._refusal(scope)
            with self._counted(scope):
                await (refused or self.app)(scope, call.receive, call.send)
        except Exception as error:  # the outermost frame: a fault of ours is told and logged
            fault(error)
            if call.status == 0:
                await failure(error)(scope, call.receive, call.send)
        finally:
            self.traffic.ended()
            self._note(scope, call)

    def _refusal(self, scope: Scope) -> Response | None:
        path, headers = scope["path"], Headers(scope=scope)
        try:
            if path in _OPEN:
                return None
            self._check_host(headers)
            scope.setdefault("state", {})["user"] = self.access.user(headers.get("authorization"))
            self._check_room(scope["method"], scope["state"]["user"])
            if path.startswith("/v1/"):
                _check_version(headers.get(VERSIONS_HEADER))
        except VersionError as error:
            upgrade = {"Upgrade": f"medseg/{VERSION}", VERSIONS_HEADER: _listed(VERSIONS)}
            return problem(426, "version", str(error), upgrade)
        except MedsegError as error:
            return failure(error)
        except Refusal as error:
            return error.response()
        return None

    def _check_host(self, headers: Headers) -> None:
        name = headers.get("host", "").lower()
        if not name.endswith("]"):
            name = name.rpartition(":")[0] or name
        if self.rules.host_check and self.access.open and name not in _THIS_MACHINE:
            raise Refusal(421, "host", "Without tokens, ask for this server as 127.0.0.1 only.")

    def _check_room(self, method: str, user: str) -> None:
        if self.traffic.draining and method in ("POST", "PUT"):
            raise FullError("The server is about to stop; try again in a minute.")
        if self.traffic.in_work > self.rules.requests:
            raise FullError("The server is busy with others; try again in a few seconds.")
        if self._users[user] >= self.rules.share:
            raise FullError("The server is busy with what you asked before; try again later.")

    @contextmanager
    def _counted(self, scope: Scope) -> Iterator[None]:
        """While inside, the request counts for its user."""
        user = scope.get("state", {}).get("user")
        if user is None:
            yield
            return
        self._users[user] += 1
        try:
            yield
        finally:
            self._users[user] -= 1

    def _note(self, scope: Scope, call: _Call) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        route = getattr(scope.get("route"), "path", "none")
        seconds = time.perf_counter() - call.began
        self.metrics.count(method, route, call.status, seconds, call.received, call.sent)
        user = scope.get("state", {}).get("user")
        event(
            "request",
            method=method,
            route=route,
            status=call.status,
            ms=round(1000 * seconds, 1),
            bytes_in=call.received,
            bytes_out=call.sent,
            user=None if user is None else label(user),
        )


class _Call:
    """One request on its way through: counts bytes and remembers the status."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.began = time.perf_counter()
        self.status = self.received = self.sent = 0
        self._receive = receive
        self._send = send

    async def receive(self) -> Message:
        message = await self._receive()
        self.received += len(message.get("body", b""))
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        self.sent += len(message.get("body", b""))
        await self._send(message)


def _check_version(given: str | None) -> None:
    """Raises `VersionError` unless the header names a version that is spoken here."""
    if given is None:
        return
    asked = {part.strip() for part in given.split(",")}
    if not asked & {str(v) for v in VERSIONS}:
        known = sorted(int(a) for a in asked if a.isdecimal() and len(a) < 5)
        raise VersionError(
            f"The server speaks version {_listed(VERSIONS)} of the messages and you speak "
            f"{_listed(known) or 'none of them'}; update medseg on the older side."
        )


def _listed(versions: Iterable[Any]) -> str:
    return ", ".join(map(str, versions))
