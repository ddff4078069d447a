"""Where medseg keeps things of a user's own; nothing is made before it is written to."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from .errors import InputError


def config() -> Path:
    """The folder of small files that say what the user has chosen or agreed to."""
    return _base("APPDATA", "Application Support", "XDG_CONFIG_HOME", ".config") / "medseg"


def data() -> Path:
    """The folder of large files: models, environments."""
    return _base("LOCALAPPDATA", "Application Support", "XDG_DATA_HOME", ".local/share") / "medseg"


def delete(path: Path) -> None:
    """Delete a folder, if it is there; raises `InputError` when something holds on to it."""
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise InputError(
            f"'{path}' cannot be deleted ({error.strerror}); close the programs that use it."
        ) from error


def _base(windows: str, mac: str, linux: str, default: str) -> Path:
    home = Path.home()
    if sys.platform == "win32":
        return Path(os.environ.get(windows) or home / "AppData" / "Local")
    if sys.platform == "darwin":
        return home / "Library" / mac
    return Path(os.environ.get(linux) or home / default)
