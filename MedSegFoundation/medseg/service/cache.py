"""Images on disk, so that a restart of the server need not ask for them again."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np

from ..errors import MedsegError
from ..image import Image
from ..protocol import images as wire
from ..protocol.messages import ImageOffer, decode, encode
from .log import event
from .settings import Settings

_ENDING = ".image"


class ImageCache:
    """One file for each user and image: a line of JSON (the offer) and the voxels.

    Nothing in it names a user or patient. A file is written in full or not at all, and read only
    if its content still has its digest. A disk that fails switches the cache off, with one line
    in the log; nobody else notices.
    """

    def __init__(self, settings: Settings) -> None:
        assert settings.cache is not None
        self._folder = settings.cache
        self._most = settings.cache_bytes
        self._limits = settings.limits()
        self._lock = threading.Lock()
        self._usable = True

    def read(self, user: str, name: str) -> Image | None:
        """The image, None when it is not there (any more)."""
        if not self._usable:
            return None
        path = self._path(user, name)
        try:
            with open(path, "rb") as file:
                image = self._parsed(file.readline(1 << 16), file.read(), name)
            with suppress(OSError):  # a read-only disk; its files are as good
                os.utime(path)
            return image
        except FileNotFoundError:
            return None
        except (OSError, ValueError, MedsegError) as error:
            event("cached image is damaged", logging.WARNING, error=type(error).__name__)
            self._remove(path)
            return None

    def write(self, user: str, offer: ImageOffer, image: Image) -> None:
        """Keep an image; older ones go when there is no room."""
        with self._lock:
            if not self._usable:
                return
            try:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._make_room(image.array.nbytes)
                self._replace(self._path(user, offer.digest), offer, image)
            except OSError as error:
                self._usable = False
                event("image cache is switched off", logging.WARNING, error=error.strerror)

    def _replace(self, path: Path, offer: ImageOffer, image: Image) -> None:
        handle, temporary = tempfile.mkstemp(suffix=".part", dir=self._folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(json.dumps(encode(offer)).encode() + b"\n")
                file.write(np.ascontiguousarray(image.array).data)
            os.replace(temporary, path)
        except BaseException:
            self._remove(Path(temporary))
            raise

    def _parsed(self, head: bytes, voxels: bytes, name: str) -> Image:
        offer = decode(ImageOffer, json.loads(head))
        wire.check_offer(offer, self._limits)
        array = np.frombuffer(voxels, offer.dtype)
        array = array.reshape(wire.array_shape(offer, offer.shape[0]))
        if wire.root_hash(offer, wire.slice_hashes(array)) != name:
            raise ValueError("the digest differs")
        return Image(
            array, np.array(offer.affine), modality=offer.modality, time_axis=offer.time_axis
        )

    def _make_room(self, size: int) -> None:
        files = [(p.stat().st_mtime, p.stat().st_size, p) for p in self._folder.glob("*" + _ENDING)]
        total = size + sum(n for _, n, _ in files)
        for _, n, path in sorted(files):
            if total <= self._most:
                return
            self._remove(path)
            total -= n

    def _path(self, user: str, name: str) -> Path:
        return self._folder / (hashlib.sha256(f"{user}\0{name}".encode()).hexdigest() + _ENDING)

    @staticmethod
    def _remove(path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError:
            event("cached image cannot be removed", logging.WARNING)
