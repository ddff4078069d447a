"""What a long job does: one piece after the other, each in its turn on the device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..actions import Add, from_data
from ..errors import InputError, MedsegError
from ..image import Mask
from ..patch import MaskPatch
from ..propagation import Tells, can_propagate, find_tracker, propagate
from ..protocol.messages import JobRequest
from ..protocol.problems import to_problem
from ..session import Session
from ..story import Story
from .runner import Guarded

#: What `JobRequest.kind` may be.
KINDS = ["propagate", "batch"]
#: Objects in one batch.
MOST_OBJECTS = 1000


@dataclass(frozen=True)
class Piece:
    """One slice or object; ``patch`` is None when ``problem`` tells why it failed."""

    index: int
    fraction: float
    patch: MaskPatch | None
    name: str | None = None
    confidence: float | None = None
    problem: dict[str, Any] | None = None


@dataclass
class Work:
    """``pieces`` computes on each ``next``, and gathers in ``after`` what they make together.

    ``story``: how that came about, for what is propagated.
    """

    before: Mask
    after: Mask
    pieces: Iterator[Piece] = field(default_factory=lambda: iter(()))
    notes: list[str] = field(default_factory=list)
    story: Callable[[], Story | None] = lambda: None

    def whole(self) -> MaskPatch:
        """The patch that makes what the pieces so far have made."""
        return MaskPatch.between(self.before, self.after)


def work_of(
    request: JobRequest, session: Session, model: Guarded, cancelled: Callable[[], bool]
) -> Work:
    """The work of a job; raises `InputError`, `PromptError` or `ModelError` before it begins."""
    if request.kind == "propagate":
        return _propagation(request, session, model, cancelled)
    return _batch(request, session, model)


def _propagation(
    request: JobRequest, session: Session, model: Guarded, cancelled: Callable[[], bool]
) -> Work:
    own = can_propagate(model.name)
    tracker = find_tracker(model.name if own else "default", model.device, request.memory)
    seeds = _seeds(request, session.mask)
    frames = propagate(
        session.image,
        session.mask,
        seeds,
        axis=request.axis,
        first=request.first,
        last=request.last,
        model=tracker,
    )
    work = Work(session.mask, session.mask.copy())
    sure: dict[int, float] = {}
    last = session.image.shape[request.axis] - 1 if request.last is None else request.last
    work.story = lambda: Story.of(
        tracker, "kji"[request.axis], seeds, request.first or 0, last, sure
    )
    if not own:
        work.notes.append(f"'{model.name}' cannot propagate; the default method did it.")
    if isinstance(tracker, Tells):
        work.notes.append(tracker.describe(seeds, request.axis))

    def pieces() -> Iterator[Piece]:
        while frame := model.run(lambda: None if cancelled() else next(frames, None)):
            frame.patch.apply(work.after)
            sure[frame.index] = frame.confidence
            yield Piece(frame.index, frame.fraction, frame.patch, confidence=frame.confidence)

    work.pieces = pieces()
    return work


def _seeds(request: JobRequest, mask: Mask) -> list[int]:
    """The slices asked for, else all that are not empty within the range."""
    if request.seeds is not None:
        return request.seeds
    others = tuple(axis for axis in range(3) if axis != request.axis)[:2]
    first = 0 if request.first is None else request.first
    last = max(mask.shape) if request.last is None else request.last
    held = np.asarray(mask.any(axis=others))
    return [n for n in range(max(0, first), min(len(held) - 1, last) + 1) if held[n]]


def _batch(request: JobRequest, session: Session, model: Guarded) -> Work:
    objects = [_object(entry, session) for entry in request.objects or []]
    if not 1 <= len(objects) <= MOST_OBJECTS:
        raise InputError(f"A batch needs 1 to {MOST_OBJECTS} objects, not {len(objects)}.")
    work = Work(session.mask, session.mask.copy())

    def pieces() -> Iterator[Piece]:
        for index, (name, action) in enumerate(objects):
            fraction = (index + 1) / len(objects)
            try:
                patch = Session(session.image, model).do(action).patch
            except MedsegError as error:
                yield Piece(index, fraction, None, name, problem=to_problem(error))
                continue
            work.after[patch.box] |= patch.voxels
            yield Piece(index, fraction, patch, name)

    work.pieces = pieces()
    return work


def _object(entry: dict[str, Any], session: Session) -> tuple[str, Add]:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise InputError("Every object of a batch needs a name and prompts.")
    action = from_data("add", entry, session.image.shape)
    assert isinstance(action, Add)
    return entry["name"], action
