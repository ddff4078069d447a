"""A session that runs elsewhere, followed here: enough to show it, and to put it back.

No input or output happens here; who owns a mirror sends the requests it makes and hands it the
answers. That serves a blocking client and an event loop alike.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from ..actions import Accept, Action, Redo, Undo
from ..errors import RemoteError
from ..history import History, read_only
from ..image import Mask
from ..packing import unpacking_patch
from ..patch import MaskPatch
from ..pieces import Pieces, at_once
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
        return at_once(self.opening(image))

    def opening(self, image: str) -> Pieces[SessionRequest]:
        """`open_request` in pieces."""
        history = self.history
        if not (history.done or history.undone or history.state.prompts or history.voxels):
            return SessionRequest(image, self.model, self.device)
        data = yield from history.packing()
        return SessionRequest(image, self.model, self.device, data)

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
        return at_once(self.accepting(action, reply))

    def accepting(self, action: Action, reply: ActionReply) -> Pieces[Step]:
        """`accept` in pieces, all of which have to be done."""
        if reply.revision != self.revision + 1:
            raise RemoteError("The other side has lost count of the session; try again.")
        patch = yield from self._following(action, reply)
        self.revision = reply.revision
        return Step(patch, reply.seconds, reply.voxels, reply.ml, tuple(reply.notes))

    def _following(self, action: Action, reply: ActionReply) -> Pieces[MaskPatch]:
        history = self.history
        if isinstance(action, Undo):
            return (yield from history.undoing())
        if isinstance(action, Redo):
            return (yield from history.redoing())
        if isinstance(action, Accept):
            patch = action.patch
            back = yield from history.changing(patch)
            state = yield from action.leading(history.state, history.mask, history.box)
        else:
            patch = yield from unpacking_patch(reply.patch, history.shape)
            state = action.lead(history.state, history.mask)
            back = yield from history.changing(patch)
        history.note(state, back)
        return patch
