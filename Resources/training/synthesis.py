"""Synthetic labelled volumes that look like anatomy: what the embedded network is trained on.

No real image goes in. A volume is made in four steps:

1. a *view*: which part of an imagined body the grid shows, how fine, and how it is bent;
2. a *scene*: organs, tubes, bones and lesions are painted as labels, each into its parent;
3. an *appearance*: every label gets a mean and a texture, as in CT, MR or ultrasound;
4. an *acquisition*: blur, thick slices, noise, and a resampling back to the grid.

Lengths inside this module are body units: the trunk is about two wide. Coordinates are ordered
(k, j, i): k runs along the body, j from front to back, i from side to side; the finished volume
is turned and flipped, so that a network learns no preferred direction. Small decisions are drawn
on the host from one seed and fields on the device, so that a GPU seldom waits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

#: A target has at least this many voxels and at most this share of the volume.
SMALLEST = 60
LARGEST = 0.4

Size = tuple[int, int, int]
Vector = Sequence[float]
Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Sample:
    """One labelled volume.

    ``image``: float32 ``(K, J, I)``, HU for CT, arbitrary units otherwise. ``labels``: int16
    ``(K, J, I)``, 0 is the surrounding; every label from 1 to the highest is present.
    ``spacing``: mm along (k, j, i). ``kinds``: tissue name of each label. ``parents``: for each
    label the label it lies in (0 for 0). ``modality``: ``"ct"``, ``"mr"`` or ``"us"``.
    """

    image: Tensor
    labels: Tensor
    spacing: tuple[float, float, float]
    kinds: tuple[str, ...]
    parents: tuple[int, ...]
    modality: str


def volume(
    generator: torch.Generator,
    size: Size,
    difficulty: float,
    device: torch.device | str = "cpu",
) -> Sample:
    """A new sample of ``size`` (K, J, I) on ``device``.

    ``difficulty`` from 0 (strong contrast, little noise, few neighbours) to 1 (as in a poor real
    scan). The same generator state, arguments and kind of device give the same sample.
    """
    device = torch.device(device)
    while True:
        seed = torch.randint(2**62, (1,), generator=generator, device=generator.device)
        draw = Draw(int(seed), device)
        sample = _attempt(draw, size, min(max(difficulty, 0.0), 1.0))
        if _fitting(sample.labels):
            return sample


def target(sample: Sample, generator: torch.Generator) -> Tensor:
    """Something in ``sample`` worth segmenting: bool ``(K, J, I)``, in one piece where possible.

    An object alone (a shell keeps its hole), an object with all it contains, or two neighbours of
    one kind. Kinds are drawn before objects, so that the rare ones are seen as well.
    """
    seed = torch.randint(2**62, (1,), generator=generator, device=generator.device)
    rng = np.random.default_rng(int(seed))
    for _ in range(16):
        chosen = _members(sample, rng)
        mask = torch.isin(sample.labels, torch.tensor(chosen, device=sample.labels.device))
        mask = _component(mask, rng)
        if SMALLEST <= int(mask.sum()) <= LARGEST * mask.numel():
            return mask
    fitting = _fitting(sample.labels)
    return sample.labels == fitting[int(rng.integers(len(fitting)))]


# --- randomness and smooth fields -------------------------------------------------------------


class Draw:
    """One seed, two sources: ``rng`` on the host for decisions, ``field`` on the device."""

    def __init__(self, seed: int, device: torch.device) -> None:
        self.rng = np.random.default_rng(seed)
        self.device = device
        self._generator = torch.Generator(device).manual_seed(seed)

    def field(self, *shape: int) -> Tensor:
        """White normal noise."""
        return torch.randn(shape, generator=self._generator, device=self.device)

    def between(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def count(self, low: int, high: int) -> int:
        """A whole number, both ends included."""
        return int(self.rng.integers(low, max(low, high) + 1))

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def turn(self, angle: float) -> np.ndarray:
        """A rotation ``(3, 3)`` by up to ``angle`` radians about a random axis."""
        axis = self.rng.normal(size=3)
        a, b, c = axis / np.linalg.norm(axis) * self.between(-angle, angle)
        cross = np.array([[0, -c, b], [c, 0, -a], [-b, a, 0]])
        theta = math.sqrt(a * a + b * b + c * c) + 1e-9
        return (
            np.eye(3)
            + math.sin(theta) / theta * cross
            + (1 - math.cos(theta)) / theta**2 * cross @ cross
        )


def _spline(positions: Tensor, cells: int) -> Tensor:
    """Cubic B-spline weights ``(N, cells)`` at ``positions`` ``(N,)`` counted in cells."""
    away = (positions[:, None] - torch.arange(cells, device=positions.device)).abs()
    outer, inner = (2 - away).clamp_(min=0), (1 - away).clamp_(min=0)
    return (outer * outer * outer - 4 * inner * inner * inner) / 6


def _along(volume: Tensor, matrices: Sequence[Tensor]) -> Tensor:
    """Apply one matrix ``(new, old)`` to each of the last three axes of ``volume``."""
    for axis, matrix in zip((-1, -2, -3), reversed(matrices), strict=True):
        if axis == -1:
            volume = volume @ matrix.T
        elif axis == -2:
            volume = matrix @ volume
        else:
            flat = volume.flatten(-2)
            volume = (matrix @ flat).unflatten(-1, volume.shape[-2:])
    return volume


def _gauss(old: int, centres: Tensor, sigma: float) -> Tensor:
    """Gaussian averaging ``(len(centres), old)``; ``centres`` and ``sigma`` in old voxels."""
    away = (centres[:, None] - torch.arange(old, device=centres.device)) / max(sigma, 0.05)
    return torch.softmax(-0.5 * away**2, dim=1)


def _linear(old: int, new: int, device: torch.device) -> Tensor:
    """Linear interpolation ``(new, old)`` between grids that cover the same length."""
    centres = (torch.arange(new, device=device) + 0.5) * (old / new) - 0.5
    away = (centres.clamp(0, old - 1)[:, None] - torch.arange(old, device=device)).abs()
    return (1 - away).clamp(min=0)


# --- the canvas -------------------------------------------------------------------------------


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
            weights.append(_spline(1 + offset * 0.5 + steps * (0 if flat else n - 3.5), n))
            cells.append(n)
        return _along(self.draw.field(*cells) * 3.0, weights)

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


# --- parts of a body --------------------------------------------------------------------------


def _path(
    draw: Draw, start: Vector, heading: Vector, length: float, curl: float, step: float
) -> np.ndarray:
    """A curve ``(M, 3)`` that wanders from ``start``; ``curl``: radians a unit length."""
    count = int(np.clip(length / step, 2, 64))
    heading = np.asarray(heading) / np.linalg.norm(heading)
    drift = np.zeros(3)
    points = [np.asarray(start, dtype=float)]
    for _ in range(count - 1):
        drift = 0.8 * drift + 0.6 * draw.rng.normal(size=3)
        heading = heading + curl * (length / count) * drift
        heading = heading / np.linalg.norm(heading)
        points.append(points[-1] + heading * (length / count))
    return np.array(points)


def _direction(draw: Draw) -> np.ndarray:
    return draw.rng.normal(size=3)


def _tree(canvas: Canvas, start: Vector, heading: Vector, radius: float, length: float) -> list:
    """A branching, tapering vessel as shapes: the trunk first, then its branches."""
    draw = canvas.draw
    trunk = _path(draw, start, heading, length, draw.between(0.5, 2.5), 1.2 * radius)
    taper = np.linspace(radius, radius * draw.between(0.6, 1.0), len(trunk))
    paths, sizes = [trunk], [taper]
    for _ in range(draw.count(0, 3)):
        at = draw.count(1, len(trunk) - 1)
        thin = taper[at] * draw.between(0.5, 0.85)
        branch = _path(
            draw, trunk[at], _direction(draw), length * draw.between(0.3, 0.7), 3.0, 1.2 * thin
        )
        paths.append(branch)
        sizes.append(np.linspace(thin, thin * 0.6, len(branch)))
    return [canvas.tube(path, size) for path, size in zip(paths, sizes, strict=True)]


def _vessel(canvas: Canvas, parent: int, start: Vector, heading: Vector, radius: float) -> int:
    """A vessel tree with one label, sometimes with a clot in its trunk."""
    draw = canvas.draw
    shapes = _tree(canvas, start, heading, radius, draw.between(0.6, 2.0))
    label = canvas.new("vessel", parent)
    for shape in shapes:
        if shape is not None:
            below = canvas.labels[shape.box]
            below.masked_fill_((shape.depth < 0) & (below == parent), label)
    if draw.chance(0.1):
        _clutter_in(canvas, shapes[0], label, "lesion", 4 * radius)
    return label


def _bowel(canvas: Canvas, parent: int, start: Vector, radius: float) -> int:
    """A winding hollow tube: wall, content, and gas that collects on the front side."""
    draw = canvas.draw
    path = _path(draw, start, _direction(draw), radius * draw.between(6, 16), 5.0, 0.5 * radius)
    along = np.arange(len(path))
    folds = 1 + draw.between(0, 0.25) * np.sin(along * draw.between(0.8, 1.6))
    shape = canvas.tube(path, radius * folds, wobble=draw.between(0, 0.15))
    wall = canvas.paint(shape, "wall", parent)
    if shape is None:
        return wall
    thick = max(0.12 * radius, 1.1 * canvas.voxel) * draw.between(0.9, 1.6)
    content = canvas.paint(shape, "content", wall, depth=thick)
    if draw.chance(0.6):
        part = canvas.points[(slice(None), *shape.box)]
        level = path[:, 1].mean() + radius * draw.between(-1, 0.8)
        above = part[1] - level + 0.5 * radius * canvas.noise(0.3, shape.box)
        canvas.paint(Shape(shape.box, above), "gas", content)
    return wall


def _bone(canvas: Canvas, shape: Shape | None, parent: int, thick: float) -> int:
    """Bright cortex around marrow."""
    cortex = canvas.paint(shape, "cortex", parent)
    canvas.paint(shape, "marrow", cortex, depth=max(thick, 0.9 * canvas.voxel))
    return cortex


def _plate(canvas: Canvas, parent: int, centre: Vector, radius: float) -> None:
    """A curved plate of bone, as of the pelvis or the shoulder."""
    draw = canvas.draw
    ball = canvas.ellipsoid(centre, radius * draw.rng.uniform(0.8, 1.2, 3), draw.turn(1), 2, 0.1)
    if ball is None:
        return
    thick = draw.between(0.02, 0.05) * (1 + 0.5 * canvas.noise(0.4, ball.box))
    part = canvas.points[(slice(None), *ball.box)]
    away = torch.tensor(_direction(draw), dtype=torch.float32, device=draw.device)
    middle = torch.tensor(centre, dtype=torch.float32, device=draw.device).view(3, 1, 1, 1)
    side = torch.einsum("a,akji->kji", away / away.norm(), part - middle)
    cut = draw.between(0, 0.5) * radius - side
    _bone(canvas, Shape(ball.box, torch.maximum(ball.depth.abs() - thick, cut)), parent, 0.015)


def _lesions(canvas: Canvas, parent: int, centre: Vector, radii: Vector, count: int) -> None:
    """Round things inside an organ: lesions or cysts, some with a rim or a dead core."""
    draw = canvas.draw
    for _ in range(count):
        radius = min(radii) * draw.between(0.12, 0.5)
        place = np.asarray(centre) + draw.rng.uniform(-0.6, 0.6, 3) * np.asarray(radii)
        shape = canvas.ellipsoid(
            place, radius * draw.rng.uniform(0.7, 1.2, 3), draw.turn(3), 2, draw.between(0, 0.25)
        )
        kind = "cyst" if draw.chance(0.3) else "lesion"
        label = canvas.paint(shape, kind, parent)
        if draw.chance(0.2):
            canvas.paint(shape, "content", label, depth=0.35 * radius)


def _organ(
    canvas: Canvas, parent: int, centre: Vector, radii: Vector, hard: float, kind: str = "organ"
) -> int:
    """A bent superellipsoid with a fat line around it, or only in places, and lesions inside."""
    draw = canvas.draw
    power = 2.0 if draw.chance(0.5) else draw.between(1.7, 3.5)
    shape = canvas.ellipsoid(centre, radii, draw.turn(0.9), power, draw.between(0.03, 0.3))
    if draw.chance(0.75):
        gap = canvas.voxel * draw.between(0.3, 2.0)
        canvas.clear(shape, parent, gap, holes=draw.between(0, 0.2 + 0.7 * hard))
    label = canvas.paint(shape, kind, parent)
    if draw.chance(0.4):
        _lesions(canvas, label, centre, radii, draw.count(1, 3))
    return label


def _kidney(canvas: Canvas, parent: int, centre: Vector, radius: float, side: float) -> int:
    """A bean with a fat hilus and, sometimes, cortex and medulla."""
    draw = canvas.draw
    shape = canvas.ellipsoid(centre, (1.9 * radius, radius, radius), draw.turn(0.4), 2.2, 0.06)
    canvas.clear(shape, parent, 1.5 * canvas.voxel, 0.0)
    label = canvas.paint(shape, "organ", parent)
    if draw.chance(0.5):
        canvas.paint(shape, "organ", label, depth=0.35 * radius)
    hilus = canvas.ellipsoid(
        np.asarray(centre) - [0, 0.1 * radius, 0.75 * side * radius],
        (0.8 * radius, 0.4 * radius, 0.7 * radius),
    )
    if hilus is not None:
        below = canvas.labels[hilus.box]
        below.masked_fill_((hilus.depth < 0) & (below >= label), parent)
    if draw.chance(0.3):
        _lesions(canvas, label, centre, (radius,) * 3, 1)
    return label


def _spine(canvas: Canvas, parent: int, centre: Vector, radius: float) -> None:
    """Vertebrae and discs along k with the cord in its canal behind (towards +j)."""
    draw = canvas.draw
    _, j, i = centre
    pitch = radius * draw.between(1.3, 1.9)
    low = canvas.view.centre[0] - canvas.view.half[0]
    high = canvas.view.centre[0] + canvas.view.half[0]
    offset = draw.between(0, pitch)
    disc = draw.between(0.1, 0.22) * pitch
    for n in range(math.floor((low - offset) / pitch), math.ceil((high - offset) / pitch) + 1):
        k = offset + n * pitch
        body = canvas.ellipsoid((k, j, i), (pitch / 2 - disc, 0.8 * radius, radius), None, 5, 0.03)
        arch = canvas.ellipsoid(
            (k, j + 1.35 * radius, i), (0.33 * pitch, 0.75 * radius, 0.85 * radius), None, 2, 0.1
        )
        spike = canvas.ellipsoid(
            (k + 0.2 * pitch, j + 2.3 * radius, i), (0.25 * pitch, 0.9 * radius, 0.16 * radius)
        )
        wings = canvas.ellipsoid(
            (k, j + 1.2 * radius, i), (0.14 * pitch, 0.2 * radius, 1.9 * radius), draw.turn(0.1)
        )
        bone = _bone(canvas, _union(canvas, [body, arch, spike, wings]), parent, 0.1 * radius)
        if draw.chance(0.05):
            _lesions(canvas, bone + 1, (k, j, i), (radius / 2,) * 3, 1)
        between = (k + pitch / 2, j, i)
        canvas.paint(
            canvas.ellipsoid(between, (1.3 * disc, 0.78 * radius, 0.97 * radius), None, 4),
            "disc",
            parent,
        )
    middle = canvas.view.centre[0]
    canal = canvas.ellipsoid((middle, j + 1.25 * radius, i), (99, 0.42 * radius, 0.5 * radius))
    fluid = canvas.paint(canal, "csf", parent, anywhere=True)
    canvas.paint(canal, "cord", fluid, depth=draw.between(0.1, 0.22) * radius)


def _union(canvas: Canvas, shapes: Sequence[Shape | None]) -> Shape | None:
    seen = [shape for shape in shapes if shape is not None]
    if not seen:
        return None
    parts = [
        slice(min(s.box[a].start for s in seen), max(s.box[a].stop for s in seen)) for a in range(3)
    ]
    depth = torch.full([p.stop - p.start for p in parts], 9.0, device=canvas.draw.device)
    for shape in seen:
        view = depth[
            tuple(
                slice(b.start - p.start, b.stop - p.start)
                for b, p in zip(shape.box, parts, strict=True)
            )
        ]
        torch.minimum(view, shape.depth, out=view)
    return Shape((parts[0], parts[1], parts[2]), depth)


def _clutter(canvas: Canvas, parent: int, kind: str, share: float, scale: float) -> None:
    """Many small blobs or strands in ``parent`` that are nobody's target by name."""
    limit = 1.3 + 1.2 * (1 - share)
    depth = limit - canvas.noise(scale)
    canvas.paint(Shape(canvas.box((-99,) * 3, (99,) * 3), depth), kind, parent)


