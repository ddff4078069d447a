"""A session on a server: the same surface as `medseg.Session`, the same voxels."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import Any, TypeVar

from ..actions import Accept, Action, Redo, SetMask, Undo
from ..errors import ExpiredError, NotFoundError, PromptError, RemoteError, StaleError
from ..history import History
from ..image import Image, Mask
from ..model import Progress
from ..packing import Bits, unpack_patch
from ..prompts import Prompt
from ..protocol.backend import Backend
from ..protocol.messages import JobEvent, JobRequest, SessionInfo
from ..protocol.mirror import Mirror
from ..session import Session, Step
from ..story import Story
from .jobs import events
from .model import RemoteModel

T = TypeVar("T")
S = TypeVar("S", bound="RemoteSession")
#: How often one action may open the session again before it gives up.
REOPENINGS = 4
#: The session on the other side is gone, or not where this one is: it is opened again.
_LOST = (NotFoundError, ExpiredError, StaleError)


class RemoteSession(Session):
    """A `medseg.Session` whose model runs behind ``backend``; blocks, for one thread at a time.

    ``image`` is kept, not copied. When the other side was restarted or has given the session up,
    it is put back where it stood before the next action: image, mask, prompts, undo and redo.
    ``backend`` may serve other sessions and is not closed with this one. Raises, here and in
    every action, what `medseg.Session` raises, and `RemoteError`; an action that raises has
    changed nothing here.
    """

    def __init__(
        self, backend: Backend, image: Image, model: str = "default", device: str = "auto"
    ) -> None:
        self._backend = backend
        self._mirror = Mirror(image.shape, model, device)
        self._notes: list[str] = []
        self._busy = False
        self.image = image
        info = self._persist(self._opened)
        super().__init__(image, RemoteModel(info.model))
        self.history = self._mirror.history

    def __enter__(self: S) -> S:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def do(self, action: Action, progress: Progress | None = None) -> Step:
        if self._busy:
            raise StaleError("A job is running on this session; let it end, or cancel it.")
        if isinstance(action, Undo) and not self.can_undo:
            raise PromptError("There is nothing to undo.")
        if isinstance(action, Redo) and not self.can_redo:
            raise PromptError("There is nothing to redo.")
        if isinstance(action, SetMask):
            action = SetMask(self.history.copy(action.mask))
        request = uuid.uuid4().hex
        step = self._persist(lambda: self._act(action, request))
        if progress is not None:
            progress(1.0)
        notes, self._notes = tuple(self._notes), []
        return replace(step, notes=notes + step.notes)

    def restore(
        self,
        prompts: Iterable[Prompt] = (),
        *,
        baked: int = 0,
        start: Mask | Bits | None = None,
        mask: Mask | None = None,
        story: Story | None = None,
    ) -> None:
        super().restore(prompts, baked=baked, start=start, mask=mask, story=story)
        self._lose()

    def resume(self, history: History) -> None:
        super().resume(history)
        self._mirror.history = history
        self._lose()

    def propagate(
        self,
        axis: int = 0,
        *,
        seeds: Sequence[int] | None = None,
        first: int | None = None,
        last: int | None = None,
    ) -> Iterator[JobEvent]:
        """Carry the mask from the slices ``seeds`` along ``axis``; see `JobRequest`.

        Yields the events as they come. When "done" comes, its result is part of the mask. Who
        leaves the loop before cancels the job, and the mask stays; a "cancelled" event holds
        what there was, which `do` can take with `Accept`.
        """
        listed = None if seeds is None else list(seeds)
        for event in self._job(kind="propagate", axis=axis, seeds=listed, first=first, last=last):
            if event.event == "done" and event.patch is not None:
                patch = unpack_patch(event.patch, self.image.shape)
                self.do(Accept(patch, story=Story.from_dict(event.story)))
            yield event

    def batch(self, objects: Sequence[dict[str, Any]]) -> Iterator[JobEvent]:
        """Segment every object (``name``, ``prompts`` as data) on its own; the mask stays."""
        return self._job(kind="batch", objects=list(objects))

    def close(self) -> None:
        """Give the session up on the other side; the mask stays here."""
        self._lose()

    def _job(self, **what: Any) -> Iterator[JobEvent]:
        if self._busy:
            raise StaleError("A job is running on this session; let it end, or cancel it.")
        wanted = JobRequest(uuid.uuid4().hex, **what)
        for left in reversed(range(REOPENINGS)):
            try:
                self._busy = True
                info = self._backend.start_job(self._opened().session, wanted)
                for event in events(self._backend, info.job):
                    self._busy = event.event == "frame"
                    yield event
                return
            except _LOST:
                if not left:
                    raise
                self._lose()
            finally:
                self._busy = False

    def _act(self, action: Action, request: str) -> Step:
        session = self._opened().session
        reply = self._backend.act(session, self._mirror.action_request(action, request))
        if reply.revision != self._mirror.revision + 1:
            raise StaleError("The server has lost count of the session; try again.")
        return self._mirror.accept(action, reply)

    def _persist(self, work: Callable[[], T]) -> T:
        """Do it, and again with the session opened anew as long as it turns out to be lost."""
        for _ in range(REOPENINGS):
            try:
                return work()
            except _LOST:
                self._lose()
        return work()

    def _opened(self) -> SessionInfo:
        """The session on the other side; opened where this one stands when there is none."""
        if self._mirror.info is None:
            image = self._backend.put_image(self.image)
            info = self._backend.open_session(self._mirror.open_request(image))
            self._mirror.opened(info)
            self._notice(info)
            return info
        return self._mirror.info

    def _notice(self, info: SessionInfo) -> None:
        """A restarted server may have another model: later masks may differ."""
        before: Any = getattr(self, "model", None)
        self.model = RemoteModel(info.model)
        if before is not None and before.info != info.model:
            self._notes.append(
                f"The server now runs {info.model.name} {info.model.version} instead of "
                f"{before.name} {before.version}."
            )

    def _lose(self) -> None:
        """Forget the session on the other side, and have it cleared away if it is still there."""
        info, self._mirror.info = self._mirror.info, None
        if info is not None:
            with suppress(RemoteError):
                self._backend.close_session(info.session)
