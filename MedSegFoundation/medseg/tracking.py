"""From prompts or masks in a few slices or frames to all others, however many there are.

    prompts --masks_from--> seeds --track--> one `Seen` after the other

Unlike `medseg.propagation.propagate`, nothing here holds the whole image or the whole result.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from .courses import Course, places
from .errors import InputError, PromptError
from .image import Image, Mask
from .model import Model
from .prompts import Prompt
from .propagation import Found, Task, Tracker, carry, find_tracker
from .session import Session


@dataclass(frozen=True)
class Seen:
    """What was found at one place in one row of a `Course`.

    ``mask``: ``(A, B)``, empty where the object is not. ``confidence``: 0 to 1. ``fraction``: of
    the whole run. ``note``: see `medseg.propagation.Found`.
    """

    place: int
    row: int
    mask: Mask
    confidence: float
    fraction: float
    note: bytes = b""


def masks_from(
    course: Course,
    prompts: Iterable[Prompt],
    model: Model,
    start: Mapping[int, Mask] | None = None,
) -> dict[int, Mask]:
    """Masks ``(rows, A, B)`` that a model makes of prompts, by the place the prompts lie in.

    ``start``: masks that the prompts correct, by place. Raises `PromptError` when there is no
    prompt, or a place comes out empty.
    """
    sorted_in: dict[int, list[Prompt]] = {}
    for prompt in prompts:
        sorted_in.setdefault(course.place_of(prompt), []).append(prompt)
    if not sorted_in:
        raise PromptError("Give at least one prompt, or the mask of a slice or frame.")
    rows = len(course.rows)
    shape = (rows, *course.rows[0].shape)
    found = {}
    for place, there in sorted(sorted_in.items()):
        session = Session(_grey(course.still(place), model), model)
        if start is not None and place in start and start[place].any():
            session.set_mask(start[place].reshape(session.image.shape))
        for prompt in there:
            session.add(prompt)
        if not session.mask.any():
            raise PromptError(
                f"The prompts in slice or frame {place} leave it empty; place them otherwise."
            )
        found[place] = session.mask.reshape(shape).copy()
    return found


def track(
    course: Course,
    seeds: Mapping[int, Mask],
    *,
    first: int | None = None,
    last: int | None = None,
    stop_when_empty: bool | None = None,
    model: str | Tracker = "default",
    known: Mapping[int, Mapping[int, Found]] | None = None,
) -> Iterator[Seen]:
    """Decide every place from ``first`` to ``last`` (inclusive; all when not given), row by row.

    ``seeds``: accepted masks ``(rows, A, B)``; where a seed is empty in a row, the object is not
    there, and a row that no seed has it in stays empty without a `Seen`. ``stop_when_empty``: see
    `medseg.propagation.propagate`. ``known``: by row and place, what an earlier run has found,
    which is not worked out again.

    Raises `PromptError` or `InputError` at once; a place that cannot be read raises when its turn
    comes, and what was found before stands.
    """
    tracker = find_tracker(model) if isinstance(model, str) else model
    check(course, seeds, first, last, tracker)
    first, last = 0 if first is None else first, places(course) - 1 if last is None else last
    return _rows(course, seeds, first, last, stop_when_empty, tracker, known or {})


def check(
    course: Course,
    seeds: Mapping[int, Mask],
    first: int | None,
    last: int | None,
    tracker: Tracker,
) -> None:
    """Raise what `track` raises at once."""
    total = places(course)
    first, last = 0 if first is None else first, total - 1 if last is None else last
    if not 0 <= first <= last < total:
        raise PromptError(f"Places {first} to {last} do not exist; there are 0 to {total - 1}.")
    if not seeds or not any(mask.any() for mask in seeds.values()):
        raise PromptError("There is no mask to start from; give a prompt first.")
    for place in seeds:
        if not first <= place <= last:
            raise PromptError(
                f"A prompt or mask is in slice or frame {place}, outside {first} to {last}; "
                "widen the range."
            )
    for slices in course.rows:
        if slices.channels > 1 and not tracker.colour:
            raise InputError(f"Model '{tracker.name}' follows objects in grey pictures only.")


def _rows(
    course: Course,
    seeds: Mapping[int, Mask],
    first: int,
    last: int,
    stop: bool | None,
    tracker: Tracker,
    known: Mapping[int, Mapping[int, Found]],
) -> Iterator[Seen]:
    wanted = [row for row in range(len(course.rows)) if any(m[row].any() for m in seeds.values())]
    for number, row in enumerate(wanted):
        slices = course.rows[row]
        accepted = {place: mask[row] for place, mask in seeds.items() if mask[row].any()}
        ends = not slices.film if stop is None else stop
        task = Task(slices, accepted, first, last, ends, known.get(row, {}))
        for place, mask in accepted.items():
            yield Seen(place, row, mask, 1.0, number / len(wanted))
        for found, fraction in carry(tracker, task):
            done = (number + fraction) / len(wanted)
            if found.index in seeds:
                yield Seen(found.index, row, np.zeros_like(found.mask), 1.0, done)
            else:
                yield Seen(found.index, row, found.mask, found.confidence, done, found.note)


def _grey(image: Image, model: Model) -> Image:
    """An image that the model takes: the mean of the colours when it sees none."""
    if image.channels == 1 or model.capabilities.colour:
        return image
    return image.with_array(image.array.mean(axis=-1).astype(image.array.dtype))
