"""Parts of a body: vessels, bowel, bones, organs, lesions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from .canvas import Canvas, Shape
from .fields import Draw, Vector


def path_through(
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


def direction(draw: Draw) -> np.ndarray:
    return draw.rng.normal(size=3)


def _tree(canvas: Canvas, start: Vector, heading: Vector, radius: float, length: float) -> list:
    """A branching, tapering vessel as shapes: the trunk first, then its branches."""
    draw = canvas.draw
    trunk = path_through(draw, start, heading, length, draw.between(0.5, 2.5), 1.2 * radius)
    taper = np.linspace(radius, radius * draw.between(0.6, 1.0), len(trunk))
    paths, sizes = [trunk], [taper]
    for _ in range(draw.count(0, 3)):
        at = draw.count(1, len(trunk) - 1)
        thin = taper[at] * draw.between(0.5, 0.85)
        branch = path_through(
            draw, trunk[at], direction(draw), length * draw.between(0.3, 0.7), 3.0, 1.2 * thin
        )
        paths.append(branch)
        sizes.append(np.linspace(thin, thin * 0.6, len(branch)))
    return [canvas.tube(path, size) for path, size in zip(paths, sizes, strict=True)]


def vessel(canvas: Canvas, parent: int, start: Vector, heading: Vector, radius: float) -> int:
    """A vessel tree with one label, sometimes with a clot in its trunk."""
    draw = canvas.draw
    shapes = _tree(canvas, start, heading, radius, draw.between(0.6, 2.0))
    label = canvas.new("vessel", parent)
    for shape in shapes:
        if shape is not None:
            below = canvas.labels[shape.box]
            below.masked_fill_((shape.depth < 0) & (below == parent), label)
    if draw.chance(0.1):
        clutter_in(canvas, shapes[0], label, "lesion", 4 * radius)
    return label


def bowel(canvas: Canvas, parent: int, start: Vector, radius: float) -> int:
    """A winding hollow tube: wall, content, and gas that collects on the front side."""
    draw = canvas.draw
    path = path_through(
        draw, start, direction(draw), radius * draw.between(6, 16), 5.0, 0.5 * radius
    )
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


def paint_bone(canvas: Canvas, shape: Shape | None, parent: int, thick: float) -> int:
    """Bright cortex around marrow."""
    cortex = canvas.paint(shape, "cortex", parent)
    canvas.paint(shape, "marrow", cortex, depth=max(thick, 0.9 * canvas.voxel))
    return cortex


def plate(canvas: Canvas, parent: int, centre: Vector, radius: float) -> None:
    """A curved plate of bone, as of the pelvis or the shoulder."""
    draw = canvas.draw
    ball = canvas.ellipsoid(centre, radius * draw.rng.uniform(0.8, 1.2, 3), draw.turn(1), 2, 0.1)
    if ball is None:
        return
    thick = draw.between(0.02, 0.05) * (1 + 0.5 * canvas.noise(0.4, ball.box))
    part = canvas.points[(slice(None), *ball.box)]
    away = torch.tensor(direction(draw), dtype=torch.float32, device=draw.device)
    middle = torch.tensor(centre, dtype=torch.float32, device=draw.device).view(3, 1, 1, 1)
    side = torch.einsum("a,akji->kji", away / away.norm(), part - middle)
    cut = draw.between(0, 0.5) * radius - side
    paint_bone(canvas, Shape(ball.box, torch.maximum(ball.depth.abs() - thick, cut)), parent, 0.015)


def lesions(canvas: Canvas, parent: int, centre: Vector, radii: Vector, count: int) -> None:
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


def organ(
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
        lesions(canvas, label, centre, radii, draw.count(1, 3))
    return label


def kidney(canvas: Canvas, parent: int, centre: Vector, radius: float, side: float) -> int:
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
        lesions(canvas, label, centre, (radius,) * 3, 1)
    return label


def spine(canvas: Canvas, parent: int, centre: Vector, radius: float) -> None:
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
        bone = paint_bone(canvas, _union(canvas, [body, arch, spike, wings]), parent, 0.1 * radius)
        if draw.chance(0.05):
            lesions(canvas, bone + 1, (k, j, i), (radius / 2,) * 3, 1)
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


def clutter(canvas: Canvas, parent: int, kind: str, share: float, scale: float) -> None:
    """Many small blobs or strands in ``parent`` that are nobody's target by name."""
    limit = 1.3 + 1.2 * (1 - share)
    depth = limit - canvas.noise(scale)
    canvas.paint(Shape(canvas.box((-99,) * 3, (99,) * 3), depth), kind, parent)


def paint_trunk(canvas: Canvas, radii: Vector, wall: float) -> int:
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


def clutter_in(canvas: Canvas, shape: Shape | None, parent: int, kind: str, scale: float) -> None:
    if shape is not None:
        depth = 1.4 - canvas.noise(scale, shape.box)
        canvas.paint(Shape(shape.box, depth), kind, parent)
