"""Boxes and loops as seed groups: the voxels within and just around them, and what is found there.

A box or loop in one slice of a volume decides that slice; from there the object grows in depth as
from a stroke, and other slices are not limited.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import KDTree

from ...errors import PromptError
from ...image import Array, Image, Mask
from ...prompts import Box, Lasso
from . import enclosed
from .features import DIRECTIONS, Prepared, SeedModel
from .frame import Frame, Region, in_polygon, resampled
from .groups import NO_SEEDS, Group, Limit, Seeds, thin

#: Voxels of a region that are looked at; a larger one is sampled on a stride.
MOST_VOXELS = 300_000
#: The seeds fill the middle already: this share of the radius is left beyond them.
BEYOND_SEEDS = 0.4
NO_STRIDE: Seeds = np.ones(3, np.intp)


@dataclass(frozen=True)
class _Voxels:
    """The voxels within a box or loop, those just around it, and its radii per direction."""

    inner: Seeds
    outer: Seeds
    radii: Array
    limit: Limit


def from_box(box: Box, image: Image, prepared: Prepared, earlier: Sequence[Group] = ()) -> Group:
    """Raises `PromptError` when the box holds no voxel. ``earlier``: the groups before it."""
    assert box.axes is not None
    region = Region(box.center, box.axes, box.size / 2)
    return _from_region(_box_voxels(box, image), region, box, image, prepared, earlier)


def from_lasso(
    lasso: Lasso, image: Image, prepared: Prepared, earlier: Sequence[Group] = ()
) -> Group:
    """The same for a loop."""
    centre, axes, loop = _plane(lasso)
    middle = (loop.min(0) + loop.max(0)) / 2
    region = Region(
        centre + axes[:2].T @ middle, axes.T, np.append(np.ptp(loop, axis=0) / 2, 0), loop - middle
    )
    return _from_region(_lasso_voxels(lasso, image), region, lasso, image, prepared, earlier)


def _box_voxels(box: Box, image: Image) -> _Voxels:
    assert box.axes is not None
    half = np.maximum(box.size / 2, 0)
    flat = half < 1e-6
    spacing = np.array(image.spacing)
    step = np.abs(box.axes.T @ (image.affine[:3, :3] / spacing)) @ spacing
    shell = 0.35 * half[~flat].min() + 2 * min(image.spacing)
    wide = np.where(flat, step / 2, half + shell)
    voxels = _grid_around(image, box.center, box.axes, wide, thin=bool(flat.any()))
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
    limit = _limit(image, box.center, box.axes, wide * flat + half, flat)
    return _Voxels(voxels[inner], voxels[~inner], radii, limit)


def _limit(image: Image, centre: Array, axes: Array, half: Array, flat: Mask) -> Limit:
    to_voxel = np.linalg.inv(image.affine[:3, :3])[::-1] @ (axes * (half + 1e-9))
    across = int(flat.argmax()) if flat.any() else None
    return Limit(image.ras_to_ijk(centre)[::-1], np.linalg.inv(to_voxel), across)


def _lasso_voxels(lasso: Lasso, image: Image) -> _Voxels:
    """Voxels inside the loop in its plane, and a ring around it."""
    spacing = np.array(image.spacing)
    centre, axes, loop = _plane(lasso)
    normal_step = float(np.abs(axes[2] @ (image.affine[:3, :3] / spacing)) @ spacing)
    radius = 0.5 * float(np.sqrt(np.prod(np.ptp(loop, axis=0))))
    ring = 0.35 * radius + 2 * float(spacing.min())
    wide = np.append(np.abs(loop).max(0) + ring, normal_step / 2)
    voxels = _grid_around(image, centre, axes.T, wide, thin=True)
    place = (image.ijk_to_ras(voxels[:, ::-1]) - centre) @ axes.T
    near = np.abs(place[:, 2]) <= normal_step / 2 + 1e-6
    voxels, place = voxels[near], place[near, :2]
    inner = in_polygon(place, loop)
    edge = KDTree(resampled(loop)).query(place)[0] if len(place) else np.zeros(0)
    outer = ~inner & (edge <= ring) & (edge > 0.5 * spacing.min())
    radii = np.full(len(DIRECTIONS), radius)
    low, high = loop.min(0), loop.max(0)
    middle = centre + axes[:2].T @ ((low + high) / 2)
    half = np.append((high - low) / 2, normal_step / 2)
    limit = _limit(image, middle, axes.T, half, np.array([False, False, True]))
    return _Voxels(voxels[inner], voxels[outer], radii, limit)


def _plane(lasso: Lasso) -> tuple[Array, Array, Array]:
    """Centre (RAS mm), axes as rows (two in the plane, then its normal), and the loop in them."""
    centre = lasso.points.mean(0)
    axes = np.linalg.svd(lasso.points - centre)[2]
    return centre, axes, (lasso.points - centre) @ axes[:2].T


def _grid_around(image: Image, centre: Array, axes: Array, half: Array, thin: bool) -> Seeds:
    """Voxels (k, j, i) of the box that holds ``centre`` +- ``half`` along ``axes`` (columns).

    They are taken on a stride when there are more than `MOST_VOXELS`, but a ``thin`` region that
    runs obliquely through the grid would fall apart then.
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
    return np.asarray(index * stride + low, dtype=np.intp)


