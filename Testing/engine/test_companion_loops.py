"""Other event loops than our own can drive the GUI half."""

from __future__ import annotations

import asyncio

import pytest
from companion_kit import TIMEOUT, environment
from medseg.companion.link import Companion
from session_contract import an_image, at, voxels


class AsyncioWatcher:
    def __init__(self, loop):
        self.loop = loop

    def watch(self, sock, read, write, ready):
        self.loop.remove_reader(sock)
        self.loop.remove_writer(sock)
        if read:
            self.loop.add_reader(sock, ready)
        if write:
            self.loop.add_writer(sock, ready)

    def call_later(self, seconds, callback):
        self.loop.call_later(seconds, callback)


class QtWatcher:
    """As a Qt host does it; in Slicer the signals are connected by ``"activated(int)"``."""

    def __init__(self, core):
        self.core = core
        self.notifiers = {}

    def watch(self, sock, read, write, ready):
        kinds = self.core.QSocketNotifier.Type
        for notifier in self.notifiers.pop(sock, []):
            notifier.setEnabled(False)
            notifier.deleteLater()
        made = []
        for kind in [kinds.Read] * read + [kinds.Write] * write:
            made.append(self.core.QSocketNotifier(sock.fileno(), kind))
            made[-1].activated.connect(lambda *_: ready())
        if made:
            self.notifiers[sock] = made

    def call_later(self, seconds, callback):
        self.core.QTimer.singleShot(round(seconds * 1000), callback)


def test_asyncio_drives_it():
    async def main():
        companion = Companion(AsyncioWatcher(asyncio.get_running_loop()), env=environment())
        try:
            companion.start()
            session = companion.session(an_image(), "painter")
            done = asyncio.Event()
            session.add(at(1, 2, 3)).then(lambda step: done.set())
            await asyncio.wait_for(done.wait(), TIMEOUT)
            return voxels(session)
        finally:
            companion.close()

    assert asyncio.run(main()) == [(1, 2, 3)]


def test_qt_drives_it():
    core = pytest.importorskip("PySide6.QtCore")
    application = core.QCoreApplication([])
    companion = Companion(QtWatcher(core), env=environment())
    try:
        companion.start()
        session = companion.session(an_image(), "painter")
        session.add(at(0, 0, 0))
        session.add(at(1, 2, 3)).then(lambda step: application.quit(), print)
        core.QTimer.singleShot(round(TIMEOUT * 1000), application.quit)
        application.exec()
        assert voxels(session) == [(0, 0, 0), (1, 2, 3)]
    finally:
        companion.close()
        application.shutdown()  # a process has one; the tests with widgets make theirs
