"""The channels a decision is made from: what image and prompts say about every block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import ndimage

from .features import (
    DIRECTIONS,
    Prepared,
    SeedModel,
    Triple,
    geodesic,
    gradient_length,
    voxel_sigma,
)
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
    "geodesic_steep",  # the same at a higher price of edges; for networks, see `View.channels`
    "star",  # log of distance over the ray radius of that direction
    "distance",  # log of distance over radius
    "unlike_out",  # the same for the exclude groups
    "geodesic_out",
    "distance_out",
    "radius",  # log of the first radius in blocks
    "prior",  # the mask before this prompt: 1 in, -1 out, 0 when there is none
)
PRIOR = CHANNELS.index("prior")
_STEEP = CHANNELS.index("geodesic_steep")
#: Grid size of the working window, in blocks: what half a second on two cores allows.
BUDGET = 130_000
#: The same for a box or loop alone.
ENCLOSED_BUDGET = 45_000
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


def window_for(groups: Sequence[Group], prepared: Prepared, budget: int = BUDGET) -> Window:
    """The working window around all groups, of at most ``budget`` blocks.

    A box or loop alone needs fewer: what it encloses was found in a frame of its own.
    """
    if len(groups) == 1 and groups[0].encloses:
        budget = min(budget, ENCLOSED_BUDGET)
    shape = prepared.values.shape
    largest = max((g.model.radius for g in groups if g.include), default=np.inf)
    low, high = np.array(shape), np.zeros(3, int)
    for g in groups:
        if g.guess is not None:
            low, high = np.minimum(low, g.guess.low), np.maximum(high, g.guess.high)
            continue
        if g.encloses and g.limit is not None:
            first, last = g.limit.ends()
            seen = np.stack([np.floor(first), np.ceil(last), *g.against]).astype(int)
            low, high = np.minimum(low, seen.min(0)), np.maximum(high, seen.max(0) + 1)
            continue
        reach = REACH * g.model.radius if g.include else min(2 * g.model.radius, largest)
        reach = max(reach, REACH * g.depth)
        margin = np.ceil(reach / np.array(prepared.spacing)).astype(int)
        low = np.minimum(low, g.seeds.min(0) - margin)
        high = np.maximum(high, g.seeds.max(0) + margin + 1)
    ends = np.stack([np.maximum(low, 0), np.minimum(high, shape) - 1])
    step = min(prepared.spacing)
    while True:
        window = Window.around(ends, 0.0, step, shape, prepared.spacing)
        if np.prod(window.shape) <= budget:
            return window
        step *= 1.1


@dataclass(frozen=True)
class Scene:
    """What every seed group sees in one window: the image in blocks."""

    prepared: Prepared
    window: Window
    smooth: Field
    smoother: Field
    values: Field
    gradient: Field  # per smallest voxel edge, in noise

    @classmethod
    def of(cls, prepared: Prepared, window: Window) -> Scene:
        values = window.shrink(prepared.values)
        sigma = voxel_sigma(window.spacing, values.shape)
        smooth = ndimage.gaussian_filter(values, 0.7 * sigma)
        smoother = ndimage.gaussian_filter(values, 1.5 * sigma)
        gradient = gradient_length(smooth, window.spacing) / prepared.noise * min(prepared.spacing)
        return cls(prepared, window, smooth, smoother, values, gradient)


@dataclass(frozen=True)
class Paths:
    """Ways from the seeds of one group through the blocks ``(K, J, I)`` of a window."""

    blocks: Seeds
    strange: Field
    edge: Field
    spacing: Triple  # (k, j, i) mm
    radius: float  # mm

    def lengths(self, alike: float, edges: float) -> Field:
        """Log of length over radius; ``alike``, ``edges``: price of strange blocks and of edges."""
        if not len(self.blocks):
            return np.full(self.edge.shape, _FAR, np.float32)
        cost = 1 + alike * self.strange + edges * self.edge
        stop = float(np.exp(_FAR)) * self.radius
        return _log(geodesic(cost, self.blocks, self.spacing, stop) / self.radius)


@dataclass(frozen=True)
class GroupMaps:
    """How every block ``(K, J, I)`` relates to one seed group (see `CHANNELS`)."""

    unlike: Field
    unlike_smooth: Field
    geodesic: Field
    star: Field
    distance: Field
    against: Field | None
    paths: Paths

    @cached_property
    def steep(self) -> Field:
        """Path lengths at a higher price."""
        return self.paths.lengths(4.0, 1.0)


def group_maps(scene: Scene, group: Group) -> GroupMaps:
    """The maps of one group."""
    window, model = scene.window, group.model
    unlike = np.log1p(np.abs(scene.smooth - model.mean) / model.spread)
    unlike_smooth = np.log1p(np.abs(scene.smoother - model.mean) / model.spread)
    paths = Paths(
        np.unique(window.block_of(window.within(group.seeds)), axis=0),
        np.clip(np.expm1(unlike) - 1, 0, 8),
        np.clip(scene.gradient - 1, 0, 6),
        window.spacing,
        model.radius,
    )
    if not len(paths.blocks):
        far = np.full(window.shape, _FAR, np.float32)
        return GroupMaps(unlike, unlike_smooth, far, far, far, None, paths)
    distance, nearest = _distance(window, paths.blocks)
    star = distance / _radii_towards(window, nearest, model)
    outside = window.within(group.against)
    against = _distance(window, window.block_of(outside))[0] if len(outside) else None
    return GroupMaps(
        unlike,
        unlike_smooth,
        paths.lengths(1.0, 0.5),
        _log(star),
        _log(distance / model.radius),
        None if against is None else _log(against / model.radius),
        paths,
    )


def stack(
    scene: Scene, groups: Sequence[Group], maps: Sequence[GroupMaps], prior: Field | None = None
) -> Field:
    """``(len(CHANNELS), K, J, I)`` over the blocks of the window.

    ``groups``: at least one of them includes; ``maps``: one for each. ``prior``: the mask so far,
    over the blocks, from -1 (out) to 1 (in); None when there is none. The steep path lengths are
    left out (far everywhere).
    """
    noise, window = scene.prepared.noise, scene.window
    sigma = voxel_sigma(window.spacing, window.shape)
    rough = ndimage.gaussian_filter(np.square(scene.values - scene.smoother), sigma)
    first = next(g for g in groups if g.include).model
    low, middle, high = np.percentile(scene.values, [10, 50, 90])
    include = [m for g, m in zip(groups, maps, strict=True) if g.include]
    exclude = [m for g, m in zip(groups, maps, strict=True) if not g.include]

    def nearest(fields: list[Field], far: float) -> Field | float:
        return np.minimum.reduce(fields) if fields else far

    against = [m.against for m in include if m.against is not None]
    out = np.empty((len(CHANNELS), *window.shape), np.float32)
    out[0] = np.clip((scene.smooth - first.mean) / first.spread, -8, 8) / 4
    out[1] = np.clip((scene.values - middle) / max(high - low, noise), -2, 2)
    out[2] = np.log1p(scene.gradient)
    out[3] = np.log1p(np.sqrt(rough) / noise)
    out[4] = np.log(first.spread / noise)
    out[5] = nearest([m.unlike for m in include], _UNLIKE)
    out[6] = nearest([m.unlike_smooth for m in include], _UNLIKE)
    out[7] = nearest([m.geodesic for m in include], _FAR)
    out[_STEEP] = _FAR
    out[9] = nearest([m.star for m in include], _FAR)
    out[10] = nearest([m.distance for m in include], _FAR)
    out[11] = nearest([m.unlike for m in exclude], _UNLIKE)
    out[12] = nearest([*(m.geodesic for m in exclude), *against], _FAR)
    out[13] = nearest([*(m.distance for m in exclude), *against], _FAR)
    out[14] = np.log(first.radius / min(window.spacing)) / 2
    out[15] = 0 if prior is None else prior
    return out


#: Shrinks a measured radius towards a share of the image: a small clue, and the right one when
#: texture or noise hide the border. Both are pure numbers, so no unit is assumed.
_TRUST = 0.7
_SHARE = 0.1


@dataclass(frozen=True)
class View:
    """All that a decision may look at: one group per prompt, the newest at index ``newest``.

    ``scales``: per group, the log of how much larger than measured its object is taken to be.
    """

    scene: Scene
    groups: Sequence[Group]
    maps: Sequence[GroupMaps]
    stack: Field
    newest: int
    scales: list[float]

    def channels(self) -> Field:
        """The stack with the steep path lengths: what a network was trained on."""
        full = self.stack.copy()
        include = [m.steep for g, m in zip(self.groups, self.maps, strict=True) if g.include]
        full[_STEEP] = np.minimum.reduce(include)
        return full

    def reach(self, include: bool) -> Field:
        """Log of path length over expected size, to the nearest include (exclude) group."""
        fields = [self.reach_of(n) for n, g in enumerate(self.groups) if g.include == include]
        if not include:
            fields += [m.against for m in self.maps if m.against is not None]
        far = np.full(self.scene.window.shape, _FAR, np.float32)
        return np.minimum.reduce(fields) if fields else far

    def reach_of(self, number: int) -> Field:
        """The same for one group."""
        return self.maps[number].geodesic + self._shift(number)

    def _shift(self, number: int) -> np.float32:
        radius = self.groups[number].model.radius
        return np.float32(np.log(radius / self.expected_size(number)) - self.scales[number])

    def expected_size(self, number: int) -> float:
        """Measured radius in mm of one group, drawn towards a share of the image."""
        prepared = self.scene.prepared
        extents = [
            n * s for n, s in zip(prepared.values.shape, prepared.spacing, strict=True) if n > 1
        ]
        typical = _SHARE * float(np.exp(np.mean(np.log(extents))))
        return float(self.groups[number].model.radius ** _TRUST * typical ** (1 - _TRUST))


def _log(ratio: Field) -> Field:
    return np.minimum(np.log(ratio + 0.05), _FAR).astype(np.float32)


def _distance(window: Window, blocks: Seeds) -> tuple[Field, Field]:
    """Distance in mm to some blocks ``(N, 3)`` of the window, and the index of the nearest one."""
    marks = np.ones(window.shape, bool)
    marks[tuple(blocks.T)] = False
    distance, nearest = ndimage.distance_transform_edt(
        marks, sampling=window.spacing, return_indices=True
    )
    return distance.astype(np.float32), nearest


def _radii_towards(window: Window, nearest: Field, model: SeedModel) -> Field:
    """Ray radius of the direction in which each block lies from its nearest seed."""
    offset = (np.indices(window.shape, dtype=np.float32) - nearest).astype(np.float32)
    offset *= np.array(window.spacing, np.float32)[:, None, None, None]
    longest = np.maximum(np.abs(offset).max(0), 1e-6)
    k, j, i = np.rint((offset / longest + 1) * _CUBE_HALF).astype(np.int16)
    return model.radii.astype(np.float32)[_CUBE[k, j, i]]
