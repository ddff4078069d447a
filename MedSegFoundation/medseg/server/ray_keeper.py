"""Ends what is left of a Ray cluster of our own, also when the server was killed with -9.

Run as a process of its own, by its path, with the standard library only. Its standard input is a
pipe that nobody writes to; it ends together with the server. Ray's processes are known by the
variable `VARIABLE` in their environment, which is the folder of their cluster.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

VARIABLE = "MEDSEG_RAY_FOLDER"
#: Rounds of looking for processes, and seconds between them: new ones may appear meanwhile.
ROUNDS, PAUSE = 20, 0.1


class Keeper:
    """The keeper's process, as its starter sees it; ``folder`` is for the cluster's files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process = subprocess.Popen(
            [sys.executable, "-I", __file__, str(folder)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def end(self) -> None:
        """Have the cluster removed, and wait for that."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def left_over(folder: str) -> list[int]:
    """Processes of the cluster (on Linux; elsewhere none is found)."""
    wanted = f"{VARIABLE}={folder}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:  # gone meanwhile, or of another user
            continue
    return found


def clear(folder: str) -> None:
    """Kill the cluster's processes and remove its folder."""
    for _ in range(ROUNDS):
        processes = left_over(folder)
        if not processes:
            break
        for process in processes:
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(PAUSE)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.stdin.buffer.read()
    clear(sys.argv[1])
