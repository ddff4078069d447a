"""The GUI's link to its helper process: keeps one running and carries calls to it.

numpy and the standard library only, no thread, and nothing here waits (but `Companion.close`).
"""

from __future__ import annotations

import atexit
import itertools
import sys
import weakref
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, TypeVar

from ..errors import CancelledError, ConnectionProblem, MedsegError
from ..image import Image
from ..protocol.messages import VERSIONS, Estimate, EstimateRequest, Welcome, decode, encode
from ..protocol.problems import from_problem
from . import shared
from .helper import Helper
from .images import SharedImage
from .linked import LinkedSession
from .pending import Pending
from .watch import Watcher
from .wire import HelperLostError, Json

T = TypeVar("T")
Answered = Callable[[Json | None, MedsegError | None], None]
OnEvent = Callable[[Any], None]

STOPPED = "The helper process stopped; starting it again."
#: Seconds before each new start, when none got anything done; then it is given up.
_BACK_OFF = (0.0, 0.5, 1.0, 2.0)
#: Starts of a Python that never came up.
_FRUITLESS = 2


@dataclass(frozen=True)
class Server:
    """A server to work with instead of this machine; see `medseg.client.HttpBackend`."""

    url: str
    token: str | None = field(default=None, repr=False)
    ca: str | None = None


