"""A command of medseg as a program of its own, by events: the window never waits for it."""

from __future__ import annotations

from collections.abc import Callable

import qt
from medseg_scene.tools import Work

#: How long a program may take to clear up after it was asked to stop.
_GRACE_MS = 15_000
#: Programs under way; kept here so that one outlives the page that started it.
_running: set[Program] = set()


class Program:
    """Starts at once; ``changed`` is called whenever ``work`` tells something new."""

    def __init__(self, work: Work, changed: Callable[[], object]) -> None:
        self.work = work
        self._changed = changed
        self._process = process = qt.QProcess()
        environment = qt.QProcessEnvironment()
        for name, value in work.command.environment.items():
            environment.insert(name, value)
        process.setProcessEnvironment(environment)
        process.connect("readyReadStandardOutput()", self._out)
        process.connect("readyReadStandardError()", self._err)
        process.connect("errorOccurred(QProcess::ProcessError)", self._failed)
        process.connect("finished(int,QProcess::ExitStatus)", self._finished)
        _running.add(self)
        process.start(work.command.program, list(work.command.arguments))

    def stop(self) -> None:
        """Ask it to stop; it is killed when it does not."""
        if self.work.finished or self.work.stopped:
            return
        self.work.stopped = True
        self._process.closeWriteChannel()
        if "--attended" not in self.work.command.arguments:
            self._process.kill()  # what it had fetched is kept, and found again
        qt.QTimer.singleShot(_GRACE_MS, self._kill)

    def leave(self) -> None:
        """Stop it, and tell nobody."""
        self._changed = lambda: None
        self.stop()

    def _out(self) -> None:
        self.work.take(self._process.readAllStandardOutput().data())
        self._changed()

    def _err(self) -> None:
        self.work.take(self._process.readAllStandardError().data(), error=True)

    def _failed(self, error: int) -> None:
        if error == qt.QProcess.FailedToStart:
            self.work.fail(self._process.errorString())
            self._ended()

    def _finished(self, code: int, status: int) -> None:
        self._out()
        self._err()
        self.work.end(code, status == qt.QProcess.CrashExit)
        self._ended()

    def _ended(self) -> None:
        _running.discard(self)
        self._changed()

    def _kill(self) -> None:
        if self in _running:
            self._process.kill()
