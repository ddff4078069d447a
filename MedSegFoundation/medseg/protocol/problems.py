"""Errors on the wire: a problem document (RFC 9457) out, the same error raised again inside."""

from __future__ import annotations

from typing import Any

from .. import errors

#: Code -> error class and HTTP status; the most special class first.
CODES: dict[str, tuple[type[errors.MedsegError], int]] = {
    "geometry": (errors.GeometryError, 422),
    "input": (errors.InputError, 422),
    "nothing-found": (errors.NothingFoundError, 422),
    "prompt": (errors.PromptError, 422),
    "unsupported-prompt": (errors.UnsupportedPromptError, 422),
    "model": (errors.ModelError, 422),
    "memory": (errors.MemoryShortError, 507),
    "cancelled": (errors.CancelledError, 409),
    "stale": (errors.StaleError, 409),
    "not-found": (errors.NotFoundError, 404),
    "expired": (errors.ExpiredError, 410),
    "full": (errors.FullError, 503),
    "too-large": (errors.TooLargeError, 413),
    "access": (errors.AccessError, 401),
    "consent": (errors.ConsentError, 403),
    "version": (errors.VersionError, 426),
    "connection": (errors.ConnectionProblem, 502),
    "remote": (errors.RemoteError, 500),
}
INTERNAL = "internal"
_PREFIX = "urn:medseg:problem:"


def code_of(error: BaseException) -> str:
    """The code of an error; anything that is not a `MedsegError` is "internal"."""
    return next((c for c, (kind, _) in CODES.items() if isinstance(error, kind)), INTERNAL)


def to_problem(error: BaseException) -> dict[str, Any]:
    """The problem document of an error. What is not meant for the user is not told."""
    code = code_of(error)
    status = CODES[code][1] if code in CODES else 500
    detail = str(error) if code in CODES else "This is a fault of medseg; its log says more."
    title = code.replace("-", " ")
    return {"type": _PREFIX + code, "title": title, "status": status, "detail": detail}


def from_problem(data: Any) -> errors.MedsegError:
    """The error that a problem document tells of."""
    if not isinstance(data, dict):
        return errors.RemoteError("The other side answered with something that is no message.")
    code = str(data.get("type", "")).removeprefix(_PREFIX)
    kind = CODES[code][0] if code in CODES else errors.RemoteError
    return kind(str(data.get("detail") or data.get("title") or "The other side failed."))
