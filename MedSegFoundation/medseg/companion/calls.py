"""What the helper answers: every call of `medseg.protocol.backend.Backend`, by its name."""

from __future__ import annotations

import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, MedsegError, VersionError
from ..image import Image, is_sheared
from ..protocol.backend import Backend
from ..protocol.messages import (
    VERSIONS,
    ActionRequest,
    EstimateRequest,
    JobRequest,
    SessionRequest,
    decode,
    encode,
)
from ..protocol.problems import to_problem
from ..resample import ShearedScan
from . import shared
from .wire import BrokenWireError, Json

#: Jobs hold a thread as long as they run.
_THREADS = 32
_FAREWELL_SECONDS = 0.7
#: One user at one machine: memory is the only limit, and work may rest for half a day. After
#: that a session is put back when it is used again.
_OWN: dict[str, Any] = {
    "image_bytes": 1 << 40,
    "store_bytes": 1 << 40,
    "sessions": 10_000,
    "sessions_per_user": 10_000,
    "lease_seconds": 4 * 3600.0,
}
Send = Callable[[Json], None]
Tell = Callable[[Any], None]


class Answerer:
    """Takes messages, answers them from threads; calls about one session keep their order."""

    def __init__(self, prefix: str, send: Send, leave: Callable[[], Any]) -> None:
        self._prefix = prefix
        self._send = send
        self._leave = leave
        self._behind: Behind | None = None
        self._refusal: MedsegError = InputError("The helper process was not told where to work.")
        self._lines = Lines()

    def take(self, message: Json) -> None:
        """Begin to answer; never blocks."""
        number, name, args = message.get("id"), message.get("call"), message.get("args")
        if not isinstance(args, dict) or not isinstance(name, str):
            return
        if name == "bye":
            threading.Thread(target=self._bye, daemon=True).start()
            return
        # "connect" is answered before the GUI sends anything else, but whoever was behind us
        # before keeps the calls that are under way.
        behind = self._behind
        ordered = args.get("session") if name in ("act", "start_job", "close_session") else None
        self._lines.put(ordered, lambda: self._answer(number, name, args, behind))

    def _answer(self, number: Any, name: str, args: Json, behind: Behind | None) -> None:
        try:
            if name == "connect":
                reply = self._connect(args)
            elif behind is None:
                raise self._refusal
            else:
                tell: Tell = lambda event: self._send({"id": number, "event": event})  # noqa: E731
                reply = behind.answer(name, args, tell, self._prefix)
            self._send({"id": number, "reply": reply})
        except Exception as error:  # the outermost frame of a call: the GUI must get an answer
            if not isinstance(error, MedsegError):
                _log(error)
            self._send({"id": number, "problem": to_problem(error)})

    def _connect(self, args: Json) -> Json:
        old, self._behind = self._behind, None
        if old is not None:
            threading.Thread(target=old.close, daemon=True).start()
        try:
            _check_versions(args.get("versions"))
            self._behind = _behind(args.get("server"))
        except MedsegError as error:
            self._refusal = error
            raise
        return {}

    def _bye(self) -> None:
        behind = self._behind
        if behind is not None:
            closing = threading.Thread(target=behind.close, daemon=True)
            closing.start()
            closing.join(_FAREWELL_SECONDS)
        self._leave()


