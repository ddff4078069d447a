"""One stored model: its files, and the record beside them that tells if they have changed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from ..errors import InputError, ModelError
from .manifest import Entry

#: Told the name of a file, its bytes so far, and its bytes in all if known.
Progress = Callable[[str, int, "int | None"], object]
RECORD = "medseg.json"
WEIGHTS = (".pt", ".pth", ".safetensors", ".bin", ".ckpt")
_CHUNK = 1 << 22


@dataclass(frozen=True)
class Stored:
    """A file as it was stored: bytes, and SHA-256 in hex."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Copy:
    """A stored model. ``origin``: the address or file it came from; ``when``: UTC, ISO 8601."""

    folder: Path
    files: tuple[Stored, ...]
    origin: str
    when: str

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(file.size for file in self.files)

    @property
    def path(self) -> Path:
        """Its only file, or the folder of several."""
        return self.folder / self.files[0].name if len(self.files) == 1 else self.folder

    def at(self, folder: Path) -> Copy:
        """The same in another folder."""
        return replace(self, folder=folder)


def read_copy(folder: Path) -> Copy | None:
    """What a folder holds; None unless its record can be read and its files are there."""
    try:
        data = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        listed = data["files"]
        files = tuple(Stored(str(f["name"]), int(f["size"]), str(f["sha256"])) for f in listed)
        whole = files and all((folder / f.name).is_file() for f in files)
        return Copy(folder, files, str(data["origin"]), str(data["when"])) if whole else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_copy(folder: Path, origin: str, hashes: Mapping[str, str]) -> Copy:
    """Write the record of the files in a folder."""
    files = tuple(Stored(n, (folder / n).stat().st_size, h) for n, h in sorted(hashes.items()))
    copy = Copy(folder, files, origin, datetime.now(timezone.utc).isoformat(timespec="seconds"))
    data = {"origin": origin, "when": copy.when, "files": [asdict(f) for f in files]}
    try:
        (folder / RECORD).write_text(json.dumps(data, indent=2), encoding="utf-8")
    except OSError as error:
        from ..io.files import io_error  # loads SimpleITK

        raise io_error(folder / RECORD, error, "write") from error
    return copy


def sources(published: Entry, path: Path) -> list[Path]:
    """The files of a model that a user has; raises `InputError` when they are not all there."""
    from ..io.files import existing  # loads SimpleITK

    if published.remote:
        raise InputError(f"{published.title} runs on a server of its own, which keeps its weights.")
    path = existing(path)
    if path.is_file():
        if path.suffix.lower() not in WEIGHTS:
            raise InputError(f"'{path.name}' holds no weights; they end in {', '.join(WEIGHTS)}.")
        return [path]
    there = sorted(p for p in path.iterdir() if p.is_file() and p.name != RECORD)
    wanted = [file.name for file in published.files] or [p.name for p in there]
    missing = [name for name in wanted if name not in {p.name for p in there}]
    if missing or not wanted:
        raise InputError(
            f"'{path}' is not {published.title}: it has no {' and no '.join(missing or WEIGHTS)}."
        )
    return [path / name for name in wanted]


def copy_file(source: Path, target: Path, progress: Progress) -> str:
    """Copy a file; returns its SHA-256 in hex."""
    from ..io.files import io_error

    total, done, digest = source.stat().st_size, 0, hashlib.sha256()
    try:
        with open(source, "rb") as reader, open(target, "wb") as writer:
            while chunk := reader.read(_CHUNK):
                writer.write(chunk)
                digest.update(chunk)
                done += len(chunk)
                progress(source.name, done, total)
            writer.flush()
            os.fsync(writer.fileno())
    except OSError as error:
        raise io_error(target, error, "write") from error
    return digest.hexdigest()


def sha256(path: Path, progress: Progress) -> str:
    """The SHA-256 of a file in hex."""
    from ..io.files import io_error

    total, done, digest = path.stat().st_size, 0, hashlib.sha256()
    try:
        with open(path, "rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
                done += len(chunk)
                progress(path.name, done, total)
    except OSError as error:
        raise io_error(path, error, "read") from error
    return digest.hexdigest()


def check_file(path: Path, found: str, expected: Sequence[str | None], title: str) -> None:
    """Raise `ModelError` when a new file is no part of a model, or not the published one."""
    with open(path, "rb") as stream:
        head = stream.read(64).lstrip().lower()
    what = None
    if head.startswith((b"<!doctype", b"<html")):
        what = "a web page (one to sign in, perhaps)"
    elif head.startswith(b"version https://git-lfs"):
        what = "a pointer of git-lfs, not the file itself"
    if what is not None or not head:
        raise ModelError(f"'{path.name}' is {what or 'empty'}; it was not stored. Get it again.")
    if any(told not in (None, found) for told in expected):
        raise ModelError(
            f"'{path.name}' is not the published file of {title} (its SHA-256 differs); it was "
            "not stored. Get it again, or ask where it came from."
        )
