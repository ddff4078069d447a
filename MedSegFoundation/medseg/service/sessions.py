"""Sessions of many users: leases, replies that are kept, and who may see what."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, TypeVar

from ..actions import from_data
from ..errors import (
    ExpiredError,
    FullError,
    InputError,
    MemoryShortError,
    NotFoundError,
    StaleError,
)
from ..history import History
from ..packing import pack_patch
from ..prompts import to_dict
from ..protocol.messages import (
    ActionReply,
    ActionRequest,
    SessionInfo,
    SessionRequest,
    encode,
)
from ..session import Session
from . import bounds
from .devices import info_of
from .images import ImageStore
from .runner import Guarded, Runner
from .settings import Settings

if TYPE_CHECKING:
    from .jobs import Job

K = TypeVar("K")
V = TypeVar("V")
#: Replies and jobs that are kept in case a request comes again.
KEPT = 64
#: Characters of the id of a request.
LONGEST_ID = 100
#: Given-up sessions that are remembered, to tell their owners.
REMEMBERED = 10_000


class Hosted:
    """One session with its revision; `act` is all or nothing."""

    def __init__(
        self, user: str, image: str, session: Session, model: Guarded, settings: Settings
    ) -> None:
        self.id = secrets.token_urlsafe(18)
        self.user = user
        self.image = image
        self.session = session
        self.model = model
        self.touched = settings.clock()
        self.lock = threading.Lock()
        self.job: Job | None = None
        self.jobs: OrderedDict[str, Job] = OrderedDict()
        self._settings = settings
        self._revision = 0
        self._replies: OrderedDict[str, ActionReply] = OrderedDict()

    @property
    def busy(self) -> bool:
        """True while an action or a job is at work."""
        return self.lock.locked() or (self.job is not None and self.job.running)

    def act(self, request: ActionRequest) -> ActionReply:
        """The reply; the kept one when the request has been answered before."""
        check_id(request.request)
        with self.lock:
            if request.request not in self._replies:
                self._check(request.revision)
                remember(self._replies, request.request, self._reply(request), KEPT)
            return self._replies[request.request]

    def info(self) -> SessionInfo:
        """Where the session stands; waits for an action that is at work."""
        with self.lock:
            session = self.session
            return SessionInfo(
                session=self.id,
                image=self.image,
                model=info_of(self.model),
                revision=self._revision,
                prompts=[to_dict(p) for p in session.prompts],
                baked=session.baked,
                voxels=session.history.voxels,
                ml=session.history.voxels * session.image.voxel_ml,
                can_undo=session.can_undo,
                can_redo=session.can_redo,
                lease_seconds=self._settings.lease_seconds,
            )

    def _check(self, revision: int) -> None:
        if self.job is not None and self.job.running:
            raise StaleError("A job is at work on this session; wait for its end or cancel it.")
        if revision != self._revision:
            raise StaleError(
                f"The session is at step {self._revision}, not {revision}; open it again."
            )

    def _reply(self, request: ActionRequest) -> ActionReply:
        try:
            action = from_data(request.action, encode(request), self.session.image.shape)
            step = self.session.do(action)
            packed = pack_patch(step.patch)
        except MemoryError as error:
            raise MemoryShortError("There is not enough memory for this step.") from error
        self._revision += 1
        bounds.trim(self.session.history, self._settings.history_bytes)
        notes = [*step.notes, *self.model.take_notes()]
        return ActionReply(
            request.request, self._revision, packed, step.seconds, step.voxels, step.ml, notes
        )


class SessionStore:
    """Open sessions by user and id. A look-up keeps the lease alive."""

    def __init__(self, settings: Settings, images: ImageStore, runner: Runner) -> None:
        self._settings = settings
        self._images = images
        self._runner = runner
        self._lock = threading.Lock()
        self._open: dict[tuple[str, str], Hosted] = {}
        self._opening: list[str] = []
        self._expired: OrderedDict[tuple[str, str], bool] = OrderedDict()

    def open(self, user: str, request: SessionRequest) -> Hosted:
        """A new session, put back where ``request.history`` says."""
        self.sweep()
        self._reserve(user)
        try:
            hosted = self._made(user, request)
            with self._lock:
                self._open[user, hosted.id] = hosted
            return hosted
        finally:
            with self._lock:
                self._opening.remove(user)

    def get(self, user: str, name: str) -> Hosted:
        """Raises `ExpiredError` to the owner of a given-up session, else `NotFoundError`."""
        self.sweep()
        with self._lock:
            hosted = self._open.get((user, name))
            if hosted is not None:
                hosted.touched = self._settings.clock()
                return hosted
            if (user, name) in self._expired:
                raise ExpiredError("Nobody used the session for too long; open it again.")
        raise NotFoundError("This session is not known here (any more); open it again.")

    def close(self, user: str, name: str) -> Hosted:
        """Take a session out; its image is free for others then."""
        self.get(user, name)
        with self._lock:
            hosted = self._open.pop((user, name), None)
        if hosted is None:
            raise NotFoundError("This session is not known here (any more); open it again.")
        self._let_go(hosted)
        return hosted

    def sweep(self) -> int:
        """Give up sessions whose lease is over; returns how many."""
        oldest = self._settings.clock() - self._settings.lease_seconds
        with self._lock:
            over = [k for k, h in self._open.items() if h.touched < oldest and not h.busy]
            given_up = [self._open.pop(key) for key in over]
            for key in over:
                remember(self._expired, key, True, REMEMBERED)
        for hosted in given_up:
            self._let_go(hosted)
        return len(given_up)

    def all(self) -> list[Hosted]:
        with self._lock:
            return list(self._open.values())

    def _let_go(self, hosted: Hosted) -> None:
        hosted.model.release()
        self._images.give_back(hosted.user, hosted.image)

    def _reserve(self, user: str) -> None:
        with self._lock:
            users = [owner for owner, _ in self._open] + self._opening
            if users.count(user) >= self._settings.sessions_per_user:
                raise FullError(
                    f"You have {users.count(user)} open sessions, which is the limit; "
                    "close one of them first."
                )
            if len(users) >= self._settings.sessions:
                raise FullError("All sessions are taken; try again in a few minutes.")
            self._opening.append(user)

    def _made(self, user: str, request: SessionRequest) -> Hosted:
        image = self._images.take(user, request.image)
        try:
            model = self._runner.model(request.model, request.device, user)
            history = None
            if request.history is not None:
                most = self._settings.history_bytes
                kept = bounds.trimmed(request.history, image.shape, most)
                history = History.from_dict(kept, image.shape)
            session = Session(image, model)
            if history is not None:
                session.resume(history)
            return Hosted(user, request.image, session, model, self._settings)
        except BaseException as error:
            self._images.give_back(user, request.image)
            if isinstance(error, MemoryError):
                raise MemoryShortError("There is not enough memory for a session.") from error
            raise


def check_id(request: str) -> None:
    """Raise `InputError` unless the sender's id of a request is of a sensible length."""
    if not 1 <= len(request) <= LONGEST_ID:
        raise InputError(f"The id of a request has 1 to {LONGEST_ID} characters.")


def remember(kept: OrderedDict[K, V], key: K, value: V, most: int) -> None:
    """Put an item in; the oldest goes when there are more than ``most``."""
    kept[key] = value
    while len(kept) > most:
        kept.popitem(last=False)
