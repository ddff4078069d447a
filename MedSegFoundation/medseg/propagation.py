"""From accepted slices to all others, one slice (or film frame) at a time.

    mask, seeds --propagate--> Task --Tracker.track--> Found --propagate--> Frame

A `Tracker` sees a `Task` and answers with one slice after the other; what is accepted, what
changed, how far the run is and what is refused is settled here, the same for every tracker.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from itertools import pairwise
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np

from .errors import InputError, ModelError, PromptError
from .image import Array, Image, Mask
from .models.sam import spec as sam
from .patch import MaskPatch
from .slices import Slices, Stack

T = TypeVar("T")

#: Name -> "module:class" of the trackers that come with the package.
BUILT_IN = {"geodesic-cut": "medseg.models.embedded.propagation:SliceBySlice"}
DEFAULT = "geodesic-cut"


@dataclass(frozen=True)
class Frame:
    """One slice that was decided.

    ``index``: array index along the axis of the run. ``patch``: what changes there, in the
    coordinates of the whole ``(K, J, I)`` mask; empty when nothing does. ``confidence``: 0 to 1,
    that the object is there as drawn; low in a slice left empty, 0 beyond the object's end.
    ``fraction``: how much of the whole run is done after it, 1 in the last frame.
    """

    index: int
    patch: MaskPatch
    confidence: float
    fraction: float


@dataclass(frozen=True)
class Found:
    """A tracker's answer for one slice: ``mask`` ``(A, B)``, empty where the object is not.

    ``note``: bytes by which the tracker can go on from here in another run; see `Task.known`.
    """

    index: int
    mask: Mask
    confidence: float
    note: bytes = b""


@dataclass(frozen=True)
class Gap:
    """Slices to decide, in a row; ``before`` and ``after`` are the seeds at its ends, if any."""

    indices: range
    before: int | None
    after: int | None


@dataclass(frozen=True)
class Task:
    """What a tracker is asked: the slices ``first`` to ``last`` (inclusive) of ``slices``.

    ``seeds``: index to accepted mask ``(A, B)``. ``stop_when_empty``: an object that has ended
    does not come back. ``known``: what the same tracker has found in an earlier run that was cut
    off; it may take these answers instead of working them out again.
    """

    slices: Slices
    seeds: Mapping[int, Mask]
    first: int
    last: int
    stop_when_empty: bool
    known: Mapping[int, Found] = field(default_factory=dict)

    def pixels(self, index: int) -> Array:
        """One slice ``(A, B)``, or ``(A, B, C)`` in colour."""
        return self.slices.pixels(index)

    @property
    def spacing(self) -> tuple[float, float]:
        """Pixel size ``(a, b)`` in mm."""
        return self.slices.spacing

    @property
    def film(self) -> bool:
        """True when the run goes through time."""
        return self.slices.film

    def gaps(self) -> list[Gap]:
        """The slices to decide, split at the seeds, lowest first."""
        seeds = sorted(self.seeds)
        gaps = [Gap(range(before + 1, after), before, after) for before, after in pairwise(seeds)]
        gaps.insert(0, Gap(range(self.first, seeds[0]), None, seeds[0]))
        gaps.append(Gap(range(seeds[-1] + 1, self.last + 1), seeds[-1], None))
        return [gap for gap in gaps if gap.indices]


class Tracker(Protocol):
    """A way to carry a mask from slice to slice. ``colour``: takes ``(K, J, I, C)`` images."""

    name: str
    colour: bool

    def track(self, task: Task) -> Iterator[Found]:
        """Decide slices of ``task.gaps()``, each at most once, in any order, one per `next`.

        A slice left out is empty: there the object has ended. A pure function of the task.
        """
        ...


@runtime_checkable
class Tells(Protocol):
    """A tracker may also have this."""

    def describe(self, seeds: Iterable[int], axis: int) -> str:
        """How a result from these slices along an array axis comes to be, as a sentence."""
        ...

    def rules(self) -> dict[str, str]:
        """What a result depends on beside the task: weights, memory policy, direction, ..."""
        ...


def can_propagate(model: str) -> bool:
    """True when `find_tracker` knows a tracker of that name."""
    return model in ("default", *BUILT_IN) or sam.can_track(model)


def find_tracker(name: str = "default", device: str = "auto", memory: str | None = None) -> Tracker:
    """The tracker of that name; raises `ModelError` when there is none.

    ``device``: as in `medseg.registry.find`. ``memory``: a policy of `medseg.memory` instead of
    the one in the name, for trackers that have a choice.
    """
    name = DEFAULT if name == "default" else name
    if memory is not None:
        name = sam.with_memory(name, memory)
    if name not in BUILT_IN and sam.is_spec(name):
        found: Tracker = import_module("medseg.models.sam.tracker").find_sam_tracker(name, device)
        return found
    if name not in BUILT_IN:
        raise ModelError(
            f"Model '{name}' cannot propagate; choose one of {', '.join(sorted(BUILT_IN))}."
        )
    module, maker = BUILT_IN[name].split(":")
    tracker: Tracker = getattr(import_module(module), maker)()
    return tracker


def propagate(
    image: Image,
    mask: Mask,
    seeds: Iterable[int],
    *,
    axis: int = 0,
    first: int | None = None,
    last: int | None = None,
    stop_when_empty: bool | None = None,
    model: str | Tracker = "default",
) -> Iterator[Frame]:
    """Carry accepted slices to the others; one `Frame` is computed per ``next``.

    ``mask``: bool ``(K, J, I)`` on the grid of the image, copied. ``seeds``: indices along
    ``axis`` (0, 1, 2 = k, j, i) of the slices that are accepted: they are the model and stay as
    they are. Every other slice from ``first`` to ``last`` (inclusive; the whole image when not
    given) is decided anew, and gets exactly one frame. ``stop_when_empty``: take the first empty
    slice for the end of the object; None means yes, but not along the time of a film.

    Raises `PromptError` or `InputError` at once, before the first frame.
    """
    tracker = find_tracker(model) if isinstance(model, str) else model
    _check_image(image, mask, tracker)
    if axis not in (0, 1, 2):
        raise PromptError(f"Axis {axis} does not exist; choose 0, 1 or 2 for k, j or i.")
    first, last = _range(first, last, image.shape[axis])
    slices = Stack(image, axis)
    accepted = _accepted(mask, seeds, axis, first, last)
    stop = not slices.film if stop_when_empty is None else stop_when_empty
    task = Task(slices, accepted, first, last, stop)
    return _frames(tracker, task, axis, np.array(mask, dtype=bool))


def carry(tracker: Tracker, task: Task) -> Iterator[tuple[Found, float]]:
    """Every slice of ``task.gaps()`` once, and how much of the run is done after it.

    Slices that the tracker leaves out come last, empty.
    """
    left = {index for gap in task.gaps() for index in gap.indices}
    total = len(left)
    for found in tracker.track(task):
        left.remove(found.index)
        yield found, 1 - len(left) / total
    nothing = np.zeros_like(next(iter(task.seeds.values())))
    for done, index in enumerate(sorted(left), start=total - len(left) + 1):
        yield Found(index, nothing, 0.0), done / total


def together(runs: Iterable[Iterator[T]]) -> Iterator[tuple[int, T]]:
    """Several runs, a step of each in turn: the number of the run, and its step.

    For several objects in one image. They come to each slice at nearly the same time, so what a
    tracker has worked out about it (SAM 2 has encoded it) serves them all.
    """
    left = dict(enumerate(runs))
    while left:
        for number, run in list(left.items()):
            try:
                yield number, next(run)
            except StopIteration:
                del left[number]


def _check_image(image: Image, mask: Mask, tracker: Tracker) -> None:
    if image.channels > 1 and not tracker.colour:
        raise InputError(
            f"Model '{tracker.name}' propagates in grey images only, this one is in colour."
        )
    if mask.shape != image.shape:
        raise PromptError(
            f"The mask has shape {mask.shape}, the image {image.shape}; "
            "resample the mask to the image first."
        )
    if not np.isfinite(image.array).all():
        raise InputError("The image holds values that are not numbers (NaN or infinite).")


def _range(first: int | None, last: int | None, count: int) -> tuple[int, int]:
    first = 0 if first is None else first
    last = count - 1 if last is None else last
    if first > last:
        raise PromptError(f"The first slice ({first}) lies behind the last ({last}); swap them.")
    if first < 0 or last >= count:
        raise PromptError(
            f"Slices {first} to {last} reach out of the image, which has 0 to {count - 1}."
        )
    return first, last


def _accepted(
    mask: Mask, seeds: Iterable[int], axis: int, first: int, last: int
) -> dict[int, Mask]:
    """Seed slices ``(A, B)`` by index, lowest first."""
    accepted: dict[int, Mask] = {}
    for seed in sorted({int(s) for s in seeds}):
        if not first <= seed <= last:
            raise PromptError(
                f"Seed slice {seed} lies outside the range {first} to {last}; widen the range."
            )
        accepted[seed] = np.take(mask, seed, axis=axis).astype(bool)
        if not accepted[seed].any():
            raise PromptError(f"Seed slice {seed} is empty; segment the object there first.")
    if not accepted:
        raise PromptError("There is no seed slice; accept the mask of at least one slice first.")
    return accepted


def _frames(tracker: Tracker, task: Task, axis: int, mask: Mask) -> Iterator[Frame]:
    for found, fraction in carry(tracker, task):
        yield _frame(found, axis, mask, fraction)


def _frame(found: Found, axis: int, mask: Mask, fraction: float) -> Frame:
    slab = [slice(None)] * 3
    slab[axis] = slice(found.index, found.index + 1)
    patch = MaskPatch.between(mask[tuple(slab)], np.expand_dims(found.mask, axis))
    if not patch.empty:
        k, j, i = (s + found.index * (n == axis) for n, s in enumerate(patch.start))
        patch = MaskPatch((k, j, i), patch.voxels)
    return Frame(found.index, patch, found.confidence, fraction)
