"""What stands behind a desk: it follows the editor, and has a session where one is needed."""

from __future__ import annotations

from collections.abc import Callable

from medseg import InputError
from medseg.companion.pending import Pending
from medseg.protocol.messages import Welcome

from .ahead import Ahead
from .choices import Choices
from .editors import Editor
from .live import LiveSession
from .observers import Observers
from .owner import CompanionOwner
from .owner import owner as application_owner
from .place import Place
from .settings import DictSettings, Settings
from .switches import Switches

Listener = Callable[[], object]


class Seat(Switches):
    """Follows source volume, segmentation and selected segment of an editor; tells who listens.

    Events of the scene only ask for a look in the next turn of the loop; whoever reads or asks
    looks at once. So nothing here depends on the order of events.
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
        self._greeting: Pending[Welcome] | None = None
        self._live: LiveSession | None = None
        self._place = Place(None)
        self._ahead = Ahead(self.owner)
        self._listeners: list[Listener] = []
        self._told = self._closed = self._awake = False
        self._observers = Observers(self.changed)
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

    @property
    def reason(self) -> str:
        """ "" when prompts can be given now, else one sentence why not and what to do."""
        if self._closed:
            return "This segment editor is closed; open it again."
        self._follow()
        return self._place.reason

    def say(self, line: str) -> None:
        """Show a line in the status bar."""
        self.line = line
        self.changed()

    def changed(self) -> None:
        """Tell who listens, in the next turn of the loop."""
        if not (self._told or self._closed):
            self._told = True
            self.owner.loop.call_later(0, self._turn)

    def set_up(self) -> None:
        if self._live is not None:
            self._live.preview, self._live.limits = self.preview, self.limits
            self._live.new_segments = self.new_segments
            self._live.use_model(self._wanted_model, self.device)
        self.changed()

    # For the desk

    def _session(self) -> tuple[LiveSession, bool]:
        """The session on what is chosen in the editor, and whether a segment was added for it.

        Raises `MedsegError` when there can be none.
        """
        reason = self.reason
        if reason:
            raise InputError(reason)
        if self.owner.companion().refusal is not None:
            self.owner.companion().start()
        self._greet(self.owner.greet())
        born = self._place.ensure_segment()
        self._follow()  # others may have looked, or selected, in the middle of that
        if self._live is None:
            place = self._place
            self._live = LiveSession(
                place.volume,
                place.segmentation,
                self.owner.companion(),
                place.segment_id,
                editor=self.editor,
                on_change=self.changed,
                on_line=self.say,
                source=self._ahead.source(place.volume),
            )
            self.set_up()
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

    def _greet(self, greeting: Pending[Welcome]) -> None:
        def met(welcome: Welcome) -> None:
            if greeting is self._greeting:
                self.choices = Choices(welcome)
                self.changed()

        if greeting is not self._greeting:
            self._greeting = greeting
            greeting.then(met, lambda error: self.say(str(error)))

    def _heard(self, line: str) -> None:
        """A line of the helper; it may be that another server was chosen."""
        self.say(line)
        if self.owner.greeting is not None:
            self._greet(self.owner.greeting)

    def _turn(self) -> None:
        """Once per loop turn, whatever happened in it."""
        self._told = False
        if self._closed:
            return
        self._follow()
        self._prepare()
        for callback in list(self._listeners):
            callback()
