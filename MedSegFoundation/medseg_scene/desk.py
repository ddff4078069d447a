"""What the effects of one segment editor share: what a window shows, and what it can ask for.

A face forwards gestures and draws what the desk says; every decision is made here or below.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from medseg import InputError, MedsegError, Prompt, Step, Text, UnsupportedPromptError
from medseg.companion.pending import Pending
from medseg.image import Array

from .choices import PROPAGATE
from .editors import Editor
from .entries import Entry
from .live import LiveSession
from .owner import CompanionOwner
from .preview import Preview
from .requests import Slice
from .seat import Seat
from .settings import Settings
from .views import View

if TYPE_CHECKING:
    from .marks import Mark


class Desk(Seat):
    """One per segment editor. Opens a `LiveSession` when the first prompt is given, and follows
    what is chosen in the editor: source volume, segmentation, segment.

    No action raises for a user's mistake: the sentence goes to `line` and the `Pending` fails.
    Nothing waits, and nothing is computed in this process. All may be called at any time, in any
    order, also after nodes were deleted, the scene was closed or the helper process died.
    """

    def __init__(
        self,
        editor: Editor,
        settings: Settings | None = None,
        owner: CompanionOwner | None = None,
    ) -> None:
        """See `Seat`."""
        #: How far a propagation is, 0 to 1; None when none is under way.
        self.progress: float | None = None
        #: The slice that a propagation decided last.
        self.slice: Slice | None = None
        #: Slice -> confidence (0 to 1) of the propagation under way, or of the last one.
        self.confidence: dict[int, float] = {}
        #: What a gesture is drawing; see `draw`.
        self.drawing: tuple[Mark, ...] = ()
        self._hidden: frozenset[str] = frozenset()
        super().__init__(editor, settings, owner)

    # What a window shows

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The prompts of the selected segment, also those of a saved scene."""
        self._follow()
        return self._place.entries if self._live is None else self._live.entries

    @property
    def waiting(self) -> int:
        """How many actions have no result yet."""
        return 0 if self._live is None else self._live.waiting

    @property
    def busy(self) -> bool:
        return self.waiting > 0

    @property
    def shown_preview(self) -> Preview | None:
        """What `accept` would write."""
        return None if self._live is None else self._live.shown_preview

    @property
    def cannot_undo(self) -> str:
        """ "" or why there is nothing to undo."""
        able = self.editor.can_undo() if self._live is None else self._live.can_undo
        return self.reason or ("" if able else "There is nothing to undo.")

    @property
    def cannot_redo(self) -> str:
        """ "" or why there is nothing to redo."""
        return self.reason or ("" if self.editor.can_redo() else "There is nothing to redo.")

    @property
    def image_slices(self) -> tuple[int, int, int]:
        """Number of slices of the source volume along K, J and I; zeros without one."""
        return self._place.slices

    @property
    def frames(self) -> int:
        """How many frames the sequence has that the source volume is part of; 0: none."""
        return self._place.frames

    @property
    def frame(self) -> int:
        """The frame that is shown, from 0."""
        return self._place.frame

    def middle_of(self, axis: int, number: int) -> Array:
        """See `Place.middle_of`."""
        return self._place.middle_of(axis, number)

    def show_frame(self, number: int) -> None:
        """Show a frame of the sequence, from 0."""
        self._place.show_frame(number)

    def slice_of(self, view: View) -> tuple[int, int]:
        """Image axis (0, 1, 2 = K, J, I) that a view looks along, and the slice it shows there."""
        return self._place.slice_of(view)

    @property
    def hidden(self) -> frozenset[int]:
        """Prompts whose marks are not drawn, by their place in `entries`."""
        if not self._hidden:
            return frozenset()
        return frozenset(n for n, e in enumerate(self.entries) if e.key in self._hidden)

    def hide(self, index: int, on: bool = True) -> None:
        """Do not draw the mark of a prompt, or draw it again."""
        entries = self.entries
        if 0 <= index < len(entries):
            key = {entries[index].key}
            self._hidden = self._hidden | key if on else self._hidden - key
            self.changed()

    def draw(self, *marks: Mark) -> None:
        """Show what a gesture is drawing, beside the prompts; nothing: it has ended."""
        if marks or self.drawing:
            self.drawing = marks
            self.changed()

    # Actions

    def add(self, *prompts: Prompt) -> Pending[Step]:
        """Give prompts, as one undo step."""
        unable = next((self.can(p.kind) for p in prompts if self.can(p.kind)), "")
        if unable:
            return self._refused(UnsupportedPromptError(unable))
        return self._ask(lambda live: live.add(*prompts))

    def find(self, text: str) -> Pending[Step]:
        """Segment what is named; what is not found is an error with a sentence."""
        text = text.strip()
        if not text:
            return self._refused(InputError("Type what to look for."))
        return self.add(Text(text))

    def move(self, index: int, prompt: Prompt, drag: object | None = None) -> Pending[Step]:
        """Exchange a prompt; ``drag``: see `LiveSession.move`."""
        return self._ask(lambda live: live.move(index, prompt, drag))

    def remove(self, index: int) -> Pending[Step]:
        return self._ask(lambda live: live.remove(index))

    def toggle(self, index: int) -> Pending[Step]:
        """Make an including prompt an excluding one, and back."""
        return self._ask(lambda live: live.toggle(index))

    def reset(self) -> Pending[Step]:
        """Empty the segment and forget its prompts."""
        return self._ask(lambda live: live.reset())

    def propagate(
        self,
        first: int | None = None,
        last: int | None = None,
        direction: str = "both",
        axis: int = 0,
    ) -> Pending[Step]:
        """Carry the mask from the prompted slices to the others; see `LiveSession.propagate`.

        `progress` and `slice` tell how far it is.
        """
        return self._carry(
            lambda live, told: live.propagate(None, first, last, direction, axis, on_progress=told)
        )

    def track(self, first: int | None = None, last: int | None = None) -> Pending[Any]:
        """Carry the segment to the other frames of a sequence; see `LiveSession.track`."""
        return self._carry(lambda live, told: live.track(None, first, last, told))

    @property
    def can_take_run_back(self) -> bool:
        """Whether `take_run_back` has something to take back."""
        return self._live is not None and self._live.can_take_run_back

    def take_run_back(self) -> Pending[Any]:
        """Put back what was in the frames before `track`; see `LiveSession.take_run_back`."""
        return self._ask(lambda live: live.take_run_back())

    def undo(self) -> None:
        """Take back what was asked last, or the last step of the editor."""
        self._try(self.editor.undo if self._live is None else self._live.undo)

    def redo(self) -> None:
        self._try(self.editor.redo if self._live is None else self._live.redo)

    def cancel(self) -> None:
        """Leave out all that has no result yet."""
        if self._live is not None:
            self._live.cancel()

    def accept(self) -> None:
        """Write the preview, as one undo step."""
        if self._live is not None:
            self._try(self._live.accept)

    def reject(self) -> None:
        """Forget the preview."""
        if self._live is not None:
            self._try(self._live.reject)

    # Helpers

    def _carry(
        self, act: Callable[[LiveSession, Callable[[Slice], object]], Pending[Any]]
    ) -> Pending[Any]:
        def told(event: Slice) -> None:
            self.progress, self.slice = event.fraction, event
            self.confidence[event.index] = event.confidence
            self.changed()

        def ended(_: object) -> None:
            self.progress = self.slice = None
            self.changed()

        if self.can(PROPAGATE):
            return self._refused(UnsupportedPromptError(self.can(PROPAGATE)))
        pending = self._ask(lambda live: act(live, told))
        self.progress, self.confidence = 0.0, {}
        return pending.then(ended, ended)

    def _ask(self, act: Callable[[LiveSession], Pending[Any]]) -> Pending[Any]:
        self.line = ""
        try:
            live, born = self._session()
        except MedsegError as error:
            return self._refused(error)
        live.new_segments = self.new_segments and not born
        pending = act(live)
        live.new_segments = self.new_segments
        self._ahead.drop()
        return pending

    def _refused(self, error: MedsegError) -> Pending[Any]:
        pending: Pending[Any] = Pending()
        pending.fail(error)
        self.say(str(error))
        return pending

    def _try(self, act: Callable[[], object]) -> None:
        self.line = ""
        try:
            act()
        except MedsegError as error:
            self.line = str(error)
        self.changed()

    def _put_down(self) -> None:
        super()._put_down()
        self.confidence = {}
