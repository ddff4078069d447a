"""One segment on one image: what was asked for, one at a time, and what came of it.

    ask -> queue -> align (the session goes where the scene is) -> compute -> settle

The scene is looked at when a request's turn comes and again when its answer is there. In between
the scene must not have changed, or the answer is dropped with a line that says why: it is never
written over a newer edit, nor anywhere else.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import Any

from medseg import Image, MaskPatch, MedsegError, Step
from medseg.actions import Accept
from medseg.companion.pending import Pending
from medseg.errors import CancelledError, StaleError
from medseg.history import State
from medseg.packing import Bits
from medseg.pieces import Pieces, at_once
from medseg.protocol.messages import JobEvent

from .boxes import patch_box
from .gap import Gap, Steps
from .hub import Hub
from .in_turns import InTurns
from .preview import Preview
from .requests import Exchange, Listed, Propagate, Request, TakeBack, accepting
from .scene_session import check_start_mask
from .sequences import Frame
from .target import Maker, Seen, Target

MOVED = "The segment was changed while this was computed; the result was left out."
SUPERSEDED = "A newer position took its place."
PREVIEW_GONE = "The segment was changed; the preview was left out."


class Work(InTurns):
    """Requests about one segment; ``frame``: what of the volume it is about."""

    def __init__(self, hub: Hub, target: Target, frame: Frame, model: str, device: str) -> None:
        super().__init__(hub)
        self.target = target
        self.frame = frame
        #: A tag whose prompts are about voxels that are gone: they do not act again.
        self.outdated: frozenset[str] = frozenset()
        self.linked = hub.companion.session(target.image, model, device)
        self.preview: Preview | None = None
        self.current: Request | None = None
        self.queue: deque[Request] = deque()
        self.closed = False
        self._step: Step | None = None
        self._job: Pending[JobEvent] | None = None
        self._told = False
        self._moved = False
        self._gap = Gap(target, self.linked)
        self._packing: tuple[Bits | None, Pieces[None]] | None = None

    @property
    def image(self) -> Image:
        return self.target.image

    @property
    def key(self) -> tuple[Any, ...]:
        """Segment, frame, model and device; equal: the same work."""
        mirror = self.linked.mirror
        return self.target.segment_id, self.frame, mirror.model, mirror.device

    @property
    def waiting(self) -> int:
        """How many requests have no result yet."""
        return len(self.queue) + (self.current is not None)

    @property
    def busy(self) -> bool:
        """Something would be lost if it were closed."""
        return bool(self.waiting) or self.preview is not None

    @property
    def held(self) -> bool:
        """A result is there and waits for its frame to be shown."""
        return self._step is not None

    def expected(self, listed: Listed) -> Listed:
        """The prompts as they will be when all is done."""
        if self.preview is not None:
            listed = self.preview.state.prompts
        for request in ([self.current] if self.current else []) + list(self.queue):
            if not request.pending.finished:
                listed = request.expect(listed)
        return listed

    def prompted(self, axis: int) -> list[int]:
        """The slices along an axis that prompts lie in, and that are not empty."""
        found = set()
        for prompt in self.linked.prompts:
            voxels = [self.image.voxel_at(position) for position in prompt.positions()]
            found |= {voxel[axis] for voxel in voxels if voxel is not None}
        mask = self.linked.mask
        return sorted(n for n in found if mask.take(n, axis).any())

    def ask(self, request: Request) -> Pending[Step]:
        """Put a request behind the others."""
        older: Request | None = None
        if request.drag is not None and self.queue and self.queue[-1].drag is request.drag:
            older = self.queue.pop()
        if isinstance(request, Exchange):
            request.follows(older)
            request.follows(self.current)
        self.queue.append(request)
        request.pending.on_cancel(partial(self.cancel, request))
        if older is not None:
            older.pending.fail(CancelledError(SUPERSEDED))
        self.advance()
        return request.pending

    def cancel(self, request: Request) -> None:
        """Leave a request out; what the session did for it is taken back at the next one."""
        if request in self.queue:
            self.queue.remove(request)
        request.pending.give_up()
        if request is self.current:
            if self._job is not None:
                self._job.cancel()
            if self.held:
                self._next()
        self.hub.changed()

    def look(self) -> bool:
        """See what changed in the scene; raises `MedsegError` when the segment is gone."""
        return self._saw(self.target.look())

    def _saw(self, seen: Seen | None) -> bool:
        if seen is None:
            return False
        self._moved = True
        self._gap.widen(seen.box)
        if self.preview is not None:
            self.preview = None
            self.hub.say(PREVIEW_GONE)
        return True

    def advance(self) -> None:
        """Begin what is next."""
        if self.current is None and self.queue and not self.closed:
            self.current = self.queue.popleft()
            self._open()

    def close(self, error: MedsegError) -> None:
        """Let go of everything; what was asked for fails with ``error``."""
        if self.closed:
            return
        self.closed, self.preview = True, None
        left, self.queue = [*([self.current] if self.current else []), *self.queue], deque()
        self.current = self._step = self._passing = None
        self.linked.close()
        for request in left:
            request.pending.fail(error)

    def settle(self) -> None:
        """Do with the answer what can be done now; called again when a frame is shown."""
        request, step = self.current, self._step
        if request is None or step is None or self._passing is not None:
            return
        self._in_turns(request, self._settling(request, step), partial(self._settled, request))

    def accept(self) -> Step:
        """Write the preview; raises `MedsegError` when it does not fit any more."""
        self.hub.check(self)
        self.look()
        preview = self.preview
        if preview is None:
            raise StaleError("There is no preview to accept.")
        done = self._write(preview.patch, preview.state, None, 0.0)
        at_once(self.target.completing())
        return done

    def reject(self) -> None:
        self.preview = None

    # One request, in order

    def _open(self) -> None:
        """The session must have been open once: its model says what it can do."""
        request = self.current
        if self.linked.mirror.info is not None:
            self._align(request)
            return
        opened: Pending[Any] = self.linked.opened
        if opened.finished:
            opened = self.linked.forget_history()
        opened.then(lambda _: self._align(request), partial(self._failed, request))

    def _align(self, request: Request | None) -> None:
        if self._given_up(request):
            return
        if self.linked.waiting:  # something was cancelled: where the session stands is not known
            again, failed = partial(self._align, request), partial(self._failed, request)
            self.linked.idle().then(lambda _: again(), failed)
        else:
            self._in_turns(request, self._aligning(), partial(self._run, request))

    def _aligning(self) -> Pieces[Steps]:
        """What leads the session to where the scene stands at the end of this."""
        found: Steps | None = None
        seen: tuple[Any, ...] = ()
        while True:
            yield from self._looking()
            now = self.target.version, self.preview
            if found is not None and now == seen:
                self._moved = False
                return found
            seen = now
            state = yield from self._standing()
            check_start_mask(self.maker, state.start)
            found = yield from self._gap.steps(state, self.preview)

    def _standing(self) -> Pieces[State]:
        """Where the session should stand."""
        if self.preview is not None:
            return self.preview.state
        replay = self.target.text not in self.outdated
        return (yield from self.target.standing(self.maker, replay))

    def _looking(self) -> Pieces[None]:
        """See what changed in the scene, as long as it shows the frame this is about.

        Raises `MedsegError` when the segment is gone.
        """
        looking = self.target.looking()
        while self.hub.shown(self):
            try:
                next(looking)
            except StopIteration as end:
                self._saw(end.value)
                return
            yield

    def _settling(self, request: Request, step: Step) -> Pieces[Step | None]:
        """Write the result; None: its frame is not shown."""
        start = self.linked.mirror.history.state.start
        if start is not None:
            known, packing = self._packing or (None, start.packing())
            self._packing = None
            yield from packing if known is start else start.packing()
        change: MaskPatch | None = None
        seen: tuple[Any, ...] = ()
        while True:
            yield from self._looking()
            if not self.hub.shown(self):
                return None
            if self._moved:
                raise StaleError(MOVED)
            now = self.target.version, self.preview
            if change is not None and now == seen:
                return self._take(request, step, change)
            seen = now
            if self.preview is not None:
                self._gap.widen(patch_box(self.preview.patch))
            change = yield from self._gap.difference()
            yield from self.target.foreseeing(change)

    def _settled(self, request: Request, done: Step | None) -> None:
        step = self._step
        if done is None or step is None:
            self._wait_for_frame()
            return
        for note in step.notes:
            self.hub.say(note)
        self._step = None
        completing = self.target.completing()
        left = self.hub.complete(completing)
        request.pending.finish(done)
        if left:
            self._complete(request, completing)
        else:
            self._next(request)

    def _complete(self, request: Request, completing: Pieces[None]) -> None:
        """A piece in each turn; what comes next waits for it."""
        if request is not self.current:
            return
        try:
            self.hub.check(self)
            left = self.hub.shown(self) and self.hub.complete(completing)
        except MedsegError:
            left = False
        if left:
            self._soon(partial(self._complete, request, completing))
        else:
            self._next(request)

    def _run(self, request: Request | None, steps: Steps) -> None:
        if steps:
            first, *rest = steps

            def done(step: Step | None) -> None:
                if step is not None:
                    self._gap.widen(patch_box(step.patch))
                self._run(request, rest)

            first().then(done, partial(self._failed, request))
            return
        if self.closed:
            return
        self._gap.close()
        if not self._given_up(request):
            assert request is not None
            self._send(request)

    def _send(self, request: Request) -> None:
        failed = partial(self._failed, request)
        try:
            if isinstance(request, Propagate):
                self._job = request.start(self.linked)
                self._job.then(partial(self._job_done, request), failed)
            else:
                action = request.action(self.linked.prompts)
                self.linked.do(action).then(partial(self._arrived, request), failed)
                self._prepare(request)
        except MedsegError as error:
            self._failed(request, error)

    def _prepare(self, request: Request) -> None:
        """While the helper computes, in turns of their own: what is slow about a write."""
        start = self.linked.mirror.history.state.start
        self._soon(partial(self.hub.prepare, self, request.drag))
        if start is not None:
            self._packing = start, start.packing()
            self._soon(partial(self._pack, self._packing))

    def _pack(self, packing: tuple[Bits | None, Pieces[None]]) -> None:
        """A piece in each turn, until somebody else goes on with it."""
        if packing is self._packing and next(packing[1], self) is None:
            self._soon(partial(self._pack, packing))

    def _job_done(self, request: Request, end: JobEvent) -> None:
        self._job = None
        if self._given_up(request):
            return
        for note in end.notes:
            self.hub.say(note)
        self._in_turns(request, accepting(end, self.image.shape), partial(self._accept, request))

    def _accept(self, request: Request, action: Accept) -> None:
        arrived, failed = partial(self._arrived, request), partial(self._failed, request)
        self.linked.do(action).then(arrived, failed)
        self._prepare(request)

    def _arrived(self, request: Request, step: Step) -> None:
        self._gap.widen(patch_box(step.patch))
        if request is self.current:
            self._step = step
            self._soon(self.settle)

    def _take(self, request: Request, step: Step, change: MaskPatch) -> Step:
        state = self.linked.mirror.history.state
        if not self.hub.preview and self.preview is None:
            return self._write(change, state, request.drag, step.seconds)
        back = isinstance(request, TakeBack)
        depth = (self.preview.depth if self.preview else 0) + (-1 if back else 1)
        before = self.target.mask[change.box].copy()
        self.preview = Preview(change, before, state, depth, self.image.affine) if depth else None
        return self._result(change, step.seconds, self.linked.mirror.history.voxels)

    def _write(self, patch: MaskPatch, state: State, drag: object | None, seconds: float) -> Step:
        written = self.hub.write(self, patch, state, drag)
        self.preview = None
        if written.whole:
            self._gap.box = None
        else:
            self._gap.widen(patch_box(written.patch))
        return self._result(written.patch, seconds, self.target.voxels)

    def _result(self, patch: MaskPatch, seconds: float, voxels: int) -> Step:
        return Step(patch, seconds, voxels, voxels * self.image.voxel_ml)

    def _wait_for_frame(self) -> None:
        if not self._told:
            self._told = True
            self.hub.say("The result is ready; it is written when its frame is shown again.")
        self.hub.changed()

    def _check(self) -> None:
        self.hub.check(self)

    def _given_up(self, request: Request | None) -> bool:
        """Go on with the next one when nobody waits for this one any more."""
        if request is not self.current or request is None:
            return True
        if request.pending.finished:
            self._next(request)
            return True
        return False

    def _failed(self, request: Request | None, error: MedsegError) -> None:
        if request is None or request is not self.current:
            return
        cancelled = request.pending.finished
        self._job = self._step = self._passing = None
        request.pending.fail(error)
        if not cancelled:
            self.hub.say(str(error))
        self._next(request)

    def _next(self, request: Request | None = None) -> None:
        if request is None or request is self.current:
            self.current = self._step = self._job = self._passing = None
            self._told = False
            self.hub.changed()
            self.advance()

    @property
    def maker(self) -> Maker:
        info = self.linked.mirror.info
        assert info is not None
        model = info.model
        told = {"name": model.name, "version": model.version, "weights_hash": model.weights_hash}
        return Maker(model.name, told, model.start_mask)