def _trunk(canvas: Canvas, radii: Vector, wall: float) -> int:
    """Skin, fat and muscle wall of a body that runs along k; returns the inner fat's label."""
    draw = canvas.draw
    shape = canvas.ellipsoid(
        (canvas.view.centre[0], 0, 0), (99, *radii), None, draw.between(2, 2.7)
    )
    if shape is None:
        return canvas.new("fat", 0)
    shape = Shape(shape.box, shape.depth + 0.03 * canvas.noise(0.5, shape.box))
    thin = max(0.012, 0.6 * canvas.voxel)
    skin = canvas.paint(shape, "skin", 0)
    under = canvas.paint(shape, "fat", skin, depth=thin)
    fat = draw.between(0.02, 0.16)
    muscle = canvas.paint(shape, "muscle", under, depth=thin + fat)
    if wall <= 0:
        return muscle
    return canvas.paint(shape, "fat", muscle, depth=thin + fat + wall)


# --- scenes -----------------------------------------------------------------------------------


def _abdomen(canvas: Canvas, hard: float) -> None:
    draw = canvas.draw
    inner = _trunk(canvas, (0.72, 1.0), draw.between(0.04, 0.12))
    k = canvas.view.centre[0]
    _spine(canvas, inner, (0, 0.38, 0), draw.between(0.11, 0.16))
    for side in (-1, 1):
        psoas = canvas.ellipsoid((k, 0.38, side * 0.27), (99, 0.12, 0.11), None, 2.3, 0.05)
        canvas.paint(psoas, "muscle", inner)
        back = canvas.ellipsoid((k, 0.6, side * 0.2), (99, 0.12, 0.18), None, 2.6, 0.05)
        canvas.paint(back, "muscle", inner)
    for side in (-0.07, 0.09):
        _vessel(canvas, inner, (k - 1, 0.2, side), (1, 0, 0), draw.between(0.045, 0.08))
    canvas.firm = len(canvas.kinds) - 1
    size = draw.between(0.13, 0.2)
    level = k + draw.between(-0.5, 0.5)
    for side in (-1, 1):
        place = (level + draw.between(-0.1, 0.1), 0.28, side * draw.between(0.42, 0.52))
        _kidney(canvas, inner, place, size, side)
    liver = draw.rng.uniform((0.4, 0.3, 0.35), (0.7, 0.45, 0.6))
    _organ(canvas, inner, (k + draw.between(-0.5, 0.5), -0.1, -0.45), liver, hard)
    room = 8 * math.prod(min(h, b) for h, b in zip(canvas.view.half, (9, 0.6, 0.85), strict=True))
    for _ in range(int(np.clip(room / 0.15, 4, 10 + 8 * hard))):
        place = canvas.somewhere().clip((-9, -0.6, -0.8), (9, 0.5, 0.8))
        _organ(canvas, inner, place, draw.rng.uniform(0.1, 0.38, 3), hard)
    for _ in range(int(np.clip(room / 0.5, 1, 3 + 4 * hard))):
        place = canvas.somewhere().clip((-9, -0.6, -0.7), (9, 0.3, 0.7))
        _bowel(canvas, inner, place, draw.between(0.06, 0.12))
    for _ in range(draw.count(0, round(1 + 3 * hard))):
        _vessel(canvas, inner, canvas.somewhere(), _direction(draw), draw.between(0.02, 0.05))
    if draw.chance(0.3 + 0.6 * hard):
        _clutter(canvas, inner, "vessel", draw.between(0.2, 0.9), 3 * canvas.voxel)
    if draw.chance(0.35):
        _plate(canvas, inner, canvas.somewhere(0.8), draw.between(0.3, 0.6))
    if draw.chance(0.5):  # what is left is filled with loops side by side
        gap = canvas.voxel * draw.between(0.8, 3)
        canvas.partition(inner, "wall", draw.count(8, round(12 + 12 * hard)), gap)


