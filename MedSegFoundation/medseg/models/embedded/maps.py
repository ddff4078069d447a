"""The channels a decision is made from: what image and prompts say about every block."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy import ndimage

from .features import DIRECTIONS, Prepared, SeedModel, geodesic, voxel_sigma
from .grid import Field, Window
from .groups import Group, Seeds

CHANNELS = (
    "signed",  # intensity minus that of the first seeds, in spreads
    "context",  # intensity against the window
    "gradient",
    "texture",
    "spread",
    "unlike",  # distance in spreads from the nearest include group's intensity
    "unlike_smooth",
    "geodesic",  # log of path length over radius, to the include groups
    "geodesic_steep",
    "star",  # log of distance over the ray radius of that direction
    "distance",  # log of distance over radius
    "unlike_out",  # the same for the exclude groups
    "geodesic_out",
    "distance_out",
    "radius",  # log of the first radius in blocks
    "prior",  # the mask before this prompt: 1 in, -1 out, 0 when there is none
)
#: Grid size of the working window, in blocks: what half a second on two cores allows.
BUDGET = 130_000
#: How far the window reaches from the seeds, in radii.
REACH = 4.0
#: Nearest of `DIRECTIONS` for every cell of a cube around the origin.
_CUBE_HALF = 8
_CUBE = (
    ((np.indices((2 * _CUBE_HALF + 1,) * 3).reshape(3, -1).T - _CUBE_HALF) @ DIRECTIONS.T)
    .argmax(1)
    .reshape((2 * _CUBE_HALF + 1,) * 3)
)
_FAR = 2.5
_UNLIKE = 2.2


def window_for(groups: Sequence[Group], prepared: Prepared, prior: Field | None = None) -> Window:
    """The working window around all include groups (and the prior mask), within `BUDGET`."""
    shape = prepared.values.shape
    low, high = np.array(shape), np.zeros(3, int)
    for g in groups:
        if g.include:
            reach = np.ceil(REACH * g.model.radius / np.array(prepared.spacing)).astype(int)
            low = np.minimum(low, g.seeds.min(0) - reach)
            high = np.maximum(high, g.seeds.max(0) + reach + 1)
    ends = np.stack([np.maximum(low, 0), np.minimum(high, shape) - 1])
    step = min(prepared.spacing)
    while True:
        window = Window.around(ends, 0.0, step, shape, prepared.spacing)
        if np.prod(window.shape) <= BUDGET:
            return window
        step *= 1.1


def channels(
    prepared: Prepared, window: Window, groups: Sequence[Group], prior: Field | None = None
) -> Field:
    """``(len(CHANNELS), K, J, I)`` over the blocks of the window.

    ``groups``: at least one of them includes. ``prior``: the mask so far, over the blocks,
    from -1 (out) to 1 (in); None when there is none.
    """
    spacing = window.spacing
    values = window.shrink(prepared.values)
    sigma = voxel_sigma(spacing, values.shape)
    smooth = ndimage.gaussian_filter(values, 0.7 * sigma)
    smoother = ndimage.gaussian_filter(values, 1.5 * sigma)
    gradient = _gradient(smooth, spacing) / prepared.noise * min(prepared.spacing)
    texture = np.sqrt(ndimage.gaussian_filter((values - smoother) ** 2, sigma)) / prepared.noise
    include = [g for g in groups if g.include]
    exclude = [g for g in groups if not g.include]
    first = include[0].model
    low, middle, high = np.percentile(values, [10, 50, 90])
    out = np.empty((len(CHANNELS), *values.shape), np.float32)
    out[0] = np.clip((smooth - first.mean) / first.spread, -8, 8) / 4
    out[1] = np.clip((values - middle) / max(high - low, prepared.noise), -2, 2)
    out[2] = np.log1p(gradient)
    out[3] = np.log1p(texture)
    out[4] = np.log(first.spread / prepared.noise)

    def nearest(groups: Sequence[Group], measure: Callable[[Group], Field], far: float) -> Field:
        maps = [measure(g) for g in groups]
        return np.minimum.reduce(maps) if maps else np.full(values.shape, far, np.float32)

    def unlike(image: Field) -> Callable[[Group], Field]:
        return lambda g: np.log1p(np.abs(image - g.model.mean) / g.model.spread)

    def path(alike: float, edge: float) -> Callable[[Group], Field]:
        def along(g: Group) -> Field:
            strange = np.clip(np.abs(smooth - g.model.mean) / g.model.spread - 1, 0, 8)
            cost = 1 + alike * strange + edge * np.clip(gradient - 1, 0, 6)
            blocks = np.unique(window.block_of(_within(g.seeds, window)), axis=0)
            stop = float(np.exp(_FAR)) * g.model.radius
            if not len(blocks):
                return np.full(values.shape, _FAR, np.float32)
            return _log(geodesic(cost, blocks, spacing, stop) / g.model.radius)

        return along

    straight = {id(g): _straight(window, g) for g in groups}
    out[5] = nearest(include, unlike(smooth), _UNLIKE)
    out[6] = nearest(include, unlike(smoother), _UNLIKE)
    out[7] = nearest(include, path(1.0, 0.5), _FAR)
    out[8] = nearest(include, path(4.0, 1.0), _FAR)
    out[9] = nearest(include, lambda g: _log(straight[id(g)][1]), _FAR)
    out[10] = nearest(include, lambda g: _log(straight[id(g)][0] / g.model.radius), _FAR)
    out[11] = nearest(exclude, unlike(smooth), _UNLIKE)
    out[12] = nearest(exclude, path(1.0, 0.5), _FAR)
    out[13] = nearest(exclude, lambda g: _log(straight[id(g)][0] / g.model.radius), _FAR)
    for g in include:
        if len(_within(g.against, window)):
            away = _log(_distance(window, g.against)[0] / g.model.radius)
            out[12], out[13] = np.minimum(out[12], away), np.minimum(out[13], away)
    out[14] = np.log(first.radius / min(spacing)) / 2
    out[15] = 0 if prior is None else prior
    return out


def _log(ratio: Field) -> Field:
    return np.minimum(np.log(ratio + 0.05), _FAR).astype(np.float32)


def _gradient(smooth: Field, spacing: tuple[float, float, float]) -> Field:
    total = np.zeros(smooth.shape, np.float32)
    for axis, step in enumerate(spacing):
        if smooth.shape[axis] > 1:
            total += np.square(np.gradient(smooth, step, axis=axis))
    return np.sqrt(total)


def _within(seeds: Seeds, window: Window) -> Seeds:
    low = np.array([b.start for b in window.box])
    high = np.array([b.stop for b in window.box])
    return seeds[((seeds >= low) & (seeds < high)).all(1)]


def _distance(window: Window, seeds: Seeds) -> tuple[Field, Field]:
    marks = np.ones(window.shape, bool)
    marks[tuple(window.block_of(_within(seeds, window)).T)] = False
    distance, nearest = ndimage.distance_transform_edt(
        marks, sampling=window.spacing, return_indices=True
    )
    return distance.astype(np.float32), nearest


def _straight(window: Window, g: Group) -> tuple[Field, Field]:
    """Distance in mm to the seeds, and distance over the ray radius of that direction."""
    if not len(_within(g.seeds, window)):
        far = np.full(window.shape, 1e6, np.float32)
        return far, far
    distance, nearest = _distance(window, g.seeds)
    return distance, distance / _radii_towards(window, nearest, g.model)


def _radii_towards(window: Window, nearest: Field, model: SeedModel) -> Field:
    """Ray radius of the direction in which each block lies from its nearest seed."""
    offset = (np.indices(window.shape, dtype=np.float32) - nearest).astype(np.float32)
    offset *= np.array(window.spacing, np.float32)[:, None, None, None]
    longest = np.maximum(np.abs(offset).max(0), 1e-6)
    k, j, i = np.rint((offset / longest + 1) * _CUBE_HALF).astype(np.int16)
    return model.radii.astype(np.float32)[_CUBE[k, j, i]]
