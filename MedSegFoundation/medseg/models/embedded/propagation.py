"""Propagation with the classical pieces: the smooth cut of three kinds of evidence, per slice.

Each slice is decided in a window around the *witnesses*, slices whose mask is known: the last
decided one on either side and the seeds, the nearer the more they count:

* place: how deep a pixel lies in the shape between those of the decided slices, moved and bent
  along with the object (shape-based interpolation, Raya and Udupa, IEEE TMI 1990);
* match: whether the patch around a pixel looks like object or like background in the witnesses
  (patch-based label fusion, Coupe et al., NeuroImage 2011);
* look: the intensities of the seeds and of the slices that were surely found.

In films a frame where too little speaks for the object is left empty, and teaches nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ...image import Mask
from ...propagation import Found, Gap, Task
from .flow import bent, dense_motion
from .grid import Field, Window
from .slices import (
    Appearance,
    Scale,
    Shift,
    View,
    depth,
    match,
    motion,
    moved,
    place,
    window_around,
)

#: What each kind of evidence counts, in log odds.
MATCH, LOOK = 1.0, 1.0
#: The same for the place, and how far a border is expected to be off it, in parts of the radius:
#: from frame to frame an object only moves, from slice to slice it changes its shape.
PLACE_VOLUME, PLACE_FILM = 1.5, 3.0
SOFT_VOLUME, SOFT_FILM = 0.1, 0.04
#: How far an object may move from slice to slice: part of its radius, and pixels.
MOTION_VOLUME, MOTION_FILM, MOTION_PIXELS = 0.2, 0.6, 4
#: Power of the distance at which a witness counts less: a film repeats itself, a volume does not.
FADE_VOLUME, FADE_FILM = 1.0, 0.5
#: Part of a seed's shape that must lie in the newest ones; an object far from there has moved on.
MEET = 0.3
#: Pixels around the object, beyond where it may have moved.
ROOM = 8
#: Confidence needed to be believed as a model, to be drawn in a film, to go on in a volume.
TRUST, SEEN, ALIVE = 0.5, 0.3, 0.03
#: How much the newest trusted slice changes the learned intensities, and their share overall.
NEWS, RECENT = 0.3, 0.5


class SliceBySlice:
    """The embedded tracker (see `medseg.propagation.Tracker`)."""

    name = "geodesic-cut"
    colour = True

    def track(self, task: Task) -> Iterator[Found]:
        """Decide gap after gap, from both ends of each towards its middle."""
        for gap in task.gaps():
            yield from _Walk(task, gap).steps()

    def rules(self) -> dict[str, str]:
        """What a result depends on beside the task (see `medseg.story`)."""
        return {"memory": "nearest and seeds", "direction": "both"}


@dataclass(frozen=True, eq=False)
class Witness:
    """A slice whose mask ``(A, B)`` is known."""

    index: int
    mask: Mask


@dataclass
class Front:
    """How far one side has come: ``at`` the last slice decided, ``seen`` the last one believed."""

    at: int
    seen: Witness
    step: int
    ended: bool = False


class _Walk:
    """One gap, and what is known while it is being filled."""

    def __init__(self, task: Task, gap: Gap) -> None:
        self._task, self._gap = task, gap
        self._seeds = [Witness(s, task.seeds[s]) for s in (gap.before, gap.after) if s is not None]
        self._scale = self._measured(self._seeds[0])
        self._anchor = self._learned(self._seeds[0]).mixed(self._learned(self._seeds[-1]), 0.5)
        self._recent = self._anchor
        self._usual = min(self._support(seed) for seed in self._seeds)

    def steps(self) -> Iterator[Found]:
        """Both ends take turns until they meet or the object has ended on every side."""
        fronts = [Front(s.index, s, 1 if s.index == self._gap.before else -1) for s in self._seeds]
        left = set(self._gap.indices)
        while left and not all(front.ended for front in fronts):
            for front in fronts:
                if front.at + front.step in left and not front.ended:
                    left.discard(front.at + front.step)
                    yield self._advance(front, fronts)

    def _advance(self, front: Front, fronts: Sequence[Front]) -> Found:
        front.at += front.step
        known = self._task.known.get(front.at)
        if known is None:
            mask, confidence = self._decide(front.at, [f.seen for f in fronts if not f.ended])
        else:
            mask, confidence = known.mask, known.confidence
        if confidence < (SEEN if self._task.film else ALIVE):
            mask = np.zeros_like(mask)
        if mask.any():
            front.seen = Witness(front.at, mask)
            if confidence > TRUST:
                self._recent = self._recent.mixed(self._learned(front.seen), NEWS)
        else:
            # Between two seeds the object is known to be there again.
            front.ended = self._task.stop_when_empty and len(fronts) == 1
        return Found(front.at, mask, confidence)

    def _decide(self, index: int, near: Sequence[Witness]) -> tuple[Mask, float]:
        """Mask ``(A, B)`` and confidence of one slice, from the nearest witnesses and the seeds."""
        window = self._window(index, near)
        here = self._view(index, window)
        expected, alike = np.zeros((2, *here.shape), np.float32)
        places = likes = 0.0
        for witness in {w.index: w for w in [*near, *self._seeds]}.values():
            there, label = self._view(witness.index, window), here.blocks(witness.mask)
            if not label.any():
                continue
            shift = motion(there, here, label, self._reach(index, witness, window))
            label_here = moved(label, shift)
            if witness in near:
                label_here = bent(label_here, dense_motion(*self._pair(there, here, shift)))
            away = abs(index - witness.index)
            if witness in near:
                expected += depth(label_here, window) / away
                places += 1 / away
            elif not _meets(label_here > 0.5, expected > 0):
                continue
            weight = away ** -(FADE_FILM if self._task.film else FADE_VOLUME)
            alike += weight * match(there, here, label, shift)
            likes += weight
        look = self._anchor.mixed(self._recent, RECENT).odds(here)
        weight, soft = (PLACE_FILM, SOFT_FILM) if self._task.film else (PLACE_VOLUME, SOFT_VOLUME)
        where = weight * place(expected / places, window, soft)
        odds = where + MATCH * alike / likes + LOOK * look
        mask = here.mask(odds, expected > 0, near[0].mask.shape)
        return mask, self._confidence(here.blocks(mask) > 0.5, expected > 0, look)

    @staticmethod
    def _pair(there: View, here: View, shift: Shift) -> tuple[Field, Field]:
        """What moved (the even movement is taken off), and what it looks like here."""
        return moved(there.features[0], shift), here.features[0]

    def _confidence(self, found: Mask, expected: Mask, look: Field) -> float:
        """Whether shape and intensities are as they should be, 0 to 1."""
        if not found.any():
            return 0.0
        overlap = 2 * np.count_nonzero(found & expected) / (found.sum() + expected.sum())
        support = (float(look[found].mean()) + 0.25) / (self._usual + 0.25)
        return float(np.clip(overlap * min(support, 1.0), 0, 1))

    def _measured(self, seed: Witness) -> Scale:
        view = View.of(self._task.pixels(seed.index), self._window(seed.index, [seed]))
        return Scale.of(view.features, view.blocks(seed.mask), view.scene.prepared.noise)

    def _learned(self, witness: Witness) -> Appearance:
        view = self._around(witness)
        return Appearance.of(view, view.blocks(witness.mask))

    def _support(self, seed: Witness) -> float:
        """Mean log odds of the seed's own pixels."""
        view = self._around(seed)
        inside = view.blocks(seed.mask) > 0
        return max(float(self._anchor.odds(view)[inside].mean()), 0.0)

    def _around(self, witness: Witness) -> View:
        return self._view(witness.index, self._window(witness.index, [witness]))

    def _view(self, index: int, window: Window) -> View:
        return View.of(self._task.pixels(index), window).scaled(self._scale)

    def _window(self, index: int, near: Sequence[Witness]) -> Window:
        room = ROOM * min(self._task.spacing)
        reach = max(self._movement(index, witness) for witness in near)
        return window_around([w.mask for w in near], reach + room, self._task.spacing)

    def _movement(self, index: int, witness: Witness) -> float:
        """How far in mm the object of a witness may have moved; more when it was lost since."""
        spacing = self._task.spacing
        radius = float(np.sqrt(witness.mask.sum() * np.prod(spacing) / np.pi))
        part = MOTION_FILM if self._task.film else MOTION_VOLUME
        steps = min(max(abs(index - witness.index), 1), 3)
        return steps * part * radius + MOTION_PIXELS * min(spacing)

    def _reach(self, index: int, witness: Witness, window: Window) -> Shift:
        """The same in blocks."""
        movement = self._movement(index, witness)
        a, b = (int(movement / s) for s in window.spacing[1:])
        return a, b


def _meets(shape: Mask, expected: Mask) -> bool:
    """Whether enough of a shape lies in the expected one."""
    return bool(np.count_nonzero(shape & expected) > MEET * np.count_nonzero(shape))
