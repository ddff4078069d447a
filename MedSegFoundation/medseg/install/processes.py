"""Other Pythons and their pip, run so that they can be stopped with all they have started."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..errors import CancelledError, InputError

#: Told each line that pip and others write.
Told = Callable[[str], object]
OLDEST = (3, 10)
#: A program with an environment of its own (Slicer) tells here, as JSON, what others should get.
STARTUP = "MEDSEG_STARTUP_ENVIRONMENT"
_LEAVE_OUT = ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONNOUSERSITE", "VIRTUAL_ENV")
_LOOK = (
    "import json, sys, importlib.metadata as m; from importlib.util import find_spec; "
    "print(json.dumps({'version': sys.version_info[:3], 'prefix': sys.prefix, "
    "'venv': bool(find_spec('venv') and find_spec('ensurepip')), "
    "'packages': {str(d.metadata['Name']): str(d.version) for d in m.distributions() "
    "if d.metadata['Name']}}))"
)


class Stop:
    """Lets another thread, or a signal, stop what runs; it can be asked for once and for all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self.asked = False

    def ask(self) -> None:
        """Kill what runs, and let nothing start any more."""
        self.asked = True
        process = self._process
        if process is not None:
            _kill_tree(process)

    def check(self) -> None:
        if self.asked:
            raise CancelledError("It was stopped; nothing has changed.")

    def hold(self, process: subprocess.Popen[str] | None) -> None:
        with self._lock:
            self._process = process
        if process is not None and self.asked:
            _kill_tree(process)


def run(command: Sequence[str], told: Told, stop: Stop) -> tuple[int, list[str]]:
    """The exit code and all lines of a program; raises `CancelledError`, and `OSError`."""
    stop.check()
    lines: list[str] = []
    with subprocess.Popen(
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=environment(command[0]),
        **_own_group(),
    ) as process:
        stop.hold(process)
        try:
            assert process.stdout is not None
            for line in process.stdout:
                lines.append(line.rstrip())
                told(lines[-1])
        except BaseException:
            _kill_tree(process)
            raise
        finally:
            stop.hold(None)
    stop.check()
    return process.returncode, lines


def look(python: str, stop: Stop) -> dict[str, Any]:
    """What a Python is: version, prefix, whether it can make environments, its packages.

    Raises `InputError` when it does not run.
    """
    try:
        code, lines = run([python, "-c", _LOOK], _silent, stop)
        found: dict[str, Any] = json.loads(lines[-1])
    except (OSError, ValueError, IndexError) as error:
        raise InputError(f"'{python}' is no Python that runs; name another.") from error
    if code != 0 or tuple(found["version"]) < OLDEST:
        version = ".".join(map(str, found["version"]))
        raise InputError(
            f"'{python}' is Python {version}; name one of {OLDEST[0]}.{OLDEST[1]} or newer."
        )
    return found


def find_pythons() -> list[str]:
    """Interpreters of this computer that an environment may be made with, the own one first."""
    names = ["python3", *(f"python3.{minor}" for minor in (12, 13, 11, 10)), "python"]
    path = environment("another").get("PATH")
    found = [sys.executable, *filter(None, (shutil.which(name, path=path) for name in names))]
    return list({str(Path(p).resolve()): p for p in reversed(found)}.values())[::-1]


def environment(python: str) -> dict[str, str]:
    """Environment variables for ``python``: another one gets nothing that was meant for this."""
    if Path(python).absolute() == Path(sys.executable).absolute():
        return dict(os.environ)
    told = os.environ.get(STARTUP)
    made: dict[str, str] = dict(os.environ) if told is None else dict(json.loads(told))
    return {name: value for name, value in made.items() if name not in _LEAVE_OUT}


def _own_group() -> dict[str, Any]:
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}


def _kill_tree(process: subprocess.Popen[str]) -> None:
    if sys.platform == "win32":
        subprocess.run(
            ["taskkill", "/T", "/F", "/PID", str(process.pid)], capture_output=True, check=False
        )
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def _silent(line: str) -> None:
    pass
