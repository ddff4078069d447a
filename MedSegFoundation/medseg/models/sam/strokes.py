"""The prompts of one slice as a SAM decoder takes them: points, boxes and a mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt

from ...errors import PromptError
from ...image import Array, Mask
from ...prompts import Box, Lasso, Point, Prompt, Scribble
from ..nninteractive_voxels import filled
from .families import Family
from .planes import Plane

#: Points that stand for a stroke.
ALONG = 5


@dataclass(frozen=True)
class Asked:
    """Pixel positions in a slice ``(A, B)``: pixel centres are whole numbers.

    ``points``: ``(N, 2)`` (a, b). ``labels``: ``(N,)``, 1 in the object and 0 outside.
    ``boxes``: ``(M, 4)`` (a, b) of the lower and of the upper edges. ``mask``: ``(A, B)`` to go
    on from, or None.
    """

    points: Array
    labels: Array
    boxes: Array
    mask: Mask | None

    @property
    def hopeless(self) -> bool:
        """True when nothing says where the object is."""
        return not (self.labels == 1).any() and not len(self.boxes) and self.mask is None


def asked(plane: Plane, prompts: Sequence[Prompt], family: Family, start: Mask | None) -> Asked:
    """What ``prompts`` (all in ``plane``) ask; ``start``: mask ``(A, B)`` that they correct.

    Raises `PromptError` for what the family cannot do.
    """
    points: list[tuple[Array, int]] = []
    boxes: list[Array] = []
    for prompt in prompts:
        if not prompt.include and "point" not in family.prompts:
            raise PromptError(
                f"{family.title} takes boxes around the object only; it cannot leave a part out."
            )
        if isinstance(prompt, Point):
            points.append((plane.locate(prompt.positions()), prompt.include))
        elif isinstance(prompt, Scribble):
            points.append((plane.locate(_along(prompt)), prompt.include))
        elif isinstance(prompt, Box):
            edges = _edges(plane.locate(prompt.positions()))
            if prompt.include:
                boxes.append(edges)
            else:
                points.append((_within(edges), 0))
        elif isinstance(prompt, Lasso):
            loop = plane.locate(prompt.points)
            if prompt.include:
                boxes.append(_edges(loop))
            if "point" in family.prompts:
                points.append((_deepest(loop, plane.shape), prompt.include))
    listed = [p for p, _ in points]
    going_on = start if start is not None and start.any() and "point" in family.prompts else None
    return Asked(
        np.concatenate(listed) if listed else np.zeros((0, 2)),
        np.concatenate([np.full(len(p), int(on)) for p, on in points] or [np.zeros(0, int)]),
        np.stack(boxes) if boxes else np.zeros((0, 4)),
        going_on,
    )


def recist_box(first: Array, second: Array, normal: Array, shift_mm: float = 0.0) -> Box:
    """The box that MedSAM2's RECIST demo makes of a longest diameter, as a prompt.

    ``first``, ``second``: ends of the line, RAS mm, in the slice with unit ``normal``. The box is
    square, centred on the line, half a side being half the diameter and ``shift_mm``.
    """
    along = np.asarray(second, float) - np.asarray(first, float)
    length = float(np.linalg.norm(along))
    if length == 0:
        raise PromptError("A RECIST line needs two different ends.")
    side = length + 2 * shift_mm
    down = np.array([0.0, 1.0, 0.0]) if abs(normal[1]) < 0.9 else np.array([0.0, 0.0, 1.0])
    down = down - (down @ normal) * normal
    down /= np.linalg.norm(down)
    axes = np.stack([np.cross(down, normal), down, normal], 1)
    centre = (np.asarray(first, float) + np.asarray(second, float)) / 2
    return Box(centre, np.array([side, side, 0.0]), axes)


def _along(stroke: Scribble) -> Array:
    """`ALONG` positions spread over a stroke."""
    points = stroke.points
    if not stroke.connected or len(points) == 1:
        return points[np.unique(np.linspace(0, len(points) - 1, ALONG).astype(int))]
    lengths = np.linalg.norm(np.diff(points, axis=0), axis=1)
    path = np.concatenate([[0.0], np.cumsum(lengths)])
    wanted = (np.arange(ALONG) + 0.5) / ALONG * path[-1]
    return np.stack([np.interp(wanted, path, points[:, n]) for n in range(3)], 1)


def _edges(positions: Array) -> Array:
    return np.concatenate([positions.min(0), positions.max(0)])


def _within(edges: Array) -> Array:
    """The middle of a box and the middles of its quarters."""
    low, high = edges[:2], edges[2:]
    parts = np.array([[0.5, 0.5], [0.25, 0.25], [0.25, 0.75], [0.75, 0.25], [0.75, 0.75]])
    return low + parts * (high - low)


def _deepest(loop: Array, shape: tuple[int, int]) -> Array:
    inside = filled(loop, np.array(shape))
    if not inside.any():
        return loop.mean(0)[None]
    depth = distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
    return np.argwhere(depth == depth.max())[:1].astype(float)
