"""Putting it together: from a seed to a sample."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .acquisition import LOOKS, Scan, sector
from .appearance import blend
from .canvas import Canvas, View
from .fields import Draw, Size
from .sample import Sample
from .scenes import SCENES, Scene
from .targets import fitting_labels


def volume(
    generator: torch.Generator,
    size: Size,
    difficulty: float,
    device: torch.device | str = "cpu",
) -> Sample:
    """A new sample of ``size`` (K, J, I) on ``device``.

    ``difficulty`` from 0 (strong contrast, little noise, few neighbours) to 1 (as in a poor real
    scan). The same generator state, arguments and kind of device give the same sample.
    """
    device = torch.device(device)
    while True:
        seed = torch.randint(2**62, (1,), generator=generator, device=generator.device)
        draw = Draw(int(seed), device)
        sample = attempt(draw, size, min(max(difficulty, 0.0), 1.0))
        if fitting_labels(sample.labels):
            return sample


def attempt(draw: Draw, size: Size, hard: float) -> Sample:
    """One sample, whatever it holds."""
    order = [int(axis) for axis in draw.rng.permutation(3)]
    inner = tuple(size[axis] for axis in order)
    scene = SCENES[_pick(draw, [scene.weight for scene in SCENES])]
    modality = str(draw.rng.choice(scene.modalities.split()))
    view, scan, thick = _frame(draw, scene, inner, modality, hard)
    canvas = Canvas(draw, view)
    scene.paint(canvas, hard)
    look, acquire = LOOKS[modality]
    image = acquire(canvas, look(canvas, hard), scan, hard)
    step = view.shape[0] // inner[0]
    labels = canvas.labels[step // 2 :: step]
    if modality == "us":
        fan = sector(draw, *labels.shape[1:])
        image, labels = image * fan, labels * fan
    labels, kinds, parents = _compact(canvas, labels)
    millimetre = 2 * scene.unit * view.half[1] / view.shape[1]
    spacing = (millimetre * thick, millimetre, millimetre)
    back = [order.index(axis) for axis in range(3)]
    flips = [axis for axis in range(3) if draw.chance(0.5)]
    return Sample(
        image.permute(back).flip(flips).float().contiguous(),
        labels.permute(back).flip(flips).contiguous(),
        (spacing[back[0]], spacing[back[1]], spacing[back[2]]),
        kinds,
        parents,
        modality,
    )


def _pick(draw: Draw, weights: Sequence[float]) -> int:
    return int(draw.rng.choice(len(weights), p=np.asarray(weights) / sum(weights)))


def _frame(
    draw: Draw, scene: Scene, size: Size, modality: str, hard: float
) -> tuple[View, Scan, float]:
    """View, scan and slice spacing over pixel spacing.

    Thick slices come in two ways: the grid itself is coarse along k, or a thick scan has been
    resampled to the even grid that is handed out.
    """
    moving = size[0] >= 8 and modality != "ct" and draw.chance(0.08)
    ratio = 1.0 if draw.chance(0.4) or moving else draw.between(1, blend(3, 6, hard))
    coarse = draw.chance(0.5)
    thick = ratio if coarse else 1.0
    sub = min(3, math.ceil(thick / 2)) if coarse else 1
    shape = (size[0] * sub, size[1], size[2])
    lengths = np.array([size[0] * thick, size[1], size[2]], dtype=float)
    zoom = draw.between(*scene.zoom)
    half = zoom * lengths / max(np.prod(lengths) ** (1 / 3), lengths[1:].max() * 0.6)
    centre = draw.rng.uniform(-1, 1, 3) * scene.wander * (1.2 - zoom)
    view = View(
        shape,
        (float(centre[0]), float(centre[1]), float(centre[2])),
        (float(half[0]), float(half[1]), float(half[2])),
        draw.between(0.02, 0.14),
        moving,
    )
    pixel = draw.between(1, 1.8) if draw.chance(0.25) else 1.0
    slab = 1.0 if coarse else ratio
    grid = tuple(max(1, round(n / p)) for n, p in zip(size, (slab, pixel, pixel), strict=True))
    blur = draw.between(0.35, blend(0.5, 0.8, hard))
    along = 0.05 if moving else draw.between(0.3, 0.45)
    return view, Scan((grid[0], grid[1], grid[2]), size, (along, blur, blur)), thick


def _compact(canvas: Canvas, labels: Tensor) -> tuple[Tensor, tuple[str, ...], tuple[int, ...]]:
    """Number the labels that are left from 0 on; parents that vanished are skipped."""
    counts = torch.bincount(labels.int().flatten(), minlength=len(canvas.kinds)).tolist()
    kept = [0] + [label for label in range(1, len(counts)) if counts[label]]
    number = {label: n for n, label in enumerate(kept)}
    parents = []
    for label in kept:
        parent = canvas.parents[label]
        while parent not in number:
            parent = canvas.parents[parent]
        parents.append(number[parent])
    table = torch.tensor([number.get(label, 0) for label in range(len(counts))])
    renumbered = table.to(labels.device)[labels.int()].to(torch.int16)
    return renumbered, tuple(canvas.kinds[label] for label in kept), tuple(parents)
