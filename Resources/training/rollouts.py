"""Training examples: synthetic objects prompted, predicted and corrected in the real pipeline."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import synthesis
import torch
import users
from medseg import Image
from medseg.errors import MedsegError
from medseg.evaluate import dice, next_click
from medseg.image import Mask
from medseg.models.embedded.features import Prepared, prepare
from medseg.models.embedded.grid import Field, Window
from medseg.models.embedded.groups import Group
from medseg.models.embedded.maps import Scene, View, group_maps, stack, window_for
from medseg.models.embedded.seeds import from_mask, group
from medseg.prompts import Prompt
from numpy.random import Generator
from scipy import ndimage

#: Channels ``(C, K, J, I)`` in, logit ``(K, J, I)`` out.
Predict = Callable[[Field], Field]
#: Longest side of an example, in blocks.
SIDE = 32
#: How often a rollout ends after 1, 2, ... 5 prompts.
LENGTHS = (0.3, 0.25, 0.2, 0.13, 0.12)
#: Objects of fewer voxels are left out.
SMALLEST = 100
#: Objects taken from one volume.
TARGETS = 3


@dataclass(frozen=True)
class Example:
    """``stack`` ``(C, K, J, I)`` and ``truth`` ``(K, J, I)`` (shares of blocks), float16.

    ``prompts``: how many there were. ``dice``: of the prediction made on the way, in voxels.
    """

    stack: np.ndarray
    truth: np.ndarray
    prompts: int
    dice: float


@dataclass
class Work:
    """One object being segmented, as `interactive.Interactive` does it, without its cut."""

    image: Image
    prepared: Prepared
    truth: Mask
    start: Mask | None = None
    groups: list[Group] = field(default_factory=list)
    mask: Mask | None = None

    def __post_init__(self) -> None:
        self.mask = self.start

    def add(self, prompt: Prompt) -> View:
        """What there is to see after one more prompt."""
        self.groups.append(group(prompt, self.image, self.prepared, self.groups))
        window = window_for(self.groups, self.prepared)
        groups = list(self.groups)
        if self.start is not None:
            groups.append(from_mask(self.start, self.prepared))
        prior = None
        if self.mask is not None and self.mask.any():
            prior = 2 * window.shrink(self.mask) - 1
        scene = Scene.of(self.prepared, window)
        maps = [group_maps(scene, g) for g in groups]
        rows = stack(scene, groups, maps, prior)
        view = View(scene, groups, maps, rows, len(self.groups) - 1, [0.0] * len(groups))
        return replace(view, stack=view.channels())

    def take(self, view: View, logit: Field) -> Mask:
        """The mask that a logit gives, changed only where the newest prompt is nearest."""
        window = view.scene.window
        for g in self.groups:
            if g.limit is not None:
                logit[~g.limit.allows(window.centres()).reshape(logit.shape)] = -4.0
        new = window.grow(logit) > 0
        mask = np.zeros(self.truth.shape, bool)
        if self.mask is not None:
            mask |= self.mask
            new = np.where(_owned(view), new, mask[window.box])
        mask[window.box] = new
        self.mask = self._tidy(mask)
        return self.mask

    def _tidy(self, mask: Mask) -> Mask:
        """Clicks get their way, and parts that no prompt touches go."""
        anchors = np.zeros_like(mask) if self.start is None else self.start.copy()
        for g in self.groups:
            anchors[tuple(g.seeds.T)] = g.include
            if len(g.seeds) < 64:
                mask[tuple(g.seeds.T)] = g.include
        labels, count = ndimage.label(mask)
        if count > 1:
            kept = np.bincount(labels[anchors & mask], minlength=count + 1) > 0
            kept[0] = False
            mask = kept[labels]
        return mask


def _owned(view: View, slack: float = 0.3) -> Mask:
    """Voxels of the window that the newest prompt is nearest to."""
    others = [view.reach_of(n) for n in range(len(view.groups)) if n != view.newest]
    if not others:
        return np.ones(view.scene.window.image_shape, bool)
    lead = np.minimum.reduce(others) + slack - view.reach_of(view.newest)
    return np.asarray(view.scene.window.grow(lead) > 0)


def images(seed: int, difficulty: float) -> Iterator[tuple[Image, Mask]]:
    """Some objects of the synthetic volume with this seed."""
    generator = torch.Generator().manual_seed(seed)
    rng = np.random.default_rng(seed)
    size = [int(n) for n in rng.integers(40, 73, 3)]
    if rng.random() < 0.12:
        size = [1, *(int(n) for n in rng.integers(64, 129, 2))]
    sample = synthesis.volume(generator, (size[0], size[1], size[2]), difficulty)
    k, j, i = sample.spacing
    image = Image(sample.image.numpy(), np.diag([i, j, k, 1.0]))
    for _ in range(TARGETS):
        truth = synthesis.target(sample, generator).numpy()
        if truth.sum() >= SMALLEST:
            yield image, truth


def rollouts(seed: int, difficulty: float, predict: Predict) -> Iterator[Example]:
    """Every step of a session on each object of one volume."""
    rng = np.random.default_rng([seed, 1])
    prepared = None
    for image, truth in images(seed, difficulty):
        if rng.random() > _worth(image, truth):
            continue
        prepared = prepared or prepare(image.array, _kji(image))
        try:
            yield from _session(Work(image, prepared, truth), rng, predict)
        except MedsegError:
            continue  # a prompt that marks no voxel


def _worth(image: Image, truth: Mask) -> float:
    """How often to take an object: less when it is tiny, or thin as a shell.

    Nobody can tell such things from one click; too many of them teach to hedge.
    """
    box = ndimage.find_objects(truth.astype(np.uint8))[0]
    wide = [(0, 0) if n == 1 else (1, 1) for n in truth.shape]
    depth = ndimage.distance_transform_edt(np.pad(truth[box], wide), sampling=_kji(image)).max()
    if min(truth.shape) == 1:
        radius = np.sqrt(truth.sum() * image.voxel_ml * 1000 / _kji(image)[0] / np.pi)
        return 0.4 if depth < 0.2 * radius else 1.0
    radius = (truth.sum() * image.voxel_ml * 1000 * 3 / 4 / np.pi) ** (1 / 3)
    return (0.35 if truth.sum() < 500 else 1.0) * (0.35 if depth < 0.2 * radius else 1.0)


def _session(work: Work, rng: Generator, predict: Predict) -> Iterator[Example]:
    if rng.random() < 0.2:
        work.start = work.mask = users.corrupted(work.truth, rng)
    length = 1 + int(rng.choice(len(LENGTHS), p=LENGTHS))
    for number in range(1, length + 1):
        prompt = _prompt(work, rng)
        if prompt is None:
            return
        view = work.add(prompt)
        window = view.scene.window
        found = dice(work.take(view, predict(view.stack)), work.truth)
        target = window.shrink(work.truth)
        area = _crop(window, work.groups, rng)
        yield Example(
            view.stack[(slice(None), *area)].astype(np.float16),
            target[area].astype(np.float16),
            number if work.start is None else number + 1,
            found,
        )


def _prompt(work: Work, rng: Generator) -> Prompt | None:
    if work.mask is None:
        return users.first_prompt(work.image, work.truth, rng)
    return users.correction(work.image, work.mask, work.truth, rng)


def _crop(window: Window, groups: list[Group], rng: Generator) -> tuple[slice, ...]:
    """A random box of at most `SIDE` blocks an axis that holds the newest seeds."""
    shape = np.array(window.shape)
    seeds = np.clip(window.block_of(groups[-1].seeds), 0, shape - 1)
    low = np.clip(seeds.max(0) - SIDE + 1, 0, None)
    high = np.minimum(seeds.min(0), np.maximum(shape - SIDE, 0))
    starts = [int(rng.integers(min(a, b), max(a, b) + 1)) for a, b in zip(low, high, strict=True)]
    return tuple(slice(s, min(s + SIDE, n)) for s, n in zip(starts, shape, strict=True))


def _kji(image: Image) -> tuple[float, float, float]:
    i, j, k = image.spacing
    return k, j, i


class HeldOut:
    """Fixed objects for measuring, never trained on; clicks as in `medseg.evaluate`."""

    SEED = 900_000_000

    def __init__(self, volumes: int = 24) -> None:
        self._works = []
        for number in range(volumes):
            hard = (number % 8) / 7
            image, truth = next(self._objects(number, hard))
            self._works.append((image, prepare(image.array, _kji(image)), truth))

    def _objects(self, number: int, hard: float) -> Iterator[tuple[Image, Mask]]:
        for attempt in range(1000):
            yield from images(self.SEED + 1000 * number + attempt, hard)

    def dice(self, predict: Predict, clicks: int = 5) -> np.ndarray:
        """``(volumes, clicks)`` Dice in voxels; the last one repeats when a mask is perfect."""
        return np.array([self._one(Work(*w), predict, clicks) for w in self._works])

    def _one(self, work: Work, predict: Predict, clicks: int) -> list[float]:
        found: list[float] = []
        mask = np.zeros(work.truth.shape, bool)
        for _ in range(clicks):
            prompt = next_click(mask, work.truth, work.image)
            if prompt is not None:
                view = work.add(prompt)
                mask = work.take(view, predict(view.stack))
            found.append(dice(mask, work.truth))
        return found
