"""From prompts in RAS mm to *seed groups*: the voxels one prompt marks, and what they tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree

from ...errors import PromptError
from ...image import Array, Image, Mask
from ...patch import bounding_box
from ...prompts import Box, Lasso, Point, Prompt, Scribble
from .features import DIRECTIONS, Prepared, SeedModel, Triple, seed_model

Seeds = NDArray[np.intp]
#: More seeds than this slow the geodesic maps down and add nothing.
MOST_SEEDS = 4000
#: Voxels of a region that are looked at; a larger one is sampled on a stride.
MOST_VOXELS = 300_000
#: Voxels of the box of a mask that are all looked at.
MOST_MASKED = 8_000_000


@dataclass(frozen=True)
class Limit:
    """A box that the object does not leave, in voxel coordinates (k, j, i).

    ``to_box`` maps ``voxel - centre`` to box coordinates, inside from -1 to 1 on each axis. A box
    drawn in a slice has one ``flat`` axis and limits that slice only.
    """

    centre: Array
    to_box: Array
    flat: int | None

    def allows(self, voxels: Array) -> Array:
        """True for each of the voxels ``(N, 3)`` that may belong to the object."""
        place = np.abs((voxels - self.centre) @ self.to_box.T)
        if self.flat is None:
            return np.asarray(place.max(1) <= 1)
        others = np.delete(place, self.flat, axis=1).max(1)
        return np.asarray((place[:, self.flat] > 1) | (others <= 1))


@dataclass(frozen=True)
class Guess:
    """What the search for the size of a first click found (see `sizes`).

    ``scales``: logs of how much larger than its radius says the object may be; ``shares``: how
    much each counts, 1 together; ``low``, ``high``: the voxels (k, j, i) that are worth a look.
    """

    scales: Array
    shares: Array
    low: Seeds
    high: Seeds


@dataclass(frozen=True)
class Group:
    """One prompt on the grid of an image.

    ``seeds``: ``(N, 3)`` voxels (k, j, i) of the object (``include``) or of its surrounding.
    ``model``: intensity and size around them. ``against``: ``(M, 3)`` voxels the same prompt
    shows to be outside (around a box or a loop), possibly none. ``depth``: for a click that
    corrects a mask, how far in mm the wrong part reaches around it in every direction, else 0.
    ``guess``: for a first click whose size was searched.
    """

    seeds: Seeds
    include: bool
    model: SeedModel
    against: Seeds
    limit: Limit | None = None
    depth: float = 0.0
    guess: Guess | None = None

    @property
    def is_click(self) -> bool:
        """A stroke shows more of an object than a click, a box or a loop all of it."""
        return self.limit is None and not len(self.against) and len(self.seeds) == 1


#: Of the ball in which a correction would be even throughout: seeds more uneven than so much noise
#: are looked at, ever smaller shares of the gap are tried, and by how much (in spreads) the middle
#: and the shell may differ.
_UNEVEN = 1.0
_SHARES = (1.0, 0.8, 0.64, 0.5, 0.4, 0.32, 0.25)
_SAME_MEAN, _SAME_SPREAD = 0.3, 1.6
#: A correction takes intensities from this share of its depth, and its radius lies within these.
_CORE = 0.8
_LEAST, _MOST = 0.7, 1.5
#: Box and loop seeds fill the middle already: this share of the radius is left beyond them.
_BEYOND_SEEDS = 0.4
_NONE: Seeds = np.zeros((0, 3), np.intp)
_NO_STRIDE: Seeds = np.ones(3, np.intp)


def group(
    prompt: Prompt,
    image: Image,
    prepared: Prepared,
    earlier: Sequence[Group] = (),
    before: Mask | None = None,
) -> Group:
    """The seed group of one prompt; raises `PromptError` when it marks no voxel.

    ``earlier``: the groups before it; ``before``: the mask they led to. A correction is never
    taken to be about something larger than the object itself, unless the image stays the same up
    to the mask.
    """
    found = _group(prompt, image, prepared)
    object_models = [g.model for g in earlier if g.include]
    if not object_models or isinstance(prompt, Box | Lasso):
        return found
    widest = max(m.radius for m in object_models) * (1.0 if prompt.include else 1.5)
    loosest = 1.5 * max(m.spread for m in object_models)
    if before is not None and len(found.seeds) == 1 and before.any():
        return _correction(found, before, prepared, widest)
    model = replace(
        found.model,
        spread=min(found.model.spread, loosest),
        radii=found.model.radii * min(1.0, widest / found.model.radius),
    )
    return replace(found, model=model)


def _correction(found: Group, before: Mask, prepared: Prepared, widest: float) -> Group:
    """A click that corrects a mask, with the depth of the wrong part and a model to suit."""
    seed, smallest = found.seeds[0], min(prepared.spacing)
    gap = _gap(before, seed, found.include, prepared.spacing)
    depth = _depth(found, gap, prepared, widest) if found.include else gap
    depth = max(depth, 0.7 * smallest)
    radius = float(np.clip(found.model.radius, _LEAST * depth, _MOST * depth))
    mean, spread = _middle(_ball(prepared, seed, _CORE * depth))
    radii = found.model.radii * radius / found.model.radius
    model = SeedModel(mean, max(spread, 0.6 * prepared.noise), radii)
    return replace(found, model=model, depth=depth)


def _depth(found: Group, gap: float, prepared: Prepared, widest: float) -> float:
    """Radius of what a click adds: up to the mask at most, as far as the image stays the same.

    It is as wide as the object so far, or as its own rays say. Rays end early in texture, though:
    there the ball counts whose shell has the intensities of its middle.
    """
    depth = min(gap, found.model.radius, widest)
    if found.model.spread <= _UNEVEN * prepared.noise:
        return depth
    for share in _SHARES:
        if share * gap <= depth:
            break
        if _even_throughout(prepared, found.seeds[0], share * gap):
            return share * gap
    return depth


def _even_throughout(prepared: Prepared, seed: Seeds, radius: float) -> bool:
    """Whether middle and shell of a ball agree in mean and spread."""
    shell = _ball(prepared, seed, 0.9 * radius, 0.5 * radius)
    if not len(shell):
        return False
    parts = [_middle(_ball(prepared, seed, 0.5 * radius)), _middle(shell)]
    low, high = sorted(max(spread, prepared.noise) for _, spread in parts)
    return abs(parts[0][0] - parts[1][0]) <= _SAME_MEAN * low and high <= _SAME_SPREAD * low


def _middle(values: Array) -> tuple[float, float]:
    """Median, and the standard deviation that the median deviation from it stands for."""
    middle = float(np.median(values))
    return middle, 1.4826 * float(np.median(np.abs(values - middle)))


def _ball(prepared: Prepared, seed: Seeds, radius: float, beyond: float = -1.0) -> Array:
    """Smoothed values up to ``radius`` mm from a voxel, and more than ``beyond``."""
    shape, spacing = np.array(prepared.values.shape), np.array(prepared.spacing)
    reach = np.where(shape > 1, radius / spacing, 0).astype(int)
    low, high = np.maximum(seed - reach, 0), np.minimum(seed + reach + 1, shape)
    part = prepared.smooth[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    steps = [(np.arange(a, b) - s) * w for a, b, s, w in zip(low, high, seed, spacing, strict=True)]
    away = np.sqrt(sum(np.square(step) for step in np.ix_(*steps)))
    return part[(away <= radius + 1e-6) & (away > beyond + 1e-6)]


def _gap(mask: Mask, seed: Seeds, include: bool, spacing: Triple) -> float:
    """Distance in mm from a voxel to the mask, or out of it; 0 where it is there already.

    The edge of the image ends the mask; an axis of one voxel has none.
    """
    if mask[tuple(seed)] == include:
        return 0.0
    box = bounding_box(mask)
    assert box is not None
    low = np.minimum([b.start for b in box], seed)
    high = np.maximum([b.stop for b in box], seed + 1)
    around = [0 if include or n == 1 else 1 for n in mask.shape]
    part = mask[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    goal = np.argwhere(np.pad(part, [(n, n) for n in around]) == include)
    away = (goal + low - around - seed) * np.array(spacing)
    return float(np.sqrt(np.square(away).sum(1).min()))


def _group(prompt: Prompt, image: Image, prepared: Prepared) -> Group:
    if isinstance(prompt, Box):
        return _from_region(_box_voxels(prompt, image), prompt, image, prepared)
    if isinstance(prompt, Lasso):
        return _from_region(_lasso_voxels(prompt, image), prompt, image, prepared)
    if isinstance(prompt, Scribble):
        return _from_scribble(prompt, image, prepared)
    if isinstance(prompt, Point):
        place = image.voxel_at(prompt.position)
        if place is None:
            raise PromptError("The point lies outside the image.")
        seeds = np.array([place], np.intp)
        return Group(seeds, prompt.include, seed_model(prepared, seeds), _NONE)
    raise PromptError(f"A {prompt.kind} prompt marks no voxels.")


def from_mask(mask: Mask, prepared: Prepared) -> Group:
    """The interior of an accepted mask ``(K, J, I)`` as an include group that does not grow.

    Of a mask with a very large box every second, third, ... voxel is looked at.
    """
    box = bounding_box(mask)
    assert box is not None
    part = mask[box]
    step = int(np.ceil((part.size / MOST_MASKED) ** (1 / 3)))
    if step > 1 and part[::step, ::step, ::step].any():
        part = part[::step, ::step, ::step]
    else:
        step = 1
    sampling = [step * mm for mm in prepared.spacing]
    depth = ndimage.distance_transform_edt(np.pad(part, 1), sampling=sampling)[1:-1, 1:-1, 1:-1]
    middle_depth = float(np.median(depth[part]))
    seeds = step * np.argwhere(depth >= middle_depth) + [b.start for b in box]
    values = prepared.smooth[tuple(seeds.T)]
    middle = float(np.median(values))
    spread = max(1.4826 * float(np.median(np.abs(values - middle))), 0.6 * prepared.noise)
    radius = max(middle_depth, 1.5 * min(prepared.spacing))
    model = SeedModel(middle, spread, np.full(len(DIRECTIONS), radius))
    return Group(_thin(seeds), True, model, _NONE)


def _inside(voxels: Array, shape: Sequence[int]) -> Seeds:
    """Unique voxel indices ``(N, 3)`` that lie in the grid."""
    index = np.unique(np.floor(np.asarray(voxels) + 0.5).astype(np.intp), axis=0)
    return index[((index >= 0) & (index < np.array(shape))).all(1)]


def _thin(seeds: Seeds, most: int = MOST_SEEDS) -> Seeds:
    return seeds if len(seeds) <= most else seeds[:: -(-len(seeds) // most)]


def _from_scribble(prompt: Scribble, image: Image, prepared: Prepared) -> Group:
    points = image.ras_to_ijk(prompt.points)[:, ::-1]
    if prompt.connected and len(points) > 1:
        points = _joined(points)
    seeds = _inside(points, image.shape)
    if prompt.radius > 0 and len(seeds):
        seeds = _widened(seeds, prompt.radius, image)
    if not len(seeds):
        raise PromptError("The scribble marks no voxel of the image; draw it inside.")
    seeds = _on_target(seeds, prepared)
    return Group(_thin(seeds), prompt.include, _stroke_model(seeds, prepared), _NONE)


def _joined(points: Array) -> Array:
    """Points along the lines between consecutive points, at most half a voxel apart."""
    parts = [points[:1]]
    for a, b in pairwise(points):
        count = max(1, int(np.ceil(2 * np.abs(b - a).max())))
        parts.append(a + (b - a) * (np.arange(1, count + 1) / count)[:, None])
    return np.concatenate(parts)


def _widened(seeds: Seeds, radius: float, image: Image) -> Seeds:
    spacing = np.array(image.spacing[::-1])
    reach = np.floor(radius / spacing).astype(int)
    steps = np.indices(tuple(2 * reach + 1)).reshape(3, -1).T - reach
    steps = steps[((steps * spacing) ** 2).sum(1) <= radius**2]
    return _inside((seeds[:, None] + steps).reshape(-1, 3), image.shape)


def _on_target(seeds: Seeds, prepared: Prepared) -> Seeds:
    """Without the voxels whose intensity says that the stroke slipped off."""
    values = prepared.smooth[tuple(seeds.T)]
    middle = np.median(values)
    spread = max(1.4826 * float(np.median(np.abs(values - middle))), prepared.noise)
    kept = np.abs(values - middle) <= 3.5 * spread
    return seeds[kept] if kept.mean() > 0.6 else seeds


def _stroke_model(seeds: Seeds, prepared: Prepared) -> SeedModel:
    """The model of a stroke: its own intensities, and ray radii from places along it."""
    values = prepared.smooth[tuple(seeds.T)]
    middle = float(np.median(values))
    spread = 1.4826 * float(np.median(np.abs(values - middle)))
    places = seeds[np.linspace(0, len(seeds) - 1, min(len(seeds), 9)).astype(int)]
    models = [seed_model(prepared, place[None]) for place in places]
    spread = max(spread, 0.7 * prepared.noise, float(np.median([m.spread for m in models])))
    return SeedModel(middle, spread, np.median([m.radii for m in models], axis=0))


@dataclass(frozen=True)
class _Region:
    """The voxels within a box or loop, those just around it, and its radii per direction."""

    inner: Seeds
    outer: Seeds
    depth: Array  # per inner voxel: 0 at the border of the region, 1 in the middle
    radii: Array
    stride: Seeds  # voxels (k, j, i) from one sample to the next
    limit: Limit | None = None


def _box_voxels(box: Box, image: Image) -> _Region:
    assert box.axes is not None
    half = np.maximum(box.size / 2, 0)
    flat = half < 1e-6
    spacing = np.array(image.spacing)
    step = np.abs(box.axes.T @ (image.affine[:3, :3] / spacing)) @ spacing
    shell = 0.35 * half[~flat].min() + 2 * min(image.spacing)
    wide = np.where(flat, step / 2, half + shell)
    voxels, stride = _grid_around(image, box.center, box.axes, wide, thin=bool(flat.any()))
    place = np.abs((image.ijk_to_ras(voxels[:, ::-1]) - box.center) @ box.axes)
    near = (place <= wide + 1e-6).all(1)
    voxels, place = voxels[near], place[near]
    share = (place / np.where(flat, np.inf, np.maximum(half, 1e-6))).max(1)
    inner = share <= 1
    normal = half[~flat].mean()
    full = np.where(flat, normal, half)
    unit = DIRECTIONS[:, ::-1] @ (image.affine[:3, :3] / spacing).T
    along = np.abs(unit @ box.axes) / full
    radii = 1 / np.sqrt((along**2).sum(1))
    to_voxel = np.linalg.inv(image.affine[:3, :3])[::-1] @ (box.axes * (wide * flat + half + 1e-9))
    limit = Limit(
        image.ras_to_ijk(box.center)[::-1],
        np.linalg.inv(to_voxel),
        int(flat.argmax()) if flat.any() else None,
    )
    return _Region(voxels[inner], voxels[~inner], 1 - share[inner], radii, stride, limit)


def _lasso_voxels(lasso: Lasso, image: Image) -> _Region:
    """Voxels inside the loop in its plane, and a ring around it."""
    spacing = np.array(image.spacing)
    centre = lasso.points.mean(0)
    axes = np.linalg.svd(lasso.points - centre)[2]  # rows: two in the plane, then its normal
    loop = (lasso.points - centre) @ axes[:2].T
    normal_step = float(np.abs(axes[2] @ (image.affine[:3, :3] / spacing)) @ spacing)
    radius = 0.5 * float(np.sqrt(np.prod(np.ptp(loop, axis=0))))
    ring = 0.35 * radius + 2 * float(spacing.min())
    wide = np.append(np.abs(loop).max(0) + ring, normal_step / 2)
    voxels, stride = _grid_around(image, centre, axes.T, wide, thin=True)
    place = (image.ijk_to_ras(voxels[:, ::-1]) - centre) @ axes.T
    near = np.abs(place[:, 2]) <= normal_step / 2 + 1e-6
    voxels, place = voxels[near], place[near, :2]
    inner = _in_polygon(place, loop)
    edge = KDTree(_resampled(loop)).query(place)[0] if len(place) else np.zeros(0)
    depth = edge[inner] / max(float(edge[inner].max()), 1e-6) if inner.any() else edge[:0]
    outer = ~inner & (edge <= ring) & (edge > 0.5 * spacing.min())
    radii = np.full(len(DIRECTIONS), radius)
    return _Region(voxels[inner], voxels[outer], depth, radii, stride)


def _grid_around(
    image: Image, centre: Array, axes: Array, half: Array, thin: bool
) -> tuple[Seeds, Seeds]:
    """Voxels (k, j, i) of the box that holds ``centre`` +- ``half`` along ``axes`` (columns).

    They are taken on a stride (the second result) when there are more than `MOST_VOXELS`, but a
    ``thin`` region that runs obliquely through the grid would fall apart then.
    """
    signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T
    corners = image.ras_to_ijk(centre + (signs * half) @ axes.T)[:, ::-1]
    low = np.maximum(np.floor(corners.min(0)).astype(int), 0)
    high = np.minimum(np.ceil(corners.max(0)).astype(int) + 1, image.shape)
    if (low >= high).any():
        raise PromptError("The prompt lies outside the image; draw it inside.")
    size, stride = high - low, _NO_STRIDE
    if not thin or size.min() <= 4:
        stride = _stride(size, np.array(image.spacing[::-1]))
    index = np.indices(tuple(-(-size // stride))).reshape(3, -1).T
    return np.asarray(index * stride + low, dtype=np.intp), stride


def _stride(size: Seeds, spacing: Array) -> Seeds:
    """Steps along (k, j, i) that leave at most about `MOST_VOXELS` of a box of that size."""
    stride, longest, step = _NO_STRIDE, np.maximum(size // 16, 1), float(spacing.min())
    while np.prod(-(-size // stride)) > MOST_VOXELS and (stride < longest).any():
        step *= 1.1
        stride = np.clip((step / spacing).astype(np.intp), 1, longest)
    return stride


def _in_polygon(points: Array, loop: Array) -> Array:
    """Even-odd rule for points ``(N, 2)`` and a closed loop ``(M, 2)``."""
    inside = np.zeros(len(points), bool)
    for a, b in zip(loop, np.roll(loop, -1, axis=0), strict=True):
        crosses = (a[1] > points[:, 1]) != (b[1] > points[:, 1])
        rise = b[1] - a[1] if b[1] != a[1] else 1.0
        inside ^= crosses & (points[:, 0] < a[0] + (points[:, 1] - a[1]) / rise * (b[0] - a[0]))
    return inside


def _resampled(loop: Array, count: int = 128) -> Array:
    """Points spread evenly along a closed loop ``(M, 2)``."""
    closed = np.concatenate([loop, loop[:1]])
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    at = np.linspace(0, along[-1], count, endpoint=False)
    return np.stack([np.interp(at, along, closed[:, axis]) for axis in range(2)], axis=1)


def _from_region(region: _Region, prompt: Box | Lasso, image: Image, prepared: Prepared) -> Group:
    if not len(region.inner):
        raise PromptError(f"The {prompt.kind} holds no voxel of the image; draw it larger.")
    if not prompt.include:
        seeds = region.inner
        return Group(_thin(seeds), False, _even_model(seeds, region, prepared), _NONE)
    seeds = _likely_inside(region, prepared)
    model = _even_model(seeds, region, prepared)
    model = replace(model, radii=_BEYOND_SEEDS * model.radii)
    return Group(_thin(seeds), True, model, _thin(region.outer), region.limit)


def _even_model(seeds: Seeds, region: _Region, prepared: Prepared) -> SeedModel:
    values = prepared.smooth[tuple(seeds.T)]
    middle = float(np.median(values))
    spread = max(1.4826 * float(np.median(np.abs(values - middle))), 0.7 * prepared.noise)
    return SeedModel(middle, spread, np.maximum(region.radii, 1.5 * min(prepared.spacing)))


def _likely_inside(region: _Region, prepared: Prepared) -> Seeds:
    """Voxels well inside the region with the intensities that stand out against its rim."""
    values = prepared.smooth[tuple(region.inner.T)]
    middle = region.depth >= np.quantile(region.depth, 0.6)
    low, high = np.percentile(values, [0.5, 99.5])
    count = int(np.clip((high - low) / prepared.noise, 4, 64))
    edges = np.linspace(low, max(high, low + prepared.noise), count + 1)
    rim = prepared.smooth[tuple(region.outer.T)] if len(region.outer) else values[~middle]
    inside, around = _histogram(values[middle], edges), _histogram(rim, edges)
    excess = np.where(inside > around, (inside - around) * inside, 0)
    peak = edges[int(np.argmax(excess))] + 0.5 * (edges[1] - edges[0])
    width = max(2.0 * prepared.noise, edges[1] - edges[0])
    chosen = middle & (np.abs(values - peak) <= width)
    return _largest_part(region.inner[chosen if chosen.any() else middle], region.stride)


def _largest_part(seeds: Seeds, stride: Seeds) -> Seeds:
    """The largest face-connected part of a set of voxels ``(N, 3)`` sampled on a stride."""
    cells = (seeds - seeds.min(0)) // stride
    marks = np.zeros(tuple(cells.max(0) + 1), bool)
    marks[tuple(cells.T)] = True
    # on a stride thin bridges are missed: corners join as well then
    labels, count = ndimage.label(marks, np.ones((3, 3, 3)) if (stride > 1).any() else None)
    found = labels[tuple(cells.T)]
    return seeds[found == np.bincount(found, minlength=count + 1).argmax()]


def _histogram(values: Array, edges: Array) -> Array:
    counts = np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0].astype(float)
    counts = ndimage.gaussian_filter1d(counts, 1.0, mode="nearest")
    return counts / max(counts.sum(), 1e-9)
