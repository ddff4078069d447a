"""``medseg track``: from prompted frames to all others."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from ..courses import Course, ThroughFilm, ThroughSlices, ThroughVolumes, places
from ..errors import InputError
from ..image import Image
from ..io import Segment, Segmentation, write_segmentation
from ..io.files import suffix
from ..io.films import is_film, open_film
from ..io.images import read_over_time
from ..io.tracks import kind_of, write_labels, write_pictures, write_video
from . import following
from .edit import NEW_COLOR
from .segment import check_place, open_image


def run(options: argparse.Namespace) -> None:
    """Read what is needed first, follow, then write once."""
    course = _course(options)
    if places(course) < 2:
        raise InputError(f"'{course.name}' is a single picture or volume; use 'medseg segment'.")
    output = Path(options.output)
    check_place(output, options.image)
    kind = "segments" if _in_segments(output, course) else kind_of(output, course)
    accepted = following.seeds(options, course, _grid(course))
    result = following.follow(options, course, accepted, output)
    if kind == "segments":
        _write_segments(output, course, options.segment or "Segment", result)
    elif kind == "labels":
        write_labels(output, course, result.found.mask)
    elif kind == "pictures":
        write_pictures(output, course, result.found.mask)
    else:
        write_video(output, course, result.found.mask, result.places)
    if kind != "segments":
        following.write_story(output, result)
    following.finish(result, output, options.quiet)


def _course(options: argparse.Namespace) -> Course:
    if is_film(options.image):
        return ThroughFilm(open_film(options.image))
    raw = read_over_time(options.image)
    if raw is not None:
        return ThroughVolumes(raw.array[..., 0], raw.affine, raw.name, options.frame or 0)
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


def _in_segments(output: Path, course: Course) -> bool:
    return suffix(output) in (".seg.nrrd", ".nrrd") and not isinstance(course, ThroughVolumes)


def _write_segments(output: Path, course: Course, name: str, result: following.Result) -> None:
    """A film in memory: frames along K, as 3D Slicer opens it."""
    mask = np.concatenate([result.found.mask(place) for place in range(places(course))])
    grid = _grid(course)
    segment = Segment("Segment_1", name, NEW_COLOR, mask, following.story_tag(result))
    write_segmentation(output, Segmentation.on(grid, [segment]))
