"""Commands of medseg that a window starts as programs of their own, and what they tell.

A face only starts the program and hands its bytes on; what they mean is decided here.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from medseg.companion import launch
from medseg.install.processes import STARTUP


@dataclass(frozen=True)
class Command:
    """A program, its arguments, and all of its environment variables."""

    program: str
    arguments: tuple[str, ...]
    environment: dict[str, str]


def medseg_command(*words: str, startup: Mapping[str, str] | None = None) -> Command:
    """``medseg`` with these words, which tells its progress as JSON lines.

    ``startup``: the environment that other Pythons should get (Slicer's own has its libraries).
    """
    environment = launch.environment(sys.executable)
    if startup is not None:
        environment[STARTUP] = json.dumps(dict(startup))
    return Command(sys.executable, ("-m", "medseg.cli", *words), environment)


class Work:
    """A command under way. ``title``: what it does, in words.

    ``line``: what it tells, for people. ``fraction``: 0 to 1, or None. ``events``: what it has
    answered, but progress. ``error``: one sentence, "" while there is none.
    """

    def __init__(
        self, title: str, command: Command, done: Callable[[Work], object] | None = None
    ) -> None:
        self.title = title
        self.command = command
        self.line = ""
        self.fraction: float | None = None
        self.events: list[dict[str, Any]] = []
        self.error = ""
        self.finished = self.stopped = False
        self._done = done or (lambda work: None)
        self._rests = {True: b"", False: b""}
        self._last_words = ""

    def answer(self, kind: str) -> dict[str, Any] | None:
        """The last event of a kind, such as "done" or "plan"."""
        return next((e for e in reversed(self.events) if e.get("event") == kind), None)

    def take(self, data: bytes, *, error: bool = False) -> None:
        """Bytes from its standard output (or error), cut anywhere."""
        *lines, self._rests[error] = (self._rests[error] + data).split(b"\n")
        for line in lines:
            self._line(line.decode("utf-8", "replace").strip(), error)

    def end(self, code: int, crashed: bool = False) -> None:
        """The program is gone."""
        if self.finished:
            return
        for error in (False, True):
            self.take(b"\n", error=error)
        self.finished = True
        if self.stopped:
            self.error = "Stopped; nothing has changed."
        elif crashed or code != 0:
            self.error = self._last_words or f"It ended without a word ({code}); try again."
        if self.error:
            self.line = self.error
        self._done(self)

    def fail(self, reason: str) -> None:
        """The program could not be started."""
        self._last_words = f"'{self.command.program}' cannot be started ({reason})."
        self.end(-1)

    def _line(self, text: str, error: bool) -> None:
        if not text:
            return
        if error:
            self._last_words = text.removeprefix("medseg: ")
            return
        try:
            event = json.loads(text)
        except ValueError:
            event = {"event": "line", "text": text}
        if event.get("event") == "progress":
            self._progress(event)
        elif event.get("event") == "line":
            self.line = str(event.get("text", ""))
        else:
            self.events.append(event)

    def _progress(self, event: Mapping[str, Any]) -> None:
        done, total = event.get("done") or 0, event.get("total")
        self.fraction = done / total if total else None
        digits = 1 if (total or done) < 10_000_000 else 0
        of = f" of {total / 1e6:.{digits}f}" if total else ""
        self.line = f"{event.get('file', '')}: {done / 1e6:.{digits}f}{of} MB"
