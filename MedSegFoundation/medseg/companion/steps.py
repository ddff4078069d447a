"""What a session is asked to do, one after the other: each is sent until it has an answer."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ..actions import Action, Redo, Undo
from ..errors import ExpiredError, MedsegError, NotFoundError, RemoteError, StaleError
from ..pieces import Pieces
from ..protocol.messages import ActionReply, JobEvent, JobInfo, JobRequest, decode, encode
from ..protocol.problems import from_problem
from ..session import Step
from .pending import Pending
from .wire import HelperLostError, Json

if TYPE_CHECKING:
    from .linked import LinkedSession

#: How often a step is sent again because the other side did not know where the session stands.
_TRIES = 3
#: How many helper processes may stop during one step before it is left out.
_LOSSES = 3
#: Tells whoever asked of the end.
Tell = Callable[[], None]
#: Takes a reply; None: the step goes on.
Answer = Callable[[Any], Tell | None]


class Asked:
    """One entry of a session's queue; this one only waits for those before it.

    ``id`` stays the same however often it is sent.
    """

    def __init__(self, session: LinkedSession) -> None:
        self.session = session
        self.pending: Pending[Any] = Pending()
        self.pending.on_cancel(self._cancel)
        self.id = uuid.uuid4().hex
        self.begun = False
        self._tries = 0
        self._losses = 0

    def begin(self) -> None:
        """Do it; the session is open now. Ends with `LinkedSession.step_ended`."""
        self.session.step_ended(self, lambda: self.pending.finish(None))

    def _cancel(self) -> None:
        if not self.begun:
            self.session.drop(self)
        self.pending.give_up()

    def _call(self, name: str, args: Json, answer: Answer, on_event: Any = None) -> None:
        def answered(reply: Json | None, error: MedsegError | None) -> None:
            if error is not None:
                self._problem(error)
            else:
                self._take(partial(answer, reply))

        self.session.companion.call(name, args, answered, on_event)

    def _take(self, answer: Callable[[], Tell | None]) -> None:
        try:
            tell = answer()
        except MedsegError as problem:
            self._problem(problem)
        else:
            if tell is not None:
                self.session.step_ended(self, tell)

    def _in_turns(self, pieces: Pieces[Tell]) -> Tell | None:
        """Do the next piece, the others in turns of their own; None: there are more."""
        try:
            next(pieces)
        except StopIteration as end:
            tell: Tell = end.value
            return tell
        more = partial(self._take, partial(self._in_turns, pieces))
        self.session.companion.watcher.call_later(0, more)
        return None

    def _problem(self, error: MedsegError) -> None:
        if isinstance(error, HelperLostError):
            self._helper_lost()
        elif isinstance(error, (NotFoundError, ExpiredError, StaleError)):
            self._try_again(error)
        else:
            self._failed(error)

    def _failed(self, problem: MedsegError) -> None:
        self.session.step_ended(self, lambda: self.pending.fail(problem))

    def _try_again(self, problem: MedsegError) -> None:
        self._tries += 1
        self.session.unopen(image_too=not isinstance(problem, StaleError))
        if self.pending.finished or self._tries >= _TRIES:
            self._failed(problem)
        else:
            self.session.step_waits(self)

    def _helper_lost(self) -> None:
        self._losses += 1
        if self.pending.finished or self._losses >= _LOSSES:
            self._failed(
                RemoteError(
                    "The helper process stopped during this step again and again; "
                    "the step was left out."
                )
            )
        else:
            self.session.step_waits(self)


class Act(Asked):
    """An action; its result is a `Step`.

    Cancelled while under way, it is taken back by its opposite as soon as its answer is there.
    """

    def __init__(self, session: LinkedSession, action: Action) -> None:
        super().__init__(session)
        self.action = action

    def begin(self) -> None:
        request = self.session.mirror.action_request(self.action, self.id)
        args = {"session": self.session.name, "request": encode(request)}
        self._call("act", args, self._answered)

    def _answered(self, reply: Any) -> Tell | None:
        return self._in_turns(self._following(reply))

    def _following(self, reply: Any) -> Pieces[Tell]:
        mirror = self.session.mirror
        try:
            step = yield from mirror.accepting(self.action, decode(ActionReply, reply))
        except MedsegError as error:  # it does not follow from where we stand
            raise StaleError(str(error)) from error
        return lambda: self._tell(step)

    def _tell(self, step: Step) -> None:
        if self.pending.finished:
            opposite = Redo() if isinstance(self.action, Undo) else Undo()
            self.session.put_first(Act(self.session, opposite))
        else:
            self.pending.finish(step)


class Stand(Asked):
    """A change of the history that is made here, and shown to the other side by opening anew."""

    def __init__(self, session: LinkedSession, change: Pieces[None]) -> None:
        super().__init__(session)
        self._change: Pieces[None] | None = change

    def begin(self) -> None:
        if self._change is None:
            super().begin()
        else:
            self._take(partial(self._in_turns, self._changing(self._change)))

    def _changing(self, change: Pieces[None]) -> Pieces[Tell]:
        yield from change
        return self._changed

    def _changed(self) -> None:
        self._change = None
        self.session.unopen()
        self.session.put_first(self)


class Job(Asked):
    """A long job; its result is its last `JobEvent`. Each event is told once, restarts or not."""

    def __init__(
        self,
        session: LinkedSession,
        request: JobRequest,
        on_event: Callable[[JobEvent], object] | None,
    ) -> None:
        super().__init__(session)
        self._request = replace(request, request=self.id)
        self._on_event = on_event
        self._seen = 0
        self._job: str | None = None
        self._cancelled = False
        self._last: JobEvent | None = None

    def begin(self) -> None:
        self._job = None
        args = {"session": self.session.name, "request": encode(self._request)}
        self._call("start_job", args, self._started)

    def _started(self, reply: Any) -> None:
        self._job = decode(JobInfo, reply).job
        if self._cancelled:
            self._stop(self._job)
        args = {"job": self._job, "after": 0}
        self._call("job_events", args, self._over, self._event)

    def _event(self, data: Any) -> None:
        event = decode(JobEvent, data)
        if event.event != "frame":
            self._last = event
        elif event.number > self._seen:
            self._seen = event.number
            if self._on_event:
                self._on_event(event)

    def _over(self, reply: Any) -> Callable[[], None]:
        last = self._last
        if last is None:
            raise StaleError("The job broke off; start it again.")
        if last.event == "failed":
            raise from_problem(last.problem)
        return lambda: self.pending.finish(last)

    def _cancel(self) -> None:
        if not self.begun:
            super()._cancel()
        elif not self._cancelled:
            self._cancelled = True
            if self._job is not None:
                self._stop(self._job)

    def _stop(self, job: str) -> None:
        self.session.companion.call("cancel_job", {"job": job}, lambda *_: None)