class Behind:
    """A back end, and what is open there."""

    def __init__(self, backend: Backend, close: Callable[[], None]) -> None:
        self._backend = backend
        self._close = close
        self._sessions: set[str] = set()
        self._calls: dict[str, Callable[[Json], Any]] = {
            "welcome": lambda a: encode(backend.welcome()),
            "agree": lambda a: self._agree(),
            "open_session": self._open_session,
            "session": lambda a: encode(backend.session(_text(a, "session"))),
            "act": lambda a: encode(
                backend.act(_text(a, "session"), decode(ActionRequest, a.get("request")))
            ),
            "close_session": self._close_session,
            "start_job": lambda a: encode(
                backend.start_job(_text(a, "session"), decode(JobRequest, a.get("request")))
            ),
            "job": lambda a: encode(backend.job(_text(a, "job"))),
            "cancel_job": lambda a: encode(backend.cancel_job(_text(a, "job"))),
            "estimate": lambda a: encode(
                backend.estimate(decode(EstimateRequest, a.get("request")))
            ),
        }

    def answer(self, name: str, args: Json, tell: Tell, prefix: str) -> Any:
        """The reply to one call; raises what the back end raises."""
        if name == "put_image":
            return {"image": self._backend.put_image(_image(args, prefix, tell))}
        if name == "job_events":
            for event in self._backend.job_events(_text(args, "job"), int(args.get("after", 0))):
                tell(encode(event))
            return {}
        if name not in self._calls:
            raise InputError(f"'{name}' is no call of the helper process.")
        return self._calls[name](args)

    def close(self) -> None:
        """Leave nothing open there, as far as it can be reached."""
        for session in list(self._sessions):
            with suppress(MedsegError):
                self._backend.close_session(session)
        self._close()

    def _open_session(self, args: Json) -> Json:
        info = self._backend.open_session(decode(SessionRequest, args.get("request")))
        self._sessions.add(info.session)
        return encode(info)

    def _close_session(self, args: Json) -> Json:
        session = _text(args, "session")
        self._sessions.discard(session)
        self._backend.close_session(session)
        return {}

    def _agree(self) -> Json:
        agree = getattr(self._backend, "agree", None)  # only a server needs consent
        if agree is not None:
            agree()
        return {}


class Lines:
    """Runs functions on threads; those of one line one after the other."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, "medseg-call")
        self._lock = threading.Lock()
        self._lines: dict[str, deque[Callable[[], None]]] = {}

    def put(self, line: str | None, function: Callable[[], None]) -> None:
        if line is None:
            self._threads.submit(function)
            return
        with self._lock:
            waiting = self._lines.get(line)
            if waiting is not None:
                waiting.append(function)
                return
            self._lines[line] = deque([function])
        self._threads.submit(self._run, line)

    def _run(self, line: str) -> None:
        while True:
            with self._lock:
                if not self._lines[line]:
                    del self._lines[line]
                    return
                function = self._lines[line].popleft()
            function()


def _check_versions(theirs: Any) -> None:
    if not isinstance(theirs, list) or not set(VERSIONS) & {v for v in theirs if type(v) is int}:
        raise VersionError(
            "The helper process runs another version of medseg; update medseg in its Python."
        )


def _behind(server: Any) -> Behind:
    """This machine, or the server described by ``url``, ``token`` and ``ca``."""
    if server is None:
        from ..service import Service, Settings

        service = Service(Settings(**_OWN))
        return Behind(service.backend("local"), lambda: service.close(finish=False))
    from ..client.http import HttpBackend

    if not isinstance(server, dict):
        raise InputError("The server must be given by its address.")
    backend = HttpBackend(_text(server, "url"), token=server.get("token"), ca=server.get("ca"))
    return Behind(backend, backend.close)


def _image(args: Json, prefix: str, tell: Tell) -> Image:
    try:
        voxels = shared.open_voxels(
            Path(_text(args, "path")), prefix, _text(args, "dtype"), list(args["shape"])
        )
        tell("mapped")
        affine, modality = np.array(args["affine"], float), args.get("modality")
        if affine.shape == (4, 4) and is_sheared(affine):
            return ShearedScan(voxels, affine, modality).resampled
        return Image(voxels, affine, modality, time_axis=bool(args.get("time_axis")))
    except (KeyError, TypeError, ValueError) as error:
        raise BrokenWireError("What came is no image.") from error


def _text(args: Json, name: str) -> str:
    value = args.get(name)
    if not isinstance(value, str):
        raise InputError(f"This call needs a '{name}'.")
    return value


def _log(error: Exception) -> None:
    """Where it happened, and not what about: messages may hold names of files or patients."""
    lines = [f"{type(error).__name__} in a call\n", *traceback.format_tb(error.__traceback__)]
    sys.stderr.write("".join(lines))
    sys.stderr.flush()