def _stride(size: Seeds, spacing: Array) -> Seeds:
    """Steps along (k, j, i) that leave at most about `MOST_VOXELS` of a box of that size."""
    stride, longest, step = NO_STRIDE, np.maximum(size // 16, 1), float(spacing.min())
    while np.prod(-(-size // stride)) > MOST_VOXELS and (stride < longest).any():
        step *= 1.1
        stride = np.clip((step / spacing).astype(np.intp), 1, longest)
    return stride


def _from_region(
    voxels: _Voxels,
    region: Region,
    prompt: Box | Lasso,
    image: Image,
    prepared: Prepared,
    earlier: Sequence[Group],
) -> Group:
    if not len(voxels.inner):
        raise PromptError(f"The {prompt.kind} holds no voxel of the image; draw it larger.")
    if not prompt.include:
        seeds = voxels.inner
        return Group(thin(seeds), False, _even_model(seeds, voxels, prepared), NO_SEEDS)
    found = _found(region, image, prepared, earlier)
    odds = found.at(image.ijk_to_ras(voxels.inner[:, ::-1]), -enclosed.SURE)
    seeds = voxels.inner[odds >= (np.median(odds[odds > 0]) if (odds > 0).any() else odds.max())]
    model = _even_model(seeds, voxels, prepared)
    model = replace(model, radii=BEYOND_SEEDS * model.radii)
    return Group(thin(seeds), True, model, thin(voxels.outer), voxels.limit, found=found)


def _found(
    region: Region, image: Image, prepared: Prepared, earlier: Sequence[Group]
) -> enclosed.Found:
    """What is in the box, given what clicks and strokes said before."""
    frame = Frame.of(region, image, prepared)
    told = [g for g in earlier if g.found is None]
    within, without = (
        _marked(frame, image, [g.seeds for g in told if g.include == include])
        for include in (True, False)
    )
    in_slice = len(frame.long) < sum(n > 1 for n in image.shape)
    return enclosed.Found(frame, enclosed.odds(frame, within, without), in_slice)


def _marked(frame: Frame, image: Image, seeds: Sequence[Seeds]) -> Mask:
    """The samples of a frame that voxels ``(N, 3)`` (k, j, i) lie in."""
    marks = np.zeros(frame.shape, bool)
    if seeds:
        index = np.rint(frame.index_of(image.ijk_to_ras(np.concatenate(seeds)[:, ::-1])))
        lies = ((index >= 0) & (index < np.array(frame.shape)[:, None])).all(0)
        marks[tuple(index[:, lies].astype(np.intp))] = True
    return marks & frame.inside


def _even_model(seeds: Seeds, around: _Voxels, prepared: Prepared) -> SeedModel:
    values = prepared.smooth[tuple(seeds.T)]
    middle = float(np.median(values))
    spread = max(1.4826 * float(np.median(np.abs(values - middle))), 0.7 * prepared.noise)
    return SeedModel(middle, spread, np.maximum(around.radii, 1.5 * min(prepared.spacing)))
