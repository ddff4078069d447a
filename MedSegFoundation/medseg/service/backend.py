"""The service as one user sees it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..errors import InputError
from ..image import Image
from ..protocol.images import codecs
from ..protocol.messages import (
    VERSIONS,
    ActionReply,
    ActionRequest,
    Estimate,
    EstimateRequest,
    ImageOffer,
    ImageStatus,
    JobEvent,
    JobInfo,
    JobRequest,
    SessionInfo,
    SessionRequest,
    Welcome,
)
from ..registry import DEFAULT
from . import estimate
from .jobs import lines
from .work import KINDS

if TYPE_CHECKING:
    from .service import Service


class UserBackend:
    """See `medseg.protocol.backend.Backend`; with the calls to send an image in chunks."""

    def __init__(self, service: Service, user: str) -> None:
        self._service = service
        self._user = user

    def welcome(self) -> Welcome:
        from .. import __version__

        runner = self._service.runner
        return Welcome(
            medseg=__version__,
            versions=list(VERSIONS),
            codecs=codecs(),
            devices=runner.devices(),
            models=runner.models(),
            default_model=DEFAULT,
            jobs=list(KINDS),
            limits=self._service.settings.limits(),
        )

    def offer_image(self, offer: ImageOffer) -> ImageStatus:
        """Which chunks to send; none when the image is known already."""
        self._service.admit()
        return self._service.images.offer(self._user, offer)

    def image_status(self, image: str) -> ImageStatus:
        return self._service.images.status(self._user, image)

    def put_chunk(self, image: str, index: int, data: bytes) -> ImageStatus:
        """Take a chunk, in any order; twice does no harm."""
        self._service.admit()
        return self._service.images.put_chunk(self._user, image, index, data)

    def put_image(self, image: Image) -> str:
        """Know an image without a copy; its voxels must not change from now on."""
        self._service.admit()
        return self._service.images.put(self._user, image)

    def open_session(self, request: SessionRequest) -> SessionInfo:
        self._service.admit()
        hosted = self._service.sessions.open(self._user, request)
        return hosted.info()

    def session(self, session: str) -> SessionInfo:
        hosted = self._service.sessions.get(self._user, session)
        return hosted.info()

    def act(self, session: str, request: ActionRequest) -> ActionReply:
        self._service.admit()
        hosted = self._service.sessions.get(self._user, session)
        reply = hosted.act(request)
        hosted.touched = self._service.settings.clock()
        self._service.counters_.action(reply.seconds)
        return reply

    def close_session(self, session: str) -> None:
        hosted = self._service.sessions.close(self._user, session)
        if hosted.job is not None:
            hosted.job.cancel()

    def start_job(self, session: str, request: JobRequest) -> JobInfo:
        self._service.admit()
        hosted = self._service.sessions.get(self._user, session)
        job, new = self._service.jobs.start(hosted, request)
        if new:
            self._service.counters_.count("jobs_started")
        return job.info()

    def job(self, job: str) -> JobInfo:
        return self._service.jobs.get(self._user, job).info()

    def job_events(self, job: str, after: int = 0) -> Iterator[JobEvent]:
        """Raises `NotFoundError` at once, not with the first line."""
        return lines(self._service.jobs.get(self._user, job), after)

    def wait_events(self, job: str, after: int, seconds: float) -> list[JobEvent]:
        """The lines behind number ``after`` as soon as there is one, none after ``seconds``."""
        return self._service.jobs.get(self._user, job).wait(after, seconds)

    def cancel_job(self, job: str) -> JobInfo:
        """Stop within one frame or object; the story goes on to its line "cancelled"."""
        found = self._service.jobs.get(self._user, job)
        found.cancel()
        return found.info()

    def estimate(self, request: EstimateRequest) -> Estimate:
        if len(request.shape) != 3 or not all(1 <= n < 1 << 31 for n in request.shape):
            raise InputError(f"An image needs three sizes above 0, not {request.shape}.")
        k, j, i = request.shape
        runner = self._service.runner
        there = runner.devices()
        device = there[0] if request.device == "auto" else request.device
        expected = runner.cost(request.model, device, (k, j, i))
        return estimate.judge(device, expected, runner.free_bytes(device), "cpu" in there)

    def close(self) -> None:
        """Nothing to let go: sessions end with `close_session` or their lease."""
