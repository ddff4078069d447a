"""One at a time: a lock between processes that goes when its owner does."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import InputError
from ..io.files import io_error


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Hold a lock file; raises `InputError` at once when somebody else does ``what``."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = open(path, "a+b")  # noqa: SIM115 (closed below)
    except OSError as error:
        raise io_error(path.parent, error, "write") from error
    with stream:
        if not _take(stream.fileno()):
            raise InputError(f"Another program {what} right now; wait until it is done.")
        yield


def _take(handle: int) -> bool:
    """Without waiting; it is let go when the file is closed."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    os.set_inheritable(handle, False)
    return True
