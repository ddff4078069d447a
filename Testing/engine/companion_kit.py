"""Helper processes for tests: started with the test models, and never left behind."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from medseg.companion import shared
from medseg.companion.blocking import BlockingSession
from medseg.companion.link import Companion
from medseg.companion.watch import Pump

PLUGIN = Path(__file__).parents[1] / "plugin"
TIMEOUT = 60.0


def environment(*folders, **more):
    """This environment with the test models, and other folders, on the path."""
    path = os.pathsep.join(str(f) for f in (*folders, PLUGIN))
    return {**os.environ, "PYTHONPATH": path, "MEDSEG_TEST_SECONDS": "0.01", **more}


class Kit:
    """A pump, a companion, and the lines that a status bar would have shown."""

    def __init__(self, **options):
        self.pump = Pump()
        self.lines = []
        options = {"env": environment(), "on_status": self.lines.append, **options}
        self.companion = Companion(self.pump, **options)
        self.companion.start()

    def session(self, image, model="painter"):
        return BlockingSession(self.companion, self.pump, image, model, timeout=TIMEOUT)

    def wait(self, pending):
        self.until(lambda: pending.finished)
        return pending.result

    def until(self, finished):
        self.pump.run_until(finished, TIMEOUT)

    def wait_seconds(self, seconds):
        """Serve events for so long."""
        end = time.monotonic() + seconds
        self.until(lambda: time.monotonic() >= end or self.pump.turn(end))

    def close(self):
        self.companion.close()
        self.pump.close()

    def files(self):
        """What is left of the images that were handed over."""
        return [p for f in shared.folders() for p in f.glob(self.companion.prefix + "*")]


@contextlib.contextmanager
def kits():
    """Starts kits; all are closed at the end, and must leave no file."""
    started = []

    def start(**options):
        started.append(Kit(**options))
        return started[-1]

    try:
        yield start
    finally:
        for kit in started:
            kit.close()
    assert [path for kit in started for path in kit.files()] == []


def is_alive(pid):
    """False for zombies too."""
    with contextlib.suppress(OSError):
        os.kill(pid, 0)
        stat = Path(f"/proc/{pid}/stat")
        return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"
    return False
