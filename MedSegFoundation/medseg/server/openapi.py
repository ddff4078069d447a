"""What /openapi.json says of an endpoint and of the messages."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from ..protocol import messages
from .answers import PROBLEM
from .schema import message_schema, reference

KINDS = (
    messages.ActionReply,
    messages.ActionRequest,
    messages.Estimate,
    messages.EstimateRequest,
    messages.ImageOffer,
    messages.ImageStatus,
    messages.JobEvent,
    messages.JobInfo,
    messages.JobRequest,
    messages.Limits,
    messages.ModelInfo,
    messages.SessionInfo,
    messages.SessionRequest,
    messages.Welcome,
)
_PROBLEM_SCHEMA = {
    "type": "object",
    "description": "A problem document (RFC 9457); `detail` is a sentence for the user.",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
    "required": ["type", "title", "status", "detail"],
}
_DESCRIPTION = """\
Images are uploaded once, in chunks, under a name made of their content. Sessions on them take
prompts, undo and redo, and answer with mask patches. Long jobs report line by line. Send a token
as `Authorization: Bearer ...`, and the versions of the messages you speak as `Medseg-Versions: 1`.
"""


def says(
    answer: type[Any] | None = None,
    takes: type[Any] | str | None = None,
    kind: str = "application/json",
) -> dict[str, Any]:
    """Arguments for a route: it takes a message (or raw bytes of a media type), and answers one.

    ``kind``: media type of the answer. Without ``answer`` there is none (204).
    """
    status = 204 if answer is None else 200
    success: dict[str, Any] = {"description": "Done" if answer is None else answer.__name__}
    if answer is not None:
        success["content"] = {kind: {"schema": reference(answer)}}
    problem = {"content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    route: dict[str, Any] = {
        "status_code": status,
        "response_model": None,
        "responses": {
            status: success,
            "4XX": {"description": "What to do is in `detail`", **problem},
            "422": {"description": "The request does not fit", **problem},
            "5XX": {"description": "What is wrong is in `detail`", **problem},
        },
        "openapi_extra": {"security": [{"token": []}, {}]},
    }
    if takes is not None:
        route["openapi_extra"]["requestBody"] = {"required": True, "content": _content(takes)}
    return route


def _content(takes: type[Any] | str) -> dict[str, Any]:
    if isinstance(takes, str):
        return {takes: {"schema": {"type": "string", "format": "binary"}}}
    return {"application/json": {"schema": reference(takes)}}


def publish(app: FastAPI) -> None:
    """Let the application describe itself, all messages included."""

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(
                title=app.title, version=app.version, description=_DESCRIPTION, routes=app.routes
            )
            parts = made.setdefault("components", {})
            schemas = {kind.__name__: message_schema(kind) for kind in KINDS}
            parts["schemas"] = {**parts.get("schemas", {}), **schemas, "Problem": _PROBLEM_SCHEMA}
            parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            app.openapi_schema = made
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]
