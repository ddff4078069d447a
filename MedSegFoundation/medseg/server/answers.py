"""What goes out: messages as JSON, errors as problem documents (RFC 9457)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from ..errors import FullError, MedsegError
from ..protocol.messages import encode
from ..protocol.problems import to_problem

PROBLEM = "application/problem+json"
#: Seconds after which somebody who was refused for lack of room may try again.
RETRY_AFTER = "5"

_SENTENCES = {
    404: "There is nothing at this address; see /openapi.json.",
    405: "This address does not take this method; see /openapi.json.",
}


class Refusal(Exception):  # noqa: N818 (nothing failed)
    """A request that HTTP alone is reason enough to refuse; no error of `medseg.errors` fits."""

    def __init__(self, status: int, code: str, sentence: str, **headers: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def response(self) -> Response:
        return problem(self.status, self.code, str(self), self.headers)


class Json(Response):
    """JSON in ASCII: whatever text a message holds, it can be sent."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return dumps(content)


def dumps(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode("ascii")


def message(content: Any, status: int = 200) -> Response:
    """The answer that carries a message of `medseg.protocol.messages`."""
    return Json(encode(content), status)


def problem(
    status: int, code: str, detail: str, headers: Mapping[str, str] | None = None
) -> Response:
    """A problem document of our own making."""
    title = code.replace("-", " ")
    document = {"type": f"urn:medseg:problem:{code}", "title": title, "status": status}
    return Json({**document, "detail": detail}, status, dict(headers or {}), PROBLEM)


def failure(error: BaseException) -> Response:
    """The problem document of an error; what is not meant for the user is not told."""
    document = to_problem(error)
    headers = {"WWW-Authenticate": "Bearer"} if document["status"] == 401 else {}
    if isinstance(error, FullError):
        headers["Retry-After"] = RETRY_AFTER
    return Json(document, document["status"], headers, PROBLEM)


def install(app: FastAPI) -> None:
    """Make every error of the application a problem document."""

    async def failed(request: Request, error: Exception) -> Response:
        return failure(error)

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refusal)
        return error.response()

    async def unfitting(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        names = sorted({str(e["loc"][-1]) for e in error.errors()})
        return problem(422, "input", f"'{', '.join(names)}' in the address is not usable.")

    async def lost(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        code = {404: "no-such-address", 405: "method"}.get(error.status_code, "request")
        detail = _SENTENCES.get(error.status_code, "The request cannot be answered.")
        return problem(error.status_code, code, detail, error.headers)

    app.add_exception_handler(MedsegError, failed)
    app.add_exception_handler(Refusal, refused)
    app.add_exception_handler(RequestValidationError, unfitting)
    app.add_exception_handler(HTTPException, lost)
