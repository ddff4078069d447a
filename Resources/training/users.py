"""Simulated users: prompts on an object whose truth is known, as careless as people are.

Masks and images are ``(K, J, I)``; prompts are in RAS mm, as everywhere in `medseg`.
"""

from __future__ import annotations

import numpy as np
from medseg import Box, Image, Point, Scribble
from medseg.image import Mask
from medseg.prompts import Prompt
from numpy.random import Generator
from scipy import ndimage


def first_prompt(image: Image, truth: Mask, rng: Generator) -> Prompt:
    """20 % boxes, 15 % strokes, otherwise a click."""
    draw = rng.random()
    if draw < 0.2:
        return box(image, truth, rng)
    if draw < 0.35:
        return stroke(image, truth, rng, include=True)
    return click(image, truth, rng, include=True)


def correction(image: Image, mask: Mask, truth: Mask, rng: Generator) -> Prompt | None:
    """A click or short stroke in a region, mostly the largest, where mask and truth differ."""
    missing, extra = _piece(truth & ~mask, rng), _piece(mask & ~truth, rng)
    include = int(missing.sum()) >= int(extra.sum())
    region = missing if include else extra
    if not region.any():
        return None
    if rng.random() < 0.08:
        return stroke(image, region, rng, include)
    return click(image, region, rng, include)


def click(image: Image, region: Mask, rng: Generator, include: bool) -> Point:
    """At the deepest voxel of the region or somewhere deep in it."""
    depth, start = _depth(region, image)
    least = 1.0 if rng.random() < 0.4 else rng.uniform(0.4, 1.0)
    places = np.argwhere(depth >= least * depth.max())
    place = places[rng.integers(len(places))] + start
    return Point(image.ijk_to_ras(place[::-1]), include=include)


def box(image: Image, truth: Mask, rng: Generator) -> Box:
    """Around the object, each side up to 30 % too far out; one in three in a single slice."""
    if min(truth.shape) > 1 and rng.random() < 0.33:
        truth = _slice(truth, rng)
    where = np.argwhere(truth)
    low, high = where.min(0), where.max(0)
    slack = (high - low + 1) * rng.uniform(0, rng.choice([0.05, 0.3]), (2, 3))
    flat = (low == high) & (np.count_nonzero(low == high) == 1)
    a = np.where(flat, low, low - 0.5 - slack[0])
    b = np.where(flat, high, high + 0.5 + slack[1])
    return Box.from_corners(image.ijk_to_ras(a[::-1]), image.ijk_to_ras(b[::-1]))


def stroke(image: Image, region: Mask, rng: Generator, include: bool) -> Scribble:
    """A bent line between deep places of the region, mostly in one slice; it may overshoot."""
    if min(region.shape) > 1 and rng.random() < 0.7:
        region = _slice(region, rng)
    depth, start = _depth(region, image)
    places = np.argwhere(depth >= 0.5 * depth.max()) + start
    best, share = places[:1], -1.0
    for _ in range(4):
        line = places[rng.integers(len(places), size=int(rng.integers(2, 4)))]
        at = np.linspace(0, len(line) - 1, 64)
        path = np.stack([np.interp(at, np.arange(len(line)), line[:, n]) for n in range(3)], 1)
        k, j, i = np.rint(path).astype(int).T
        if region[k, j, i].mean() > share:
            best, share = line, float(region[k, j, i].mean())
    if rng.random() < 0.25 and len(best) > 1:
        beyond = best[-1] + rng.uniform(0.1, 0.4) * (best[-1] - best[-2])
        best = np.concatenate([best, np.clip(beyond, 0, np.array(region.shape) - 1)[None]])
    return Scribble(image.ijk_to_ras(best[:, ::-1]), include=include)


def corrupted(truth: Mask, rng: Generator) -> Mask:
    """A mask someone might start from: too thin or thick, a piece missing or too much."""
    ball = ndimage.generate_binary_structure(3, 1)
    rounds = int(rng.integers(1, 4))
    draw = rng.random()
    mask = truth
    if draw < 0.3:
        mask = ndimage.binary_dilation(truth, ball, rounds)
    elif draw < 0.55:
        mask = ndimage.binary_erosion(truth, ball, rounds, border_value=1)
    if draw > 0.5:
        radius = rng.uniform(0.4, 1.0) * (3 * truth.sum() / 4 / np.pi) ** (1 / 3)
        edge = np.argwhere(ndimage.binary_dilation(truth, ball) & ~truth)
        places = edge if rng.random() < 0.5 and len(edge) else np.argwhere(truth)
        away = np.indices(truth.shape) - places[rng.integers(len(places))][:, None, None, None]
        piece = np.square(away).sum(0) <= radius**2
        mask = mask & ~piece if rng.random() < 0.5 else mask | piece
    return mask if mask.any() else truth


def _piece(region: Mask, rng: Generator) -> Mask:
    """One face-connected part, mostly the largest, sometimes any."""
    labels, count = ndimage.label(region)
    if count < 2:
        return region
    sizes = np.bincount(labels.ravel())[1:].astype(float)
    which = sizes.argmax() if rng.random() < 0.75 else rng.choice(count, p=sizes / sizes.sum())
    return np.asarray(labels == which + 1)


def _slice(region: Mask, rng: Generator) -> Mask:
    """The region in one slice only, one that shows much of it; K is cut most often."""
    axis = int(rng.choice(3, p=[0.6, 0.2, 0.2]))
    areas = region.sum(tuple(n for n in range(3) if n != axis)).astype(float)
    areas[areas < 0.5 * areas.max()] = 0
    at = int(rng.choice(len(areas), p=areas / areas.sum()))
    index: list[slice] = [slice(None)] * 3
    index[axis] = slice(at, at + 1)
    alone = np.zeros_like(region)
    alone[tuple(index)] = region[tuple(index)]
    return alone


def _depth(region: Mask, image: Image) -> tuple[np.ndarray, np.ndarray]:
    """Distance in mm to the border over the bounding box of a region, and where that starts."""
    bounds = ndimage.find_objects(region.astype(np.uint8))[0]
    part = region[bounds]
    wide = [0 if n == 1 else 1 for n in part.shape]
    padded = np.pad(part, [(w, w) for w in wide])
    depth = ndimage.distance_transform_edt(padded, sampling=image.spacing[::-1])
    inner = tuple(slice(w, n - w) for w, n in zip(wide, padded.shape, strict=True))
    return depth[inner], np.array([b.start for b in bounds])
