"""``medseg propagate``: from prompted slices of a volume to all others."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..courses import ThroughSlices
from ..errors import InputError
from ..image import Image, Mask
from ..io import Segment, Segmentation, read_segmentation, write_segmentation
from ..io.files import suffix
from . import following
from .asked import Asked, seeds, structures
from .edit import index_of, new_segment
from .segment import checked_output, open_image

AXES = {"k": 0, "j": 1, "i": 2}


@dataclass(frozen=True)
class Edited:
    """All segments of the file, on the image's grid; ``places``: of the structures asked for."""

    segments: tuple[Segment, ...]
    places: tuple[int, ...]

    @property
    def followed(self) -> list[Segment]:
        return [self.segments[place] for place in self.places]

    @property
    def others(self) -> list[Segment]:
        return [s for place, s in enumerate(self.segments) if place not in self.places]


def run(options: argparse.Namespace) -> None:
    """Read everything first, propagate, then write once."""
    output = checked_output(options.output, options.image)
    asked = structures(options.given or [])
    image = open_image(options)
    course = ThroughSlices(image, AXES[options.axis])
    edited = _opened(options.edit, asked, image)
    accepted = [
        _accepted(options, each, course, segment)
        for each, segment in zip(asked, edited.followed, strict=True)
    ]
    result = following.follow(options, course, accepted, output)
    _write(output, options, image, edited, result)
    names = [segment.name for segment in edited.followed]
    if suffix(output) != ".seg.nrrd":
        following.write_story(output, result, names, options.image)
    following.finish(result, output, names, options.quiet)


def _opened(path: str | None, asked: Sequence[Asked], image: Image) -> Edited:
    if path is None:
        made = [new_segment(each.name, image.shape, n) for n, each in enumerate(asked)]
        return Edited(tuple(made), tuple(range(len(made))))
    found = read_segmentation(path)
    places = tuple(index_of(found, each.name) for each in asked)
    return Edited(found.onto(image).segments, places)


def _accepted(
    options: argparse.Namespace, asked: Asked, course: ThroughSlices, segment: Segment
) -> dict[int, Mask]:
    before = np.moveaxis(segment.mask, course.axis, 0)[:, None]
    accepted = seeds(options, asked, course, course.image, dict(enumerate(before)))
    for text in ",".join(asked.of("seeds")).split(","):
        if text:
            accepted.setdefault(_slice(text, before), before[int(text)])
    return accepted


def _slice(text: str, before: Mask) -> int:
    if not text.isdecimal() or int(text) >= len(before) or not before[int(text)].any():
        raise InputError(f"--seeds: the edited segment has nothing in slice '{text}'.")
    return int(text)


def _write(
    output: Path,
    options: argparse.Namespace,
    image: Image,
    edited: Edited,
    result: following.Result,
) -> None:
    """The decided slices take the place of the old ones; voxels of other segments stay theirs."""
    segments = list(edited.segments)
    for number, mask in enumerate(_masks(image, edited, result)):
        segment = edited.followed[number]
        for other in edited.others:
            mask &= ~(other.mask & ~segment.mask)
        told = following.record(options, result, number, image, mask)
        tags = {**segment.tags, **told.tags()}
        segments[edited.places[number]] = replace(segment, mask=mask, tags=tags)
    write_segmentation(output, Segmentation.on(image, segments))


def _masks(image: Image, edited: Edited, result: following.Result) -> list[Mask]:
    """Of the structures, ``(K, J, I)``: as found where it was decided, else as before."""
    masks = [segment.mask.copy() for segment in edited.followed]
    assert isinstance(result.course, ThroughSlices)
    along = [np.moveaxis(mask, result.course.axis, 0) for mask in masks]
    for place in range(result.found.places):
        labels = result.labels(place)[0]
        for number, slices in enumerate(along):
            if result.confidence(number, place) is not None:
                slices[place] = labels == number + 1
    return masks
