"""``medseg propagate``: from prompted slices of a volume to all others."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from ..courses import ThroughSlices
from ..errors import InputError
from ..image import Image, Mask
from ..io import Segment, Segmentation, read_segmentation, write_segmentation
from ..io.files import suffix
from ..record import TAG
from . import following
from .edit import NEW_COLOR, Edited, index_of
from .segment import checked_output, open_image

AXES = {"k": 0, "j": 1, "i": 2}


def run(options: argparse.Namespace) -> None:
    """Read everything first, propagate, then write once."""
    output = checked_output(options.output, options.image)
    image = open_image(options)
    course = ThroughSlices(image, AXES[options.axis])
    edited = _opened(options, image)
    before = np.moveaxis(edited.segments[edited.index].mask, course.axis, 0)[:, None]
    accepted = following.seeds(options, course, image, dict(enumerate(before)))
    for text in (options.seeds or "").split(","):
        if text:
            accepted.setdefault(_slice(text, before), before[int(text)])
    result = following.follow(options, course, accepted, output)
    _write(output, image, edited, course.axis, result)
    following.finish(result, output, options.quiet)


def _opened(options: argparse.Namespace, image: Image) -> Edited:
    if options.edit is None:
        blank = np.zeros(image.shape, bool)
        return Edited((Segment("Segment_1", options.segment or "Segment", NEW_COLOR, blank),), 0)
    found = read_segmentation(options.edit)
    return Edited(found.onto(image).segments, index_of(found, options.segment))


def _slice(text: str, before: Mask) -> int:
    if not text.isdecimal() or int(text) >= len(before) or not before[int(text)].any():
        raise InputError(f"--seeds: the edited segment has nothing in slice '{text}'.")
    return int(text)


def _write(output: Path, image: Image, edited: Edited, axis: int, result: following.Result) -> None:
    """The decided slices take the place of the old ones; voxels of other segments stay theirs."""
    segment = edited.segments[edited.index]
    mask = segment.mask.copy()
    slices = np.moveaxis(mask, axis, 0)
    for place in range(len(slices)):
        if result.found.confidence(place) is not None:
            slices[place] = result.found.mask(place)[0]
    for other in edited.others:
        mask &= ~(other.mask & ~segment.mask)
    kept = {key: text for key, text in segment.tags.items() if key != TAG}
    tags = {**kept, **following.story_tag(result)}
    made = Segment(segment.id, segment.name, segment.color, mask, tags, segment.value)
    write_segmentation(output, Segmentation.on(image, edited.placed(made)))
    if suffix(output) != ".seg.nrrd":
        following.write_story(output, result)
