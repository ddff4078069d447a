"""Takes a run through time back: frames get what was in them before, unless changed since."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from medseg import InputError, MedsegError
from medseg.companion.pending import Pending
from medseg.history import State
from medseg.packing import unpack_patch

from .segments import find_segment
from .sequences import show_frame
from .tags import put_tags
from .target import Maker, Target

if TYPE_CHECKING:
    from .live import LiveSession


@dataclass(frozen=True)
class FrameBefore:
    """What a run has changed in a frame.

    ``patch``: packed, what brings the mask back. ``tags``: the segment's before, see
    `tags.read_tags`. ``after``, ``mark``: the record that the run has written, and the mark of
    its mask.
    """

    number: int
    patch: dict[str, Any]
    tags: dict[str, str]
    after: str
    mark: str


class RunBack:
    """``pending`` ends with how many frames were put back."""

    def __init__(
        self, live: LiveSession, segment_id: str, frames: list[FrameBefore], maker: Maker
    ) -> None:
        """Raises `InputError` when the frames are gone."""
        self.pending: Pending[int] = Pending()
        self._live, self._segment_id, self._maker = live, segment_id, maker
        browser: Any = live.browser
        if browser is None:
            raise InputError("The volume is not part of a sequence any more.")
        self._browser, self._shown = browser, browser.GetSelectedItemNumber()
        self._left = list(frames)
        self._done = self._kept = 0

    def start(self) -> None:
        self._step()

    def _step(self) -> None:
        """A frame in each turn."""
        if self.pending.finished:
            return
        try:
            self._live.check_nodes()
            if self._left:
                self._put_back(self._left.pop(0))
                self._live.companion.watcher.call_later(0, self._step)
                return
            self._browser.SetSelectedItemNumber(self._shown)
        except MedsegError as error:
            self.pending.fail(error)
            return
        if self._kept:
            self._live.say(_kept_sentence(self._kept))
        self.pending.finish(self._done)

    def _put_back(self, before: FrameBefore) -> None:
        live = self._live
        show_frame(self._browser, before.number)
        target = Target(live.segmentation, self._segment_id, live.image)
        target.look()
        if (target.text, target.mark()) != (before.after, before.mark):
            self._kept += 1
            return
        patch = unpack_patch(before.patch, live.image.shape)
        live.write_at(target, patch, State(), self._maker)
        put_tags(find_segment(live.segmentation, self._segment_id), before.tags)
        self._done += 1


def _kept_sentence(count: int) -> str:
    if count == 1:
        return "1 frame was changed since and stays as it is."
    return f"{count} frames were changed since and stay as they are."
