"""Ends what is left of a Ray cluster of our own, also when the server was killed with -9.

Run as a process of its own, by its path, with the standard library only. Its standard input is a
pipe that nobody writes to; it ends together with the server. Ray's processes are known by the log
files that they have open in the folder of their cluster (they overwrite their own environment).
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

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


def left_over(folder: str, but: int) -> list[int]:
    """Processes of the cluster except ``but`` (on Linux; elsewhere none is found)."""
    pids = [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]
    return [pid for pid in pids if pid != but and _uses(pid, folder + "/")]


def _uses(pid: int, start: str) -> bool:
    """True when the process has a file open whose path begins so."""
    links = Path(f"/proc/{pid}/fd")
    try:
        names = os.listdir(links)
    except OSError:  # gone meanwhile, or of another user
        return False
    for name in names:
        try:
            if os.readlink(links / name).startswith(start):
                return True
        except OSError:  # closed meanwhile
            continue
    return False


def clear(folder: str, but: int) -> None:
    """Kill the cluster's processes and remove its folder."""
    for _ in range(ROUNDS):
        processes = left_over(folder, but)
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
    server = os.getppid()
    sys.stdin.buffer.read()
    clear(sys.argv[1], but=server)
