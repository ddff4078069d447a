"""What ``propagate`` and ``track`` share: the run of all structures, and what it has left."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..courses import Course, ThroughSlices, places
from ..errors import InputError
from ..image import Array, Image, Mask
from ..io.files import write_atomic
from ..io.films import BrokenOffError
from ..io.found import FoundFile
from ..packing import Bits
from ..propagation import Tracker, find_tracker, together
from ..record import Record, grid_mark, mask_mark, model_info
from ..registry import find
from ..story import Story
from ..tracking import Seen, check, track
from .terminal import Bar, say

#: Accepted masks ``(rows, A, B)`` of one structure by place.
Seeds = Mapping[int, Mask]


@dataclass
class Result:
    """What a run has left: masks on disk, how it came about, and where the film broke off.

    ``found``: the rows of one structure after the other. ``seen``: places that could be read.
    """

    found: FoundFile
    course: Course
    tracker: Tracker
    seeds: Sequence[Seeds]
    first: int
    last: int
    seen: int
    broken: BrokenOffError | None = None

    def rows(self, number: int) -> slice:
        """Where in ``found`` the structure of that number is."""
        count = len(self.course.rows)
        return slice(number * count, (number + 1) * count)

    def confidence(self, number: int, place: int) -> float | None:
        """Of a structure at a place, None where nothing was decided."""
        return self.found.confidence(place, self.rows(number))

    def labels(self, place: int) -> Array:
        """``(rows, A, B)`` uint8: 0, or the number of a structure from 1 on.

        Where two overlap the surer one keeps the place, of two as sure the one named first.
        """
        masks = self.found.mask(place)
        sure = [self.confidence(n, place) or 0.0 for n in range(len(self.seeds))]
        labels = np.zeros(masks[self.rows(0)].shape, np.uint8)
        for number in sorted(range(len(sure)), key=lambda n: (sure[n], -n)):
            labels[masks[self.rows(number)]] = number + 1
        return labels

    def story(self, number: int) -> Story:
        """How a structure came about."""
        sure = {n: self.confidence(number, n) for n in range(self.found.places)}
        axis = self.course.axis if isinstance(self.course, ThroughSlices) else None
        film = self.course.rows[0].film
        return Story.of(
            self.tracker,
            "t" if film or axis is None else "kji"[axis],
            self.seeds[number],
            self.first,
            self.last,
            {place: value for place, value in sure.items() if value is not None},
        )


def follow(
    options: argparse.Namespace, course: Course, seeds: Sequence[Seeds], output: Path
) -> Result:
    """Run, or go on with a run that was stopped; what is found lies in "OUTPUT.part" meanwhile."""
    tracker = find_tracker(options.model, options.device, options.memory)
    for each in seeds:
        check(course, each, options.first, options.last, tracker)
    first, last = options.first or 0, options.last
    last = places(course) - 1 if last is None else last
    part = output.with_name(f"{output.name}.part")
    rows = len(course.rows)
    facts = _facts(Path(options.image), tracker, seeds, first, last)
    shape = course.rows[0].shape
    found = FoundFile(part, places(course), rows * len(seeds), shape, facts)
    if any(found.decided(row) for row in range(found.rows)):
        say(f"Going on where '{part}' ends.", options.quiet)
    result = Result(found, course, tracker, seeds, first, last, places(course))
    try:
        with Bar("following", options.quiet) as bar:
            _run(options, result, bar)
    except KeyboardInterrupt:
        found.close()
        say(f"What was found is kept in '{part}'; the same command goes on from there.")
        raise
    except BaseException:
        found.close()
        raise
    return result


def _run(options: argparse.Namespace, result: Result, bar: Bar) -> None:
    """Follow all structures; when the film breaks off, once more up to there."""
    try:
        _follow_to(options, result, result.last, bar)
    except BrokenOffError as error:
        result.broken, result.seen = error, error.at
        _follow_to(options, result, error.at - 1, bar)


def _follow_to(options: argparse.Namespace, result: Result, last: int, bar: Bar) -> None:
    found, done = result.found, [0.0] * len(result.seeds)
    for number, seen in together(_runs(result, last)):
        row = result.rows(number).start + seen.row
        found.put(seen.place, row, seen.mask, seen.confidence, seen.note)
        done[number] = seen.fraction
        bar(sum(done) / len(done))
        if options.json:
            print(json.dumps(_line(number, seen)), flush=True)


def _runs(result: Result, last: int) -> Iterator[Iterator[Seen]]:
    for number, seeds in enumerate(result.seeds):
        rows = range(result.found.rows)[result.rows(number)]
        known = {row: result.found.known(at) for row, at in enumerate(rows)}
        there = {place: mask for place, mask in seeds.items() if place <= last}
        if any(mask.any() for mask in there.values()):
            yield track(
                result.course,
                there,
                first=result.first,
                last=last,
                model=result.tracker,
                known=known,
            )
        else:
            yield iter(())


def _line(number: int, seen: Seen) -> dict[str, Any]:
    return {
        "object": number + 1,
        "place": seen.place,
        "row": seen.row,
        "pixels": int(np.count_nonzero(seen.mask)),
        "confidence": round(seen.confidence, 4),
    }


def record(
    options: argparse.Namespace, result: Result, number: int, grid: Image, mask: Mask | None = None
) -> Record:
    """What the segment of a structure remembers; ``mask``: ``(K, J, I)`` on ``grid``.

    Without it the record explains no mask, so a session starts from the one in the segment.
    """
    model = model_info(find(options.model, options.device))
    start = Bits.of(mask) if mask is not None and mask.any() else None
    marks = grid_mark(grid), "" if mask is None else mask_mark(mask)
    return Record((), 0, start, *marks, model, __version__, result.story(number))


def write_story(output: Path, result: Result, names: Sequence[str], source: str) -> None:
    """ "OUTPUT.json": how the result came about, and the confidence of each place."""
    path = output.with_name(f"{output.name}.json")
    told = [{"name": name, **result.story(number).to_dict()} for number, name in enumerate(names)]
    data = {"medseg": __version__, "source": Path(source).name, "objects": told}
    write_atomic(path, [json.dumps(data).encode()])


def finish(result: Result, output: Path, names: Sequence[str], quiet: bool) -> None:
    """The result is written: let go of the rest, and say so."""
    absent = [_absent(result, number) for number in range(len(names))]
    result.found.remove()
    told = f"{absent[0]} of them without it"
    if len(names) > 1:
        each = zip(names, absent, strict=True)
        told = "absent in: " + ", ".join(f"'{name}' {count}" for name, count in each)
    say(f"{output}: {result.seen} slices or frames, {told}.", quiet)
    if result.broken is not None:
        raise InputError(f"{result.broken} What comes before is in '{output}'.")


def _absent(result: Result, number: int) -> int:
    return sum(
        not result.found.mask(place)[result.rows(number)].any()
        for place in range(result.seen)
        if result.confidence(number, place) is not None
    )


def _facts(
    source: Path, tracker: Tracker, seeds: Sequence[Seeds], first: int, last: int
) -> dict[str, Any]:
    """What a result depends on: equal facts, equal result."""
    digest = hashlib.sha256()
    for number, each in enumerate(seeds):
        for place, mask in sorted(each.items()):
            digest.update(repr((number, place, mask.shape)).encode())
            digest.update(np.packbits(mask).tobytes())
    stamp = source.stat()
    return {
        "medseg": __version__,
        "tracker": tracker.name,
        "source": source.name,
        "stamp": [stamp.st_size, stamp.st_mtime_ns],
        "masks": digest.hexdigest()[:32],
        "first": first,
        "last": last,
    }
