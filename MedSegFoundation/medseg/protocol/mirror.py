"""A session that runs elsewhere, followed here: enough to show it, and to put it back.

No input or output happens here; who owns a mirror sends the requests it makes and hands it the
answers. That serves a blocking client and an event loop alike.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence

from ..actions import Accept, Action, Redo, Undo
from ..errors import RemoteError
from ..history import History, read_only
from ..image import Mask
from ..packing import unpack_patch
from ..patch import MaskPatch
from ..session import Step
from .messages import ActionReply, ActionRequest, SessionInfo, SessionRequest, decode


class Mirror:
    """Follows one session; ``history`` is where it stands, as far as answers have come."""

    def __init__(self, shape: Sequence[int], model: str = "default", device: str = "auto") -> None:
        k, j, i = shape
        self.history = History((k, j, i))
        self.model = model
        self.device = device
        self.info: SessionInfo | None = None
        self.revision = 0

    @property
    def mask(self) -> Mask:
        """The mask ``(K, J, I)`` as of the last answer (read-only view)."""
        return read_only(self.history.mask)

    def open_request(self, image: str) -> SessionRequest:
        """Opens the session, or opens it again where it stood, on the image of that name."""
        return next(request for request in self.opening(image) if request is not None)

    def opening(self, image: str) -> Iterator[SessionRequest | None]:
        """`open_request` for those who cannot wait: None after each piece of work, then it."""
        history = self.history
        if history.done or history.undone or history.state.prompts or history.voxels:
            for data in history.packing():
                done = data is not None
                yield SessionRequest(image, self.model, self.device, data) if done else None
        else:
            yield SessionRequest(image, self.model, self.device)

    def opened(self, info: SessionInfo) -> None:
        """Take the answer to `open_request`."""
        self.info = info
        self.revision = info.revision

    def action_request(self, action: Action, request: str | None = None) -> ActionRequest:
        """The message for an action; keep ``request`` when the same action is sent again."""
        named = {"request": request or uuid.uuid4().hex, "revision": self.revision}
        return decode(ActionRequest, {**named, "action": action.name, **action.data()})

    def accept(self, action: Action, reply: ActionReply) -> Step:
        """Take the answer to an action; returns what it changed.

        Raises `RemoteError` when the answer does not follow from where this mirror stands; the
        owner then opens the session again with `open_request`.
        """
        if reply.revision != self.revision + 1:
            raise RemoteError("The other side has lost count of the session; try again.")
        patch = self._follow(action, reply)
        self.revision = reply.revision
        return Step(patch, reply.seconds, reply.voxels, reply.ml, tuple(reply.notes))

    def _follow(self, action: Action, reply: ActionReply) -> MaskPatch:
        if isinstance(action, Undo):
            return self.history.undo()
        if isinstance(action, Redo):
            return self.history.redo()
        if isinstance(action, Accept):
            patch = action.patch
        else:
            patch = unpack_patch(reply.patch, self.history.shape)
        state = action.lead(self.history.state, self.history.mask)
        self.history.commit(state, patch)
        return patch
