"""From the prompted frames of a sequence to all others: masks go through time, slice by slice.

    frames -> rows (one slice position over time) -> helper, row by row -> browse and write

The result is written as a user would write it: a frame is shown, and its segment gets the mask
under the rules of the editor. Browsing ends Slicer's undo, so what was there before is kept here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from medseg import Image, InputError, MaskPatch, MedsegError, PromptError
from medseg.companion.linked import LinkedSession
from medseg.companion.pending import Pending
from medseg.history import State
from medseg.image import Mask
from medseg.packing import Bits, pack_patch, unpack_patch
from medseg.protocol.messages import JobEvent
from medseg.record import Record
from medseg.story import Story

from .requests import Slice
from .run_back import FrameBefore, RunBack
from .segments import find_segment, read_segment
from .sequences import follow_frames, selected_value, show_frame
from .tags import read_tag, read_tags
from .target import Maker, Target
from .volumes import image_from_volume

if TYPE_CHECKING:
    from .live import LiveSession

#: Part of the progress that computing takes, beside writing.
COMPUTING = 0.8


class ThroughTime:
    """One run; ``pending`` ends with the number of frames that were written."""

    def __init__(
        self,
        live: LiveSession,
        model: str,
        device: str,
        seeds: Iterable[int] | None,
        first: int | None,
        last: int | None,
        on_progress: Callable[[Slice], object] | None,
        memory: str | None = None,
    ) -> None:
        """Raises `MedsegError` when there is nothing to follow, or nothing to start from."""
        self.pending: Pending[int] = Pending()
        #: What was in the frames that are written, in that order.
        self.written: list[FrameBefore] = []
        self._live, self._segment_id = live, live.segment_id
        self._model, self._device, self._memory = model, device, memory
        if live.browser is None:
            raise InputError("The volume is not part of a sequence; propagate along an axis.")
        self._browser: Any = live.browser
        follow_frames(self._browser, live.segmentation)
        self._values = _values(self._browser)
        self._shown = self._values.index(selected_value(self._browser))
        self._first = 0 if first is None else max(0, first)
        self._last = len(self._values) - 1 if last is None else min(last, len(self._values) - 1)
        self._tell = on_progress or (lambda event: None)
        self._image: Image = live.image
        self._pictures = [self._picture(value) for value in self._values]
        self._seeds = self._masks(seeds)
        self._found = {n: np.zeros(self._image.shape, bool) for n in self._wanted()}
        self._sure = dict.fromkeys(self._found, 1.0)
        self._rows = [
            row
            for row in range(self._image.shape[0])
            if any(mask[row].any() for mask in self._seeds.values())
        ]
        self._left = list(self._rows)
        self._maker: Maker | None = None
        self._story: Story | None = None
        self._linked: LinkedSession | None = None
        self._job: Pending[JobEvent] | None = None
        self.pending.on_cancel(self.cancel)

    def start(self) -> None:
        self._next_row()

    def taken_back(self) -> RunBack:
        """A run that undoes this one."""
        assert self._maker is not None
        return RunBack(self._live, self._segment_id, self.written, self._maker)

    def cancel(self) -> None:
        """Stop; frames that are written stay."""
        self._end()
        self.pending.give_up()

    # What there is

    def _picture(self, value: str) -> Any:
        node = self._browser.GetSequenceNode(self._live.volume).GetDataNodeAtValue(value)
        array = image_from_volume(node).array
        if array.shape != self._image.array.shape:
            raise InputError("The frames of the sequence differ in size; they cannot be followed.")
        return array

    def _masks(self, seeds: Iterable[int] | None) -> dict[int, Mask]:
        """Masks ``(K, J, I)`` to start from: of the frames that are named, or have prompts."""
        chosen = range(len(self._values)) if seeds is None else sorted(set(seeds))
        found = {}
        for number in chosen:
            node = self._frame_of(number)
            segment = node.GetSegmentation().GetSegment(self._segment_id)
            text = "" if segment is None else read_tag(segment)
            prompted = bool(text) and bool(Record.loads(text).prompts)
            if segment is not None and (prompted or seeds is not None or number == self._shown):
                mask = read_segment(node, self._segment_id, self._image)
                if mask.any():
                    found[number] = mask
        if not found:
            raise PromptError("There is no frame to start from; put a prompt in one first.")
        self._first, self._last = min(self._first, *found), max(self._last, *found)
        return found

    def _frame_of(self, number: int) -> Any:
        if number == self._shown:
            return self._live.segmentation
        sequence = self._browser.GetSequenceNode(self._live.segmentation)
        return sequence.GetDataNodeAtValue(self._values[number])

    def _wanted(self) -> list[int]:
        return [n for n in range(self._first, self._last + 1) if n not in self._seeds]

    # The helper, row by row

    def _next_row(self) -> None:
        if self.pending.finished:
            return
        if not self._left:
            self._write(sorted(self._found), 0)
            return
        row = self._left.pop(0)
        film = np.stack([picture[row] for picture in self._pictures])
        i, j, _ = self._image.spacing
        image = Image(film, np.diag([i, j, 1.0, 1.0]), self._image.modality, time_axis=True)
        masks = np.zeros(image.shape, bool)
        seeds = [number for number, mask in self._seeds.items() if mask[row].any()]
        for number in seeds:
            masks[number] = self._seeds[number][row]
        linked = self._live.companion.session(image, self._model, self._device)
        self._linked = linked
        linked.restore(mask=masks, start=masks).then(
            lambda _: self._follow(row, linked, seeds), self._failed
        )

    def _follow(self, row: int, linked: LinkedSession, seeds: list[int]) -> None:
        if self.pending.finished:
            return
        self._job = linked.propagate(
            seeds,
            first=self._first,
            last=self._last,
            memory=self._memory,
            on_event=partial(self._heard, row),
        )
        self._job.then(partial(self._row_done, row, linked), self._failed)

    def _heard(self, row: int, event: JobEvent) -> None:
        number = event.index or 0
        if number in self._sure and event.confidence is not None:
            self._sure[number] = min(self._sure[number], event.confidence)
        done = (self._rows.index(row) + event.fraction) / len(self._rows)
        self._tell(Slice(number, COMPUTING * done, self._sure.get(number, 1.0)))

    def _row_done(self, row: int, linked: LinkedSession, end: JobEvent) -> None:
        if self.pending.finished:
            return
        film = np.array(linked.mask)
        if end.patch is not None:
            unpack_patch(end.patch, film.shape).apply(film)
        for number, mask in self._found.items():
            mask[row] = film[number]
        info = linked.mirror.info
        assert info is not None
        model = info.model
        told = {"name": model.name, "version": model.version, "weights_hash": model.weights_hash}
        self._maker = Maker(model.name, told, model.start_mask)
        self._story = Story.from_dict(end.story)
        self._end()
        self._next_row()

    # Into the scene, a frame in each turn

    def _write(self, left: list[int], written: int) -> None:
        if self.pending.finished:
            return
        try:
            self._live.check_nodes()
            if not left:
                show_frame(self._browser, self._shown)
                self.pending.finish(written)
                return
            number, *rest = left
            show_frame(self._browser, number)
            self._write_frame(number, self._found[number])
        except MedsegError as error:
            self._failed(error)
            return
        fraction = COMPUTING + (1 - COMPUTING) * (written + 1) / len(self._found)
        self._tell(Slice(number, fraction, self._sure[number]))
        self._live.companion.watcher.call_later(0, lambda: self._write(rest, written + 1))

    def _write_frame(self, number: int, mask: Mask) -> None:
        assert self._maker is not None
        live = self._live
        target = Target(live.segmentation, self._segment_id, live.image)
        target.look()
        patch = MaskPatch.between(target.mask, mask)
        if patch.empty:
            return
        back = pack_patch(patch.undoing(target.mask))
        tags = read_tags(find_segment(live.segmentation, self._segment_id))
        start = Bits.of(mask) if mask.any() else None
        live.write_at(target, patch, State((), 0, start, self._told(number)), self._maker)
        self.written.append(FrameBefore(number, back, tags, target.text, target.mark()))

    def _told(self, number: int) -> Story | None:
        """How the mask of a frame came about."""
        if self._story is None:
            return None
        return replace(
            self._story,
            along="t",
            seeds=tuple(sorted(self._seeds)),
            confidence={number: round(self._sure[number], 3)},
        )

    # Ends

    def _failed(self, error: MedsegError) -> None:
        self._end()
        self.pending.fail(error)

    def _end(self) -> None:
        job, self._job = self._job, None
        linked, self._linked = self._linked, None
        if job is not None:
            job.cancel()
        if linked is not None:
            linked.close()


def _values(browser: Any) -> list[str]:
    master = browser.GetMasterSequenceNode()
    return [str(master.GetNthIndexValue(n)) for n in range(master.GetNumberOfDataNodes())]
