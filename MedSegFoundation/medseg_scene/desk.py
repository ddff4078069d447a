"""What the effects of one segment editor share: what a window shows, and what it can ask for.

A face forwards gestures and draws what the desk says; every decision is made here or below.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from medseg import InputError, MedsegError, Prompt, Step, Text, UnsupportedPromptError
from medseg.companion.pending import Pending
from medseg.protocol.messages import Welcome

from .ahead import Ahead
from .choices import PROPAGATE, Choices
from .editors import Editor
from .live import Entry, LiveSession
from .observers import Observers
from .owner import CompanionOwner
from .owner import owner as application_owner
from .place import Place
from .preview import Preview
from .requests import Slice
from .settings import DictSettings, Settings
from .switches import Switches
from .views import View

if TYPE_CHECKING:
    from .marks import Mark

Listener = Callable[[], object]


class Desk(Switches):
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
        """``settings``: None forgets them with the desk. ``owner``: None takes the application's.

        Starts nothing: see `wake`.
        """
        super().__init__(settings or DictSettings())
        self.editor = editor
        self.owner = owner or application_owner()
        #: The last line for the status bar; empty once the next action is asked for.
        self.line = ""
        #: How far a propagation is, 0 to 1; None when none is under way.
        self.progress: float | None = None
        #: The slice that a propagation decided last.
        self.slice: Slice | None = None
        #: Slice -> confidence (0 to 1) of the propagation under way, or of the last one.
        self.confidence: dict[int, float] = {}
        #: What a gesture is drawing; see `draw`.
        self.drawing: tuple[Mark, ...] = ()
        self._hidden: frozenset[str] = frozenset()
        self._greeting: Pending[Welcome] | None = None
        self._live: LiveSession | None = None
        self._place = Place(None)
        self._ahead = Ahead(self.owner)
        self._listeners: list[Listener] = []
        self._told = self._closed = self._awake = False
        self._observers = Observers(self._changed)
        self._unlisten = self.owner.listen(self._heard)
        self._follow()

    def listen(self, callback: Listener) -> Callable[[], None]:
        """Be told, at most once per loop turn, that something a window shows may have changed.

        Call what is returned to hear no more.
        """
        self._listeners.append(callback)

        def let_go() -> None:
            if callback in self._listeners:
                self._listeners.remove(callback)

        return let_go

    def wake(self) -> None:
        """An effect is shown: start the helper, ask what it has, and have it open the image.

        Takes no time here, changes nothing, and sends nothing to a server.
        """
        if not self._closed:
            self._awake = True
            self._greet(self.owner.greet())
            self._follow()
            self._prepare()

    def rest(self) -> None:
        """No effect is shown any more; what was asked for is done all the same."""
        self._awake = False

    def close(self) -> None:
        """Let go of everything; what has no result yet is left out, with a line."""
        if not self._closed:
            self._put_down()
            self._closed = True
            self._unlisten()
            self._observers.let_go()
            self._listeners = []

    # What a window shows

    @property
    def reason(self) -> str:
        """ "" when prompts can be given now, else one sentence why not and what to do."""
        if self._closed:
            return "This segment editor is closed; open it again."
        self._follow()
        return self._place.reason

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
            self._changed()

    def draw(self, *marks: Mark) -> None:
        """Show what a gesture is drawing, beside the prompts; nothing: it has ended."""
        if marks or self.drawing:
            self.drawing = marks
            self._changed()

    def say(self, line: str) -> None:
        """Show a line in the status bar."""
        self.line = line
        self._changed()

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

        def told(event: Slice) -> None:
            self.progress, self.slice = event.fraction, event
            self.confidence[event.index] = event.confidence
            self._changed()

        def ended(_: object) -> None:
            self.progress = self.slice = None
            self._changed()

        if self.can(PROPAGATE):
            return self._refused(UnsupportedPromptError(self.can(PROPAGATE)))
        pending = self._ask(
            lambda live: live.propagate(None, first, last, direction, axis, on_progress=told)
        )
        self.progress, self.confidence = 0.0, {}
        return pending.then(ended, ended)

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

    # The session behind it

    def set_up(self) -> None:
        if self._live is not None:
            self._live.preview, self._live.limits = self.preview, self.limits
            self._live.new_segments = self.new_segments
            self._live.use_model(self._wanted_model, self.device)
        self._changed()

    def _ask(self, act: Callable[[LiveSession], Pending[Step]]) -> Pending[Step]:
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

    def _refused(self, error: MedsegError) -> Pending[Step]:
        pending: Pending[Step] = Pending()
        pending.fail(error)
        self.say(str(error))
        return pending

    def _try(self, act: Callable[[], object]) -> None:
        self.line = ""
        try:
            act()
        except MedsegError as error:
            self.line = str(error)
        self._changed()

    def _session(self) -> tuple[LiveSession, bool]:
        """The session on what is chosen in the editor, and whether a segment was added for it.

        Raises `MedsegError` when there can be none.
        """
        reason = self.reason
        if reason:
            raise InputError(reason)
        if self.owner.companion().refusal is not None:
            self.owner.companion().start()
        self.wake()
        born = self._place.ensure_segment()
        if self._live is None:
            place = self._place
            self._live = LiveSession(
                place.volume,
                place.segmentation,
                self.owner.companion(),
                place.segment_id,
                editor=self.editor,
                on_change=self._changed,
                on_line=self.say,
                source=self._ahead.source(place.volume),
            )
            self.set_up()
        elif born:
            self._live.select(self._place.segment_id)
        return self._live, born

    def _follow(self) -> None:
        """Look at what is chosen in the editor now."""
        live = self._live
        if self._closed or (live is not None and live.writing):
            return
        before, self._place = self._place, Place(self.editor.node)
        if not self._place.same_nodes(before):
            self._put_down()
            self._observers.let_go()
            self._place.observe(self._observers)
            return
        chosen = self._place.segment_id
        if live is not None and self._place.has_segment and live.segment_id != chosen:
            live.select(chosen)

    def _put_down(self) -> None:
        """Close the session, if there is one; the next action opens another."""
        live, self._live = self._live, None
        if live is not None:
            live.close()
        self._ahead.drop()

    def _prepare(self) -> None:
        if self._awake and self._live is None and not self._place.reason:
            self._ahead.open(self._place.volume, self._wanted_model, self.device)
            self.confidence = {}

    def _greet(self, greeting: Pending[Welcome]) -> None:
        def met(welcome: Welcome) -> None:
            if greeting is self._greeting:
                self.choices = Choices(welcome)
                self._changed()

        if greeting is not self._greeting:
            self._greeting = greeting
            greeting.then(met, lambda error: self.say(str(error)))

    def _heard(self, line: str) -> None:
        """A line of the helper; it may be that another server was chosen."""
        self.say(line)
        if self.owner.greeting is not None:
            self._greet(self.owner.greeting)

    def _changed(self) -> None:
        if not (self._told or self._closed):
            self._told = True
            self.owner.loop.call_later(0, self._turn)

    def _turn(self) -> None:
        """Once per loop turn, whatever happened in it."""
        self._told = False
        if self._closed:
            return
        self._follow()
        self._prepare()
        for callback in list(self._listeners):
            callback()
