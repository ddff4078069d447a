"""A model whose work is done on the device's thread, and which survives a lack of memory there.

Out of memory, step by step: what idle sessions have open on the device is dropped and the work
tried again; then it goes on with the CPU, if that is allowed; then `MemoryShortError`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from ..errors import MemoryShortError
from ..image import Image, Mask
from ..model import Model, OpenImage, Progress
from ..prompts import Prompt

if TYPE_CHECKING:
    from .devices import LocalRunner

T = TypeVar("T")
_SHORT = "There is not enough memory for this image; crop it to the region of interest."


class Opened:
    """An image that a model has open, for as long as any session uses it."""

    def __init__(self, image: Image, model: OpenImage) -> None:
        self.image = image
        self.model = model


class GuardedModel:
    """See `medseg.service.runner.Guarded`."""

    def __init__(self, runner: LocalRunner, model: Model, asked: str, device: str, user: str):
        self.name = model.name
        self.version = model.version
        self.capabilities = model.capabilities
        self.weights_hash = model.weights_hash
        self.device = device
        self._asked = asked
        self._runner = runner
        self._user = user
        self._opened: Opened | None = None
        self._notes: list[str] = []

    def open(self, image: Image) -> OpenImage:
        """Make the image ready on the device; the same one again costs nothing."""
        self._runner.keep(self)
        self.work(image, lambda opened: None)
        return _Open(self, image)

    def work(self, image: Image, call: Callable[[OpenImage], T]) -> T:
        """The result of ``call`` with the open image, down the steps of the module's text."""
        while True:
            device = self.device
            try:
                return self._runner.on(device, self._user, lambda: self._twice(image, call))
            except MemoryShortError:
                if device == "cpu" or not self._runner.cpu_fallback:
                    raise
            self.release()
            self.device = "cpu"
            self._runner.count("cpu_fallbacks")
            self._notes.append(f"'{device}' ran out of memory; this session goes on with the CPU.")

    def run(self, call: Callable[[], T]) -> T:
        """See `medseg.service.runner.Guarded`; not tried twice, ``call`` may not be repeatable."""

        def guarded() -> T:
            try:
                return call()
            except Exception as error:  # judged at once; all but a lack of memory goes on up
                if not out_of_memory(error):
                    raise
            self._runner.make_room(self.device)
            raise MemoryShortError(_SHORT)

        return self._runner.on(self.device, self._user, guarded)

    def take_notes(self) -> list[str]:
        notes, self._notes = self._notes, []
        return notes

    def release(self) -> None:
        """Free what is open; it is opened again when needed."""
        self._opened = None

    def _twice(self, image: Image, call: Callable[[OpenImage], T]) -> T:
        """On the device's thread: try, make room, try again."""
        for _ in range(2):
            try:
                return call(self._ready(image))
            except Exception as error:  # judged at once; all but a lack of memory goes on up
                if not out_of_memory(error):
                    raise
            self._runner.make_room(self.device)
        raise MemoryShortError(_SHORT)

    def _ready(self, image: Image) -> OpenImage:
        if self._opened is None or self._opened.image is not image:
            self._opened = self._runner.opened(self._asked, self.device, image)
        return self._opened.model


class _Open:
    def __init__(self, model: GuardedModel, image: Image) -> None:
        self._model = model
        self._image = image

    def segment(
        self, prompts: Sequence[Prompt], start: Mask | None = None, progress: Progress | None = None
    ) -> Mask:
        """See `medseg.model.OpenImage`."""
        return self._model.work(
            self._image, lambda opened: opened.segment(prompts, start, progress)
        )


def out_of_memory(error: BaseException) -> bool:
    """True for the ways in which Python and torch say so."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    said = isinstance(error, RuntimeError) and "out of memory" in str(error).lower()
    return bool(kinds & {"MemoryError", "OutOfMemoryError"}) or said
