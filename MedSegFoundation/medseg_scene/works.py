"""The works of one live session: which segment, on what the volume shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from medseg import MedsegError, Prompt
from medseg.errors import CancelledError
from medseg.record import Record

from .hub import Hub
from .segments import find_segment
from .sequences import Source, add_new_frames, follow_frames, lend_segment
from .tags import read_tag
from .target import Target
from .work import Work

#: Works that are kept, idle, for segments and frames one may come back to.
_KEPT = 4


class Works:
    """Finds or begins the work on the selected segment; iterates over all there are."""

    def __init__(
        self, hub: Hub, source: Source, segmentation: Any, model: str, device: str
    ) -> None:
        self.model, self.device = model, device
        #: The selected segment.
        self.segment_id = ""
        self._hub = hub
        self._source = source
        self._segmentation = segmentation
        self._all: list[Work] = []
        self._unborn: Work | None = None
        self._outdated: frozenset[str] = frozenset()
        self._frame = source.frame()
        self._closed = False

    def __iter__(self) -> Iterator[Work]:
        return iter(list(self._all))

    def __len__(self) -> int:
        return len(self._all)

    def select(self, segment_id: str) -> None:
        """Raises `InputError` when there is no such segment."""
        find_segment(self._segmentation, segment_id)
        self.segment_id, self._unborn = segment_id, None

    def known(self) -> Work | None:
        """The work on the selected segment as shown, if there is one."""
        if self._unborn in self._all:
            return self._unborn
        if not self._all or self._source.volume.GetScene() is None:
            return None
        wanted = (self.segment_id, self._source.frame(), self.model, self.device)
        return next((work for work in self._all if work.key == wanted), None)

    def listed(self) -> tuple[tuple[Prompt, ...], int]:
        """The prompts of the selected segment, or of its preview, and how many are baked."""
        work = self.known()
        if work is not None and work.preview is not None:
            return work.preview.state.prompts, work.preview.state.baked
        try:
            record = self._record() if work is None else work.target.listed()
        except MedsegError:
            record = None
        return (record.prompts, record.baked) if record else ((), 0)

    def get(self, fresh: bool) -> Work:
        """The work on the selected segment; ``fresh``: on one that its first result makes.

        Raises `MedsegError` when there is no such segment or the volume cannot be used.
        """
        self.notice_frame()
        work = None if fresh else self.known()
        if work is None:
            work = self._begin(fresh)
        self._unborn = work if work.target.segment_id is None else None
        self._all.remove(work)
        self._all.append(work)
        return work

    def born(self, work: Work) -> bool:
        """Its first result has made the segment; True when that is the selected one now."""
        if work is not self._unborn:
            return False
        self.segment_id, self._unborn = str(work.target.segment_id), None
        return True

    def notice_frame(self) -> None:
        """What is shown may be another frame, or other voxels, than before."""
        frame, before = self._source.frame(), self._frame
        if frame == before:
            return
        self._frame = frame
        if frame[0] is None:
            segmentation = self._segmentation.GetSegmentation()
            texts = [read_tag(segmentation.GetSegment(n)) for n in segmentation.GetSegmentIDs()]
            self._outdated |= frozenset(text for text in texts if text)
        elif frame[0] != before[0]:
            self._hub.editor.forget()
            add_new_frames(self._source.browser, self._segmentation)
        for work in self:
            if not work.busy and not self._source.is_there(work.frame):
                self._drop(work)

    def close(self, error: MedsegError) -> bool:
        """Let go of all; whatever has no result fails. True when there was something."""
        works, self._all, self._unborn = self._all, [], None
        busy = any(work.busy for work in works)
        for work in works:
            work.close(error)
        return busy

    def _begin(self, fresh: bool) -> Work:
        browser = self._source.browser
        if browser is not None:
            follow_frames(browser, self._segmentation)
        if not fresh:
            if browser is not None:
                lend_segment(browser, self._segmentation, self.segment_id)
            find_segment(self._segmentation, self.segment_id)
        image = self._source.image()
        target = Target(self._segmentation, None if fresh else self.segment_id, image)
        work = Work(self._hub, target, self._source.frame(), self.model, self.device)
        work.outdated = self._outdated
        idle = [w for w in self._all if not w.busy]
        self._all.append(work)
        for old in idle[: max(0, len(self._all) - _KEPT)]:
            self._drop(old)
        return work

    def _drop(self, work: Work) -> None:
        self._all.remove(work)
        work.close(CancelledError("The session was closed."))

    def _record(self) -> Record | None:
        if self._segmentation.GetScene() is None:
            return None
        segment = self._segmentation.GetSegmentation().GetSegment(self.segment_id)
        text = "" if segment is None else read_tag(segment)
        return Record.loads(text) if text else None
