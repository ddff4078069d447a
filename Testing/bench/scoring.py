"""Scores of one model on one case: simulated clicks, boxes and human scribbles, as records."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from cases import Case
from medseg.evaluate import dice, evaluate
from medseg.image import Array, Image, Mask
from medseg.model import Model
from medseg.patch import bounding_box
from medseg.prompts import Box, Prompt, Scribble
from medseg.session import Session

#: How much farther out than the object every side of a box lies, as a part of its edge.
BOXES = {"box, tight": 0.0, "box, 10 % loose": 0.1, "box, 20 % loose": 0.2}
#: Each side on its own up to 10 % off, to either side.
UNEVEN = "box, uneven"
#: What needs no image: the ellipsoid inscribed in the tight box.
ELLIPSOID = "ellipsoid in it"
#: A tight box drawn in the middle slice only, and how that slice comes out; the ellipse in it.
IN_SLICE, ELLIPSE = "box, one slice", "ellipse in it"
SCRIBBLES = "human scribbles"
#: All that is not a click, in the order of the table.
OTHERS = ("box, tight", ELLIPSOID, *list(BOXES)[1:], UNEVEN, IN_SLICE, ELLIPSE, SCRIBBLES)


@dataclass(frozen=True)
class Record:
    """One object, one model, one kind of prompt; a score and a time for each prompt given."""

    model: str
    version: str
    set: str
    case: str
    prompt: str
    dice: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self.model, self.set, self.case, self.prompt

    def after(self, clicks: int) -> float:
        """Dice after that many prompts (the last one when fewer were needed)."""
        return self.dice[min(clicks, len(self.dice)) - 1]

    def clicks_to(self, goal: float) -> float:
        """Clicks until the Dice first reached ``goal``; infinite when it never did."""
        return next((n + 1 for n, d in enumerate(self.dice) if d >= goal), np.inf)


def score(model: Model, case: Case, clicks: int) -> Iterator[Record]:
    """Everything the model can be asked about a case."""
    found = evaluate(case.image, case.truth, model, clicks, case.name)
    yield _record(model, case, "clicks", found.dice, found.seconds)
    if "box" in model.capabilities.prompts:
        for name, loose in BOXES.items():
            yield _prompted(model, case, name, [[box_around(case.truth, case.image, loose)]])
        off = np.random.default_rng(0).uniform(-0.1, 0.1, (2, 3))
        yield _prompted(model, case, UNEVEN, [[box_around(case.truth, case.image, off)]])
        tight = box_around(case.truth, case.image, 0.0)
        yield _record(model, case, ELLIPSOID, [dice(inscribed(tight, case.image), case.truth)], [0])
        if case.image.shape[0] > 1:
            yield from _in_slice(model, case)
    if "scribble" in model.capabilities.prompts and case.strokes:
        drawn = [
            [_scribble(include, case.image, True), _scribble(exclude, case.image, False)]
            for include, exclude in case.strokes
        ]
        yield _prompted(model, case, SCRIBBLES, drawn)


def box_around(truth: Mask, image: Image, loose: float | Array) -> Box:
    """The box of an object along the axes of its image; a single slice stays one.

    ``loose``: how much farther out than the object each side lies, as a part of the edge; one
    number, or ``(2, 3)`` for the low and the high sides along (i, j, k).
    """
    found = bounding_box(truth)
    assert found is not None
    low = np.array([s.start - 0.5 for s in found])[::-1]
    high = np.array([s.stop - 0.5 for s in found])[::-1]
    spacing = np.array(image.spacing)
    deep = np.array(image.shape[::-1]) > 1
    below, above = deep * (high - low) * np.broadcast_to(loose, (2, 3))
    low, high = low - below, high + above
    axes = image.affine[:3, :3] / spacing
    return Box(image.ijk_to_ras((low + high) / 2), (high - low) * spacing, axes)


def inscribed(box: Box, image: Image) -> Mask:
    """The ellipsoid in a box, the ellipse in one that is drawn in a slice."""
    assert box.axes is not None
    ijk = np.stack(np.meshgrid(*map(np.arange, image.shape), indexing="ij"), -1)[..., ::-1]
    place = (image.ijk_to_ras(ijk.reshape(-1, 3)) - box.center) @ box.axes
    thick = np.where(np.array(image.shape[::-1]) > 1, box.size, np.inf)
    away = np.square(place / (np.maximum(thick, 1e-6) / 2)).sum(1)
    return np.asarray(away <= 1).reshape(image.shape)


def _in_slice(model: Model, case: Case) -> Iterator[Record]:
    """A tight box on the middle slice of a volume, and Dice there."""
    slices = np.flatnonzero(case.truth.any((1, 2)))
    middle = int(slices[len(slices) // 2])
    only = np.zeros_like(case.truth)
    only[middle] = case.truth[middle]
    box = box_around(only, case.image, 0.0)
    assert box.axes is not None
    flat = Box(box.center, box.size * [1, 1, 0], box.axes)
    session = Session(case.image, model)
    seconds = session.add(flat).seconds
    found = dice(session.mask[middle], only[middle])
    yield _record(model, case, IN_SLICE, [found], [seconds])
    plain = inscribed(box, case.image)[middle]
    yield _record(model, case, ELLIPSE, [dice(plain, only[middle])], [0])


def _scribble(mask: Mask, image: Image, include: bool) -> Scribble:
    points = image.ijk_to_ras(np.argwhere(mask)[:, ::-1])
    return Scribble(points, include, connected=False)


def _prompted(model: Model, case: Case, kind: str, each: list[list[Prompt]]) -> Record:
    """The mean over prompts that were given each on its own, to a fresh session."""
    scores, seconds = [], []
    for prompts in each:
        session = Session(case.image, model)
        seconds.append(session.add(*prompts).seconds)
        scores.append(dice(session.mask, case.truth))
    return _record(model, case, kind, [float(np.mean(scores))], [float(np.mean(seconds))])


def _record(model: Model, case: Case, prompt: str, scores: Any, seconds: Any) -> Record:
    return Record(
        model.name,
        model.version,
        case.set,
        case.name,
        prompt,
        [round(d, 4) for d in scores],
        [round(s, 3) for s in seconds],
    )


def speed(model: Model, size: int, clicks: int) -> Record:
    """Time on a made-up cube: first that of opening it, then that of each click."""
    image, truth = _cube(size)
    begin = time.perf_counter()
    model.open(image)
    opening = time.perf_counter() - begin
    case = Case("speed", f"{size} cubed", image, truth)
    found = evaluate(image, truth, model, clicks)
    return _record(model, case, "speed", (0.0, *found.dice), (opening, *found.seconds))


def _cube(size: int) -> tuple[Image, Mask]:
    """A bent, noisy ellipsoid that fills an eighth of a cube of 1 mm voxels."""
    k, j, i = np.indices((size,) * 3) / size - 0.5
    truth = (i / 0.42) ** 2 + ((j - i**2) / 0.3) ** 2 + (k / 0.26) ** 2 < 1
    noise = np.random.default_rng(0).normal(0, 20, truth.shape)
    return Image(
        (100 + 60 * truth + noise).astype(np.int16), np.diag([-1.0, -1.0, 1.0, 1.0])
    ), truth
