"""Prompts on a volume in the scene, by events: nothing here waits, nothing is lost or misplaced.

What a window shows and offers is decided here and in `work`; a face only forwards clicks and
draws. For scripts there is `SceneSession`, which waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import slicer
from medseg import Image, InputError, MedsegError, Prompt, PromptError, Step
from medseg.companion.link import Companion
from medseg.companion.pending import Pending
from medseg.errors import CancelledError
from medseg.image import Mask

from .editors import Editor, LogicEditor
from .entries import Entry
from .observers import Observers
from .preview import Preview
from .requests import AddPrompts, Empty, Exchange, Propagate, Request, Slice, TakeBack
from .run_back import RunBack
from .segments import ensure_geometry
from .sequences import Source
from .through_time import ThroughTime
from .work import Work
from .works import Works
from .writer import Writer


class LiveSession(Writer):
    """A volume and a segmentation that prompts are written into as their results arrive.

    Every action returns a `Pending` at once, which ends with the `Step` that changed the segment;
    ``pending.cancel()`` leaves it out. Actions are done one after the other. Each is one undo
    step of the editor, prompts and mask together. A result goes into the segment it was asked
    for, if that is still as it was, or is left out with a line.

    ``preview``: results wait for `accept` or `reject`. ``new_segments``: each including prompt
    makes a segment of its own. ``limits``: a `Slab` or `InsideRoi` outside of which nothing is
    written. These three may be set at any time.
    """

    def __init__(
        self,
        volume: Any,
        segmentation: Any,
        companion: Companion,
        segment_id: str | None = None,
        editor: Editor | None = None,
        model: str = "default",
        device: str = "auto",
        on_change: Callable[[], object] | None = None,
        on_line: Callable[[str], object] | None = None,
        source: Source | None = None,
    ) -> None:
        """Open a volume node for prompts into a segmentation node.

        ``segment_id``: None adds an empty segment. ``editor``: None makes one of our own (see
        `LogicEditor.create` for its rules). ``on_change``: called when anything that a window
        shows may have changed. ``on_line``: told each line for the status bar. ``source``: of the
        volume, for those who have one already. Raises what `SceneSession` raises.
        """
        if volume is None or segmentation is None:
            raise InputError("Choose a source volume and a segmentation first.")
        source = source or Source(volume)
        super().__init__(volume, segmentation, companion, source, on_change, on_line)
        self.new_segments = False
        ensure_geometry(segmentation, volume, self._source.image())
        self._own_editor = LogicEditor.create(volume, segmentation) if editor is None else None
        self.editor: Editor = editor or self._own_editor  # type: ignore[assignment]
        self._works = Works(self, self._source, segmentation, model, device)
        self._run: ThroughTime | RunBack | None = None
        self._told = False
        self._observers = Observers(self._scene_event)
        self._observe()
        self.select(segment_id or segmentation.GetSegmentation().AddEmptySegment())

    # What is there

    @property
    def segment_id(self) -> str:
        """The segment that is worked on."""
        return self._works.segment_id

    @property
    def image(self) -> Image:
        """What the volume shows, in world RAS mm."""
        return self._source.image()

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """The prompts written into the segment, or shown in the preview; () when it is gone."""
        return self._works.listed()[0]

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The prompt list for a window: what is written, and what is on its way."""
        work, (written, baked) = self._works.known(), self._works.listed()
        expected = written if work is None else work.expected(written)
        known = {id(p) for p in written}
        return tuple(Entry(p, n < baked, id(p) not in known) for n, p in enumerate(expected))

    @property
    def baked(self) -> int:
        """How many of the prompts are part of the mask for good, as of the last look."""
        return self._works.listed()[1]

    @property
    def mask(self) -> Mask:
        """The segment ``(K, J, I)`` on the grid of the image, as it is now (read-only view)."""
        work = self._work()
        work.look()
        view = work.target.mask.view()
        view.setflags(write=False)
        return view

    @property
    def shown_preview(self) -> Preview | None:
        """What `accept` would write."""
        work = self._works.known()
        return None if work is None else work.preview

    @property
    def waiting(self) -> int:
        """How many actions have no result yet."""
        running = self._run is not None and not self._run.pending.finished
        return sum(work.waiting for work in self._works) + running

    # Actions

    def select(self, segment_id: str) -> None:
        """Work on another segment; results on their way still go where they were asked for."""
        self._works.select(segment_id)
        if self.editor.node.GetSelectedSegmentID() != segment_id:
            self.editor.node.SetSelectedSegmentID(segment_id)
        self.changed()

    def add(self, *prompts: Prompt) -> Pending[Step]:
        """Add prompts as one action."""
        fresh = self.new_segments and all(p.include for p in prompts)
        return self._ask(lambda: (self._work(fresh), AddPrompts(prompts)))

    def move(self, index: int, prompt: Prompt, drag: object | None = None) -> Pending[Step]:
        """Exchange a prompt: a dragged point, a loosened box.

        ``drag``: the same object for all positions of one movement. Only the newest of those that
        wait is computed (the others end with `CancelledError`), and all are one undo step.
        """
        return self._exchange(index, lambda old: prompt, drag)

    def remove(self, index: int) -> Pending[Step]:
        """Delete a prompt, wherever it stands in the list of `entries`."""
        return self._exchange(index, lambda old: None, None)

    def toggle(self, index: int) -> Pending[Step]:
        """Make an including prompt an excluding one, and back."""
        return self._exchange(index, lambda old: replace(old, include=not old.include), None)

    def reset(self) -> Pending[Step]:
        """Empty the segment and forget its prompts."""
        return self._ask(lambda: (self._work(), Empty()))

    def propagate(
        self,
        seeds: Iterable[int] | None = None,
        first: int | None = None,
        last: int | None = None,
        direction: str = "both",
        axis: int = 0,
        on_progress: Callable[[Slice], object] | None = None,
        memory: str | None = None,
    ) -> Pending[Step]:
        """Carry the mask from slices to the others along ``axis`` (0, 1, 2 = K, J, I).

        ``seeds``: None takes the slices that have prompts. ``first``, ``last``: where to decide
        anew (inclusive). ``direction``: "both", "forward" or "backward" from the seeds.
        ``memory``: a policy of `medseg.memory` instead of the model's own. The whole result is one
        undo step; cancelled, nothing is written.
        """

        def make() -> tuple[Work, Request]:
            work = self._work()
            chosen = list(seeds) if seeds is not None else lambda: work.prompted(axis)
            return work, Propagate(chosen, axis, first, last, direction, on_progress, memory)

        return self._ask(make)

    @property
    def browser(self) -> Any | None:
        """The sequence browser that the volume is a proxy of."""
        return self._source.browser

    def track(
        self,
        seeds: Iterable[int] | None = None,
        first: int | None = None,
        last: int | None = None,
        on_progress: Callable[[Slice], object] | None = None,
        memory: str | None = None,
    ) -> Pending[int]:
        """Carry the segment from frames of a sequence to the others; see `ThroughTime`.

        ``seeds``: numbers of frames, from 0; None takes the shown one and those with prompts.
        ``first``, ``last``: frames to decide anew (inclusive). ``memory``: see `propagate`. Ends
        with how many were written. A session does one at a time.
        """
        model, device = self._works.model, self._works.device

        def make() -> ThroughTime:
            return ThroughTime(self, model, device, seeds, first, last, on_progress, memory)

        return self._run_frames(make)

    @property
    def can_take_run_back(self) -> bool:
        """Whether `take_run_back` has something to take back."""
        run = self._run
        return isinstance(run, ThroughTime) and run.pending.finished and bool(run.written)

    def take_run_back(self) -> Pending[int]:
        """Put back what was in the frames before the last `track`, also before a cancelled one.

        Frames that were changed since stay as they are. Ends with how many were put back.
        """

        def make() -> RunBack:
            if not (isinstance(self._run, ThroughTime) and self._run.written):
                raise InputError("There is no run through time to take back.")
            return self._run.taken_back()

        return self._run_frames(make)

    def _run_frames(self, make: Callable[[], ThroughTime | RunBack]) -> Pending[int]:
        failed: Pending[int] = Pending()
        try:
            self.check_nodes()
            if self._run is not None and not self._run.pending.finished:
                raise InputError("Frames are being followed; wait for that, or cancel it.")
            self._run = make()
        except MedsegError as error:
            self.say(str(error))
            failed.fail(error)
            return failed
        self._run.start()
        return self._run.pending.then(None, lambda error: self.say(str(error)))

    @property
    def can_undo(self) -> bool:
        """Whether `undo` has something to take back."""
        return bool(self._asked()) or self.shown_preview is not None or self.editor.can_undo()

    def undo(self) -> None:
        """Take back what was asked last: what waits is left out, else the scene goes back.

        Raises `PromptError` when there is nothing to undo.
        """
        work, asked = self._works.known(), self._asked()
        if asked:
            asked[-1].pending.cancel()
        elif work is not None and work.preview is not None:
            work.ask(TakeBack())
        else:
            self.editor.undo()
            self.changed()

    def redo(self) -> None:
        """Do again what `undo` took back; raises `PromptError` when there is nothing."""
        self.editor.redo()
        self.changed()

    def cancel(self) -> None:
        """Leave out all that has no result yet."""
        if self._run is not None:
            self._run.pending.cancel()
        for work in self._works:
            for request in [work.current, *work.queue]:
                if request is not None:
                    request.pending.cancel()

    def accept(self) -> Step:
        """Write the preview as one undo step; raises `MedsegError` when it does not fit now."""
        work = self._work()
        try:
            return work.accept()
        finally:
            self.changed()

    def reject(self) -> None:
        """Forget the preview."""
        work = self._works.known()
        if work is not None:
            work.reject()
        self.changed()

    def use_model(self, model: str, device: str = "auto") -> None:
        """Compute what is asked from now on with another model."""
        self._works.model, self._works.device = model, device
        self.changed()

    def sync(self) -> bool:
        """Take over what changed in the scene; True when something did. Reads only.

        Not needed before actions. Raises `MedsegError` when the segment is gone.
        """
        work = self._work()
        before = work.target.text, work.target.voxels, work.target.mark()
        work.look()
        return before != (work.target.text, work.target.voxels, work.target.mark())

    def close(self) -> None:
        """Let go of everything; what has no result yet is left out, with a line."""
        if self._closed:
            return
        self._closed = True
        if self._run is not None:
            self._run.pending.cancel()
        self._observers.let_go()
        if self._works.close(CancelledError("The session was closed.")):
            self.say("What was under way was left out as the session was closed.")
        if self._own_editor is not None:
            self._own_editor.close()

    # Helpers

    def _asked(self) -> list[Request]:
        """What was asked for the shown segment and has no result yet."""
        work = self._works.known()
        found = [] if work is None else [work.current, *work.queue]
        return [r for r in found if r is not None and not r.pending.finished]

    def _ask(self, make: Callable[[], tuple[Work, Request]]) -> Pending[Step]:
        try:
            self.check_nodes()
            work, request = make()
            if work.frame[0] is not None:
                work.look()  # another frame may be shown when its turn comes
        except MedsegError as error:
            failed: Pending[Step] = Pending()
            failed.fail(error)
            self.say(str(error))
            return failed
        pending = work.ask(request)
        self.changed()
        return pending

    def _exchange(
        self, index: int, new: Callable[[Prompt], Prompt | None], drag: object | None
    ) -> Pending[Step]:
        def make() -> tuple[Work, Request]:
            work = self._work()
            listed = work.expected(self.prompts)
            if not 0 <= index < len(listed):
                raise PromptError(f"There is no prompt {index}; the segment has {len(listed)}.")
            return work, Exchange(index, listed, new(listed[index]), drag)

        return self._ask(make)

    def born(self, work: Work) -> bool:
        return self._works.born(work)

    def _work(self, fresh: bool = False) -> Work:
        self.check_nodes()
        return self._works.get(fresh)

    # Events of the scene

    def _observe(self) -> None:
        kind, watch = slicer.vtkSegmentation, self._observers.watch
        events = (kind.SegmentModified, kind.SegmentAdded, kind.SegmentRemoved)
        watch(self.segmentation, [*events, kind.SourceRepresentationModified])
        watch(self.volume, [slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent])
        watch(self._source.browser, ["ModifiedEvent"])
        scene = slicer.vtkMRMLScene
        watch(self.segmentation.GetScene(), [scene.NodeRemovedEvent, scene.EndCloseEvent])

    def _scene_event(self) -> None:
        if not (self._closed or self._told or self._writing):
            self._told = True
            self.companion.watcher.call_later(0, self._notice)

    def _notice(self) -> None:
        """Something in the scene changed; all its events of one turn are taken together."""
        self._told = False
        if self._closed:
            return
        try:
            self.check_nodes()
        except MedsegError as error:
            if self._works.close(error):
                self.say(str(error))
        else:
            self._works.notice_frame()
            for work in self._works:
                work.settle()
        self.changed()
