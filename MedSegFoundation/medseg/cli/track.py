"""``medseg track``: from prompted frames to all others."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..courses import Course, ThroughFilm, ThroughSlices, ThroughVolumes, places
from ..errors import InputError
from ..image import Image
from ..io import Segment
from ..io.films import is_film, open_film
from ..io.over_time import open_over_time
from ..io.tracks import kind_of, write_labels, write_pictures, write_segments, write_video
from . import following
from .asked import seeds, structures
from .edit import new_segment
from .segment import check_place, open_image
from .terminal import say


def run(options: argparse.Namespace) -> None:
    """Read what is needed first, follow, then write once."""
    course = _course(options)
    if places(course) < 2:
        raise InputError(f"'{course.name}' is a single picture or volume; use 'medseg segment'.")
    output = Path(options.output)
    check_place(output, options.image)
    kind = kind_of(output, course)
    asked, grid = structures(options.given or []), _grid(course)
    accepted = [seeds(options, each, course, grid) for each in asked]
    names = [each.name or "Segment" for each in asked]
    result = following.follow(options, course, accepted, output)
    if kind == "segments":
        segments = _segments(options, names, grid, result)
        write_segments(output, course, result.labels, segments)
    elif kind == "labels":
        write_labels(output, course, result.labels)
    elif kind == "pictures":
        write_pictures(output, course, result.labels, len(names))
    else:
        write_video(output, course, result.labels, result.seen)
    if kind != "segments":
        following.write_story(output, result, names, options.image)
    following.finish(result, output, names, options.quiet)


def _course(options: argparse.Namespace) -> Course:
    if is_film(options.image):
        return ThroughFilm(open_film(options.image))
    notes: list[str] = []
    course = open_over_time(
        options.image,
        notes,
        prompted=options.frame or 0,
        grey=options.grey,
        series=options.series,
        uneven=options.uneven,
    )
    if course is not None:
        for note in notes:
            say(f"Note: {note}", options.quiet)
        return course
    options.frame = None
    image = open_image(options)
    if not image.time_axis and image.shape[0] > 1:
        raise InputError(f"'{image.name}' is a volume without time; use 'medseg propagate'.")
    return ThroughSlices(image)


def _grid(course: Course) -> Image:
    """What the numbers of prompts refer to; of a film only the size matters."""
    if isinstance(course, ThroughSlices):
        return course.image
    still = course.still(course.prompted if isinstance(course, ThroughVolumes) else 0)
    if isinstance(course, ThroughVolumes):
        return still
    shape = (places(course), *course.rows[0].shape)
    return Image(np.broadcast_to(np.uint8(0), shape), still.affine, time_axis=True)


def _segments(
    options: argparse.Namespace, names: Sequence[str], grid: Image, result: following.Result
) -> list[Segment]:
    """With their records, and without their masks, which may be too long for memory."""
    return [
        replace(
            new_segment(name, (1, 1, 1), number),
            tags=following.record(options, result, number, grid).tags(),
        )
        for number, name in enumerate(names)
    ]
