"""SAM 2 as a tracker: from accepted slices through a volume or a film."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import ModelError
from ...image import Array, Mask
from ...memory import RECENT, Feature, Memory, policy
from ...propagation import Found, Task
from ...slices import Stack
from .pixels import to_bytes, window_of
from .spec import Spec, read
from .weights import check_packages

if TYPE_CHECKING:
    from .network import Network
    from .video import Seen, Trace

#: Object pointers that SAM 2 looks at besides those of prompted slices, and the slice itself.
POINTERS = 16
#: Prompted slices that are looked at, the nearest ones.
PROMPTED = 8


def find_sam_tracker(name: str, device: str = "auto") -> SamTracker:
    """The tracker that a spec names; raises `ModelError`."""
    spec = read(name)
    if not spec.family.video:
        raise ModelError(
            f"{spec.family.title} sees one slice at a time and cannot propagate; "
            "choose MedSAM2, SAM 2 or the default model for that."
        )
    check_packages(spec.family)
    from .network import network

    return SamTracker(spec, network(spec, device))


class SamTracker:
    """See `medseg.propagation.Tracker`.

    Slices behind a prompted one are followed away from it; between two prompted slices both
    sides meet in the middle (``direction=forward``: only upwards). Every run starts with what is
    remembered of the prompted slices alone, all runs of one direction share what they remember.
    What an earlier run has noted of a slice is believed: it is neither encoded nor decoded again
    (only encoded, when a later slice looks back at it).
    """

    colour = True

    def __init__(self, spec: Spec, network: Network) -> None:
        self.name = spec.name
        self._spec, self._network = spec, network

    def describe(self, seeds: Iterable[int], axis: int) -> str:
        """A sentence about how a result from these slices along an array axis came to be."""
        way = {"both": "in both directions", "forward": "forwards"}[self._spec.direction]
        return (
            f"Made by {self._spec.family.title} (weights {self._network.sha256[:12]}) from slice "
            f"{', '.join(map(str, sorted(seeds)))} along {'kji'[axis]}, {way}, "
            f"with memory '{self._spec.memory}'."
        )

    def rules(self) -> dict[str, str]:
        """See `medseg.propagation.Tells`."""
        spec = self._spec
        return {
            "weights": self._network.sha256,
            "memory": spec.memory,
            "direction": spec.direction,
            "drop": f"{spec.drop:g}",
        }

    def track(self, task: Task) -> Iterator[Found]:
        """Decide the slices; each costs one decode, and its encoding when that is not known."""
        views = _Views(task, self._spec, self._network)
        seeds = {index: views.seed(index) for index in sorted(task.seeds)}
        for step in (1, -1):
            run = _Run(views, seeds, step, self._spec)
            for path in _paths(task, step, self._spec.direction):
                yield from run.along(path)


class _Views:
    """The slices of a task, encoded, and the steps on them."""

    def __init__(self, task: Task, spec: Spec, network: Network) -> None:
        from .video import Steps

        self.task, self._network = task, network
        self.steps = Steps(network)
        slices = task.slices
        whole = Stack(slices.image, 0) if isinstance(slices, Stack) else slices
        self._window = spec.window or window_of(whole)

    def maps(self, index: int) -> list[Any]:
        return self._network.maps(self._shown(index))

    def seed(self, index: int) -> Trace:
        maps = self.maps(index)
        return self.steps.remember(maps, self.steps.from_mask(maps, self.task.seeds[index]))

    def trace(self, index: int, seen: Seen) -> Trace:
        return self.steps.remember(self.maps(index), seen)

    def mask(self, seen: Seen) -> Mask:
        shape = next(iter(self.task.seeds.values())).shape
        return self.steps.mask(seen, shape)

    def _shown(self, index: int) -> Array:
        return to_bytes(self.task.pixels(index), self._window)


@dataclass(frozen=True)
class _Path:
    """Slices to decide, in this order; ``ends``: nothing prompted lies behind them."""

    indices: range
    ends: bool


def _paths(task: Task, step: int, direction: str) -> list[_Path]:
    """What the run upwards (``step`` 1) or downwards (-1) has to decide."""
    found = []
    for gap in task.gaps():
        first, last = gap.indices.start, gap.indices.stop - 1
        if gap.before is not None and gap.after is not None:
            split = last if direction == "forward" else (first + last) // 2
            part = range(first, split + 1) if step > 0 else range(last, split, -1)
            found.append(_Path(part, ends=False))
        elif step > 0 and gap.before is not None:
            found.append(_Path(range(first, last + 1), ends=True))
        elif step < 0 and gap.after is not None:
            found.append(_Path(range(last, first - 1, -1), ends=True))
    return found[::step]


class _Run:
    """One direction: what it remembers on its way."""

    def __init__(self, views: _Views, seeds: dict[int, Trace], step: int, spec: Spec) -> None:
        self._views, self._seeds, self._step, self._spec = views, seeds, step, spec
        self._policy = policy(spec.memory)
        self._pointers: deque[tuple[int, Any]] = deque(maxlen=POINTERS - 1)
        self._most = min(views.task.slices.count, POINTERS)

    def along(self, path: _Path) -> Iterator[Found]:
        for index in path.indices:
            found = self._decide(index)
            if path.ends and self._over(found):
                return
            yield found

    def _decide(self, index: int) -> Found:
        steps = self._views.steps
        known = self._views.task.known.get(index)
        if known is not None and known.note:
            seen, feature = steps.noted(known.note)
            self._offer(index, seen, feature)
            return Found(index, known.mask, _confidence(seen), known.note)
        maps = self._views.maps(index)
        feature = steps.feature(maps)
        remembered = self._policy.select(index, feature)
        memories = [(0, self._seeds[n]) for n in self._near_seeds(index)]
        memories += [(min(abs(index - m.index), RECENT), m.payload()) for m in remembered]
        seen = steps.follow(maps, memories, self._pointers_for(index), self._most)
        taken = self._offer(index, seen, feature)
        if taken is not None:
            taken.payload()  # made now, while the slice is at hand
        note = steps.note(seen, feature)
        return Found(index, self._views.mask(seen), _confidence(seen), note)

    def _offer(self, index: int, seen: Seen, feature: Feature) -> Memory | None:
        """The memory of a slice, if the policy takes it; its trace is made when it is asked for."""
        trace = cache(partial(self._views.trace, index, seen))
        memory = Memory(index, False, seen.confidence, seen.iou, feature, trace)
        if not self._policy.offer(memory):
            return None
        self._pointers.append((index, seen.pointer))
        return memory

    def _near_seeds(self, index: int) -> list[int]:
        nearest = sorted(self._seeds, key=lambda n: (abs(n - index), n))[:PROMPTED]
        return sorted(nearest)

    def _pointers_for(self, index: int) -> list[tuple[int, Any]]:
        """Pointers of prompted slices behind us, then those of the last decided ones."""
        behind = [n for n in self._near_seeds(index) if (index - n) * self._step >= 0]
        found = [((index - n) * self._step, self._seeds[n].pointer) for n in behind]
        for other, pointer in reversed(self._pointers):
            if 0 < abs(index - other) < self._most:
                found.append((abs(index - other), pointer))
        return found

    def _over(self, found: Found) -> bool:
        """True when the object has ended here."""
        if found.confidence < self._spec.drop:
            return True
        return self._views.task.stop_when_empty and not found.mask.any()


def _confidence(seen: Seen) -> float:
    return seen.confidence * float(np.clip(seen.iou, 0, 1))
