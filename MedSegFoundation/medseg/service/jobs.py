"""Long jobs of many users: each tells its story in numbered lines that are kept."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Literal

from ..errors import MedsegError, MemoryShortError, NotFoundError, StaleError
from ..packing import pack_patch
from ..protocol.messages import JobEvent, JobInfo, JobRequest
from ..protocol.problems import to_problem
from .log import event
from .sessions import KEPT, Hosted, check_id, remember
from .settings import Settings
from .work import Piece, Work, work_of

Ending = Literal["done", "cancelled", "failed"]


class Job:
    """One job at work on a thread of its own, which mostly waits for its turn on the device."""

    def __init__(self, hosted: Hosted, request: JobRequest, clock: Callable[[], float]) -> None:
        self.id = secrets.token_urlsafe(18)
        self._session = hosted.id
        self._hosted: Hosted | None = hosted  # until the end, so as not to keep its masks longer
        self.ended: float | None = None
        self._clock = clock
        self._kind = request.kind
        self._cancelled = threading.Event()
        self._changed = threading.Condition()
        self._events: list[JobEvent] = []
        self._state: Literal["running"] | Ending = "running"
        work = work_of(request, hosted.session, hosted.model, self._cancelled.is_set)
        self._thread = threading.Thread(
            target=self._run, args=(work,), name="medseg job", daemon=True
        )

    @property
    def running(self) -> bool:
        return self._state == "running"

    def start(self) -> None:
        self._thread.start()

    def info(self) -> JobInfo:
        with self._changed:
            fraction = self._events[-1].fraction if self._events else 0.0
            return JobInfo(self.id, self._session, self._state, fraction, len(self._events))

    def cancel(self) -> None:
        """Stop before the next piece; does not wait for it."""
        self._cancelled.set()

    def join(self, seconds: float | None) -> None:
        self._thread.join(seconds)

    def wait(self, after: int, seconds: float | None) -> list[JobEvent]:
        """The lines behind number ``after``; waits for one, at most ``seconds``.

        Nothing comes behind the last line of a finished job.
        """
        after = max(0, after)
        with self._changed:
            self._changed.wait_for(
                lambda: len(self._events) > after or not self.running, timeout=seconds
            )
            self._touch()
            return self._events[after:]

    def _run(self, work: Work) -> None:
        begin = time.perf_counter()
        try:
            while not self._cancelled.is_set() and (piece := next(work.pieces, None)):
                self._tell_piece(piece)
            self._end("cancelled" if self._cancelled.is_set() else "done", work)
        except Exception as error:  # the thread's outermost frame: whoever reads must be told
            if isinstance(error, MemoryError):
                error = MemoryShortError("There is not enough memory for this job.")
            if not isinstance(error, MedsegError):
                event("job failed", logging.ERROR, error=type(error).__name__)
            self._end("failed", None, error)
        seconds = round(time.perf_counter() - begin, 3)
        self._hosted = None
        event("job ended", kind=self._kind, state=self._state, seconds=seconds)

    def _tell_piece(self, piece: Piece) -> None:
        self._tell(
            "frame",
            piece.fraction,
            patch=None if piece.patch is None else pack_patch(piece.patch),
            index=piece.index,
            name=piece.name,
            confidence=piece.confidence,
            problem=piece.problem,
            notes=self._notes(),
        )

    def _end(self, state: Ending, work: Work | None, error: Exception | None = None) -> None:
        patch = None if work is None else pack_patch(work.whole())
        notes = [*(work.notes if work else []), *self._notes()]
        problem = None if error is None else to_problem(error)
        told = None if work is None else work.story()
        story = None if told is None else told.to_dict()
        fraction = 1.0 if state == "done" else self.info().fraction
        self._tell(state, fraction, patch=patch, problem=problem, notes=notes, story=story)

    def _notes(self) -> list[str]:
        return [] if self._hosted is None else self._hosted.model.take_notes()

    def _touch(self) -> None:
        if self._hosted is not None:
            self._hosted.touched = self._clock()

    def _tell(self, what: Literal["frame"] | Ending, fraction: float, **more: Any) -> None:
        with self._changed:
            self._events.append(JobEvent(len(self._events) + 1, what, fraction, **more))
            if what != "frame":
                self._state = what
                self.ended = self._clock()
            self._touch()
            self._changed.notify_all()


class JobStore:
    """Jobs by user and id; finished ones are kept for the lease time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._jobs: dict[tuple[str, str], Job] = {}

    def start(self, hosted: Hosted, request: JobRequest) -> tuple[Job, bool]:
        """The job, and whether it is new: the same request again finds the job it started."""
        check_id(request.request)
        with hosted.lock:
            if request.request in hosted.jobs:
                return hosted.jobs[request.request], False
            if hosted.job is not None and hosted.job.running:
                raise StaleError("A job is at work on this session; wait for its end or cancel it.")
            job = Job(hosted, request, self._settings.clock)
            with self._lock:
                self._jobs[hosted.user, job.id] = job
            hosted.job = job
            remember(hosted.jobs, request.request, job, KEPT)
            job.start()
            return job, True

    def get(self, user: str, name: str) -> Job:
        """Raises `NotFoundError`."""
        with self._lock:
            job = self._jobs.get((user, name))
        if job is None:
            raise NotFoundError("This job is not known here (any more); start it again.")
        return job

    def sweep(self) -> None:
        oldest = self._settings.clock() - self._settings.lease_seconds
        with self._lock:
            over = [k for k, j in self._jobs.items() if j.ended is not None and j.ended < oldest]
            for key in over:
                del self._jobs[key]

    def running(self) -> list[Job]:
        with self._lock:
            return [job for job in self._jobs.values() if job.running]

    def close(self, finish: bool, seconds: float | None) -> None:
        """Wait for the jobs to end, at most ``seconds``; what runs then is cancelled."""
        begin = time.monotonic()
        for job in self.running():
            left = None if seconds is None else max(0.0, begin + seconds - time.monotonic())
            if finish:
                job.join(left)
            job.cancel()


def lines(job: Job, after: int) -> Iterator[JobEvent]:
    """The lines of a job behind number ``after``, as they come, to its last."""
    while told := job.wait(after, None):
        yield from told
        after = told[-1].number
