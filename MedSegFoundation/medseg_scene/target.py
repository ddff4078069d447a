"""The segment that prompts work on: what is in it, what its tag says, and how a result gets in.

Slicer's undo stack and the segment's tag are the truth; a `Target` is what was seen of them when
one last looked. Looking compares stamps first and reads only where something can have changed,
writing reads only what it wrote: the cost goes with the change, not with the volume.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import medseg
import numpy as np
from medseg import Image, MaskPatch, Prompt
from medseg.history import State
from medseg.image import Mask
from medseg.packing import Bits
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


@dataclass(frozen=True)
class Maker:
    """The model that makes masks: what a record tells of it, and whether it can correct a mask."""

    name: str
    info: dict[str, str | None]
    start_mask: bool


@dataclass(frozen=True)
class Written:
    """What a write left in the segment.

    ``state``: what the segment remembers now. ``whole``: False when rules of the editor or limits
    held voxels back.
    """

    patch: MaskPatch
    state: State
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
        self.mask: Mask = np.zeros(image.shape, bool)
        #: The tag as last seen, empty when there was none.
        self.text = ""
        self.record: Record | None = None
        self._listed: tuple[str, Record | None] = ("", None)
        self._content = Content(self.mask)
        self._bits: Bits | None = None
        self._stamp: tuple[Any, ...] | None = None
        self._grid = grid_mark(image)

    def look(self) -> Seen | None:
        """Take over what changed in the scene since the last look or write; None: nothing.

        Reads only. Raises `InputError` when the segment is gone, `PromptError` when its tag
        cannot be read.
        """
        if self.segment_id is None:
            return None
        stamp = segment_stamp(self.segmentation, self.segment_id)
        text = read_tag(find_segment(self.segmentation, self.segment_id))
        if stamp == self._stamp and text == self.text:
            return None
        if text != self.text:
            self.record = Record.loads(text) if text else None
        box = None if stamp == self._stamp else self._read(self.segment_id)
        first, self._stamp = self._stamp is None, stamp
        other, self.text = text != self.text, text
        return Seen(box) if first or other or box else None

    def _read(self, segment_id: str) -> Box | None:
        """Take over the voxels, slab by slab; returns where there were others."""
        box = union(self._content.box, extent_box(self.segmentation, segment_id, self.image))
        changed: Box | None = None
        for part in slabs(box) if box else ():
            now = read_box(self.segmentation, segment_id, self.image, part)
            if not np.array_equal(now, self.mask[part]):
                patch = moved(MaskPatch.between(self.mask[part], now), corner(part))
                self._take(patch)
                changed = union(changed, patch_box(patch))
        return changed

    def listed(self) -> Record | None:
        """What the tag says now, without a look at the voxels; None when it says nothing."""
        if self.segment_id is None:
            return None
        text = read_tag(find_segment(self.segmentation, self.segment_id))
        if text == self.text:
            return self.record
        if text != self._listed[0]:
            self._listed = text, Record.loads(text) if text else None
        return self._listed[1]

    def standing(self, maker: Maker, replay: bool = True) -> State:
        """The prompts and the start mask behind what was last seen; they make that mask.

        Prompts that do not explain the mask (a hand edit, another model or image; ``replay``
        False) count as part of it.
        """
        record = self.record
        if record and replay and record.model == maker.info and self._describes(record):
            return State(record.prompts, record.baked, record.start, record.story)
        if not self.voxels:
            return State()
        prompts: tuple[Prompt, ...] = record.prompts if record else ()
        story = record.story if record else None
        return State(prompts, len(prompts), self.bits(), story)

    def _describes(self, record: Record) -> bool:
        return record.grid == self._grid and record.mask == self.mark()

    def write(
        self,
        editor: Editor,
        patch: MaskPatch,
        state: State,
        maker: Maker,
        allowed: Mask | None = None,
        save: bool = True,
    ) -> Written:
        """Bring a change into the segment as one undo step, with the state that it leads to.

        ``allowed``: ``(K, J, I)`` of the patch, False where nothing may change. ``save`` False:
        part of the undo step before. The segment must be as last seen.
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
        state = self._after(state, maker, whole)
        self._remember(state, maker)
        self._stamp = segment_stamp(self.segmentation, segment_id)
        return Written(change, state, whole)

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
        whole = np.array_equal(wanted, actual)
        if not whole:
            before, self.mask[box] = self.mask[box].copy(), wanted
            whole = matches_after_transfer(self.segmentation, self.image, self.mask, box, actual)
            self.mask[box] = before
        change = moved(MaskPatch.between(self.mask[box], actual), corner(box))
        self._take(change)
        return change, whole

    def _after(self, state: State, maker: Maker, whole: bool) -> State:
        if whole or not (self.voxels and maker.start_mask):
            return state
        return State(state.prompts, len(state.prompts), self.bits(), state.story)

    def _remember(self, state: State, maker: Maker) -> None:
        segment = find_segment(self.segmentation, str(self.segment_id))
        name_segment(segment, self.record.prompts if self.record else (), state.prompts)
        self.record = Record(
            state.prompts,
            state.baked,
            state.start,
            self._grid,
            self.mark(),
            maker.info,
            medseg.__version__,
            state.story,
        )
        write_record(segment, self.record)
        self.text = read_tag(segment)

    def _take(self, patch: MaskPatch) -> None:
        if not patch.empty:
            patch.apply(self.mask)
            self._content.changed(patch.box[0])
            self._bits = None

    def copy(self) -> Mask:
        """A copy of the mask; only its content is touched, as memory costs when it is touched."""
        copy, box = np.zeros(self.mask.shape, bool), self._content.box
        if box is not None:
            copy[box] = self.mask[box]
        return copy

    def bits(self) -> Bits:
        """The mask, to be kept as it is now."""
        if self._bits is None:
            self._bits = Bits.of(self.mask, self._content.box)
        return self._bits

    @property
    def voxels(self) -> int:
        """How many voxels the segment has, as last seen."""
        return self._content.voxels

    def mark(self) -> str:
        """`medseg.record.mask_mark` of the mask, at the cost of what changed."""
        return self._content.mark
