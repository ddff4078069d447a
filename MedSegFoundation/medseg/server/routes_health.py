"""For whoever keeps the server running: alive, ready, and in numbers."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from .answers import Json
from .context import context
from .metrics import CONTENT_TYPE

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
async def healthz() -> Response:
    """The process answers."""
    return Json({"status": "ok"})


@router.get("/readyz")
async def readyz(request: Request) -> Response:
    """New sessions are welcome; 503 once the server has been told to stop."""
    draining = context(request).traffic.draining
    return Json({"status": "stopping" if draining else "ready"}, 503 if draining else 200)


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Prometheus text; asks for a token when the server has tokens."""
    here = context(request)
    numbers = {
        "requests_in_work": float(here.traffic.in_work),
        "connections": float(here.traffic.connections),
        **here.service.counters(),
    }
    return Response(here.metrics.text(numbers), media_type=CONTENT_TYPE)
