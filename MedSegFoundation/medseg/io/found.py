"""What a long run has found so far, on disk: it survives a stop, and any length fits in memory."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..errors import InputError
from ..image import Mask
from ..propagation import Found
from .files import io_error, read_text, write_atomic


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
        self._marks = _opened(folder / "decided")
        #: ``(places, rows)``: 0 is not decided, else the confidence plus 1.
        self._decided = np.zeros((places, rows), np.float32)
        before = np.frombuffer(self._marks.read(), np.float32)[: places * rows]
        self._decided.ravel()[: before.size] = before

    @property
    def places(self) -> int:
        return self._decided.shape[0]

    @property
    def rows(self) -> int:
        return self._decided.shape[1]

    def put(self, place: int, row: int, mask: Mask, confidence: float) -> None:
        """Keep one answer; raises `InputError` when the disk refuses."""
        self._decided[place, row] = 1 + confidence
        number = place * self.rows + row
        try:
            self._masks.seek(number * self._bytes)
            self._masks.write(np.packbits(mask).tobytes())
            self._marks.seek(4 * number)
            self._marks.write(self._decided[place, row].tobytes())
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

    def confidence(self, place: int) -> float | None:
        """The least of all rows that are decided, None when none is."""
        decided = self._decided[place][self._decided[place] > 0]
        return float(decided.min() - 1) if decided.size else None

    def known(self, row: int) -> Mapping[int, Found]:
        """The answers of one row by their places."""
        return _Known(self, row, self._decided[:, row])

    def close(self) -> None:
        """Bring everything onto the disk and let it lie there."""
        self._masks.close()
        self._marks.close()

    def remove(self) -> None:
        """The result is elsewhere now."""
        self.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class _Known(Mapping[int, Found]):
    def __init__(self, store: FoundFile, row: int, decided: Any) -> None:
        self._store, self._row, self._decided = store, row, decided

    def __getitem__(self, place: int) -> Found:
        if place not in self:
            raise KeyError(place)
        mask = self._store.mask(place)[self._row]
        return Found(place, mask, float(self._decided[place]) - 1)

    def __contains__(self, place: object) -> bool:
        return isinstance(place, int) and bool(self._decided[place] > 0)

    def __iter__(self) -> Iterator[int]:
        return iter(np.flatnonzero(self._decided > 0).tolist())

    def __len__(self) -> int:
        return int(np.count_nonzero(self._decided > 0))


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


def _opened(path: Path) -> BinaryIO:
    try:
        path.touch()
        return path.open("r+b")
    except OSError as error:
        raise io_error(path, error, "write") from error
