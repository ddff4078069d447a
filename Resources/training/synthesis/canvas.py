"""The canvas that labels are painted on, and the solids that are painted."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .fields import Box, Draw, Size, Vector, along_axes, spline


@dataclass(frozen=True)
class View:
    """The part of the body on the grid: ``shape`` voxels, centre and half lengths in units.

    ``bend``: how far the coordinates are warped. ``moving``: k is time, and the anatomy of one
    slice beats along it.
    """

    shape: Size
    centre: tuple[float, float, float]
    half: tuple[float, float, float]
    bend: float
    moving: bool = False


@dataclass(frozen=True)
class Shape:
    """A solid on part of the canvas: ``depth`` is about the distance to its surface in units,
    negative inside."""

    box: Box
    depth: Tensor


class Canvas:
    """Labels being painted. ``points``: ``(3, K, J, I)``, the bent body coordinates."""

    def __init__(self, draw: Draw, view: View) -> None:
        self.draw, self.view = draw, view
        self.axes = [
            torch.linspace(c - h, c + h, n, device=draw.device) if n > 1 else torch.tensor([c])
            for c, h, n in zip(view.centre, view.half, view.shape, strict=True)
        ]
        self.axes = [axis.to(draw.device) for axis in self.axes]
        self.voxel = min(2 * h / n for h, n in zip(view.half[1:], view.shape[1:], strict=True))
        self.labels = torch.zeros(view.shape, dtype=torch.int16, device=draw.device)
        self.kinds, self.parents = ["air"], [0]
        self.firm = 0  # labels up to this one give way to nothing
        self.points = torch.stack(torch.meshgrid(*self.axes, indexing="ij"))
        if view.moving:
            self._beat()
        for scale, share in ((0.9, 0.7), (0.35, 0.3)):
            if view.bend:
                for axis in (1, 2) if view.moving else (0, 1, 2):
                    noise = self.noise(scale, still=view.moving)
                    self.points[axis] += view.bend * share * torch.tanh(noise)

    def _beat(self) -> None:
        frames = torch.arange(self.view.shape[0], device=self.draw.device)
        phase = 2 * math.pi * (frames / self.draw.between(12, 40) + self.draw.between(0, 1))
        beat = torch.sin(phase)[:, None, None]
        self.points[0] = self.view.centre[0] + 0.05 * beat
        self.points[1:] *= 1 + 0.05 * self.draw.between(0.2, 1) * beat

    def noise(self, scale: float, box: Box | None = None, still: bool = False) -> Tensor:
        """Smooth noise of about unit variance with features of ``scale`` units; on ``box``.

        ``still``: the same in every slice.
        """
        box = box or (slice(None),) * 3
        weights, cells = [], []
        for axis, (coordinates, part) in enumerate(zip(self.axes, box, strict=True)):
            own = coordinates[part]
            length = own.numel() * 2 * self.view.half[axis] / self.view.shape[axis]
            flat = axis == 0 and still
            n = 4 if flat else min(48, math.ceil(length / scale) + 3)
            offset = self.draw.between(0, 1)
            steps = torch.arange(own.numel(), device=self.draw.device) / max(own.numel() - 1, 1)
            weights.append(spline(1 + offset * 0.5 + steps * (0 if flat else n - 3.5), n))
            cells.append(n)
        return along_axes(self.draw.field(*cells) * 3.0, weights)

    def box(self, low: Vector, high: Vector) -> Box | None:
        """The voxels that may hold coordinates from ``low`` to ``high``; None if out of view."""
        parts = []
        for axis, (c, h, n) in enumerate(
            zip(self.view.centre, self.view.half, self.view.shape, strict=True)
        ):
            step = 2 * h / max(n - 1, 1)
            slack = self.view.bend + (0.1 if self.view.moving else 0.0) + step
            first = math.floor((low[axis] - slack - c + h) / step)
            last = math.ceil((high[axis] + slack - c + h) / step) + 1
            if last <= 0 or first >= n:
                return None
            whole = axis == 0 and self.view.moving
            parts.append(slice(0, n) if whole else slice(max(first, 0), min(last, n)))
        return parts[0], parts[1], parts[2]

    def new(self, kind: str, parent: int) -> int:
        """A label not used so far."""
        self.kinds.append(kind)
        self.parents.append(parent)
        return len(self.kinds) - 1

    def paint(
        self,
        shape: Shape | None,
        kind: str,
        parent: int,
        depth: float = 0.0,
        anywhere: bool = False,
    ) -> int:
        """Give ``shape`` a new label where it lies in ``parent`` (or ``anywhere``).

        ``depth``: leave a rim of this thickness unpainted (negative: paint beyond the surface).
        """
        label = self.new(kind, parent)
        if shape is not None:
            below = self.labels[shape.box]
            inside = shape.depth < -depth
            if not anywhere:
                inside &= below == parent
            below.masked_fill_(inside, label)
        return label

    def clear(self, shape: Shape | None, within: int, gap: float, holes: float) -> None:
        """Make room for ``shape``: put ``within`` over what lies there and on a rim around it.

        ``gap``: width of the rim. ``holes``: share of the surface without a rim, where neighbours
        touch. What was painted before :attr:`firm` was set stays.
        """
        if shape is None:
            return
        below = self.labels[shape.box]
        rim = shape.depth < gap
        if holes > 0:
            rim &= self.noise(0.25, shape.box) > 3.2 * (holes - 0.5)
        cleared = (rim | (shape.depth < 0)) & (below > max(within, self.firm))
        below.masked_fill_(cleared, within)

    # shapes

    def ellipsoid(
        self,
        centre: Vector,
        radii: Vector,
        turn: np.ndarray | None = None,
        power: float = 2.0,
        wobble: float = 0.0,
    ) -> Shape | None:
        """A superellipsoid; ``wobble``: bumps, as a share of the smallest radius."""
        reach = max(radii) if turn is not None else np.asarray(radii)
        reach = (reach + 2 * wobble * min(radii)) * 1.02
        box = self.box(np.asarray(centre) - reach, np.asarray(centre) + reach)
        if box is None:
            return None
        frame = np.diag(1 / np.asarray(radii)) @ (np.eye(3) if turn is None else turn)
        device = self.draw.device
        matrix = torch.tensor(frame, dtype=torch.float32, device=device)
        middle = torch.tensor(centre, dtype=torch.float32, device=device).view(3, 1)
        part = self.points[(slice(None), *box)]
        own = matrix @ (part.reshape(3, -1) - middle)
        if power == 2:  # several times faster than a norm over the first axis
            norm = own.square_().sum(0).sqrt_()
        else:
            norm = own.abs_().pow_(power).sum(0).pow_(1 / power)
        depth = ((norm - 1) * min(radii)).view(part.shape[1:])
        if wobble:
            depth = depth + wobble * min(radii) * self.noise(1.2 * min(radii), box)
        return Shape(box, depth)

    def tube(self, path: np.ndarray, radii: np.ndarray, wobble: float = 0.0) -> Shape | None:
        """The union of balls along ``path`` ``(M, 3)`` with ``radii`` ``(M,)``."""
        reach = radii.max() * (1 + 2 * wobble)
        box = self.box(path.min(0) - reach, path.max(0) + reach)
        if box is None:
            return None
        depth = torch.full([p.stop - p.start for p in box], 9.0, device=self.draw.device)
        for start in range(0, len(path), 8):
            self._balls(depth, box, path[start : start + 8], radii[start : start + 8], reach)
        if wobble:
            depth = depth + wobble * float(radii.mean()) * self.noise(
                1.5 * float(radii.mean()), box
            )
        return Shape(box, depth)

    def _balls(
        self, depth: Tensor, box: Box, path: np.ndarray, radii: np.ndarray, reach: float
    ) -> None:
        part = self.box(path.min(0) - reach, path.max(0) + reach)
        if part is None:
            return
        local = tuple(
            slice(p.start - b.start, p.stop - b.start) for p, b in zip(part, box, strict=True)
        )
        points = self.points[(slice(None), *part)]
        beads = torch.tensor(np.column_stack([path, radii]), dtype=torch.float32)
        beads = beads.to(self.draw.device)
        away = torch.cdist(points.reshape(3, -1).T, beads[:, :3]) - beads[:, 3]
        view = depth[local]
        torch.minimum(view, away.amin(1).view(points.shape[1:]), out=view)

    def somewhere(self, margin: float = 0.9) -> np.ndarray:
        """A random place in view ``(3,)``."""
        spread = self.draw.rng.uniform(-margin, margin, 3)
        return np.asarray(self.view.centre) + spread * np.asarray(self.view.half)

    def partition(self, parent: int, kind: str, cells: int, gap: float, long: float = 1.0) -> None:
        """Divide what is left of ``parent`` into ``cells`` with curved walls ``gap`` thick.

        ``long``: how many times longer than wide the cells are along k.
        """
        stretch = torch.tensor([1 / long, 1.0, 1.0], device=self.draw.device).view(3, 1, 1, 1)
        points = self.points * stretch
        for axis in (1, 2):
            points[axis] += 0.05 * self.noise(0.3, still=self.view.moving)
        wall = gap * (0.8 + 0.6 * self.noise(0.4)).clamp_(0, 1.6)
        best = torch.full(self.view.shape, 99.0, device=self.draw.device)
        second, owner = best.clone(), torch.zeros_like(self.labels)
        for _ in range(cells):
            label = self.new(kind, parent)
            seed = torch.tensor(self.somewhere(1.1), dtype=torch.float32, device=self.draw.device)
            away = (points - seed.view(3, 1, 1, 1) * stretch).square_().sum(0).sqrt_()
            closer = away < best
            second = torch.where(closer, best, torch.minimum(second, away))
            owner.masked_fill_(closer, label)
            best = torch.minimum(best, away)
        inside = (self.labels == parent) & (second - best > wall)
        self.labels = torch.where(inside, owner, self.labels)
