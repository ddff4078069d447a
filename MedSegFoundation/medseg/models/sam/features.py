"""Encoded slices, found again by their content: first in memory, then in a file, else dropped."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...image import Array

#: Bytes of encoded slices kept in memory and on disk: a slice of SAM 2 has 4.2 MB at 512 pixels.
MEMORY_BYTES, DISK_BYTES = 256 << 20, 8 << 30
#: Part of the free disk that may be taken.
DISK_PART = 0.5

#: The maps of one slice.
Maps = list[Array]


def key_of(rgb: Array) -> bytes:
    """Slices that show the same have the same key."""
    return hashlib.blake2b(repr(rgb.shape).encode() + rgb.tobytes(), digest_size=16).digest()


class FeatureCache:
    """Maps by key, the least lately used ones first to the file and then out.

    All entries have the same shapes and types. The file has no name, so nothing is left behind;
    when the disk refuses, encoding again is all that happens. Safe for several threads.
    """

    def __init__(self, memory: int = MEMORY_BYTES, disk: int = DISK_BYTES) -> None:
        self._memory, self._disk = memory, disk
        self._lock = threading.Lock()
        self._near: OrderedDict[bytes, Maps] = OrderedDict()
        self._far: OrderedDict[bytes, int] = OrderedDict()
        self._free: list[int] = []
        self._file: Any = None
        self._like: Maps = []

    def get(self, key: bytes) -> Maps | None:
        """The maps, or None when they are not kept (any more)."""
        with self._lock:
            if key in self._near:
                self._near.move_to_end(key)
                return self._near[key]
            slot = self._far.pop(key, None)
            if slot is None:
                return None
            maps = self._read(slot)
            self._free.append(slot)
            if maps is not None:
                self._keep(key, maps)
            return maps

    def put(self, key: bytes, maps: Maps) -> None:
        with self._lock:
            self._like = maps
            self._keep(key, maps)

    def __contains__(self, key: bytes) -> bool:
        with self._lock:
            return key in self._near or key in self._far

    def clear(self) -> None:
        with self._lock:
            self._near.clear()
            self._far.clear()
            self._free.clear()
            if self._file is not None:
                self._file.close()
            self._file = None

    @property
    def entry_bytes(self) -> int:
        """Bytes of one entry."""
        return sum(m.nbytes for m in self._like)

    def _keep(self, key: bytes, maps: Maps) -> None:
        self._near[key] = maps
        self._near.move_to_end(key)
        while len(self._near) > max(1, self._memory // self.entry_bytes):
            self._put_away(*self._near.popitem(last=False))

    def _put_away(self, key: bytes, maps: Maps) -> None:
        room = self._disk // self.entry_bytes
        if room < 1:
            return
        if not self._free and len(self._far) >= room:
            self._free.append(self._far.popitem(last=False)[1])
        slot = self._free.pop() if self._free else len(self._far)
        try:
            if self._file is None:
                free = shutil.disk_usage(tempfile.gettempdir()).free
                self._disk = min(self._disk, int(free * DISK_PART))
                self._file = tempfile.TemporaryFile(prefix="medseg-features-")  # noqa: SIM115
                weakref.finalize(self, self._file.close)
            self._file.seek(slot * self.entry_bytes)
            self._file.write(b"".join(m.tobytes() for m in maps))
            self._file.flush()
        except OSError:
            self._disk = 0  # the disk is full: encode again instead
            self._far.clear()
            return
        self._far[key] = slot

    def _read(self, slot: int) -> Maps | None:
        assert self._file is not None
        try:
            self._file.seek(slot * self.entry_bytes)
            maps = [np.empty(m.shape, m.dtype) for m in self._like]
            whole = all(self._file.readinto(m) == m.nbytes for m in maps)
        except OSError:
            return None
        return maps if whole else None


class Ahead:
    """Encodes slices that are likely to be asked for, on a thread that ends when it is done.

    It is no daemon: torch must not be cut off in the middle. It ends after the slice at work when
    the main thread has ended.
    """

    def __init__(self, encode: Callable[[Array], object]) -> None:
        self._encode = encode
        self._lock = threading.Lock()
        self._next: list[Callable[[], Array]] = []
        self._thread: threading.Thread | None = None

    def want(self, slices: Sequence[Callable[[], Array]]) -> None:
        """Encode these next, in this order, instead of what was wanted before."""
        with self._lock:
            self._next = list(slices)
            if self._next and self._thread is None:
                self._thread = threading.Thread(target=self._run, name="medseg ahead")
                self._thread.start()

    def stop(self, seconds: float | None = None) -> None:
        """Want nothing more, and wait for the slice at work."""
        self.want([])
        self.wait(seconds)

    def wait(self, seconds: float | None = None) -> None:
        """Until nothing is left to do."""
        thread = self._thread
        if thread is not None:
            thread.join(seconds)

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._next or not threading.main_thread().is_alive():
                    self._thread = None
                    return
                make = self._next.pop(0)
            try:
                self._encode(make())
            except (RuntimeError, MemoryError):  # out of memory: who needs the slice will be told
                with self._lock:
                    self._next.clear()
