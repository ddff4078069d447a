"""What comes in: bodies of a limited size, within a limited time, and JSON that is plain data."""

from __future__ import annotations

import json
import math
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
    """Counts the bytes of unfinished bodies, which no announcement can make more."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0

    def add(self, size: int) -> None:
        """Raises `FullError` when that is too much for the server."""
        self._held += size
        if self._held > self._most:
            raise FullError("The server is busy with other uploads; try again in a few seconds.")

    def release(self, size: int) -> None:
        self._held -= size


async def read(request: Request, limit: int, kind: str) -> bytes:
    """The body of a request whose content type must be ``kind``, up to ``limit`` bytes.

    Raises `TooLargeError`, `FullError`, or `Refusal` (415 wrong type, 408 too slow).
    """
    _check_type(request, kind)
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > limit:
        raise _too_large(limit)
    with anyio.move_on_after(request.app.state.context.rules.patience) as time:
        return await _collect(request, limit, time)
    raise Refusal(408, "slow", "The request took too long to arrive; send it again.")


async def _collect(request: Request, limit: int, time: anyio.CancelScope) -> bytes:
    """The whole body; ``time`` grows with what has come, so that a large one may take longer."""
    inflow: Inflow = request.app.state.context.inflow
    parts: list[bytes] = []
    size = 0
    try:
        async for part in request.stream():
            size += len(part)
            inflow.add(len(part))
            if size > limit:
                raise _too_large(limit)
            parts.append(part)
            time.deadline += len(part) / SLOWEST
    except ClientDisconnect as error:
        raise Refusal(400, "request", "The request broke off; send it again.") from error
    finally:
        inflow.release(size)
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


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(f"A body of this kind may have at most {limit} bytes.")
