"""What ``propagate`` and ``track`` share: masks to start from, the run, and its story."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..courses import Course, places
from ..errors import InputError, PromptError
from ..image import Image, Mask
from ..io import encode_tag, read_labels
from ..io.files import write_atomic
from ..io.films import BrokenOffError
from ..io.found import FoundFile
from ..propagation import find_tracker
from ..registry import find
from ..tracking import Seen, check, masks_from, track
from .given import read_given
from .terminal import Bar, say

#: Tag of a segment that tells which slices, range and model made it.
STORY = "MedSegFoundation.Propagation"


@dataclass
class Result:
    """What a run has left: masks on disk, how it came about, and where the film broke off."""

    found: FoundFile
    facts: dict[str, Any]
    places: int
    broken: BrokenOffError | None = None


def seeds(
    options: argparse.Namespace,
    course: Course,
    grid: Image,
    start: Mapping[int, Mask] | None = None,
) -> dict[int, Mask]:
    """Accepted masks by place, from ``--mask`` and from the prompts.

    ``grid``: what the prompts' numbers refer to. ``start``: masks that prompts correct.
    """
    accepted = dict(_masks(options.mask or [], course))
    prompts = read_given(options.given or [], grid, options.coords)
    if prompts:
        model = find(options.model, options.device)
        accepted |= masks_from(course, prompts, model, {**(start or {}), **accepted})
    return accepted


def follow(
    options: argparse.Namespace, course: Course, seeds: Mapping[int, Mask], output: Path
) -> Result:
    """Run, or go on with a run that was stopped; what is found lies in "OUTPUT.part" meanwhile."""
    check(course, seeds, options.first, options.last, find_tracker(options.model))
    facts = _facts(options, course, seeds)
    part = output.with_name(f"{output.name}.part")
    total = places(course)
    found = FoundFile(part, total, len(course.rows), course.rows[0].shape, facts)
    known = {row: found.known(row) for row in range(found.rows)}
    if any(known.values()):
        say(f"Going on where '{part}' ends.", options.quiet)
    result = Result(found, facts, total)
    try:
        with Bar("following", options.quiet) as bar:
            steps = track(
                course,
                seeds,
                first=options.first,
                last=options.last,
                model=options.model,
                known=known,
            )
            for seen in steps:
                found.put(seen.place, seen.row, seen.mask, seen.confidence)
                bar(seen.fraction)
                _tell(options, seen)
    except KeyboardInterrupt:
        found.close()
        say(f"What was found is kept in '{part}'; the same command goes on from there.")
        raise
    except BrokenOffError as error:
        result.broken, result.places = error, error.at
    except BaseException:
        found.close()
        raise
    return result


def confidences(result: Result) -> list[float | None]:
    """Of each place, None where nothing was decided."""
    found = [result.found.confidence(place) for place in range(result.found.places)]
    return [None if value is None else round(value, 3) for value in found]


def finish(result: Result, output: Path, quiet: bool) -> None:
    """The result is written: let go of the rest, and say so."""
    absent = sum(
        not result.found.mask(place).any()
        for place in range(result.places)
        if result.found.confidence(place) is not None
    )
    result.found.remove()
    say(f"{output}: {result.places} slices or frames, {absent} of them without it.", quiet)
    if result.broken is not None:
        raise InputError(f"{result.broken} What comes before is in '{output}'.")


def story_tag(result: Result) -> dict[str, str]:
    """The same as `write_story` for a segment's tags."""
    return {STORY: encode_tag(json.dumps(_story(result)))}


def _story(result: Result) -> dict[str, Any]:
    return {**result.facts, "confidence": confidences(result)}


def write_story(output: Path, result: Result) -> None:
    """ "OUTPUT.json": how the result came about, and the confidence of each place."""
    path = output.with_name(f"{output.name}.json")
    write_atomic(path, [json.dumps(_story(result)).encode()])


def _masks(given: list[str], course: Course) -> list[tuple[int, Mask]]:
    masks = []
    for text in given:
        number, _, path = text.partition("=")
        if not number.isdecimal() or not path:
            raise InputError(f"--mask takes N=FILE, such as 19=heart.nii.gz, not '{text}'.")
        place = int(number)
        if place >= places(course):
            raise PromptError(
                f"--mask {text}: there are slices or frames 0 to {places(course) - 1} only."
            )
        masks.append((place, _mask_on(path, course, place)))
    return masks


def _mask_on(path: str, course: Course, place: int) -> Mask:
    """A mask file brought onto a place: on the same grid, or just of the same size."""
    shape = (len(course.rows), *course.rows[0].shape)
    labels = read_labels(path)
    still = course.still(place)
    if labels.array.size != np.prod(shape) and not labels.same_grid(still):
        labels = read_labels(path, still)
    mask = (labels.array > 0).reshape(shape)
    if not mask.any():
        raise PromptError(f"The mask '{path}' is empty at {place}; choose another.")
    return mask


def _facts(
    options: argparse.Namespace, course: Course, seeds: Mapping[int, Mask]
) -> dict[str, Any]:
    """What a result depends on: equal facts, equal result."""
    tracker = find_tracker(options.model)
    digest = hashlib.sha256()
    for place, mask in sorted(seeds.items()):
        digest.update(repr((place, mask.shape)).encode() + np.packbits(mask).tobytes())
    source = Path(options.image)
    stamp = source.stat()
    return {
        "medseg": __version__,
        "tracker": tracker.name,
        "source": source.name,
        "stamp": [stamp.st_size, stamp.st_mtime_ns],
        "seeds": sorted(seeds),
        "masks": digest.hexdigest()[:32],
        "first": 0 if options.first is None else options.first,
        "last": places(course) - 1 if options.last is None else options.last,
    }


def _tell(options: argparse.Namespace, seen: Seen) -> None:
    if options.json:
        line = {
            "place": seen.place,
            "row": seen.row,
            "pixels": int(np.count_nonzero(seen.mask)),
            "confidence": round(seen.confidence, 4),
        }
        print(json.dumps(line), flush=True)
