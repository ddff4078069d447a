"""The seed group of a prompt, of any kind, and of an accepted mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from scipy import ndimage

from ...errors import PromptError
from ...image import Array, Image, Mask
from ...patch import bounding_box
from ...prompts import Box, Lasso, Point, Prompt, Scribble
from .corrections import correction
from .features import DIRECTIONS, Prepared, SeedModel, seed_model
from .groups import NO_SEEDS, Group, Seeds, thin
from .regions import from_box, from_lasso

#: Voxels of the box of a mask that are all looked at.
MOST_MASKED = 8_000_000
#: A smaller share of a stroke than this may lie where it was not meant to.
SLIP = 0.15


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
    found = _group(prompt, image, prepared, earlier, before)
    if isinstance(prompt, Box | Lasso):
        return found
    object_models = [g.model for g in earlier if g.include]
    factor = 1.0 if prompt.include else 1.5
    widest = factor * max((m.radius for m in object_models), default=np.inf)
    if before is not None and len(found.seeds) == 1 and before.any():
        return correction(found, before, prepared, widest)
    if not object_models:
        return found
    loosest = 1.5 * max(m.spread for m in object_models)
    model = replace(
        found.model,
        spread=min(found.model.spread, loosest),
        radii=found.model.radii * min(1.0, widest / found.model.radius),
    )
    return replace(found, model=model)


def _group(
    prompt: Prompt,
    image: Image,
    prepared: Prepared,
    earlier: Sequence[Group],
    before: Mask | None,
) -> Group:
    if isinstance(prompt, Box):
        return from_box(prompt, image, prepared, earlier)
    if isinstance(prompt, Lasso):
        return from_lasso(prompt, image, prepared, earlier)
    if isinstance(prompt, Scribble):
        return _from_scribble(prompt, image, prepared, before)
    if isinstance(prompt, Point):
        place = image.voxel_at(prompt.position)
        if place is None:
            raise PromptError("The point lies outside the image.")
        seeds = np.array([place], np.intp)
        return Group(seeds, prompt.include, seed_model(prepared, seeds), NO_SEEDS)
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
    return Group(thin(seeds), True, model, NO_SEEDS)


def _inside(voxels: Array, shape: Sequence[int]) -> Seeds:
    """Unique voxel indices ``(N, 3)`` that lie in the grid."""
    index = np.unique(np.floor(np.asarray(voxels) + 0.5).astype(np.intp), axis=0)
    return index[((index >= 0) & (index < np.array(shape))).all(1)]


def _from_scribble(
    prompt: Scribble, image: Image, prepared: Prepared, before: Mask | None
) -> Group:
    points = image.ras_to_ijk(prompt.points)[:, ::-1]
    if prompt.connected and len(points) > 1:
        points = _joined(points)
    seeds = _inside(points, image.shape)
    if prompt.radius > 0 and len(seeds):
        seeds = _widened(seeds, prompt.radius, image)
    if not len(seeds):
        raise PromptError("The scribble marks no voxel of the image; draw it inside.")
    seeds = _on_target(_news(seeds, prompt.include, before), prepared)
    return Group(thin(seeds), prompt.include, _stroke_model(seeds, prepared), NO_SEEDS)


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


def _news(seeds: Seeds, include: bool, before: Mask | None) -> Seeds:
    """What a stroke says against the mask so far, when it is more than a slip; else all of it."""
    if before is None or not before.any():
        return seeds
    against = before[tuple(seeds.T)] != include
    return seeds[against] if against.mean() > SLIP else seeds


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