def _thorax(canvas: Canvas, hard: float) -> None:
    draw = canvas.draw
    inner = _trunk(canvas, (0.66, 0.95), draw.between(0.05, 0.1))
    k = canvas.view.centre[0]
    _ribs(canvas, inner)
    _spine(canvas, inner, (0, 0.4, 0), draw.between(0.1, 0.14))
    _vessel(canvas, inner, (k - 1.2, 0.24, 0.12), (1, 0, 0), draw.between(0.06, 0.09))
    _heart(canvas, inner, (draw.between(-0.4, 0.4), -0.18, 0.15), draw.between(0.24, 0.34))
    for side in (-1, 1):
        centre = (draw.between(-0.3, 0.3), 0.0, side * 0.48)
        shape = canvas.ellipsoid(centre, (1.1, 0.5, 0.36), None, 2.4, 0.08)
        lung = canvas.paint(shape, "lung", inner)
        for _ in range(draw.count(2, 5)):
            start = np.array([draw.between(-0.3, 0.3), 0.0, side * 0.25])
            heading = _direction(draw) * 0.7 + [0, 0, side]
            _vessel(canvas, lung, start, heading, draw.between(0.015, 0.035))
        _lesions(canvas, lung, centre, (0.7, 0.35, 0.28), draw.count(0, 3))
        _clutter(canvas, lung, "vessel", draw.between(0, 0.4), 0.035)
    tube = canvas.ellipsoid((k, 0.16, -0.02), (99, 0.06, 0.065))
    canvas.paint(tube, "gas", canvas.paint(tube, "wall", inner), depth=0.015)


