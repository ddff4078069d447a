"""Whoever answers the messages: the service in this process, or a server far away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from ..image import Image
from .messages import (
    ActionReply,
    ActionRequest,
    Estimate,
    EstimateRequest,
    JobEvent,
    JobInfo,
    JobRequest,
    SessionInfo,
    SessionRequest,
    Welcome,
)


class Backend(Protocol):
    """One method per message; all block, all may be called from any thread.

    Every method raises the errors of `medseg.errors`, the same ones wherever the work is done.
    """

    def welcome(self) -> Welcome: ...

    def put_image(self, image: Image) -> str:
        """Make an image known (nothing is sent when it is known already); returns its name."""
        ...

    def open_session(self, request: SessionRequest) -> SessionInfo: ...

    def session(self, session: str) -> SessionInfo:
        """Where a session stands; keeps its lease alive."""
        ...

    def act(self, session: str, request: ActionRequest) -> ActionReply: ...

    def close_session(self, session: str) -> None: ...

    def start_job(self, session: str, request: JobRequest) -> JobInfo: ...

    def job(self, job: str) -> JobInfo: ...

    def job_events(self, job: str, after: int = 0) -> Iterator[JobEvent]:
        """The lines of a job from number ``after`` + 1 on, as they come, to its last one."""
        ...

    def cancel_job(self, job: str) -> JobInfo: ...

    def estimate(self, request: EstimateRequest) -> Estimate: ...

    def close(self) -> None:
        """Let go of connections and threads."""
        ...
