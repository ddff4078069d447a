"""Images that users have made known, in bounded memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np

from ..errors import FullError, InputError, NotFoundError, TooLargeError
from ..image import Image
from ..protocol import images as wire
from ..protocol.messages import ImageOffer, ImageStatus
from .cache import ImageCache
from .log import event
from .settings import Settings

Key = tuple[str, str]
_UNKNOWN = "This image is not known here (any more); send it again."
_FULL = "There is no memory for another image; try again later."


@dataclass
class _Entry:
    image: Image
    size: int
    touched: float
    #: None once the image is complete.
    offer: ImageOffer | None = None
    hashes: dict[int, list[bytes]] = field(default_factory=dict)
    sessions: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def status(self, name: str) -> ImageStatus:
        if self.offer is None:
            return ImageStatus(name, [], True)
        missing = [n for n in range(wire.chunk_count(self.offer)) if n not in self.hashes]
        return ImageStatus(name, missing, False)


class ImageStore:
    """Keyed by user and digest. What no session uses is dropped, longest unused first."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._limits = settings.limits()
        self._cache = None if settings.cache is None else ImageCache(settings)
        self._lock = threading.RLock()
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()

    def offer(self, user: str, offer: ImageOffer) -> ImageStatus:
        """Which chunks to send; raises what `medseg.protocol.images.check_offer` does."""
        wire.check_offer(offer, self._limits)
        key = (user, offer.digest)
        self._load(key)
        with self._lock:
            entry = self._find(key)
            if entry is None or (
                entry.offer is not None and _layout(entry.offer) != _layout(offer)
            ):
                entry = self._awaiting(offer)
                self._put(key, entry)
        return entry.status(offer.digest)

    def status(self, user: str, name: str) -> ImageStatus:
        return self._get(user, name).status(name)

    def put_chunk(self, user: str, name: str, index: int, data: bytes) -> ImageStatus:
        """Take a chunk, in any order, any number of times. The last one completes the image.

        Raises `InputError` when the whole is not what was offered; all of it is dropped then.
        """
        entry = self._get(user, name)
        offer = entry.offer
        if offer is None or index in entry.hashes:
            return entry.status(name)
        slab = wire.decode_chunk(offer, index, data)
        hashes = wire.slice_hashes(slab)
        with entry.lock:
            if entry.offer is not None and index not in entry.hashes:
                first, stop = wire.chunk_range(offer, index)
                entry.image.array[first:stop] = slab
                entry.hashes[index] = hashes
                if len(entry.hashes) == wire.chunk_count(offer):
                    self._complete(user, entry, offer)
        return entry.status(name)

    def put(self, user: str, image: Image) -> str:
        """Know an image of this process, without a copy; it must not change from now on."""
        name = wire.digest(image)
        size = image.array.nbytes
        if size > self._settings.image_bytes:
            raise TooLargeError(
                f"The image has {size / 1e6:.0f} MB, at most "
                f"{self._settings.image_bytes / 1e6:.0f} MB are taken; crop it first."
            )
        with self._lock:
            entry = self._find((user, name))
            if entry is None or entry.offer is not None:
                self._put((user, name), _Entry(image, size, self._settings.clock()))
        return name

    def take(self, user: str, name: str) -> Image:
        """The image for a session, which must `give_back` it; raises `NotFoundError`."""
        self._load((user, name))
        with self._lock:
            entry = self._find((user, name))
            if entry is None:
                raise NotFoundError(_UNKNOWN)
            if entry.offer is not None:
                raise NotFoundError("The image has not arrived completely; send the rest first.")
            entry.sessions += 1
            return entry.image

    def give_back(self, user: str, name: str) -> None:
        with self._lock:
            entry = self._entries.get((user, name))
            if entry is not None and entry.sessions:
                entry.sessions -= 1
                entry.touched = self._settings.clock()

    def sweep(self) -> None:
        """Drop images that no session has used for the lease time."""
        oldest = self._settings.clock() - self._settings.lease_seconds
        with self._lock:
            for key in [k for k, e in self._entries.items() if not e.sessions]:
                if self._entries[key].touched < oldest:
                    del self._entries[key]

    def counters(self) -> dict[str, float]:
        with self._lock:
            return {"images": len(self._entries), "image_bytes": self._bytes()}

    def _find(self, key: Key) -> _Entry | None:
        entry = self._entries.get(key)
        if entry is not None:
            entry.touched = self._settings.clock()
            self._entries.move_to_end(key)
        return entry

    def _load(self, key: Key) -> None:
        """Take an image from the disk, unless it is here; others need not wait for that."""
        if self._cache is None or key in self._entries:
            return
        image = self._cache.read(*key)
        if image is not None:
            with self._lock:
                if key not in self._entries:
                    self._put(key, _Entry(image, image.array.nbytes, self._settings.clock()))

    def _get(self, user: str, name: str) -> _Entry:
        self._load((user, name))
        with self._lock:
            entry = self._find((user, name))
        if entry is None:
            raise NotFoundError(_UNKNOWN)
        return entry

    def _awaiting(self, offer: ImageOffer) -> _Entry:
        size = wire.image_bytes(offer)
        try:
            voxels = np.empty(wire.array_shape(offer, offer.shape[0]), offer.dtype)
        except MemoryError as error:
            raise FullError(_FULL) from error
        image = Image(
            voxels, np.array(offer.affine), modality=offer.modality, time_axis=offer.time_axis
        )
        return _Entry(image, size, self._settings.clock(), offer)

    def _put(self, key: Key, entry: _Entry) -> None:
        self._entries.pop(key, None)
        self._make_room(entry.size)
        self._entries[key] = entry

    def _make_room(self, size: int) -> None:
        idle = {k: e.size for k, e in self._entries.items() if not e.sessions}
        over = self._bytes() + size - self._settings.store_bytes
        if over > sum(idle.values()):
            raise FullError(_FULL)
        for key, freed in idle.items():
            if over <= 0:
                break
            del self._entries[key]
            over -= freed

    def _bytes(self) -> int:
        return sum(entry.size for entry in self._entries.values())

    def _complete(self, user: str, entry: _Entry, offer: ImageOffer) -> None:
        key = (user, offer.digest)
        hashes = [h for n in range(len(entry.hashes)) for h in entry.hashes[n]]
        if wire.root_hash(offer, hashes) != offer.digest:
            with self._lock:
                if self._entries.get(key) is entry:
                    del self._entries[key]
            raise InputError("The image is not the one that was offered; send it again.")
        entry.image.array.setflags(write=False)
        entry.offer = None
        event("image ready", megabytes=round(entry.size / 1e6, 1), codec=offer.codec)
        if self._cache is not None:
            self._cache.write(user, offer, entry.image)


def _layout(offer: ImageOffer) -> tuple[object, ...]:
    """What two offers of one image must share to be one upload."""
    return offer.dtype, offer.codec, offer.chunk_slices, offer.shape, offer.channels
