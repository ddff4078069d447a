"""Long jobs: started on a session, followed line by line, cancelled."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from ..protocol.messages import JobEvent, JobInfo, JobRequest, encode
from ..service import UserBackend
from . import bodies
from .answers import dumps, message
from .context import backend, context
from .openapi import says
from .threads import Threads

router = APIRouter(tags=["jobs"])
LINES = "application/x-ndjson"
#: Seconds between two looks at a job, and between blank lines while nothing happens.
LOOK, ALIVE = 0.02, 5.0
#: Lines that are sent in one go.
BATCH = 16


@router.post("/v1/sessions/{session}/jobs", **says(JobInfo, JobRequest))
async def start_job(
    request: Request, session: str, wanted: Annotated[JobRequest, bodies.message(JobRequest)]
) -> Response:
    """Start a job; the session refuses actions while it runs."""
    return message(await context(request).threads.work(backend(request).start_job, session, wanted))


@router.get("/v1/jobs/{job}", **says(JobInfo))
async def job_info(request: Request, job: str) -> Response:
    """How far a job is."""
    return message(await context(request).threads.quick(backend(request).job, job))


@router.delete("/v1/jobs/{job}", **says(JobInfo))
async def cancel_job(request: Request, job: str) -> Response:
    """Cancel a job within one frame; what it has found so far is in its last line."""
    return message(await context(request).threads.quick(backend(request).cancel_job, job))


@router.get("/v1/jobs/{job}/events", **says(JobEvent, kind=LINES))
async def job_events(
    request: Request, job: str, after: int = Query(0, ge=0, le=1 << 31)
) -> Response:
    """The lines of a job from number `after` + 1 on, as they come; blank lines say "still here"."""
    mine, threads = backend(request), context(request).threads
    await threads.quick(mine.job, job)
    return StreamingResponse(_lines(mine, threads, job, after), media_type=LINES)


async def _lines(mine: UserBackend, threads: Threads, job: str, sent: int) -> AsyncIterator[bytes]:
    """Looks at the job now and then, so that no reader, however slow, keeps a thread."""
    said = time.monotonic()
    while True:
        info = await threads.quick(mine.job, job)
        if info.events > sent:
            events = await threads.quick(mine.wait_events, job, sent, 0.0)
            for event in events[:BATCH]:
                yield dumps(encode(event)) + b"\n"
            sent, said = events[:BATCH][-1].number, time.monotonic()
        elif info.state != "running":
            return
        elif time.monotonic() - said > ALIVE:
            yield b"\n"
            said = time.monotonic()
        else:
            await asyncio.sleep(LOOK)
