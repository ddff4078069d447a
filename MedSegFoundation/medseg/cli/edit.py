"""The segment being worked on, and its neighbours in the file: ``--edit``."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..errors import InputError, UnsupportedPromptError
from ..image import Image, Mask
from ..io import Segment, Segmentation, read_segmentation
from ..io.segmentation import default_color
from ..record import TAG, Record, model_info
from ..session import Session

NEW_COLOR = (0.44, 0.72, 0.82)


@dataclass(frozen=True)
class Edited:
    """All ``segments`` of the file (masks on the image grid); number ``index`` is edited."""

    segments: tuple[Segment, ...]
    index: int

    @property
    def others(self) -> tuple[Segment, ...]:
        return self.segments[: self.index] + self.segments[self.index + 1 :]

    def placed(self, segment: Segment) -> tuple[Segment, ...]:
        """All segments, with ``segment`` in the place of the edited one."""
        return (*self.segments[: self.index], segment, *self.segments[self.index + 1 :])


def opened(path: str | None, name: str | None, session: Session) -> Edited:
    """A new segment, or one of the file ``path``, whose mask and prompts the session takes on."""
    if path is None:
        return Edited((new_segment(name, session.image.shape),), 0)
    found = read_segmentation(path)
    index = index_of(found, name)
    moved = found.onto(session.image)
    edited = Edited(moved.segments, index)
    _check_others(found, edited, session.image)
    _take_on(session, edited.segments[index])
    return edited


def new_segment(name: str | None, shape: tuple[int, int, int], number: int = 0) -> Segment:
    """An empty segment; ``number``: of several, from 0."""
    color = default_color(number) if number else NEW_COLOR
    called = name or (f"Segment {number + 1}" if number else "Segment")
    return Segment(f"Segment_{number + 1}", called, color, np.zeros(shape, bool))


def finished(edited: Edited, session: Session) -> Segment:
    """The edited segment with its new mask and record; voxels of other segments stay theirs."""
    taken: Mask = np.zeros(session.image.shape, bool)
    before = edited.segments[edited.index]
    for other in edited.others:
        taken |= other.mask & ~before.mask
    mask = session.mask & ~taken
    if (mask != session.mask).any():
        prompts, story = session.prompts, session.history.state.story
        session.restore(prompts, baked=len(prompts), start=mask, mask=mask, story=story)
    return replace(before, mask=mask, tags={**before.tags, **Record.of(session).tags()})


def index_of(found: Segmentation, name: str | None) -> int:
    """Which segment is meant; raises `InputError` with their names when that is not clear."""
    names = [segment.name for segment in found.segments]
    if name is None and len(names) == 1:
        return 0
    if names.count(name or "") == 1:
        return names.index(name or "")
    listed = ", ".join(f"'{n}'" for n in names) or "none"
    if name is None:
        raise InputError(
            f"'{found.name}' holds several segments; choose one with --segment: {listed}."
        )
    how = "more than one segment" if name in names else "no segment"
    raise InputError(f"'{found.name}' holds {how} named '{name}'; it has {listed}.")


def _check_others(found: Segmentation, edited: Edited, image: Image) -> None:
    """Other segments must come through unchanged: same lattice, nothing outside the image."""
    for segment, moved in zip(found.segments, edited.segments, strict=True):
        same = np.count_nonzero(segment.mask) == np.count_nonzero(moved.mask)
        if moved is not edited.segments[edited.index] and not same:
            raise InputError(
                f"Segment '{segment.name}' of '{found.name}' has other voxels than the image "
                f"'{image.name}' and would change; resample the segmentation to the image first."
            )


def _take_on(session: Session, segment: Segment) -> None:
    """Stand where the file left off; prompts still count when nobody changed the mask since."""
    text = segment.tags.get(TAG)
    record = Record.loads(text) if text else None
    if (
        record is not None
        and record.describes(session.image, segment.mask)
        and record.model == model_info(session.model)
    ):
        session.restore(
            record.prompts,
            baked=record.baked,
            start=record.start,
            mask=segment.mask,
            story=record.story,
        )
    elif segment.mask.any():
        _check_start_mask(session)
        prompts = record.prompts if record else ()
        story = record.story if record else None
        session.restore(
            prompts, baked=len(prompts), start=segment.mask, mask=segment.mask, story=story
        )


def _check_start_mask(session: Session) -> None:
    model = session.model
    if not model.capabilities.start_mask:
        raise UnsupportedPromptError(
            f"Model '{model.name}' cannot go on from a mask made elsewhere; "
            "choose another with --model."
        )
