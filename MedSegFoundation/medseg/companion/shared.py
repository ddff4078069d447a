"""Voxels from the GUI to the helper, through a file that lives in memory where there is room.

Not `multiprocessing.shared_memory`: it starts a process of its own with ``sys.executable``, which
in a GUI host need not be a plain Python, and it removes blocks behind our back.

The GUI writes the file, the helper maps it and says so, and the GUI removes the name: from then
on the voxels live as long as the mapping, and nothing is left whoever dies. Names begin with the
creator's process id, so that files of the dead can be told.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import secrets
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ..errors import InputError, MemoryShortError, RemoteError
from ..image import Array

#: Most bytes that are copied in one turn of the GUI's event loop.
SLAB_BYTES = 4 << 20
#: Room that must stay free for others.
_RESERVE = 64 << 20
_START = "medseg-"


def folders() -> list[Path]:
    """Where such files may lie, the best place first."""
    memory, disk = Path("/dev/shm"), Path(tempfile.gettempdir())
    return [memory, disk] if os.access(memory, os.W_OK) else [disk]


def new_prefix() -> str:
    """How all files of one link begin."""
    return f"{_START}{os.getpid()}-{secrets.token_hex(8)}-"


class SharedFile:
    """A file that only its owner can read, being written."""

    def __init__(self, folder: Path, prefix: str) -> None:
        self.path = folder / (prefix + secrets.token_hex(8))
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
        flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        self._file = os.open(self.path, flags, 0o600)

    def write(self, data: Array) -> None:
        """Append contiguous voxels; raises `OSError` when there is no room."""
        left = data.reshape(-1).view(np.uint8).data
        while left:
            left = left[os.write(self._file, left) :]

    def remove(self) -> None:
        """Close it and remove its name; may be done again."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
            with contextlib.suppress(OSError):  # gone, or still held (Windows): `sweep` has it
                self.path.unlink()


def create(prefix: str, size: int, places: Sequence[Path]) -> tuple[SharedFile, list[Path]]:
    """A file with room for ``size`` bytes in the first of ``places``, and the places after it.

    Raises `MemoryShortError` when nowhere is room.
    """
    for number, folder in enumerate(places):
        try:
            if shutil.disk_usage(folder).free >= size + _RESERVE:
                return SharedFile(folder, prefix), list(places[number + 1 :])
        except OSError:
            continue  # not there, read-only: the next one
    raise MemoryShortError(
        f"There is no room to hand the image to the helper process: free {size >> 20} MB of "
        f"memory, or of disk space in {places[-1] if places else tempfile.gettempdir()}."
    )


def slabs(array: Array) -> Iterator[Array]:
    """The voxels in order, little endian and contiguous, in pieces of at most `SLAB_BYTES`."""
    little = array.dtype.newbyteorder("<")
    lines = array.reshape(-1, *array.shape[2:]) if array.flags.c_contiguous else None
    if lines is None:  # a view that cannot be cut into lines without a copy: slice by slice
        for part in array:
            yield from slabs(np.ascontiguousarray(part)[None])
        return
    step = max(1, SLAB_BYTES // max(1, lines[0].nbytes))
    for begin in range(0, len(lines), step):
        yield np.ascontiguousarray(lines[begin : begin + step], dtype=little)


def open_voxels(path: Path, prefix: str, dtype: str, shape: Sequence[int]) -> Array:
    """The voxels of a `SharedFile`, read-only; POSIX: mapped, so the name may go.

    Raises `InputError` when name, type or size are not what they must be.
    """
    kind = np.dtype(dtype)
    count = int(np.prod(shape, dtype=np.int64))
    if not path.name.startswith(prefix) or kind.kind not in "biuf" or count < 1:
        raise InputError("What the image was handed over in cannot be used.")
    try:
        with open(os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0)), "rb") as file:
            if os.fstat(file.fileno()).st_size != count * kind.itemsize:
                raise InputError("The image did not arrive whole; open it again.")
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise RemoteError(f"The image could not be taken over ({error.strerror}).") from error
    voxels = np.frombuffer(mapped, kind).reshape(tuple(shape))
    if sys.platform != "win32":
        return voxels
    copied = voxels.copy()  # Windows removes no file that is mapped
    del voxels
    mapped.close()
    copied.setflags(write=False)
    return copied


def sweep(prefix: str | None = None) -> None:
    """Remove left files: those of one link, or of all creators that are dead."""
    for folder in folders():
        for path in folder.glob(f"{prefix or _START}*"):
            try:
                if prefix or _is_left(path):
                    path.unlink(missing_ok=True)
            except OSError:
                continue  # of another user, in use (Windows), or just gone


def _is_left(path: Path) -> bool:
    pid = path.name.removeprefix(_START).split("-")[0]
    regular = stat.S_ISREG(path.stat(follow_symlinks=False).st_mode)
    return regular and pid.isdigit() and not _is_alive(int(pid))


def _is_alive(pid: int) -> bool:
    if sys.platform == "win32":
        return False  # there a file in use cannot be removed: trying is asking
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
