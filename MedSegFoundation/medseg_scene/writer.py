"""The nodes that a live session works on, and how results get into them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from medseg import InputError, MaskPatch, MedsegError
from medseg.companion.link import Companion
from medseg.errors import StaleError
from medseg.history import State
from medseg.pieces import Pieces

from .editors import Editor
from .limits import Limits
from .segments import find_segment, segment_stamp
from .sequences import Source
from .tags import read_tag
from .target import Maker, Target, Written
from .work import Work


class Writer:
    """A volume, a segmentation, an editor; what a `Work` needs of its session (see `Hub`)."""

    editor: Editor

    def __init__(
        self,
        volume: Any,
        segmentation: Any,
        companion: Companion,
        source: Source,
        on_change: Callable[[], object] | None,
        on_line: Callable[[str], object] | None,
    ) -> None:
        """See `LiveSession`."""
        self.volume = volume
        self.segmentation = segmentation
        self.companion = companion
        self.preview = False
        self.limits: Limits | None = None
        #: The last line for the status bar.
        self.line = ""
        self._source = source
        self._on_change = on_change or (lambda: None)
        self._on_line = on_line or (lambda line: None)
        self._drag: tuple[Any, ...] | None = None
        self._closed = self._writing = False

    @property
    def writing(self) -> bool:
        """A result is being written: what the scene shows meanwhile is not what it will show."""
        return self._writing

    def check_nodes(self) -> None:
        """Raise `InputError` when a node, or this session, is gone."""
        if self._closed:
            raise InputError("This session is closed; open another one.")
        for node, name in ((self.segmentation, "segmentation"), (self.volume, "volume")):
            scene = node.GetScene()
            if scene is None or scene.IsClosing():
                raise InputError(f"The {name} is gone; choose another one.")

    def shown(self, work: Work) -> bool:
        return self._source.frame() == work.frame

    def check(self, work: Work) -> None:
        self.check_nodes()
        if not self._source.is_there(work.frame):
            raise StaleError("The volume was changed while this was computed; it was left out.")
        if work.target.segment_id is not None and self.shown(work):
            find_segment(self.segmentation, work.target.segment_id)

    def prepare(self, work: Work, drag: object | None) -> None:
        """Slicer copies its state for undo now, while the result is computed.

        Then the copy before the write is free. Nothing comes of it when nothing is written.
        """
        moving = drag is not None and self._drag is not None and self._drag[0] is drag
        with suppress(MedsegError):
            self.check_nodes()
            if not (moving or self.preview) and self.shown(work):
                self.editor.save_state()

    def write(self, work: Work, patch: MaskPatch, state: State, drag: object | None) -> Written:
        node, born = self.editor.node, work.target.segment_id is None
        selected, save = node.GetSelectedSegmentID(), drag is None or self._drag != self._at(drag)
        written = self.write_at(work.target, patch, state, work.maker, save, complete=False)
        new_is_selected = born and self.born(work)
        kept = selected and self.segmentation.GetSegmentation().GetSegment(selected) is not None
        if kept and not new_is_selected:
            node.SetSelectedSegmentID(selected)
        self._drag = None if drag is None else self._at(drag)
        return written

    def write_at(
        self,
        target: Target,
        patch: MaskPatch,
        state: State,
        maker: Maker,
        save: bool = True,
        complete: bool = True,
    ) -> Written:
        """Bring a change into a segment under the rules of the editor and the limits.

        ``save``, ``complete``: see `Target.write`.
        """
        allowed = None
        if self.limits is not None and not patch.empty:
            allowed = self.limits.allowed(target.image, patch.box)
        self._writing = True
        try:
            return target.write(self.editor, patch, state, maker, allowed, save, complete)
        finally:
            self._writing = False

    def complete(self, completing: Pieces[None]) -> bool:
        """Do the next piece of what completes a write; True when there are more.

        It is no edit of somebody else, so a movement goes on as one undo step.
        """
        drag = self._drag
        own = drag is not None and drag == self._at(drag[0])
        self._writing = True
        try:
            left = next(completing, self) is None
        finally:
            self._writing = False
        if drag is not None and own:
            self._drag = self._at(drag[0])
        return left

    def born(self, work: Work) -> bool:
        """See `Works.born`."""
        raise NotImplementedError

    def _at(self, drag: object) -> tuple[Any, ...]:
        """Where the segmentation stands: equal as long as nobody else writes."""
        ids = self.segmentation.GetSegmentation().GetSegmentIDs()
        stamps = [segment_stamp(self.segmentation, n) for n in ids]
        return drag, stamps, [read_tag(find_segment(self.segmentation, n)) for n in ids]

    def say(self, line: str) -> None:
        self.line = line
        self._on_line(line)

    def changed(self) -> None:
        self._on_change()
