"""An own Python environment for the helper process: made whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .. import folders
from ..companion import launch
from ..errors import CancelledError, InputError, MedsegError
from . import needs
from .plan import PIP, Plan, planned, refusal
from .processes import Stop, Told, look, run

_POINTER, _RECORD = "current.json", "medseg.json"


@dataclass(frozen=True)
class Environment:
    """``python``: its interpreter. ``needs``: what it is for. ``packages``: name -> version."""

    folder: Path
    python: Path
    needs: tuple[str, ...]
    packages: dict[str, str]
    when: str


class Environments:
    """The folder of environments; one of them is in use.

    ``folder``: by default "environments" in the user's data folder. A new environment is made
    beside the old one and takes its place when it works; what was interrupted is swept away the
    next time. ``options``: for pip, such as ("--no-index", "--find-links", DIR).
    """

    def __init__(
        self, folder: str | os.PathLike[str] | None = None, options: Sequence[str] = ()
    ) -> None:
        self.folder = folders.data() / "environments" if folder is None else Path(folder)
        self._options = list(options)

    def current(self) -> Environment | None:
        """The environment in use, or None; quick, and starts nothing."""
        try:
            name = json.loads((self.folder / _POINTER).read_text(encoding="utf-8"))["name"]
            folder = self.folder / str(name)
            data = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
            made = Environment(
                folder,
                _python(folder),
                tuple(map(str, data["needs"])),
                {str(k): str(v) for k, v in data["packages"].items()},
                str(data["when"]),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        return made if made.python.is_file() else None

    def plan(self, base: str, names: Sequence[str], told: Told, stop: Stop) -> Plan:
        """What an environment made with the Python ``base`` would get; nothing stays of it."""
        needs.requirements(names)  # better refused now
        with self._made(base, told, stop) as folder:
            return self._planned(folder, names, told, stop)

    def install(self, base: str, names: Sequence[str], told: Told, stop: Stop) -> Environment:
        """Make an environment for ``names`` of `needs.NEEDS`, and use it from now on.

        Raises `InputError` with the reason, or `CancelledError`; then all is as it was.
        """
        _check_root()
        needs.requirements(names)
        with self._made(base, told, stop) as folder:
            python = str(_python(folder))
            pins = [
                f"{i.name}=={i.version}" for i in self._planned(folder, names, told, stop).items
            ]
            code, lines = run([python, *PIP, *self._options, *pins], told, stop)
            if code != 0:
                raise InputError(refusal(lines))
            self._try(python, names, told, stop)
            self._record(folder, names, look(python, stop)["packages"])
            stop.check()
            self._point_to(folder)
        found = self.current()
        assert found is not None
        return found

    def remove(self) -> bool:
        """Delete all environments; False when there was none."""
        if not self.folder.exists():
            return False
        with self._lock():
            (self.folder / _POINTER).unlink(missing_ok=True)
            found = [path for path in self.folder.iterdir() if path.is_dir()]
            for path in found:
                folders.delete(path)
        return bool(found)

    def _planned(self, folder: Path, names: Sequence[str], told: Told, stop: Stop) -> Plan:
        wanted = [*needs.BASE, *needs.requirements(names)]
        return planned(str(_python(folder)), wanted, self._options, {}, (), told, stop)

    @contextmanager
    def _made(self, base: str, told: Told, stop: Stop) -> Iterator[Path]:
        """A new, empty environment; it goes again unless it is in use in the end."""
        with self._lock():
            self._sweep()
            folder = self.folder / uuid.uuid4().hex[:8]
            try:
                told(f"Making an environment with {base}.")
                self._make(base, folder, told, stop)
                yield folder
            finally:
                used = self.current()
                if used is None or used.folder != folder:
                    folders.delete(folder)

    def _make(self, base: str, folder: Path, told: Told, stop: Stop) -> None:
        if not look(base, stop)["venv"]:
            raise InputError(
                f"'{base}' cannot make environments: it lacks venv (on Debian or Ubuntu: "
                "apt-get install python3-venv); install that, or name another Python."
            )
        code, lines = run([base, "-m", "venv", str(folder)], told, stop)
        try:
            prefix = look(str(_python(folder)), stop)["prefix"] if code == 0 else ""
        except CancelledError:
            raise
        except MedsegError:
            prefix = ""
        if not prefix or Path(prefix).resolve() != folder.resolve():
            why = f" ({lines[-1]})" if lines else ""
            raise InputError(
                f"'{base}' cannot make an environment that runs on its own{why}; install Python "
                "3.10 or newer from python.org or your system, and name it."
            )

    def _try(self, python: str, names: Sequence[str], told: Told, stop: Stop) -> None:
        """Load what was installed, once."""
        told("Trying what was installed.")
        for module in needs.imports(names):
            code, lines = run([python, "-c", f"import {module}"], told, stop)
            if code != 0:
                raise InputError(
                    f"'{module}' was installed but does not load "
                    f"({next(reversed(lines), 'it says nothing')}); nothing was kept."
                )

    def _record(self, folder: Path, names: Sequence[str], packages: Any) -> None:
        when = datetime.now(timezone.utc).isoformat(timespec="seconds")
        data = {"needs": list(names), "packages": packages, "when": when}
        _write(folder / _RECORD, data)

    def _point_to(self, folder: Path) -> None:
        _write(self.folder / _POINTER, {"name": folder.name})

    def _sweep(self) -> None:
        """Delete what was interrupted, and what is no longer used by anybody."""
        used = self.current()
        for path in self.folder.iterdir():
            if path.is_dir() and (used is None or path != used.folder):
                shutil.rmtree(path, ignore_errors=True)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        from ..io.files import io_error  # loads SimpleITK
        from ..store.lock import locked

        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise io_error(self.folder, error, "write") from error
        with locked(self.folder / ".lock", "installs packages"):
            yield


def _python(folder: Path) -> Path:
    inside = ("Scripts", "python.exe") if sys.platform == "win32" else ("bin", "python")
    return folder.joinpath(*inside)


def _check_root() -> None:
    """The helper process must find medseg itself from another Python."""
    if launch.ROOT.name in ("site-packages", "dist-packages"):
        raise InputError(
            "This medseg was installed with pip; install what it needs the same way "
            "(pip install 'medseg[torch]'). An environment of its own is for 3D Slicer."
        )


def _write(path: Path, data: Any) -> None:
    from ..io.files import write_atomic

    write_atomic(path, [json.dumps(data, indent=2).encode()])