class Companion:
    """A helper process that is started again when it stops, and the sessions behind it.

    ``watcher``: the event loop. ``python``: the interpreter to start it with. ``server``: work
    there instead of on this machine. ``on_status``: is told a line for a status bar when
    something happened that the user should know. ``env``: the helper's environment, by default
    this process's; our package's folder is added. For a Python that is not Slicer's, give the
    environment that Slicer was started in (`slicer.util.startupEnvironment()`).
    """

    def __init__(
        self,
        watcher: Watcher,
        python: str | None = None,
        *,
        server: Server | None = None,
        on_status: Callable[[str], object] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.watcher = watcher
        self.prefix = shared.new_prefix()
        #: True while the helper takes calls.
        self.ready = False
        #: Why no helper is started any more, if so; `start` tries again.
        self.refusal: MedsegError | None = None
        self._python = python or sys.executable
        self._server = server
        self._env = env
        self._on_status = on_status or (lambda line: None)
        self._helper: Helper | None = None
        self._past: list[Helper] = []
        self._closed = False
        self._deaths = 0
        self._was_up = False
        self._numbers = itertools.count(1)
        self._calls: dict[int, tuple[Answered, OnEvent | None, bool]] = {}
        self._asked: list[Callable[[], None]] = []
        self._sessions: list[LinkedSession] = []
        self._spare: LinkedSession | None = None
        self._images: weakref.WeakValueDictionary[int, SharedImage] = weakref.WeakValueDictionary()
        atexit.register(self.close)

    @property
    def pid(self) -> int | None:
        """The helper's process id while there is one."""
        return None if self._helper is None else self._helper.pid

    def start(self) -> None:
        """Start the helper, also after it was given up; it works as soon as it is ready."""
        if self._helper is None and not self._closed:
            self.refusal = None
            self._deaths = 0
            shared.sweep()
            self._launch()

    def use_python(self, python: str | None, env: Mapping[str, str] | None = None) -> None:
        """Go on with another interpreter (None: this one); open sessions are put back there."""
        self._python, self._env = python or sys.executable, env
        self._deaths, self._was_up = 0, False
        if self._helper is not None:
            self._helper.kill()
        elif self.refusal is not None:
            self.start()

    def session(self, image: Image, model: str = "default", device: str = "auto") -> LinkedSession:
        """A new session; its voxels must not change as long as it is open."""
        spare = self._spare
        if spare is not None and _is_for(spare, image, model, device):
            self._spare = None
            return spare
        shared_image = self._images.get(id(image))
        if shared_image is None:
            shared_image = self._images[id(image)] = SharedImage(self, image)
        session = LinkedSession(self, shared_image, model, device)
        self._sessions.append(session)
        if self.refusal is not None:
            session.fail_all(self.refusal)
        session.advance()
        return session

    def prepare(self, image: Image, model: str = "default", device: str = "auto") -> None:
        """Open a session that will soon be asked for; `session` then gives this one, once.

        There is one at a time: another takes the place of one that nobody asked for.
        """
        if self._spare is None or not _is_for(self._spare, image, model, device):
            self.unprepare()
            self._spare = self.session(image, model, device)

    def unprepare(self) -> None:
        """Close what `prepare` has opened, unless somebody has it."""
        spare, self._spare = self._spare, None
        if spare is not None:
            spare.close()

    def connect(self, server: Server | None) -> Pending[Welcome]:
        """Go on with another server, or on this machine (None); sessions move there."""
        self._server = server
        if self.ready:
            self._lose_all()
            self._up()
        return self.welcome()

    def welcome(self) -> Pending[Welcome]:
        """What the other side has and can do."""
        return self._ask(Welcome, "welcome", {})

    def agree(self) -> Pending[Json]:
        """The user agrees that images are sent to the server; remembered there for good."""
        return self._ask(dict, "agree", {})

    def estimate(self, request: EstimateRequest) -> Pending[Estimate]:
        """What it would cost to work on such an image."""
        return self._ask(Estimate, "estimate", {"request": encode(request)})

    def close(self) -> None:
        """End the helper and leave nothing behind; may be called again."""
        if self._closed:
            return
        self._closed = True
        atexit.unregister(self.close)
        self.refusal = CancelledError("The program is closing.")
        self._lose_all(self.refusal)
        for helper in [*self._past, *([self._helper] if self._helper else [])]:
            helper.end()
        self._helper = None
        shared.sweep(self.prefix)

    # Called by sessions and images.

    def call(
        self, name: str, args: Json, answered: Answered, on_event: OnEvent | None = None
    ) -> None:
        """Send a call; ``answered`` gets the reply or the error, once, `HelperLostError` too."""
        number = next(self._numbers)
        useful = name not in ("connect", "put_image", "open_session")
        self._calls[number] = answered, on_event, useful
        try:
            if self._helper is not None:
                self._helper.send({"id": number, "call": name, "args": args})
        except MedsegError as error:
            del self._calls[number]
            self.watcher.call_later(0, partial(answered, None, error))

    def leave(self, session: LinkedSession) -> None:
        self._sessions.remove(session)

    def _launch(self) -> None:
        if self._closed:
            return
        try:
            self._helper = Helper(
                self.watcher,
                self._python,
                self._env,
                self.prefix,
                self._up,
                self._message,
                self._dead,
            )
        except OSError as error:
            self._give_up(
                f"The helper process cannot be started with {self._python} "
                f"({error.strerror}); choose another Python."
            )

    def _up(self) -> None:
        server = None if self._server is None else asdict(self._server)
        self.call("connect", {"server": server, "versions": list(VERSIONS)}, self._connected)

    def _connected(self, reply: Json | None, error: MedsegError | None) -> None:
        if isinstance(error, HelperLostError):
            return
        if error is not None:
            self._on_status(str(error))  # whoever calls is told the same
        self.ready = self._was_up = True
        asked, self._asked = self._asked, []
        for ask in asked:
            ask()
        for session in list(self._sessions):
            session.advance()

    def _message(self, message: Json) -> None:
        number = message.get("id")
        entry = self._calls.get(number) if isinstance(number, int) else None
        if entry is None or not isinstance(number, int):
            return  # nobody waits for it any more
        answered, on_event, useful = entry
        if "event" in message:
            if on_event is not None:
                on_event(message["event"])
            return
        del self._calls[number]
        if useful:
            self._deaths = 0
        if "problem" in message:
            answered(None, from_problem(message["problem"]))
        else:
            answered(message.get("reply"), None)

    def _dead(self) -> None:
        helper, self._helper = self._helper, None
        if helper is None:
            return
        self._past = [h for h in self._past if not h.reaped] + [helper]
        self._deaths += 1
        self._lose_all()
        if self._deaths > (len(_BACK_OFF) if self._was_up else _FRUITLESS):
            reason = "" if self._was_up else f" ({helper.last_words()})"
            self._give_up(
                f"The helper process stopped {self._deaths} times in a row{reason} and is not "
                "started again; choose another Python or model, or start the program anew."
            )
            return
        self.watcher.call_later(_BACK_OFF[self._deaths - 1], self._launch)
        self._on_status(STOPPED)

    def _give_up(self, sentence: str) -> None:
        self.refusal = ConnectionProblem(sentence)
        self._on_status(sentence)
        self._lose_all(self.refusal)

    def _lose_all(self, error: MedsegError | None = None) -> None:
        """The other side is gone: without ``error`` all is asked again later, with it nothing."""
        self.ready = False
        for session in list(self._sessions):
            session.helper_lost()
            if error is not None:
                session.fail_all(error)
        for image in list(self._images.values()):
            image.forget()
        calls, self._calls = self._calls, {}
        for answered, _, _ in calls.values():
            answered(None, error or HelperLostError("The helper process stopped."))
        if error is not None:
            asked, self._asked = self._asked, []
            for ask in asked:
                ask()

    def _ask(self, kind: type[T], name: str, args: Json) -> Pending[T]:
        pending: Pending[T] = Pending()

        def answered(reply: Json | None, error: MedsegError | None) -> None:
            if isinstance(error, HelperLostError):
                self._asked.append(ask)
            elif error is not None:
                pending.fail(error)
            else:
                pending.finish(reply if kind is dict else decode(kind, reply))  # type: ignore[arg-type]

        def ask() -> None:
            if self.refusal is not None:
                pending.fail(self.refusal)
            elif self.ready:
                self.call(name, args, answered)
            else:
                self._asked.append(ask)

        ask()
        return pending


def _is_for(session: LinkedSession, image: Image, model: str, device: str) -> bool:
    mirror = session.mirror
    return session.image is image and (mirror.model, mirror.device) == (model, device)
