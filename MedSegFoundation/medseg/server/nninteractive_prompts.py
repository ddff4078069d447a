"""What the nnInteractive protocol says in voxels, as prompts in mm.

Its arrays have the axes of the image it was given, and that is all it knows of space: ``index``
and ``box`` here follow the array axes, ours ``(k, j, i)``. A box is one ``[first, behind the
last]`` pair for each axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import ndimage

from ..errors import InputError, PromptError
from ..image import Array, Image, Mask
from ..patch import bounding_box
from ..prompts import Box, Lasso, Point, Prompt, Scribble

#: Voxels that a scribble may have, and corners that the loops of one lasso may have.
MOST_VOXELS = 200_000
MOST_CORNERS = 20_000
_EIGHT = np.ones((3, 3), bool)


def make_image(array: Array, properties: Any) -> Image:
    """The image of an array ``(1, K, J, I)``.

    ``properties`` may hold a ``spacing`` in mm for each array axis, which the reference server
    takes and ignores; without a usable one the voxels count as cubes of 1 mm. There is no
    orientation, so that R, A, S here mean no more than I, J, K.
    """
    if len(array) != 1:
        raise InputError(f"The image has {len(array)} channels; only grey images are taken.")
    given = properties.get("spacing") if isinstance(properties, dict) else None
    affine = np.eye(4)
    if isinstance(given, list) and len(given) == 3 and all(_is_size(v) for v in given):
        affine[:3, :3] = np.diag(given[::-1])
    return Image(array[0], affine)


def point(image: Image, index: Any, include: bool) -> Point:
    """A click at a voxel; fractions are rounded, as the protocol has it."""
    return Point(_ras(image, [round(v) for v in numbers(index, "coordinates")]), include)


def box(image: Image, given: Any, include: bool) -> Box:
    """A box of whole voxels; flat when it is one voxel thick."""
    pairs = _pairs(given, "bbox_coords")
    clipped = [(max(a, 0), min(b, n)) for (a, b), n in zip(pairs, image.shape, strict=True)]
    if any(a >= b for a, b in clipped):
        raise PromptError(
            f"The box {pairs} holds no voxel of the image {image.shape}; its intervals are "
            "[first, behind the last] for each array axis."
        )
    low, high = np.transpose(clipped)
    count = high - low
    size = np.where(count == 1, 0, count)
    if (count == 1).sum() > 1:  # a row of voxels, or a single one
        size = count
    size_mm = size[::-1] * np.array(image.spacing)
    return Box(_ras(image, (low + high - 1) / 2), size_mm, include=include)


def place_mask(image: Image, array: Array, given: Any) -> tuple[Mask, Array]:
    """A drawn array cropped to what is set, and the index of its first voxel.

    ``given``: the box that the array fills; without it the array is as large as the image.
    Raises `PromptError` when it does not fit, or nothing is drawn.
    """
    shape = image.shape
    pairs = [(0, n) for n in shape] if given is None else _pairs(given, "interaction_bbox")
    if any(a < 0 or b > n or a >= b for (a, b), n in zip(pairs, shape, strict=True)):
        raise PromptError(f"interaction_bbox {pairs} does not lie within the image {shape}.")
    if array.shape != tuple(b - a for a, b in pairs):
        raise PromptError(f"The drawing has shape {array.shape}, its interaction_bbox {pairs}.")
    mask = array > 0
    drawn = bounding_box(mask)
    if drawn is None:
        raise PromptError("Nothing is drawn; a drawing must be 1 where it is and 0 elsewhere.")
    return mask[drawn], np.array([a + s.start for (a, _), s in zip(pairs, drawn, strict=True)])


def scribble(image: Image, mask: Mask, first: Array, include: bool) -> list[Prompt]:
    voxels = np.argwhere(mask)
    if len(voxels) > MOST_VOXELS:
        raise PromptError(
            f"The scribble has {len(voxels)} voxels, at most {MOST_VOXELS} are taken; "
            "draw it thinner or send it as an initial segmentation."
        )
    return [Scribble(_ras(image, voxels + first), include, connected=False)]


def lasso(image: Image, mask: Mask, first: Array, include: bool) -> list[Prompt]:
    """One loop around each separate region of each slice; drawn outlines count as filled.

    The slices are those of the axis along which the drawing is thinnest.
    """
    axis = int(np.argmin(mask.shape))
    loops: list[Prompt] = []
    corners = 0
    for number, plane in enumerate(np.moveaxis(mask, axis, 0)):
        for loop in outlines(plane):
            corners += len(loop)
            if corners > MOST_CORNERS:
                raise PromptError("The lasso is too intricate; draw a simpler one.")
            index = np.insert(loop - 0.5, axis, number, axis=1) + first
            loops.append(Lasso(_ras(image, index), include))
    return loops


def outlines(plane: Mask) -> list[Array]:
    """Corners ``(N, 2)`` of the outer edge of each region of a 2D mask.

    Voxel ``(r, c)`` spans the corners ``(r, c)`` to ``(r + 1, c + 1)``. Regions that touch at a
    corner are one; holes are not seen.
    """
    filled = ndimage.binary_fill_holes(plane)
    labels, _ = ndimage.label(filled, structure=_EIGHT)
    boxes = ndimage.find_objects(labels)
    return [
        _outline(labels[box] == n) + np.array([box[0].start, box[1].start])
        for n, box in enumerate(boxes, 1)
    ]


def _outline(region: Mask) -> Array:
    """Walks clockwise (rows down, columns right) along the voxel edges of one region."""
    inside = np.pad(region, 1)
    steps: dict[tuple[int, int], set[tuple[int, int]]] = {}
    # For each side of a voxel: its neighbour there, where the side starts, where it leads.
    for neighbour, start, step in (
        ((-1, 0), (0, 0), (0, 1)),
        ((0, 1), (0, 1), (1, 0)),
        ((1, 0), (1, 1), (0, -1)),
        ((0, -1), (1, 0), (-1, 0)),
    ):
        beside = np.roll(inside, (-neighbour[0], -neighbour[1]), (0, 1))
        for r, c in np.argwhere(inside & ~beside) - 1 + start:
            steps.setdefault((int(r), int(c)), set()).add(step)
    first = at = min(steps)
    heading = (0, 1)
    corners = [at]
    while True:
        ways = steps[at]
        left = (-heading[1], heading[0])
        turn = left if left in ways else heading if heading in ways else next(iter(ways))
        ways.discard(turn)
        if turn != heading:
            corners.append(at)
            heading = turn
        at = (at[0] + turn[0], at[1] + turn[1])
        if at == first and not steps[at]:
            return np.array(corners)


def numbers(given: Any, name: str) -> list[float]:
    """Three finite numbers, or `PromptError`."""
    if not isinstance(given, list) or len(given) != 3 or not all(_is_number(v) for v in given):
        raise PromptError(f"'{name}' needs three numbers, one for each array axis.")
    return [float(v) for v in given]


def _pairs(given: Any, name: str) -> list[tuple[int, int]]:
    def fits(pair: Any) -> bool:
        return isinstance(pair, list) and len(pair) == 2 and all(_is_number(v) for v in pair)

    if not isinstance(given, list) or len(given) != 3 or not all(fits(p) for p in given):
        raise PromptError(f"'{name}' needs a pair of numbers for each of the three array axes.")
    return [(round(a), round(b)) for a, b in given]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e9


def _is_size(value: Any) -> bool:
    return _is_number(value) and 1e-4 < value < 1e4


def _ras(image: Image, index: Sequence[float] | Array) -> Array:
    """Array indices ``(..., 3)`` to RAS mm."""
    return image.ijk_to_ras(np.asarray(index, dtype=float)[..., ::-1])
