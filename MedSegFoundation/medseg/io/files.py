"""Reading and writing whole files, with sentences instead of tracebacks."""

from __future__ import annotations

import errno
import os
import struct
import tempfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from ..errors import InputError


def suffix(path: Path) -> str:
    """Lower-case suffix; two parts for .nii.gz, .seg.nrrd and .mrk.json."""
    name = path.name.lower()
    for double in (".nii.gz", ".seg.nrrd", ".mrk.json"):
        if name.endswith(double):
            return double
    return Path(name).suffix


def existing(path: str | os.PathLike[str]) -> Path:
    """The path, if something is there and it is not an empty file; else `InputError`."""
    found = Path(path)
    try:
        if not found.exists():
            raise InputError(f"There is no file or folder '{found}'; check the path.")
        if found.is_file() and found.stat().st_size == 0:
            raise InputError(f"'{found.name}' is empty (0 bytes); copy or export it again.")
    except OSError as error:
        raise io_error(found, error, "read") from error
    return found


def existing_file(path: str | os.PathLike[str], what: str = "file") -> Path:
    """Like `existing`, but a folder is refused: a ``what`` is wanted."""
    found = existing(path)
    if found.is_dir():
        raise InputError(f"'{found}' is a folder; name one {what}.")
    return found


def opened(path: Path) -> IO[bytes]:
    """A file to read from; `InputError` with the reason when it cannot be read."""
    try:
        return path.open("rb")
    except OSError as error:
        raise io_error(path, error, "read") from error
    except ValueError as error:  # a name with a zero byte
        raise InputError(f"There can be no file named {str(path)!r}; check the name.") from error


def read_bytes(path: Path) -> bytes:
    """The content of a file; `InputError` with the reason when it cannot be read."""
    try:
        with opened(path) as file:
            return file.read()
    except OSError as error:
        raise io_error(path, error, "read") from error


def read_text(path: Path) -> str:
    """The content of a UTF-8 text file."""
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"'{path.name}' is not a text file; choose another file.") from error


def check_png(path: Path) -> None:
    """Raise `InputError` unless all parts of a PNG are there and whole (libpng would print)."""
    data = read_bytes(path)
    at, name = 8, b""
    while data.startswith(b"\x89PNG\r\n\x1a\n") and len(data) >= at + 12:
        (length,) = struct.unpack_from(">I", data, at)
        name, end = data[at + 4 : at + 8], at + 8 + length
        if zlib.crc32(data[at + 4 : end]).to_bytes(4, "big") != data[end : end + 4]:
            break
        if name == b"IEND":
            return
        at = end + 4
    raise damaged(path, "it is not a whole PNG picture")


def damaged(path: Path, why: str) -> InputError:
    """The error for a broken file."""
    return InputError(f"'{path.name}' is damaged: {why}; copy or export it again.")


def io_error(path: Path, error: OSError, doing: str) -> InputError:
    """The error for something the system refused; ``doing`` is "read" or "write"."""
    remedy = {
        errno.ENOSPC: "the disk is full; free some space and try again",
        errno.EDQUOT: "the disk quota is used up; free some space and try again",
        errno.EACCES: "you have no permission; choose another place",
        errno.EROFS: "the disk is read-only; choose another place",
        errno.ENOENT: "the folder does not exist; create it first",
        errno.ENOTDIR: "the folder does not exist; create it first",
        errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
    }.get(error.errno or 0, f"{error.strerror or error}; check the disk")
    return InputError(f"Cannot {doing} '{path}': {remedy}.")


def write_atomic(path: Path, chunks: Iterable[bytes]) -> None:
    """Write a file completely or not at all.

    The content goes to a temporary file in the same folder, onto the disk, and then takes the
    name. When anything fails, an older file stays as it was and nothing is left behind; the
    system's refusals come as `InputError`.
    """
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(prefix=".medseg-", suffix=".tmp", dir=path.parent)
        with os.fdopen(handle, "wb") as stream:
            for chunk in chunks:
                stream.write(chunk)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, mode_for(path))
        os.replace(temporary, path)
        temporary = None
    except OSError as error:
        raise io_error(path, error, "write") from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def mode_for(path: Path) -> int:
    """Permissions of the old file, or what a new file gets (mkstemp makes private ones)."""
    if path.exists():
        return path.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
