"""One image on its way to the helper: copied in slabs, one per turn of the event loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError, MedsegError, RemoteError
from ..image import Array, Image
from . import shared
from .wire import HelperLostError, Json

if TYPE_CHECKING:
    from .link import Companion

#: Called with the image's name on the other side, or with what went wrong.
Told = Callable[[str | None, MedsegError | None], None]


class SharedImage:
    """An image of the GUI and its name on the other side; all sessions on it share one."""

    def __init__(self, companion: Companion, image: Image) -> None:
        self.image = image
        self.name: str | None = None
        self._companion = companion
        self._waiting: list[Told] = []
        self._transfer: _Transfer | None = None

    def put(self, told: Told) -> None:
        """Hand it over unless that is under way; ``told`` is called later."""
        self._waiting.append(told)
        if self._transfer is None:
            self._transfer = _Transfer(self._companion, self.image, self._end)

    def forget(self) -> None:
        """The other side is gone, or knows it no more: hand it over again when next asked."""
        self.name = None
        if self._transfer is not None:
            self._transfer.stop()
            self._end(None, HelperLostError("The helper process stopped."))

    def _end(self, name: str | None, error: MedsegError | None) -> None:
        self._transfer, self.name = None, name
        waiting, self._waiting = self._waiting, []
        for told in waiting:
            told(name, error)


class _Transfer:
    """One handing over; calls ``end`` once, unless it was stopped."""

    def __init__(self, companion: Companion, image: Image, end: Told) -> None:
        self._companion = companion
        self._image = image
        self._end = end
        self._stopped = False
        self._file: shared.SharedFile | None = None
        self._places: list[Path] = shared.folders()
        self._slabs: Iterator[Array] = iter(())
        companion.watcher.call_later(0, self._begin)

    def stop(self) -> None:
        self._stopped = True
        if self._file is not None:
            self._file.remove()

    def _begin(self) -> None:
        if self._stopped:
            return
        array, _ = self._image.as_given
        try:
            if array.dtype.kind not in "biuf":
                raise InputError(f"Voxels of type {array.dtype} cannot be sent; use numbers.")
            prefix = self._companion.prefix
            self._file, self._places = shared.create(prefix, array.nbytes, self._places)
        except MedsegError as error:
            self._finish(None, error)
            return
        self._slabs = shared.slabs(array)
        self._next()

    def _next(self) -> None:
        if self._stopped or self._file is None:
            return
        try:
            slab = next(self._slabs, None)
            if slab is not None:
                self._file.write(slab)
        except OSError:  # no room after all: in the next place
            self._file.remove()
            self._companion.watcher.call_later(0, self._begin)
            return
        if slab is None:
            self._send(self._file)
        else:
            self._companion.watcher.call_later(0, self._next)

    def _send(self, file: shared.SharedFile) -> None:
        image = self._image
        array, affine = image.as_given
        args = {
            "path": str(file.path),
            "dtype": array.dtype.newbyteorder("<").str,
            "shape": list(array.shape),
            "affine": affine.tolist(),
            "modality": image.modality,
            "time_axis": image.time_axis,
        }
        self._companion.call("put_image", args, self._answered, on_event=lambda _: file.remove())

    def _answered(self, reply: Json | None, error: MedsegError | None) -> None:
        if self._stopped:
            return
        name = None if reply is None else reply.get("image")
        if error is None and not isinstance(name, str):
            error = RemoteError("The helper process did not take the image; try again.")
        self._finish(name if error is None else None, error)

    def _finish(self, name: str | None, error: MedsegError | None) -> None:
        self.stop()
        self._end(name, error)
