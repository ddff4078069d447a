"""A medseg server, as the back end that a companion process or a script talks to."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from types import TracebackType
from typing import Any, TypeVar

from ..errors import NotFoundError, VersionError
from ..image import Image
from ..protocol.images import CHUNK_BYTES, offer
from ..protocol.messages import (
    VERSIONS,
    ActionReply,
    ActionRequest,
    Estimate,
    EstimateRequest,
    ImageOffer,
    JobEvent,
    JobInfo,
    JobRequest,
    SessionInfo,
    SessionRequest,
    Welcome,
    encode,
)
from .address import parse
from .answers import json_line, message
from .connection import Connection, path
from .consent import Consent
from .diagnose import no_answer
from .patience import Backoff, Timeout, Transient
from .upload import Progress, upload

T = TypeVar("T")
LAST_EVENTS = ("done", "cancelled", "failed")


class HttpBackend:
    """Implements `medseg.protocol.backend.Backend` over HTTP; blocks, for any thread.

    ``url``: "https://name:port", nothing more. ``ca``: a PEM file with the certificates to
    trust instead of this computer's. ``consent``: where agreements are kept. ``insecure`` lets
    voxels and token travel unencrypted to another machine: for tests in a closed network.
    Raises `InputError` or `AccessError` when one of these cannot be used; nothing is sent yet.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        ca: str | os.PathLike[str] | None = None,
        consent: Consent | None = None,
        timeout: Timeout | None = None,
        retries: Backoff | None = None,
        insecure: bool = False,
    ) -> None:
        self.address = parse(url, insecure=insecure)
        self.consent = consent or Consent()
        self._connection = Connection(
            self.address,
            token,
            None if ca is None else os.fspath(ca),
            timeout or Timeout(),
            retries or Backoff(),
        )
        self._welcome: Welcome | None = None
        self._offers: dict[int, tuple[weakref.ref[Image], ImageOffer]] = {}

    def __repr__(self) -> str:
        return f"HttpBackend('{self.address.url}')"

    def __enter__(self) -> HttpBackend:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def agree(self) -> None:
        """The user agrees that images are sent to this server; remembered."""
        self.consent.grant(str(self.address))

    def welcome(self) -> Welcome:
        """Who answers; raises `VersionError` unless both speak a version in common."""
        data = self._connection.call("GET", "/v1/welcome")
        theirs = data.get("versions") if isinstance(data, dict) else None
        if isinstance(theirs, list) and not any(version in theirs for version in VERSIONS):
            raise VersionError(
                f"{self.address} (medseg {data.get('medseg')}) speaks version {_listed(theirs)} of "
                f"the messages, this medseg ({_own_version()}) version {_listed(VERSIONS)}; "
                "update the older one."
            )
        self._welcome = message(Welcome, data, self.address)
        return self._welcome

    def put_image(self, image: Image, progress: Progress | None = None) -> str:
        """Make an image known there; only what is missing is sent. Returns its name.

        Its voxels must not change afterwards. ``progress`` is called with the fraction that has
        arrived. Raises `ConsentError` before anything about the image leaves.
        """
        self.consent.check(self.address)
        return upload(self._connection, image, self._offer(image), progress)

    def open_session(self, request: SessionRequest) -> SessionInfo:
        return self._ask(SessionInfo, "POST", path("sessions"), request, work=True)

    def session(self, session: str) -> SessionInfo:
        return self._ask(SessionInfo, "GET", path("sessions", session))

    def act(self, session: str, request: ActionRequest) -> ActionReply:
        return self._ask(
            ActionReply, "POST", path("sessions", session, "actions"), request, work=True
        )

    def close_session(self, session: str) -> None:
        """One attempt: a session that is not closed is given up by the server in time."""
        try:
            with suppress(NotFoundError):
                self._connection.once("DELETE", path("sessions", session))
        except Transient as failure:
            raise failure.problem from failure

    def start_job(self, session: str, request: JobRequest) -> JobInfo:
        return self._ask(JobInfo, "POST", path("sessions", session, "jobs"), request, work=True)

    def job(self, job: str) -> JobInfo:
        return self._ask(JobInfo, "GET", path("jobs", job))

    def job_events(self, job: str, after: int = 0) -> Iterator[JobEvent]:
        """The events of a job from number ``after`` + 1 to its last; survives lost connections."""
        patience = self._connection.patience()
        while True:
            try:
                for event in self._events(job, after):
                    if event.number <= after:
                        continue
                    after = event.number
                    patience.renew()
                    yield event
                    if event.event in LAST_EVENTS:
                        return
                raise Transient(no_answer(self.address))
            except Transient as failure:
                self._connection.wait(patience, failure)

    def cancel_job(self, job: str) -> JobInfo:
        return self._ask(JobInfo, "DELETE", path("jobs", job))

    def estimate(self, request: EstimateRequest) -> Estimate:
        return self._ask(Estimate, "POST", path("estimate"), request)

    def close(self) -> None:
        """Let go of all connections."""
        self._connection.close()

    def _ask(
        self, kind: type[T], method: str, where: str, request: Any = None, *, work: bool = False
    ) -> T:
        body = None if request is None else encode(request)
        data = self._connection.call(method, where, body, work=work)
        return message(kind, data, self.address)

    def _events(self, job: str, after: int) -> Iterator[JobEvent]:
        with closing(
            self._connection.lines(f"{path('jobs', job, 'events')}?after={after}")
        ) as lines:
            for line in lines:
                if line.strip():
                    yield message(JobEvent, json_line(line, self.address), self.address)

    def _offer(self, image: Image) -> ImageOffer:
        """Made once per image: it takes a look at every voxel."""
        kept = self._offers.get(id(image))
        if kept is not None and kept[0]() is image:
            return kept[1]
        welcome = self._welcome or self.welcome()
        made = offer(image, welcome.codecs, min(CHUNK_BYTES, welcome.limits.chunk_bytes))
        number = id(image)
        gone = weakref.ref(image, lambda _: self._offers.pop(number, None))
        self._offers[number] = gone, made
        return made


def _listed(versions: Sequence[object]) -> str:
    return ", ".join(map(str, versions)) or "none"


def _own_version() -> str:
    from .. import __version__

    return __version__
