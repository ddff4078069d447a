"""Boxes and loops: the voxels within and just around them, and what stands out there."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage
from scipy.spatial import KDTree

from ...errors import PromptError
from ...image import Array, Image
from ...prompts import Box, Lasso
from .features import DIRECTIONS, Prepared, SeedModel
from .groups import NO_SEEDS, Group, Limit, Seeds, thin

#: Voxels of a region that are looked at; a larger one is sampled on a stride.
MOST_VOXELS = 300_000
#: The seeds fill the middle already: this share of the radius is left beyond them.
BEYOND_SEEDS = 0.4
NO_STRIDE: Seeds = np.ones(3, np.intp)


@dataclass(frozen=True)
class _Region:
    """The voxels within a box or loop, those just around it, and its radii per direction."""

    inner: Seeds
    outer: Seeds
    depth: Array  # per inner voxel: 0 at the border of the region, 1 in the middle
    radii: Array
    stride: Seeds  # voxels (k, j, i) from one sample to the next
    limit: Limit | None = None


def from_box(box: Box, image: Image, prepared: Prepared) -> Group:
    """Raises `PromptError` when the box holds no voxel."""
    return _from_region(_box_voxels(box, image), box, image, prepared)


def from_lasso(lasso: Lasso, image: Image, prepared: Prepared) -> Group:
    """Raises `PromptError` when the loop holds no voxel."""
    return _from_region(_lasso_voxels(lasso, image), lasso, image, prepared)


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
    size, stride = high - low, NO_STRIDE
    if not thin or size.min() <= 4:
        stride = _stride(size, np.array(image.spacing[::-1]))
    index = np.indices(tuple(-(-size // stride))).reshape(3, -1).T
    return np.asarray(index * stride + low, dtype=np.intp), stride


def _stride(size: Seeds, spacing: Array) -> Seeds:
    """Steps along (k, j, i) that leave at most about `MOST_VOXELS` of a box of that size."""
    stride, longest, step = NO_STRIDE, np.maximum(size // 16, 1), float(spacing.min())
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
        return Group(thin(seeds), False, _even_model(seeds, region, prepared), NO_SEEDS)
    seeds = _likely_inside(region, prepared)
    model = _even_model(seeds, region, prepared)
    model = replace(model, radii=BEYOND_SEEDS * model.radii)
    return Group(thin(seeds), True, model, thin(region.outer), region.limit)


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
