"""Sessions: opened on an image, moved by actions; and what one would cost."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Request
from starlette.responses import Response

from ..protocol.messages import (
    ActionReply,
    ActionRequest,
    Estimate,
    EstimateRequest,
    SessionInfo,
    SessionRequest,
    Welcome,
)
from . import bodies
from .answers import message
from .context import backend, context
from .openapi import says

router = APIRouter(tags=["sessions"])


@router.get("/v1/welcome", **says(Welcome))
async def welcome(request: Request) -> Response:
    """Who answers, what it speaks and what it has."""
    here = context(request)
    return message(here.menu.shown(await here.threads.work(backend(request).welcome)))


@router.post("/v1/sessions", **says(SessionInfo, SessionRequest))
async def open_session(
    request: Request, wanted: Annotated[SessionRequest, bodies.message(SessionRequest)]
) -> Response:
    """Open a session, or with a history put an interrupted one back."""
    here = context(request)
    wanted = replace(wanted, model=here.menu.order(wanted.model))
    return message(await here.threads.work(backend(request).open_session, wanted))


@router.get("/v1/sessions/{session}", **says(SessionInfo))
async def session_info(request: Request, session: str) -> Response:
    """Where a session stands; keeps its lease alive."""
    return message(await context(request).threads.work(backend(request).session, session))


@router.delete("/v1/sessions/{session}", **says())
async def close_session(request: Request, session: str) -> Response:
    """Let a session go."""
    await context(request).threads.quick(backend(request).close_session, session)
    return Response(status_code=204)


@router.post("/v1/sessions/{session}/actions", **says(ActionReply, ActionRequest))
async def act(
    request: Request, session: str, wanted: Annotated[ActionRequest, bodies.message(ActionRequest)]
) -> Response:
    """One action; the same `request` sent twice acts once and gets the same answer."""
    return message(await context(request).threads.work(backend(request).act, session, wanted))


@router.post("/v1/estimate", **says(Estimate, EstimateRequest))
async def estimate(
    request: Request, wanted: Annotated[EstimateRequest, bodies.message(EstimateRequest)]
) -> Response:
    """What a prompt on such an image would cost in time and memory."""
    here = context(request)
    wanted = replace(wanted, model=here.menu.order(wanted.model))
    return message(await here.threads.work(backend(request).estimate, wanted))
