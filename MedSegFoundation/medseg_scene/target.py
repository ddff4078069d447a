"""The segment that prompts work on: what is in it, what its tag says, and how a result gets in.

Slicer's undo stack and the segment's tag are the truth; a `Target` is what was seen of them when
one last looked. Looking compares stamps first and reads only where something can have changed,
writing reads only what it wrote: the cost goes with the change, not with the volume.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import medseg
import numpy as np
from medseg import Image, MaskPatch, Prompt
from medseg.blank import blank
from medseg.history import State
from medseg.image import Mask
from medseg.packing import Bits
from medseg.pieces import PIECE, Pieces, at_once
from medseg.record import Record, grid_mark

from .boxes import Box, corner, moved, patch_box, patched, slabs, union
from .content import Content
from .editors import Editor
from .segments import (
    extent_box,
    find_segment,
    matches_after_transfer,
    read_box,
    segment_stamp,
    write_patch,
)
from .tags import read_tag, write_record
from .terminology import name_segment

#: In the place of a mark: no mask has it.
_UNSAID = ""


@dataclass(frozen=True)
class Maker:
    """The model that makes masks: what a record tells of it, and whether it can correct a mask."""

    name: str
    info: dict[str, str | None]
    start_mask: bool


@dataclass(frozen=True)
class Written:
    """What a write left in the segment.

    ``whole``: False when rules of the editor or limits held voxels back.
    """

    patch: MaskPatch
    whole: bool


@dataclass(frozen=True)
class Seen:
    """Something changed in the scene; ``box``: where in the image, None when only prompts did."""

    box: Box | None


class Target:
    """One segment on the grid of one image; ``segment_id`` None: not made yet, so empty."""

    def __init__(self, segmentation: Any, segment_id: str | None, image: Image) -> None:
        self.segmentation = segmentation
        self.segment_id = segment_id
        self.image = image
        #: The segment ``(K, J, I)`` as last seen.
        self.mask: Mask = blank(image.shape)
        #: The tag as last seen, empty when there was none.
        self.text = ""
        self.record: Record | None = None
        #: Another one whenever mask, tag or record is.
        self.version = 0
        self._listed: tuple[str, Record | None] = ("", None)
        self._content = Content(self.mask)
        self._bits: Bits | None = None
        #: A large patch, the version it is for, and what its slices will hold.
        self._foreseen: tuple[MaskPatch, int, dict[int, Any]] | None = None
        self._stamp: tuple[Any, ...] | None = None
        #: Where voxels of a look that has not ended yet were others.
        self._changed: Box | None = None
        self._grid = grid_mark(image)

    def look(self) -> Seen | None:
        """Take over what changed in the scene since the last look or write; None: nothing.

        Reads only. Raises `InputError` when the segment is gone, `PromptError` when its tag
        cannot be read.
        """
        return at_once(self.looking())

    def looking(self) -> Pieces[Seen | None]:
        """`look` for those who cannot wait: stops after each slab, returns what `look` does.

        The scene may change meanwhile; then it is read once more.
        """
        while self.segment_id is not None:
            stamp, text = there = self._there(self.segment_id)
            if there == (self._stamp, self.text):
                break
            record = self.record if text == self.text else _loaded(text)
            if stamp != self._stamp:
                yield from self._reading(self.segment_id)
            if self.segment_id is not None and there == self._there(self.segment_id):
                news = self._stamp is None or text != self.text or self._changed is not None
                seen = Seen(self._changed) if news else None
                self._stamp, self.text, self.record, self._changed = stamp, text, record, None
                self.version += news
                return seen
        return None

    def _there(self, segment_id: str) -> tuple[tuple[Any, ...], str]:
        """Stamp and tag of the segment as it is now."""
        segment = find_segment(self.segmentation, segment_id)
        return segment_stamp(self.segmentation, segment_id), read_tag(segment)

    def _reading(self, segment_id: str) -> Iterator[None]:
        """Take over the voxels, slab by slab."""
        box = union(self._content.box, extent_box(self.segmentation, segment_id, self.image))
        for part in slabs(box) if box else ():
            now = read_box(self.segmentation, segment_id, self.image, part)
            if not np.array_equal(now, self.mask[part]):
                patch = moved(MaskPatch.between(self.mask[part], now), corner(part))
                self._take(patch)
                self._content.look()
                self._changed = union(self._changed, patch_box(patch))
            yield

    def listed(self) -> Record | None:
        """What the tag says now, without a look at the voxels; None when it says nothing."""
        if self.segment_id is None:
            return None
        text = read_tag(find_segment(self.segmentation, self.segment_id))
        if text == self.text:
            return self.record
        if text != self._listed[0]:
            self._listed = text, _loaded(text)
        return self._listed[1]

    def standing(self, maker: Maker, replay: bool = True) -> Pieces[State]:
        """The prompts and the start mask behind what was last seen; they make that mask.

        Prompts that do not explain the mask (a hand edit, a rule of the editor, another model or
        image; ``replay`` False) count as part of it. In pieces, where the mask is the start.
        """
        record = self.record
        if record and replay and record.model == maker.info and self._describes(record):
            return State(record.prompts, record.baked, record.start, record.story)
        if not self.voxels:
            return State()
        prompts: tuple[Prompt, ...] = record.prompts if record else ()
        story = record.story if record else None
        return State(prompts, len(prompts), (yield from self.packing()), story)

    def _describes(self, record: Record) -> bool:
        return record.grid == self._grid and record.mask == self.mark()

    def foreseeing(self, patch: MaskPatch) -> Pieces[None]:
        """Before the `write` of a large patch, in pieces: what need not wait until it is in."""
        version, self._foreseen = self.version, None
        if patch.voxels.size > PIECE:
            slices = yield from self._content.foreseen(patch)
            self._foreseen = patch, version, slices

    def write(
        self,
        editor: Editor,
        patch: MaskPatch,
        state: State,
        maker: Maker,
        allowed: Mask | None = None,
        save: bool = True,
        complete: bool = True,
    ) -> Written:
        """Bring a change into the segment as one undo step, with the state that it leads to.

        ``allowed``: ``(K, J, I)`` of the patch, False where nothing may change. ``save`` False:
        part of the undo step before. ``complete`` False: `completing` is called next. The segment
        must be as last seen.
        """
        if save:
            editor.save_state()
        segment_id = self._born()
        editor.node.SetSelectedSegmentID(segment_id)
        before_patch = patch if allowed is None else self._within(patch, allowed)
        touched = write_patch(
            editor, self.segmentation, segment_id, self.image, self.mask, before_patch
        )
        change, whole = self._see(patch, touched)
        self._remember(state, maker, whole)
        self._stamp = segment_stamp(self.segmentation, segment_id)
        self.version += 1
        if complete:
            at_once(self.completing())
        return Written(change, whole)

    def completing(self) -> Pieces[None]:
        """Add to the tag what a write may have left out, unless something comes between; in pieces.

        That is the mask as a start, where rules held voxels back: prompts that could not have their
        way are part of it. The tag without it means the same: it is not about the mask there.
        """
        record, version = self.record, self.version
        if self.segment_id is None or record is None or record.mask != _UNSAID:
            return
        start = yield from self.packing()
        yield from start.packing()
        there = self._stamp, self.text
        if version == self.version and there == self._there(self.segment_id):
            self._write_record(replace(record, start=start, mask=self.mark()))

    def _born(self) -> str:
        if self.segment_id is None:
            self.segment_id = str(self.segmentation.GetSegmentation().AddEmptySegment())
        return self.segment_id

    def _within(self, patch: MaskPatch, allowed: Mask) -> MaskPatch:
        if patch.empty:
            return patch
        return MaskPatch(patch.start, np.where(allowed, patch.voxels, self.mask[patch.box]))

    def _see(self, patch: MaskPatch, touched: Box | None) -> tuple[MaskPatch, bool]:
        """Read back where was written; what changed, and whether that is all of ``patch``."""
        box = union(patch_box(patch), touched)
        if box is None:
            return patch, True
        actual = read_box(self.segmentation, str(self.segment_id), self.image, box)
        wanted = patched(self.mask, box, [patch])
        change, whole = patch, np.array_equal(wanted, actual)
        if not whole:
            before, self.mask[box] = self.mask[box].copy(), wanted
            whole = matches_after_transfer(self.segmentation, self.image, self.mask, box, actual)
            self.mask[box] = before
            change = moved(MaskPatch.between(self.mask[box], actual), corner(box))
        version, foreseen, self._foreseen = self.version, self._foreseen, None
        self._take(change)
        if foreseen is not None and foreseen[0] is change and foreseen[1] == version:
            self._content.became(foreseen[2])
        return change, whole

    def _remember(self, state: State, maker: Maker, whole: bool) -> None:
        segment = find_segment(self.segmentation, str(self.segment_id))
        name_segment(segment, self.record.prompts if self.record else (), state.prompts)
        explains = whole or not (self.voxels and maker.start_mask)
        record = Record(
            state.prompts,
            state.baked if explains else len(state.prompts),
            state.start if explains else None,
            self._grid,
            self.mark() if explains else _UNSAID,
            maker.info,
            medseg.__version__,
            state.story,
        )
        self._write_record(record)

    def _write_record(self, record: Record) -> None:
        segment = find_segment(self.segmentation, str(self.segment_id))
        write_record(segment, record)
        self.record, self.text = record, read_tag(segment)

    def _take(self, patch: MaskPatch) -> None:
        if not patch.empty:
            patch.apply(self.mask)
            self._content.changed(patch.box)
            self._bits = None
            self.version += 1

    def copy(self) -> Mask:
        """A copy of the mask; only its content takes memory."""
        copy, box = blank(self.image.shape), self._content.box
        if box is not None:
            copy[box] = self.mask[box]
        return copy

    def packing(self) -> Pieces[Bits]:
        """The mask as it is now, to be kept; in pieces, and anew when it changes meanwhile."""
        while self._bits is None:
            version = self.version
            bits = yield from Bits.making(self.mask, self._content.box)
            if version == self.version:
                self._bits = bits
        return self._bits

    @property
    def voxels(self) -> int:
        """How many voxels the segment has, as last seen."""
        return self._content.voxels

    def mark(self) -> str:
        """`medseg.record.mask_mark` of the mask, at the cost of what changed."""
        return self._content.mark


def _loaded(text: str) -> Record | None:
    return Record.loads(text) if text else None
