"""Simulated clicks: how many a model needs on an object whose true mask is known.

The protocol is the field's usual one (deep interactive segmentation since Xu et al., CVPR 2016;
in 3D as in the nnInteractive and SAM-Med3D papers): the first click lies at the most interior
point of the object, each next one at the most interior point of the largest region where mask
and truth differ, positive when the region is missing and negative when it is too much.
"Most interior" is the largest Euclidean distance in mm to the region's border. Nothing is random.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .errors import InputError
from .image import Image, Mask
from .model import Model
from .prompts import Point
from .session import Session

#: Dice levels whose number of clicks is reported.
GOALS = (0.85, 0.90)


@dataclass(frozen=True)
class ClickScores:
    """What one object took. ``dice[n]`` and ``seconds[n]`` belong to click ``n + 1``."""

    name: str
    dice: tuple[float, ...]
    seconds: tuple[float, ...]

    def after(self, clicks: int) -> float:
        """Dice after that many clicks (the last one when fewer were needed)."""
        return self.dice[min(clicks, len(self.dice)) - 1]

    def clicks_to(self, goal: float) -> int | None:
        """Clicks until the Dice first reached ``goal``; None when it never did."""
        return next((n + 1 for n, d in enumerate(self.dice) if d >= goal), None)


def dice(a: Mask, b: Mask) -> float:
    """Dice overlap of two masks; 1 when both are empty."""
    total = int(a.sum()) + int(b.sum())
    return 2.0 * int((a & b).sum()) / total if total else 1.0


def interior_point(region: Mask, spacing: tuple[float, float, float]) -> tuple[int, int, int]:
    """Array index ``(k, j, i)`` farthest from the border of ``region``, the image edge included.

    ``spacing`` is ``(i, j, k)`` in mm. A region one slice thick is measured in its plane.
    """
    sampling = spacing[::-1]
    flat = [axis for axis in range(3) if region.shape[axis] == 1]
    padded = np.pad(region, [(0, 0) if axis in flat else (1, 1) for axis in range(3)])
    depth = ndimage.distance_transform_edt(padded, sampling=sampling)
    place = np.unravel_index(int(depth.argmax()), depth.shape)
    k, j, i = (int(p) - (0 if axis in flat else 1) for axis, p in enumerate(place))
    return k, j, i


def largest_component(mask: Mask) -> Mask:
    """The largest face-connected part of a mask."""
    labels, count = ndimage.label(mask)
    if count < 2:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(labels == sizes.argmax())


def next_click(mask: Mask, truth: Mask, image: Image) -> Point | None:
    """The next simulated click; None when the mask is perfect."""
    missing, extra = largest_component(truth & ~mask), largest_component(mask & ~truth)
    include = int(missing.sum()) >= int(extra.sum())
    region = missing if include else extra
    if not region.any():
        return None
    box = ndimage.find_objects(region.astype(np.uint8))[0]
    k, j, i = (
        p + b.start for p, b in zip(interior_point(region[box], image.spacing), box, strict=True)
    )
    return Point(image.ijk_to_ras([i, j, k]), include=include)


def evaluate(
    image: Image,
    truth: Mask,
    model: Model,
    clicks: int = 10,
    name: str = "",
    progress: Callable[[int], None] | None = None,
) -> ClickScores:
    """Click ``clicks`` times on the object ``truth`` (bool ``(K, J, I)``) and score each mask.

    Raises `InputError` when the object is empty or on another grid.
    """
    return evaluate_session(Session(image, model), truth, clicks, name, progress)


def evaluate_session(
    session: Session,
    truth: Mask,
    clicks: int = 10,
    name: str = "",
    progress: Callable[[int], None] | None = None,
) -> ClickScores:
    """The same with a fresh session, wherever its model runs."""
    image = session.image
    if truth.shape != image.shape:
        raise InputError(f"The labels have shape {truth.shape}, the image {image.shape}.")
    if not truth.any():
        raise InputError(f"The object '{name}' has no voxels; choose other --labels.")
    scores: list[float] = []
    seconds: list[float] = []
    for number in range(clicks):
        click = next_click(session.mask, truth, image)
        if click is None:
            break
        step = session.add(click)
        scores.append(dice(session.mask, truth))
        seconds.append(step.seconds)
        if progress:
            progress(number + 1)
    return ClickScores(name, tuple(scores), tuple(seconds))
