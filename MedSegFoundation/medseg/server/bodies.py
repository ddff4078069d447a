"""What comes in: bodies of a limited size, within a limited time, and JSON that is plain data."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import anyio
from fastapi import Depends, Request
from starlette.requests import ClientDisconnect

from ..errors import FullError, InputError, TooLargeError
from ..protocol.messages import decode
from .answers import Refusal
from .rules import SLOWEST

T = TypeVar("T")
#: Digits that a whole number in JSON may have; 64 bits hold them all.
MOST_DIGITS = 18


class Inflow:
    """Counts the bytes of bodies that are held at the moment."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.held = 0

    @asynccontextmanager
    async def room(self, size: int) -> AsyncIterator[None]:
        """Keep room for ``size`` bytes; raises `FullError` when there is none."""
        if self.held + size > self.most:
            raise FullError("The server is busy with other uploads; try again in a few seconds.")
        self.held += size
        try:
            yield
        finally:
            self.held -= size


async def read(request: Request, limit: int, kind: str) -> bytes:
    """The body of a request whose content type must be ``kind``, up to ``limit`` bytes.

    Raises `TooLargeError`, `FullError`, or `Refusal` (415 wrong type, 408 too slow).
    """
    _check_type(request, kind)
    here = request.app.state.context
    length = _length(request)
    if length is not None and length > limit:
        raise _too_large(limit)
    expected = limit if length is None else length
    with anyio.move_on_after(here.rules.patience + expected / SLOWEST):
        async with here.inflow.room(expected):
            return await _collect(request, limit)
    raise Refusal(408, "slow", "The request took too long to arrive; send it again.")


async def _collect(request: Request, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > limit:
                raise _too_large(limit)
            parts.append(part)
    except ClientDisconnect as error:
        raise Refusal(400, "request", "The request broke off; send it again.") from error
    return b"".join(parts)


def message(kind: type[T]) -> Any:
    """A dependency: the message of type ``kind`` in the JSON body."""

    async def given(request: Request) -> T:
        limit: int = request.app.state.context.service.settings.limits().message_bytes
        return decode(kind, loads(await read(request, limit, "application/json")))

    return Depends(given)


def loads(data: bytes) -> Any:
    """JSON as plain data: no NaN, no infinity, no number beyond 64 bits, no depth without end.

    Raises `InputError`.
    """
    try:
        return json.loads(
            data.decode("utf-8"), parse_constant=_refused, parse_float=_float, parse_int=_int
        )
    except RecursionError as error:
        raise InputError("The JSON is nested too deeply.") from error
    except ValueError as error:  # also UnicodeDecodeError; what it says may quote the body
        where = f" at character {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
        raise InputError(f"The body is not valid JSON{where}.") from error


def _float(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refused(text)


def _int(text: str) -> int:
    return int(text) if len(text) <= MOST_DIGITS else _refused(text)


def _refused(text: str) -> Any:
    raise InputError("The JSON holds a number that is too large, or none at all.")


def _check_type(request: Request, kind: str) -> None:
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != kind:
        raise Refusal(415, "media-type", f"This address takes {kind} only.", Accept=kind)
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding != "identity":
        raise Refusal(
            415, "media-type", "Bodies must not be encoded (gzip, ...).", Accept_Encoding="identity"
        )


def _length(request: Request) -> int | None:
    text = request.headers.get("content-length")
    return int(text) if text is not None and text.isdecimal() else None


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(f"A body of this kind may have at most {limit} bytes.")