def _ribs(canvas: Canvas, parent: int) -> None:
    draw = canvas.draw
    pitch = draw.between(0.22, 0.3)
    low, half = canvas.view.centre[0], canvas.view.half[0]
    angles = np.linspace(0.15, 2.6, 22)
    for n in range(math.floor((low - half) / pitch) - 2, math.ceil((low + half) / pitch) + 1):
        for side in (-1, 1):
            ring = np.column_stack(
                [n * pitch + 0.16 * angles, 0.5 * np.cos(angles), side * 0.8 * np.sin(angles)]
            )
            shape = canvas.tube(ring, np.full(len(ring), 0.042))
            if shape is not None:
                label = canvas.paint(shape, "cortex", 0, anywhere=True)
                canvas.parents[label] = parent
                canvas.paint(shape, "marrow", label, depth=max(0.016, 0.8 * canvas.voxel))


def _heart(canvas: Canvas, parent: int, centre: Vector, radius: float) -> None:
    """Muscle with two to four chambers; thin or thick walls."""
    draw = canvas.draw
    turn = draw.turn(0.8)
    shape = canvas.ellipsoid(centre, (1.2 * radius, radius, radius), turn, 2.2, 0.08)
    muscle = canvas.paint(shape, "wall", parent)
    for n in range(draw.count(2, 4)):
        away = np.array([(n // 2 - 0.5) * 0.95, 0, (n % 2 - 0.5) * 0.95]) * radius
        chamber = canvas.ellipsoid(
            np.asarray(centre) + turn.T @ away,
            radius * draw.rng.uniform(0.32, 0.5, 3),
            draw.turn(1),
            2,
            0.12,
        )
        label = canvas.paint(chamber, "vessel", muscle)
        if draw.chance(0.4):
            _clutter_in(canvas, chamber, label, "wall", 0.25 * radius)
    if draw.chance(0.5):
        rim = None if shape is None else Shape(shape.box, shape.depth - 0.1 * radius)
        canvas.paint(rim, "fat", parent)


def _clutter_in(canvas: Canvas, shape: Shape | None, parent: int, kind: str, scale: float) -> None:
    if shape is not None:
        depth = 1.4 - canvas.noise(scale, shape.box)
        canvas.paint(Shape(shape.box, depth), kind, parent)


def _ventricle(canvas: Canvas, hard: float) -> None:
    """A heart that fills the view: a ring of muscle around blood, beside a crescent."""
    draw = canvas.draw
    inner = _trunk(canvas, (0.9, 1.1), 0.1)
    k = canvas.view.centre[0]
    for side in (-1, 1):
        lung = canvas.ellipsoid((k, 0, side * 0.75), (99, 0.7, 0.45), None, 2.3, 0.1)
        canvas.paint(lung, "lung", inner)
    radius = draw.between(0.25, 0.4)
    place = (k, draw.between(-0.1, 0.1), draw.between(-0.1, 0.1))
    shape = canvas.ellipsoid(place, (1.2, radius, radius * 1.05), None, 2, 0.06)
    beside = canvas.ellipsoid(
        (k, place[1] - 0.3 * radius, place[2] - 0.8 * radius),
        (1.0, 1.1 * radius, radius),
        None,
        2,
        0.1,
    )
    muscle = canvas.paint(shape, "wall", inner, anywhere=True)
    blood = canvas.paint(shape, "vessel", muscle, depth=radius * draw.between(0.2, 0.5))
    rim = canvas.paint(beside, "wall", inner)
    canvas.paint(beside, "vessel", rim, depth=max(0.1 * radius, canvas.voxel))
    for _ in range(draw.count(0, 2)):
        spot = np.asarray(place) + radius * np.array([0, *draw.rng.uniform(-0.4, 0.4, 2)])
        canvas.paint(canvas.ellipsoid(spot, (0.8, 0.12 * radius, 0.12 * radius)), "wall", blood)
    liver = (k + 0.3, 0.55, -0.2)
    _organ(canvas, inner, liver, draw.rng.uniform(0.2, 0.5, 3), hard)
    for _ in range(draw.count(0, 3)):
        _vessel(canvas, inner, canvas.somewhere(), (1, 0.2, 0.1), draw.between(0.04, 0.1))


def _head(canvas: Canvas, hard: float) -> None:
    draw = canvas.draw
    shape = canvas.ellipsoid((0, 0, 0), (1.0, 1.0, 0.82), None, 2.2, 0.02)
    if shape is None:
        return
    skull = draw.chance(0.75)
    label = 0
    rim = 0.0
    layers = (("skin", 0.03), ("fat", 0.05), ("cortex", 0.025), ("marrow", 0.04), ("cortex", 0.02))
    for kind, thick in layers if skull else ():
        label = canvas.paint(shape, kind, label, depth=rim)
        rim += max(thick * draw.between(0.6, 1.4), 0.6 * canvas.voxel)
    _brain(canvas, shape, label, rim, hard)


def _brain(canvas: Canvas, shape: Shape, parent: int, rim: float, hard: float) -> None:
    """Fluid, folded grey matter, white matter, ventricles, paired kernels, tumours."""
    draw = canvas.draw
    fluid = canvas.paint(shape, "csf", parent, depth=rim)
    ridge = canvas.noise(draw.between(0.1, 0.16), shape.box).abs()
    middle = canvas.points[(2, *shape.box)].abs()
    split = 0.06 * torch.exp(-((middle / 0.03) ** 2)) * (shape.depth > -0.5)
    deep = rim + draw.between(0.01, 0.04)
    folded = shape.depth + 0.2 * torch.exp(-((ridge / 0.2) ** 2)) + split
    grey = canvas.paint(Shape(shape.box, folded), "grey", fluid, depth=deep)
    beneath = shape.depth + 0.22 * torch.exp(-((ridge / 0.6) ** 2)) + split
    ribbon = deep + max(draw.between(0.04, 0.08), 1.2 * canvas.voxel)
    white = canvas.paint(Shape(shape.box, beneath), "white", grey, depth=ribbon)
    for side in (-1, 1):
        horn = canvas.ellipsoid(
            (0.1, 0.0, side * 0.1), (0.12, 0.42, draw.between(0.03, 0.1)), None, 2, 0.2
        )
        for kind, centre, size in (
            ("grey", (0.0, 0.1, side * 0.17), 0.11),
            ("grey", (0.05, -0.15, side * 0.24), 0.13),
            ("grey", (-0.25, 0.05, side * 0.35), 0.08),
        ):
            nucleus = canvas.ellipsoid(centre, (size, 1.4 * size, 0.8 * size), draw.turn(0.5))
            canvas.paint(nucleus, kind, white)
        canvas.paint(horn, "csf", white)
    for _ in range(draw.count(0, 3)):
        size = draw.between(0.08, 0.3)
        tumour = canvas.ellipsoid(canvas.somewhere(0.6), (size,) * 3, None, 2, 0.25)
        if tumour is not None:
            inside = (tumour.depth < 0) & (canvas.labels[tumour.box] >= grey)
            label = canvas.new("lesion", white)
            canvas.labels[tumour.box].masked_fill_(inside, label)
            if draw.chance(0.5):
                core = canvas.paint(tumour, "lesion", label, depth=0.3 * size)
                if draw.chance(0.5):
                    canvas.paint(tumour, "cyst", core, depth=0.6 * size)
    for _ in range(draw.count(0, round(1 + 2 * hard))):
        _vessel(canvas, fluid, canvas.somewhere(0.7), _direction(draw), 0.025)


def _limb(canvas: Canvas, hard: float) -> None:
    draw = canvas.draw
    inner = _trunk(canvas, (0.85, 0.9), 0)
    k = canvas.view.centre[0]
    for _ in range(draw.count(1, 2)):
        place = draw.rng.uniform(-0.3, 0.3, 2)
        size = draw.between(0.1, 0.2)
        path = _path(draw, (k - 2.2, *place), (1, 0, 0), 4.4, 0.12, 0.12)
        along = np.linspace(0, 2 * np.pi, len(path)) + draw.between(0, 6)
        shape = canvas.tube(path, size * (1 + 0.5 * np.cos(along) ** 4))
        _bone(canvas, shape, inner, size * draw.between(0.15, 0.4))
    for _ in range(draw.count(1, 4)):
        place = draw.rng.uniform(-0.5, 0.5, 2)
        _vessel(canvas, inner, (k - 1.2, *place), (1, 0, 0), draw.between(0.03, 0.06))
    if draw.chance(0.6):
        size = draw.rng.uniform(0.15, 0.45, 3)
        place = (k + draw.between(-0.5, 0.5), *draw.rng.uniform(-0.4, 0.4, 2))
        mass = canvas.ellipsoid(place, size, draw.turn(1), 2, draw.between(0.05, 0.3))
        label = canvas.paint(mass, "lesion", inner)
        if draw.chance(0.5):
            _clutter_in(canvas, mass, label, "content", 0.6 * float(min(size)))
    gap = canvas.voxel * draw.between(0.2, 2.2 - hard)
    # septa: muscle is divided, what stays between the cells turns to fat
    canvas.partition(inner, "muscle", draw.count(5, round(8 + 6 * hard)), gap, draw.between(3, 8))
    canvas.kinds[inner] = "fat"


def _neck(canvas: Canvas, hard: float) -> None:
    """A spine seen near, in muscle."""
    draw = canvas.draw
    inner = _trunk(canvas, (0.9, 0.9), 0)
    k = canvas.view.centre[0]
    _spine(canvas, inner, (0, -0.05, 0), draw.between(0.18, 0.3))
    airway = canvas.ellipsoid((k, -0.55, 0), (99, 0.1, 0.14), None, 2, 0.1)
    wall = canvas.paint(airway, "wall", inner)
    canvas.paint(airway, "gas", wall, depth=max(0.03, canvas.voxel))
    for side in (-1, 1):
        _vessel(canvas, inner, (k - 1.2, -0.35, side * 0.35), (1, 0, 0), draw.between(0.05, 0.08))
        _vessel(canvas, inner, (k - 1.2, -0.25, side * 0.45), (1, 0, 0), draw.between(0.04, 0.09))
        gland = canvas.ellipsoid((k, -0.5, side * 0.22), (0.4, 0.16, 0.11), draw.turn(0.3), 2, 0.1)
        canvas.paint(gland, "organ", inner)
    for _ in range(draw.count(0, round(2 + 4 * hard))):
        size = draw.rng.uniform(0.04, 0.14, 3)
        canvas.paint(canvas.ellipsoid(canvas.somewhere(), size, draw.turn(2)), "lesion", inner)
    canvas.partition(inner, "muscle", draw.count(5, 12), canvas.voxel * draw.between(0.3, 2), 4)
    canvas.kinds[inner] = "fat"


def _packed(canvas: Canvas, hard: float) -> None:
    """Cells side by side with curved walls, with tubes through them and lesions in them."""
    draw = canvas.draw
    base = canvas.paint(Shape(canvas.box((-99,) * 3, (99,) * 3), canvas.noise(1) - 9), "fat", 0)
    for _ in range(draw.count(0, round(2 + 3 * hard))):
        _vessel(canvas, base, canvas.somewhere(), _direction(draw), draw.between(0.03, 0.1))
    for _ in range(draw.count(0, 2)):
        _bowel(canvas, base, canvas.somewhere(0.6), draw.between(0.08, 0.2))
    for _ in range(draw.count(0, 3)):
        _organ(canvas, base, canvas.somewhere(), draw.rng.uniform(0.1, 0.4, 3), hard)
    first = len(canvas.kinds)
    gap = canvas.voxel * draw.between(-0.5, 2.5)
    canvas.partition(base, "organ", draw.count(3, round(6 + 10 * hard)), gap, draw.between(0.7, 2))
    for label in range(first, len(canvas.kinds)):
        if draw.chance(0.3):
            _lesions(canvas, label, canvas.somewhere(), (0.25,) * 3, 1)


def _loose(canvas: Canvas, hard: float) -> None:
    """Solids of every sort floating in one tissue, blobs of noise among them."""
    draw = canvas.draw
    kind = ("fat", "muscle", "organ", "content")[draw.count(0, 3)]
    base = canvas.paint(Shape(canvas.box((-99,) * 3, (99,) * 3), canvas.noise(1) - 9), kind, 0)
    if draw.chance(0.4):
        whole = canvas.box((-99,) * 3, (99,) * 3)
        blob = Shape(whole, canvas.noise(draw.between(0.4, 0.9)) + draw.between(0, 0.8))
        label = canvas.paint(blob, "organ", base)
        canvas.paint(blob, "lesion", label, depth=draw.between(0.3, 1.0))
    for _ in range(draw.count(2, round(4 + 8 * hard))):
        size = draw.rng.uniform(0.06, 0.4) * draw.rng.uniform(0.5, 1.5, 3)
        _organ(canvas, base, canvas.somewhere(), size, hard)
    for _ in range(draw.count(0, 3)):
        _shell(canvas, base, canvas.somewhere(0.8), draw.between(0.12, 0.4))
    for _ in range(draw.count(0, 2)):
        _vessel(canvas, base, canvas.somewhere(), _direction(draw), draw.between(0.02, 0.12))
    if draw.chance(0.4):
        twin = draw.rng.uniform(0.1, 0.25, 3)
        for side in (-1, 1):
            place = np.asarray(canvas.view.centre) + np.array([0, 0, side * 1.6 * max(twin)])
            canvas.paint(canvas.ellipsoid(place, twin, None, 2.2, 0.05), "organ", base)


def _shell(canvas: Canvas, parent: int, centre: Vector, radius: float) -> None:
    """A sac with a wall: gallbladder, bladder, cyst, skull piece."""
    draw = canvas.draw
    shape = canvas.ellipsoid(
        centre, radius * draw.rng.uniform(0.6, 1.2, 3), draw.turn(2), 2, draw.between(0, 0.15)
    )
    kind, inside = (("wall", "cyst"), ("cortex", "marrow"), ("organ", "content"))[draw.count(0, 2)]
    wall = canvas.paint(shape, kind, parent)
    thick = max(canvas.voxel, radius * draw.between(0.08, 0.3))
    filling = canvas.paint(shape, inside, wall, depth=thick)
    if draw.chance(0.3):
        _lesions(canvas, filling, centre, (0.6 * radius,) * 3, draw.count(1, 2))


@dataclass(frozen=True)
class Scene:
    """How to paint, and how to look: ``zoom`` half width in units, ``wander`` of the centre,
    ``unit`` mm of one unit, ``weight`` how often, ``modalities`` to choose from."""

    paint: Callable[[Canvas, float], None]
    zoom: tuple[float, float]
    wander: tuple[float, float, float]
    unit: float
    weight: float
    modalities: str = "ct ct mr mr us"


SCENES = (
    Scene(_abdomen, (0.3, 1.15), (0.5, 0.35, 0.5), 170, 4, "ct ct ct mr mr us"),
    Scene(_thorax, (0.4, 1.15), (0.5, 0.3, 0.4), 170, 1.5, "ct ct mr"),
    Scene(_ventricle, (0.4, 0.9), (0.3, 0.2, 0.2), 150, 1.2, "mr mr us ct"),
    Scene(_head, (0.3, 1.1), (0.5, 0.4, 0.4), 90, 2, "mr mr mr ct"),
    Scene(_limb, (0.4, 1.1), (0.5, 0.3, 0.3), 90, 1.5, "ct mr mr us"),
    Scene(_neck, (0.4, 1.1), (0.5, 0.3, 0.2), 70, 1.2, "ct mr mr"),
    Scene(_packed, (0.4, 1.1), (1, 1, 1), 100, 1.5),
    Scene(_loose, (0.5, 1.0), (1, 1, 1), 100, 2),
)


# --- appearance -------------------------------------------------------------------------------

#: CT: mean HU, spread between volumes, coarse and fine texture inside.
CT = {
    "air": (-1000, 0, 0, 0),
    "gas": (-980, 15, 5, 0),
    "lung": (-830, 50, 30, 25),
    "fat": (-100, 10, 8, 10),
    "skin": (10, 25, 8, 8),
    "muscle": (52, 10, 5, 10),
    "organ": (50, 25, 5, 3),
    "lesion": (45, 30, 6, 5),
    "cyst": (8, 8, 2, 0),
    "vessel": (42, 8, 3, 0),
    "wall": (42, 12, 6, 4),
    "content": (30, 25, 18, 18),
    "cortex": (700, 250, 80, 80),
    "marrow": (180, 60, 40, 40),
    "disc": (80, 15, 8, 4),
    "csf": (8, 5, 2, 0),
    "grey": (38, 3, 1, 0),
    "white": (28, 3, 1, 0),
    "cord": (34, 5, 2, 0),
}

#: MR: signal in T1- and T2-like images, coarse and fine texture.
MR = {
    "air": (0.0, 0.0, 0.0, 0.0),
    "gas": (0.02, 0.02, 0.01, 0.0),
    "lung": (0.06, 0.08, 0.03, 0.02),
    "fat": (0.9, 0.75, 0.05, 0.04),
    "skin": (0.45, 0.35, 0.03, 0.03),
    "muscle": (0.36, 0.2, 0.03, 0.04),
    "organ": (0.45, 0.42, 0.03, 0.02),
    "lesion": (0.4, 0.6, 0.05, 0.03),
    "cyst": (0.15, 0.95, 0.02, 0.0),
    "vessel": (0.2, 0.12, 0.04, 0.0),
    "wall": (0.38, 0.3, 0.03, 0.02),
    "content": (0.3, 0.6, 0.12, 0.1),
    "cortex": (0.06, 0.05, 0.02, 0.02),
    "marrow": (0.75, 0.5, 0.06, 0.05),
    "disc": (0.32, 0.45, 0.05, 0.02),
    "csf": (0.12, 0.95, 0.02, 0.0),
    "grey": (0.45, 0.6, 0.02, 0.01),
    "white": (0.62, 0.42, 0.02, 0.01),
    "cord": (0.5, 0.4, 0.03, 0.02),
}

#: Ultrasound: echo strength, and how fast the tissue swallows sound.
US = {
    "air": (0.02, 0.0),
    "gas": (0.9, 0.5),
    "lung": (0.8, 0.3),
    "fat": (0.45, 0.01),
    "skin": (0.7, 0.02),
    "muscle": (0.3, 0.012),
    "organ": (0.4, 0.01),
    "lesion": (0.25, 0.01),
    "cyst": (0.02, -0.01),
    "vessel": (0.03, 0.0),
    "wall": (0.6, 0.01),
    "content": (0.3, 0.02),
    "cortex": (1.0, 0.4),
    "marrow": (0.3, 0.2),
    "disc": (0.5, 0.03),
    "csf": (0.02, 0.0),
    "grey": (0.35, 0.01),
    "white": (0.45, 0.01),
    "cord": (0.25, 0.01),
}


@dataclass(frozen=True)
class Look:
    """Per label, on the device ``(labels,)``: mean, coarse and fine texture, and for ultrasound
    the absorption a voxel."""

    mean: Tensor
    coarse: Tensor
    fine: Tensor
    swallow: Tensor


def _blend(easy: float, difficult: float, hard: float) -> float:
    return easy + (difficult - easy) * hard


def _means(
    canvas: Canvas, base: dict[str, float], jitter: dict[str, float], scatter: float
) -> list:
    """A mean per label. Organs share a small palette; a lesion differs a little from its host."""
    draw = canvas.draw
    of_kind = {kind: base[kind] + jitter[kind] * draw.rng.normal() for kind in base}
    palette = base["organ"] + jitter["organ"] * draw.rng.normal(size=draw.count(2, 6)) * 1.3
    vessels = [of_kind["vessel"], of_kind["vessel"]]
    means: list[float] = []
    for kind, parent in zip(canvas.kinds, canvas.parents, strict=True):
        mean = of_kind[kind]
        if kind == "organ":
            mean = float(palette[draw.count(0, len(palette) - 1)])
        elif kind == "lesion" and draw.chance(0.7) and canvas.kinds[parent] != "lung":
            step = jitter["lesion"] * draw.between(0.4, 1.5)
            mean = means[parent] + step * (1 if draw.chance(0.5) else -1)
        elif kind == "vessel":
            mean = vessels[draw.count(0, 1)]
        means.append(mean + scatter * jitter[kind] * draw.rng.normal())
    return means


def _ct(canvas: Canvas, hard: float) -> Look:
    draw = canvas.draw
    base = {kind: float(row[0]) for kind, row in CT.items()}
    jitter = {kind: float(row[1]) for kind, row in CT.items()}
    if draw.chance(0.5):  # contrast agent
        base["vessel"], jitter["vessel"] = draw.between(90, 330), 25.0
        base["organ"] += draw.between(0, 70)
        base["wall"] += draw.between(0, 60)
        jitter["organ"] *= 1.4
    if draw.chance(0.12):
        base["content"] = draw.between(150, 400)
    spread = _blend(3.0, 0.75, hard)
    middle = base["organ"]
    soft = {kind for kind, value in base.items() if -50 < value < 120}
    for kind in soft:
        base[kind] = middle + spread * (base[kind] - middle)
        jitter[kind] *= spread
    means = _means(canvas, base, jitter, 0.1)
    rough = _blend(0.5, 1.3, hard)
    coarse = [rough * CT[kind][2] for kind in canvas.kinds]
    fine = [rough * CT[kind][3] for kind in canvas.kinds]
    return _look(canvas, means, coarse, fine)


def _mr(canvas: Canvas, hard: float) -> Look:
    draw = canvas.draw
    style = draw.rng.choice(["t1", "t2", "free", "mixed"], p=[0.35, 0.3, 0.15, 0.2])
    weight = {"t1": 0.0, "t2": 1.0, "free": 0.5}.get(style, draw.between(0, 1))
    base = {kind: (1 - weight) * row[0] + weight * row[1] for kind, row in MR.items()}
    if style == "free":
        base = {kind: draw.between(0.05, 1) for kind in base}
        base["air"] = draw.between(0, 0.3)
    if draw.chance(0.25):  # bright blood
        base["vessel"] = draw.between(0.7, 1.1)
    if draw.chance(0.2):  # fat suppression
        base["fat"], base["marrow"] = draw.between(0.08, 0.3), draw.between(0.1, 0.3)
    spread = _blend(1.3, 0.65, hard)
    base = {kind: v if v < 0.08 else 0.45 + spread * (v - 0.45) for kind, v in base.items()}
    jitter = {kind: 0.07 * _blend(1.8, 0.8, hard) if v > 0.08 else 0.01 for kind, v in base.items()}
    jitter["organ"] = jitter["lesion"] = _blend(0.22, 0.1, hard)
    means = [max(mean, 0.0) for mean in _means(canvas, base, jitter, 0.15)]
    rough = _blend(0.6, 1.5, hard)
    coarse = [rough * MR[kind][2] for kind in canvas.kinds]
    fine = [rough * MR[kind][3] for kind in canvas.kinds]
    return _look(canvas, means, coarse, fine)


def _us(canvas: Canvas, hard: float) -> Look:
    base = {kind: row[0] for kind, row in US.items()}
    jitter = {kind: 0.25 * value for kind, value in base.items()}
    jitter["organ"], jitter["lesion"] = 0.2, 0.2
    means = [min(max(m, 0.01), 1.2) for m in _means(canvas, base, jitter, 0.2)]
    flat = sum(means) / len(means)
    spread = _blend(1.8, 1.0, hard)
    means = [max(0.01, flat + spread * (m - flat)) if m > 0.05 else m for m in means]
    coarse = [0.2 * m for m in means]
    fine = [0.25 * m for m in means]
    swallow = [US[kind][1] for kind in canvas.kinds]
    return _look(canvas, means, coarse, fine, swallow)


def _look(
    canvas: Canvas, means: list, coarse: list, fine: list, swallow: list | None = None
) -> Look:
    rows = torch.tensor([means, coarse, fine, swallow or [0.0] * len(means)])
    return Look(*rows.float().to(canvas.draw.device))


def _render(canvas: Canvas, look: Look) -> Tensor:
    """The ideal image: means and textures of the labels, before any scanner."""
    index = canvas.labels.int().flatten()
    still = canvas.view.moving
    image = look.mean[index].view(canvas.view.shape)
    broad = canvas.noise(canvas.draw.between(0.15, 0.5), still=still)
    small = canvas.noise(max(canvas.draw.between(0.02, 0.08), 1.5 * canvas.voxel), still=still)
    image = image + look.coarse[index].view_as(image) * broad
    return image.addcmul_(look.fine[index].view_as(image), small)


# --- acquisition ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scan:
    """How the image is taken: ``grid`` voxels the scanner makes, ``size`` voxels handed out,
    ``sigma`` blur along (k, j, i) in scanner voxels."""

    grid: Size
    size: Size
    sigma: tuple[float, float, float]


def _take(ideal: Tensor, scan: Scan) -> Tensor:
    """Average ``ideal`` over the slabs and pixels of the scanner's grid."""
    weights = []
    for old, new, sigma in zip(ideal.shape, scan.grid, scan.sigma, strict=True):
        step = old / new
        centres = (torch.arange(new, device=ideal.device) + 0.5) * step - 0.5
        weights.append(_gauss(old, centres, sigma * step))
    return _along(ideal, weights)


def _hand_out(image: Tensor, scan: Scan) -> Tensor:
    """Resample from the scanner's grid to the grid of the sample."""
    if tuple(image.shape) == scan.size:
        return image
    return _along(
        image,
        [_linear(old, new, image.device) for old, new in zip(scan.grid, scan.size, strict=True)],
    )


def _grain(draw: Draw, shape: Sequence[int], sigma: float) -> Tensor:
    """Noise of unit variance, correlated in the plane over ``sigma`` voxels."""
    noise = draw.field(*shape)
    for axis in (1, 2):
        n = shape[axis]
        weights = _gauss(n, torch.arange(n, device=draw.device), sigma)
        weights = weights / weights.norm(dim=1, keepdim=True)
        noise = noise @ weights.T if axis == 2 else weights @ noise
    return noise


def _scan_ct(canvas: Canvas, look: Look, scan: Scan, hard: float) -> Tensor:
    draw = canvas.draw
    image = _take(_render(canvas, look), scan)
    sigma = _blend(5, 25, hard) * draw.between(0.7, 1.3)
    image = image + sigma * _grain(draw, image.shape, draw.between(0.3, 0.8))
    return _hand_out(image, scan).clamp_(min=-1024)


def _scan_mr(canvas: Canvas, look: Look, scan: Scan, hard: float) -> Tensor:
    draw = canvas.draw
    uneven = draw.between(0, _blend(0.1, 0.45, hard))
    gain = torch.exp(uneven * canvas.noise(1.5, still=canvas.view.moving))
    image = _take(_render(canvas, look) * gain, scan)
    sigma = _blend(0.01, 0.06, hard) * draw.between(0.7, 1.3)
    real = image + sigma * draw.field(*image.shape)
    image = torch.hypot(real, sigma * draw.field(*image.shape))
    return _hand_out(image, scan) * float(10 ** draw.between(1, 3.3))


def _scan_us(canvas: Canvas, look: Look, scan: Scan, hard: float) -> Tensor:
    """Depth runs along j. Speckle grows wider than deep, interfaces shine, absorbers shade."""
    draw = canvas.draw
    index = canvas.labels.int().flatten()
    echo = _render(canvas, look).clamp_(min=0.005)
    edge = torch.zeros_like(echo)
    edge[:, 1:] = (echo[:, 1:] - echo[:, :-1]).abs()
    swallow = look.swallow[index].view_as(echo) * (64 / echo.shape[1])
    shade = torch.exp(-torch.cumsum(swallow, dim=1) * _blend(0.6, 1.2, hard)).clamp_(0.02, 1.5)
    clean = _take((echo + draw.between(0.1, 1.2) * edge) * shade, scan)
    wide = draw.between(0.5, 1.0)
    speckle = torch.hypot(*(_grain(draw, clean.shape, wide) for _ in range(2))) / 1.2533
    strength = _blend(0.3, 0.75, hard)
    image = clean * (1 - strength + strength * speckle)
    image = torch.log1p(image * draw.between(8, 60))
    return _hand_out(image, scan) * float(draw.between(40, 80))


def _fan(draw: Draw, rows: int, columns: int) -> Tensor:
    """The sector that a curved probe sees, bool ``(rows, columns)``; half the probes see all."""
    if draw.chance(0.5):
        return torch.ones(rows, columns, dtype=torch.bool, device=draw.device)
    depth = torch.linspace(0, 1, rows, device=draw.device)[:, None] + draw.between(0.02, 0.3)
    side = torch.linspace(-0.5, 0.5, columns, device=draw.device)[None]
    inside = (side / depth).abs() < draw.between(0.5, 0.9)
    return inside & (torch.hypot(side, depth) < draw.between(1.0, 1.4))


LOOKS = {"ct": (_ct, _scan_ct), "mr": (_mr, _scan_mr), "us": (_us, _scan_us)}


# --- putting it together ----------------------------------------------------------------------


def _attempt(draw: Draw, size: Size, hard: float) -> Sample:
    """One sample, whatever it holds."""
    order = [int(axis) for axis in draw.rng.permutation(3)]
    inner = tuple(size[axis] for axis in order)
    scene = SCENES[_pick(draw, [scene.weight for scene in SCENES])]
    modality = str(draw.rng.choice(scene.modalities.split()))
    view, scan, thick = _frame(draw, scene, inner, modality, hard)
    canvas = Canvas(draw, view)
    scene.paint(canvas, hard)
    look, acquire = LOOKS[modality]
    image = acquire(canvas, look(canvas, hard), scan, hard)
    step = view.shape[0] // inner[0]
    labels = canvas.labels[step // 2 :: step]
    if modality == "us":
        fan = _fan(draw, *labels.shape[1:])
        image, labels = image * fan, labels * fan
    labels, kinds, parents = _compact(canvas, labels)
    millimetre = 2 * scene.unit * view.half[1] / view.shape[1]
    spacing = (millimetre * thick, millimetre, millimetre)
    back = [order.index(axis) for axis in range(3)]
    flips = [axis for axis in range(3) if draw.chance(0.5)]
    return Sample(
        image.permute(back).flip(flips).float().contiguous(),
        labels.permute(back).flip(flips).contiguous(),
        (spacing[back[0]], spacing[back[1]], spacing[back[2]]),
        kinds,
        parents,
        modality,
    )


def _pick(draw: Draw, weights: Sequence[float]) -> int:
    return int(draw.rng.choice(len(weights), p=np.asarray(weights) / sum(weights)))


def _frame(
    draw: Draw, scene: Scene, size: Size, modality: str, hard: float
) -> tuple[View, Scan, float]:
    """View, scan and slice spacing over pixel spacing.

    Thick slices come in two ways: the grid itself is coarse along k, or a thick scan has been
    resampled to the even grid that is handed out.
    """
    moving = size[0] >= 8 and modality != "ct" and draw.chance(0.08)
    ratio = 1.0 if draw.chance(0.4) or moving else draw.between(1, _blend(3, 6, hard))
    coarse = draw.chance(0.5)
    thick = ratio if coarse else 1.0
    sub = min(3, math.ceil(thick / 2)) if coarse else 1
    shape = (size[0] * sub, size[1], size[2])
    lengths = np.array([size[0] * thick, size[1], size[2]], dtype=float)
    zoom = draw.between(*scene.zoom)
    half = zoom * lengths / max(np.prod(lengths) ** (1 / 3), lengths[1:].max() * 0.6)
    centre = draw.rng.uniform(-1, 1, 3) * scene.wander * (1.2 - zoom)
    view = View(
        shape,
        (float(centre[0]), float(centre[1]), float(centre[2])),
        (float(half[0]), float(half[1]), float(half[2])),
        draw.between(0.02, 0.14),
        moving,
    )
    pixel = draw.between(1, 1.8) if draw.chance(0.25) else 1.0
    slab = 1.0 if coarse else ratio
    grid = tuple(max(1, round(n / p)) for n, p in zip(size, (slab, pixel, pixel), strict=True))
    blur = draw.between(0.35, _blend(0.5, 0.8, hard))
    along = 0.05 if moving else draw.between(0.3, 0.45)
    return view, Scan((grid[0], grid[1], grid[2]), size, (along, blur, blur)), thick


def _compact(canvas: Canvas, labels: Tensor) -> tuple[Tensor, tuple[str, ...], tuple[int, ...]]:
    """Number the labels that are left from 0 on; parents that vanished are skipped."""
    counts = torch.bincount(labels.int().flatten(), minlength=len(canvas.kinds)).tolist()
    kept = [0] + [label for label in range(1, len(counts)) if counts[label]]
    number = {label: n for n, label in enumerate(kept)}
    parents = []
    for label in kept:
        parent = canvas.parents[label]
        while parent not in number:
            parent = canvas.parents[parent]
        parents.append(number[parent])
    table = torch.tensor([number.get(label, 0) for label in range(len(counts))])
    renumbered = table.to(labels.device)[labels.int()].to(torch.int16)
    return renumbered, tuple(canvas.kinds[label] for label in kept), tuple(parents)


# --- targets ----------------------------------------------------------------------------------

#: How often a kind is asked for, where it differs from 1.
WANTED = {"air": 0.0, "fat": 0.15, "skin": 0.15, "organ": 4.0, "lesion": 2.5, "vessel": 1.5}
#: Kinds whose contents usually belong to them.
WHOLE = {"organ", "lesion", "lung", "wall", "cortex", "grey", "csf", "content", "cyst", "marrow"}


def _fitting(labels: Tensor) -> list[int]:
    """The labels above 0 of a size that :func:`target` may return."""
    counts = torch.bincount(labels.int().flatten()).tolist()
    largest = LARGEST * labels.numel()
    return [n for n, count in enumerate(counts) if n and SMALLEST <= count <= largest]


def _members(sample: Sample, rng: np.random.Generator) -> list[int]:
    """Labels that make up one possible target."""
    kinds = sorted(set(sample.kinds[1:]))
    weights = np.array([WANTED.get(kind, 1.0) for kind in kinds]) + 1e-6
    kind = kinds[rng.choice(len(kinds), p=weights / weights.sum())]
    alike = [n for n, name in enumerate(sample.kinds) if n and name == kind]
    chosen = [alike[rng.integers(len(alike))]]
    if rng.random() < 0.1:
        chosen.append(alike[rng.integers(len(alike))])
    if kind in WHOLE and rng.random() < 0.7:
        for label, parent in enumerate(sample.parents):
            if label and parent in chosen and label not in chosen:
                chosen.append(label)
    return chosen


def _component(mask: Tensor, rng: np.random.Generator) -> Tensor:
    """One connected piece of ``mask``, drawn by size; the largest if that one is too small."""
    pieces, count = ndimage.label(mask.cpu().numpy())
    if count < 2:
        return mask
    sizes = np.bincount(pieces.ravel())[1:]
    piece = rng.choice(count, p=sizes / sizes.sum())
    if sizes[piece] < SMALLEST:
        piece = sizes.argmax()
    return torch.from_numpy(pieces == piece + 1).to(mask.device)
