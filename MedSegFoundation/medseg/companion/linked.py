"""A session that runs behind the helper process, followed here without waiting for anything."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..actions import Accept, Action, Add, Redo, Remove, Replace, Reset, SetMask, Undo
from ..errors import CancelledError, ExpiredError, InputError, MedsegError, NotFoundError
from ..history import State, read_only
from ..image import Image, Mask
from ..packing import Bits, unpack_patch
from ..pieces import Pieces
from ..prompts import Prompt
from ..protocol.messages import (
    JobEvent,
    JobRequest,
    SessionInfo,
    SessionRequest,
    decode,
    encode,
)
from ..protocol.mirror import Mirror
from ..session import Step
from ..story import Story
from .images import SharedImage
from .pending import Pending
from .steps import Act, Asked, Job, Stand
from .wire import HelperLostError, Json

if TYPE_CHECKING:
    from .link import Companion

_OPENINGS = 3


class LinkedSession:
    """Like `medseg.session.Session`, but every action returns a `Pending` at once.

    Actions may be asked for while others are under way; they are done in that order. ``mask`` and
    all else here show the session as of the last answer. A lost helper process, an expired
    session or a restarted server are made good behind the scenes: the session is put back and
    what was under way is sent again.
    """

    def __init__(self, companion: Companion, image: SharedImage, model: str, device: str) -> None:
        self.companion = companion
        self.mirror = Mirror(image.image.shape, model, device)
        #: Ends when the session is open for the first time, or cannot be opened.
        self.opened: Pending[SessionInfo] = Pending()
        #: The session's name on the other side, while it is open there.
        self.name: str | None = None
        self._image = image
        self._queue: deque[Asked] = deque()
        self._busy = False
        self._closed = False
        self._openings = 0
        self._packing: Pieces[SessionRequest] | None = None

    @property
    def image(self) -> Image:
        return self._image.image

    @property
    def mask(self) -> Mask:
        """The mask ``(K, J, I)`` as of the last answer (read-only view)."""
        return self.mirror.mask

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        return self.mirror.history.state.prompts

    @property
    def baked(self) -> int:
        """How many of the prompts came before the last outside edit of the mask."""
        return self.mirror.history.state.baked

    @property
    def start(self) -> Mask | None:
        """The mask that the prompts from number ``baked`` on correct (read-only view), if any."""
        start = self.mirror.history.state.start
        return None if start is None else read_only(start.mask())

    @property
    def can_undo(self) -> bool:
        return bool(self.mirror.history.done)

    @property
    def can_redo(self) -> bool:
        return bool(self.mirror.history.undone)

    @property
    def waiting(self) -> int:
        """How many steps have no answer yet."""
        return len(self._queue)

    def do(self, action: Action) -> Pending[Step]:
        """Ask for one action. A cancelled one that had begun is undone when its answer comes."""
        return self._ask(Act(self, action))

    def add(self, *prompts: Prompt) -> Pending[Step]:
        return self.do(Add(prompts))

    def remove(self, index: int) -> Pending[Step]:
        return self.do(Remove(index))

    def replace(self, index: int, prompt: Prompt) -> Pending[Step]:
        return self.do(Replace(index, prompt))

    def set_mask(self, mask: Mask) -> Pending[Step]:
        """Take a mask ``(K, J, I)`` made elsewhere; it is copied at once."""
        try:
            return self.do(SetMask(self.mirror.history.copy(mask)))
        except MedsegError as error:
            failed: Pending[Step] = Pending()
            failed.fail(error)
            return failed

    def reset(self) -> Pending[Step]:
        return self.do(Reset())

    def undo(self) -> Pending[Step]:
        return self.do(Undo())

    def redo(self) -> Pending[Step]:
        return self.do(Redo())

    def start_job(
        self, request: JobRequest, on_event: Callable[[JobEvent], object] | None = None
    ) -> Pending[JobEvent]:
        """Ask for a long job; its id in ``request`` is replaced by one of the session's own.

        ``on_event`` gets every "frame"; the result is the last event, "done" or "cancelled", and
        goes into the mask with `accept`. Steps asked for meanwhile wait for its end.
        """
        return self._ask(Job(self, request, on_event))

    def propagate(
        self,
        seeds: Iterable[int],
        *,
        axis: int = 0,
        first: int | None = None,
        last: int | None = None,
        memory: str | None = None,
        on_event: Callable[[JobEvent], object] | None = None,
    ) -> Pending[JobEvent]:
        """Carry the mask from the slices ``seeds`` along ``axis`` (0, 1, 2 = K, J, I).

        ``memory``: a policy instead of the model's own; see `medseg.memory`.
        """
        listed = [int(seed) for seed in seeds]
        request = JobRequest("", "propagate", axis, listed, first, last, memory=memory)
        return self.start_job(request, on_event)

    def accept(self, end: JobEvent) -> Pending[Step]:
        """Take the result of a job into the mask."""
        if end.patch is None:
            raise InputError("This job has no result that could be accepted.")
        patch = unpack_patch(end.patch, self.image.shape)
        return self.do(Accept(patch, story=Story.from_dict(end.story)))

    def restore(
        self,
        prompts: Iterable[Prompt] = (),
        *,
        baked: int = 0,
        start: Mask | Bits | None = None,
        mask: Mask | Bits | None = None,
        story: Story | None = None,
    ) -> Pending[None]:
        """Stand where a session kept elsewhere stood; see `medseg.session.Session.restore`.

        Masks are copied at once; bits take no time here.
        """
        listed = tuple(prompts)
        copied = [m.copy() if isinstance(m, np.ndarray) else m for m in (start, mask)]
        return self._ask(Stand(self, self._standing(listed, baked, copied[0], copied[1], story)))

    def _standing(
        self,
        prompts: tuple[Prompt, ...],
        baked: int,
        start: Mask | Bits | None,
        mask: Mask | Bits | None,
        story: Story | None,
    ) -> Pieces[None]:
        history = self.mirror.history
        bits = None if start is None else history.bits(start)
        yield from history.standing(State(prompts, baked, bits, story), mask)

    def idle(self) -> Pending[None]:
        """Ends when all that was asked for before has ended, also what was cancelled."""
        return self._ask(Asked(self))

    def forget_history(self) -> Pending[None]:
        """Drop undo and redo (and their memory)."""
        return self._ask(Stand(self, self._forgetting()))

    def _forgetting(self) -> Pieces[None]:
        self.mirror.history.forget()
        yield from ()

    def close(self) -> None:
        """Let go of it, here and on the other side; what is under way is cancelled."""
        if not self._closed:
            self._closed = True
            self.unopen()
            self.companion.leave(self)
            self.fail_all(CancelledError("The session was closed."))

    def advance(self) -> None:
        """Do what can be done next."""
        if self._busy or self._closed or not self.companion.ready:
            return
        if self.name is None and (self._queue or not self.opened.finished):
            self._busy = True
            self._open()
        elif self._queue:
            self._busy = self._queue[0].begun = True
            self._queue[0].begin()

    # Called by the steps and the companion.

    def helper_lost(self) -> None:
        """The other side is gone; calls under way are told so themselves."""
        self.name = None
        if self._packing is not None:
            self._packing, self._busy = None, False

    def unopen(self, image_too: bool = False) -> None:
        """Open the session anew before the next step."""
        if self.name is not None and self.companion.ready:
            self.companion.call("close_session", {"session": self.name}, lambda *_: None)
        self.name = None
        if image_too:
            self._image.forget()

    def drop(self, step: Asked) -> None:
        self._queue.remove(step)

    def put_first(self, step: Asked) -> None:
        self._queue.appendleft(step)

    def step_waits(self, step: Asked) -> None:
        """The first step has to be begun again, once the session is open."""
        self._busy = step.begun = False
        self.advance()

    def step_ended(self, step: Asked, tell: Callable[[], None]) -> None:
        """The first step is over; ``tell`` whoever asked for it."""
        if not self._queue or self._queue[0] is not step:
            return  # it was given up in the middle
        self._busy = False
        self._queue.popleft()
        try:
            tell()
        finally:
            self.advance()

    def fail_all(self, error: MedsegError) -> None:
        """Nothing that was asked for can be done."""
        self._busy, self._packing = False, None
        queue, self._queue = self._queue, deque()
        self.opened.fail(error)
        for step in queue:
            step.pending.fail(error)

    def _ask(self, step: Asked) -> Pending[Any]:
        if self._closed:
            step.pending.fail(InputError("This session is closed; open another one."))
        elif self.companion.refusal is not None:
            step.pending.fail(self.companion.refusal)
        else:
            self._queue.append(step)
            self.advance()
        return step.pending

    def _open(self) -> None:
        if self._image.name is None:
            self._image.put(self._image_there)
        else:
            self._packing = self.mirror.opening(self._image.name)
            self._pack(self._packing)

    def _pack(self, packing: Pieces[SessionRequest]) -> None:
        """A piece of what opens the session in each turn: undo and redo of a large image are
        much to pack."""
        if packing is not self._packing:
            return  # something came in between
        try:
            next(packing)
        except StopIteration as end:
            self._packing = None
            args = {"request": encode(end.value)}
            self.companion.call("open_session", args, self._session_there)
        else:
            self.companion.watcher.call_later(0, partial(self._pack, packing))

    def _image_there(self, name: str | None, error: MedsegError | None) -> None:
        self._busy = False
        if error is not None:
            self._not_opened(error)
        self.advance()

    def _session_there(self, reply: Json | None, error: MedsegError | None) -> None:
        self._busy = False
        try:
            if error is not None:
                raise error
            info = decode(SessionInfo, reply)
        except MedsegError as problem:
            self._not_opened(problem)
        else:
            self.name, self._openings = info.session, 0
            self.mirror.opened(info)
            if self._closed:
                self.unopen()
            self.opened.finish(info)
        self.advance()

    def _not_opened(self, error: MedsegError) -> None:
        if isinstance(error, HelperLostError):
            return  # it is opened when the next helper is there
        self._openings += 1
        if isinstance(error, (NotFoundError, ExpiredError)) and self._openings < _OPENINGS:
            self._image.forget()
            return
        self._openings = 0
        self.fail_all(error)
