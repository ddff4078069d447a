"""What a long run has found so far, on disk: it survives a stop, and any length fits in memory."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..image import Mask
from ..propagation import Found
from .files import io_error, read_text, write_atomic

#: Of each place and row: the confidence plus 1, or 0 when it is not decided, and its note.
_MARK = np.dtype([("sure", "<f8"), ("at", "<i8"), ("size", "<i8")])


class FoundFile:
    """Masks of ``places`` x ``rows`` pictures ``(A, B)`` in a folder of their own.

    ``run``: JSON-able facts that say what is being done. A folder of the same run is gone on
    with, one of another run is begun anew.
    """

    def __init__(
        self, folder: Path, places: int, rows: int, shape: tuple[int, int], run: Mapping[str, Any]
    ) -> None:
        self.folder = folder
        self.shape = shape
        facts = {**run, "places": places, "rows": rows, "shape": list(shape)}
        if _facts(folder) != facts:
            shutil.rmtree(folder, ignore_errors=True)
            _begin(folder, facts)
        self._bytes = -(-shape[0] * shape[1] // 8)
        self._masks = _opened(folder / "masks")
        self._notes = _opened(folder / "notes")
        self._marks = _opened(folder / "decided")
        self._decided = np.zeros((places, rows), _MARK)
        held = self._marks.readall()
        before = np.frombuffer(held[: len(held) // _MARK.itemsize * _MARK.itemsize], _MARK)
        self._decided.ravel()[: before.size] = before

    @property
    def places(self) -> int:
        return self._decided.shape[0]

    @property
    def rows(self) -> int:
        return self._decided.shape[1]

    def put(self, place: int, row: int, mask: Mask, confidence: float, note: bytes = b"") -> None:
        """Keep one answer; raises `InputError` when the disk refuses.

        Its mark is written last, so that whatever is marked is there.
        """
        number = place * self.rows + row
        try:
            self._masks.seek(number * self._bytes)
            _write(self._masks, np.packbits(mask).tobytes())
            at = self._notes.seek(0, os.SEEK_END)
            _write(self._notes, note)
            self._decided[place, row] = (1 + confidence, at, len(note))
            self._marks.seek(_MARK.itemsize * number)
            _write(self._marks, self._decided[place, row].tobytes())
        except OSError as error:
            raise io_error(self.folder, error, "write") from error

    def mask(self, place: int) -> Mask:
        """``(rows, A, B)``, empty where nothing is decided yet."""
        a, b = self.shape
        size = self.rows * self._bytes
        self._masks.seek(place * size)
        packed = np.frombuffer(self._masks.read(size).ljust(size, b"\0"), np.uint8)
        bits = np.unpackbits(packed.reshape(self.rows, -1), axis=1, count=a * b)
        return bits.reshape(self.rows, a, b).astype(bool)

    def confidence(self, place: int, rows: slice = slice(None)) -> float | None:
        """The least of those rows that are decided, None when none is."""
        sure = self._decided["sure"][place, rows]
        decided = sure[sure > 0]
        return float(decided.min() - 1) if decided.size else None

    def known(self, row: int) -> Mapping[int, Found]:
        """The answers of one row by their places."""
        return _Known(self, row)

    def answer(self, place: int, row: int) -> Found | None:
        """What is known of a place in a row, if anything."""
        sure, at, size = self._decided[place, row].tolist()
        if not sure:
            return None
        self._notes.seek(at)
        return Found(place, self.mask(place)[row], sure - 1, self._notes.read(size))

    def decided(self, row: int) -> list[int]:
        """Places of a row that are known."""
        places: list[int] = np.flatnonzero(self._decided["sure"][:, row]).tolist()
        return places

    def close(self) -> None:
        """Bring everything onto the disk and let it lie there."""
        for file in (self._masks, self._notes, self._marks):
            file.close()

    def remove(self) -> None:
        """The result is elsewhere now."""
        self.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class _Known(Mapping[int, Found]):
    def __init__(self, store: FoundFile, row: int) -> None:
        self._store, self._row = store, row

    def __getitem__(self, place: int) -> Found:
        found = self._store.answer(place, self._row)
        if found is None:
            raise KeyError(place)
        return found

    def __iter__(self) -> Iterator[int]:
        return iter(self._store.decided(self._row))

    def __len__(self) -> int:
        return len(self._store.decided(self._row))


def _facts(folder: Path) -> Any:
    try:
        return json.loads(read_text(folder / "run.json"))
    except (InputError, ValueError):
        return None


def _begin(folder: Path, facts: Mapping[str, Any]) -> None:
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise io_error(folder, error, "write") from error
    write_atomic(folder / "run.json", [json.dumps(facts).encode()])


def _write(file: FileIO, data: bytes) -> None:
    if file.write(data) != len(data):
        raise OSError(errno.ENOSPC, "the disk is full")


def _opened(path: Path) -> FileIO:
    try:
        path.touch()
        return path.open("r+b", buffering=0)
    except OSError as error:
        raise io_error(path, error, "write") from error
