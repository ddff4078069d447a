"""Long jobs of a remote session: their events as they come."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from ..errors import RemoteError
from ..protocol.backend import Backend
from ..protocol.messages import JobEvent
from ..protocol.problems import from_problem


def events(backend: Backend, job: str) -> Iterator[JobEvent]:
    """The events of a job to its last; who stops listening before that cancels it.

    Raises what made the job fail.
    """
    try:
        for event in backend.job_events(job):
            if event.event == "failed":
                raise from_problem(event.problem)
            yield event
    except (GeneratorExit, KeyboardInterrupt):
        with suppress(RemoteError):
            backend.cancel_job(job)
        raise
