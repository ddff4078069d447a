"""Whether an answer is one of a medseg server, and what it says."""

from __future__ import annotations

import json
from typing import Any, TypeVar

import requests

from ..errors import (
    AccessError,
    ConnectionProblem,
    FullError,
    InputError,
    MedsegError,
    RemoteError,
    TooLargeError,
)
from ..protocol.messages import decode
from ..protocol.problems import from_problem
from .address import Address
from .patience import Transient

_JSON, _PROBLEM, _LINES = "application/json", "application/problem+json", "application/x-ndjson"
T = TypeVar("T")
#: Statuses of a proxy whose server is away for a moment.
_AWAY = (502, 503, 504)


def check(response: requests.Response, address: Address, *, has_token: bool) -> None:
    """Raise what the answer tells of, unless it is a success."""
    if response.is_redirect or response.is_permanent_redirect:
        target = response.headers.get("Location", "elsewhere").split("?")[0]
        raise ConnectionProblem(
            f"{address} sends on to {target}, which is not followed; give the final address."
        )
    if response.status_code < 400:
        return
    if _kind(response) == _PROBLEM:
        raise _ours(response, address, has_token)
    raise _of_others(response, address)


def decoded(response: requests.Response, content: bytes, address: Address) -> Any:
    """The JSON of a success; None when it has no content."""
    if response.status_code == 204 or not content:
        return None
    if _kind(response) != _JSON:
        raise _foreign(address)
    return json_line(content, address)


def json_line(content: bytes, address: Address) -> Any:
    """What one JSON text says."""
    try:
        return json.loads(content)
    except ValueError as error:
        raise _foreign(address) from error


def message(kind: type[T], data: Any, address: Address) -> T:
    """The message in an answer; `RemoteError` when it is not one."""
    try:
        return decode(kind, data)
    except InputError as error:
        raise RemoteError(
            f"{address} answered with a message that cannot be read ({error}); update medseg there."
        ) from error


def check_lines(response: requests.Response, address: Address) -> None:
    """Raise `ConnectionProblem` unless the answer comes line by line."""
    if _kind(response) != _LINES:
        raise _foreign(address)


def _ours(response: requests.Response, address: Address, has_token: bool) -> Exception:
    try:
        problem: MedsegError = from_problem(response.json())
    except (ValueError, requests.RequestException, OSError):
        return _foreign(address)
    if isinstance(problem, AccessError):
        return AccessError(_access(address, has_token))
    if isinstance(problem, (FullError, ConnectionProblem)):
        return Transient(problem, _retry_after(response))
    if response.status_code == 408 and isinstance(problem, RemoteError):
        return Transient(problem)  # a body that came too slowly
    return problem


def _access(address: Address, has_token: bool) -> str:
    if has_token:
        return f"{address} does not accept the token; ask its administrator for a new one."
    return f"{address} asks for a token; put it into MEDSEG_TOKEN or give --token-file FILE."


def _of_others(response: requests.Response, address: Address) -> Exception:
    """An error page of something in front of the server, or instead of it."""
    status = response.status_code
    if status in _AWAY:
        problem = ConnectionProblem(
            f"A proxy in front of {address} cannot reach the server behind it ({status}); "
            "try again, or tell its administrator."
        )
        return Transient(problem, _retry_after(response))
    if status == 413:
        return TooLargeError(
            f"A proxy in front of {address} does not take so much at once; "
            "its administrator must raise the limit."
        )
    if status == 407:
        return ConnectionProblem("The proxy of this computer asks for a login; see HTTPS_PROXY.")
    return _foreign(address)


def _foreign(address: Address) -> ConnectionProblem:
    return ConnectionProblem(
        f"What answers at {address} is no medseg server (a proxy or another program); "
        "check the address and port."
    )


def _kind(response: requests.Response) -> str:
    return response.headers.get("Content-Type", "").split(";")[0].strip().lower()


def _retry_after(response: requests.Response) -> float | None:
    """Seconds; a date, which is allowed too, counts as nothing said."""
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() else None
