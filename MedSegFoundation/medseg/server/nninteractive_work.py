"""What one nnInteractive client does, as actions on a session of the service."""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from ..actions import Action, Add, Reset, SetMask, Undo
from ..errors import ExpiredError, InputError, NotFoundError, StaleError
from ..image import Image, Mask
from ..packing import patch_of
from ..patch import MaskPatch
from ..prompts import Prompt
from ..protocol.backend import Backend
from ..protocol.messages import ModelInfo, Welcome
from ..protocol.mirror import Mirror

#: One interaction of the protocol may be several prompts of ours (the loops of a lasso).
Interaction = list[Prompt]
EXPIRED = "This nnInteractive session has expired; connect again."
_LOST = (NotFoundError, ExpiredError, StaleError)


def model_of(welcome: Welcome) -> ModelInfo:
    """What these clients get, for they cannot choose: the default, or the first there is."""
    default = (m for m in welcome.models if m.name == welcome.default_model)
    return next(default, welcome.models[0])


class Work:
    """An image, the session on it, and what waits for a prediction. Not thread-safe.

    Methods give back the changed box of the mask, or None when nothing was run.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._image: Image | None = None
        self._name = ""
        self._session: str | None = None
        self._mirror = Mirror((1, 1, 1))
        self._queued: list[Interaction] = []
        #: For each prediction that can be undone: what waited before its last interaction.
        self._undoable: list[list[Interaction]] = []
        self._empty_buffer = False

    @property
    def image(self) -> Image:
        """Grid of the image (its voxels are not kept); `InputError` before there is one."""
        if self._image is None:
            raise InputError("There is no image yet; send one with set_image first.")
        return self._image

    def set_image(self, image: Image) -> None:
        """Open a session on another image; the one before is closed."""
        self.close()
        name = self.backend.put_image(image)
        mirror = Mirror(image.shape, model_of(self.backend.welcome()).name)
        info = self.backend.open_session(mirror.open_request(name))
        mirror.opened(info)
        self._name, self._session, self._mirror = name, info.session, mirror
        self._image = image.with_array(np.broadcast_to(np.uint8(0), image.shape))

    def set_buffer(self, shape: tuple[int, ...]) -> None:
        """The client has a new, empty mask of that shape; the next answer fills it up."""
        if self._image is not None and shape != self._image.shape:
            raise InputError(f"The target buffer has shape {shape}, the image {self._image.shape}.")
        self._empty_buffer = True

    def add(self, interaction: Interaction, predict: bool) -> MaskPatch | None:
        """One more interaction; without ``predict`` it waits."""
        waiting = self._queued
        self._queued = [*waiting, interaction]
        if not predict:
            return None
        try:
            return self.predict()
        except BaseException:
            self._queued = waiting
            raise

    def predict(self) -> MaskPatch | None:
        if not self._queued:
            return None
        patch = self._act(Add(tuple(p for interaction in self._queued for p in interaction)))
        self._undoable.append(self._queued[:-1])
        self._queued = []
        return patch

    def start_from(self, mask: Mask) -> MaskPatch:
        """Take a mask instead of all interactions so far; the client has it already."""
        patch = self._act(SetMask(mask))
        self._undoable.append(self._queued)
        self._queued = []
        return patch

    def undo(self) -> MaskPatch | None:
        """Take back the last interaction."""
        if self._queued:
            self._queued.pop()
            return MaskPatch((0, 0, 0), np.zeros((0, 0, 0), bool))
        if not self._undoable or not self._mirror.history.done:
            return None
        patch = self._act(Undo())
        self._queued = self._undoable.pop()
        return patch

    def reset(self) -> None:
        """Forget interactions and mask, for good: the protocol cannot undo this."""
        if self._mirror.history.state.prompts or self._mirror.history.state.start is not None:
            self._act(Reset())
        self._queued, self._undoable, self._empty_buffer = [], [], False

    def close(self) -> None:
        """Give the session back to the service."""
        session, self._session, self._image = self._session, None, None
        self._mirror, self._queued, self._undoable = Mirror((1, 1, 1)), [], []
        if session is not None:
            with suppress(*_LOST):  # the service was quicker
                self.backend.close_session(session)

    def _act(self, action: Action) -> MaskPatch:
        """Do an action; a session that the service has lost is put back first."""
        assert self._session is not None
        request = self._mirror.action_request(action)
        try:
            reply = self.backend.act(self._session, request)
        except _LOST:
            self._reopen()
            request = self._mirror.action_request(action, request.request)
            reply = self.backend.act(self._session, request)
        patch = self._mirror.accept(action, reply).patch
        if self._empty_buffer:
            patch, self._empty_buffer = patch_of(self._mirror.mask), False
        return patch

    def _reopen(self) -> None:
        try:
            info = self.backend.open_session(self._mirror.open_request(self._name))
        except _LOST as error:
            raise ExpiredError(EXPIRED) from error
        self._mirror.opened(info)
        self._session = info.session
