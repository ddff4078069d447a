"""Scenes: which parts lie where."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from .canvas import Canvas, Shape
from .fields import Vector
from .parts import (
    bowel,
    clutter,
    clutter_in,
    direction,
    kidney,
    lesions,
    organ,
    paint_bone,
    paint_trunk,
    path_through,
    plate,
    spine,
    vessel,
)


def _abdomen(canvas: Canvas, hard: float) -> None:
    draw = canvas.draw
    inner = paint_trunk(canvas, (0.72, 1.0), draw.between(0.04, 0.12))
    k = canvas.view.centre[0]
    spine(canvas, inner, (0, 0.38, 0), draw.between(0.11, 0.16))
    for side in (-1, 1):
        psoas = canvas.ellipsoid((k, 0.38, side * 0.27), (99, 0.12, 0.11), None, 2.3, 0.05)
        canvas.paint(psoas, "muscle", inner)
        back = canvas.ellipsoid((k, 0.6, side * 0.2), (99, 0.12, 0.18), None, 2.6, 0.05)
        canvas.paint(back, "muscle", inner)
    for side in (-0.07, 0.09):
        vessel(canvas, inner, (k - 1, 0.2, side), (1, 0, 0), draw.between(0.045, 0.08))
    canvas.firm = len(canvas.kinds) - 1
    size = draw.between(0.13, 0.2)
    level = k + draw.between(-0.5, 0.5)
    for side in (-1, 1):
        place = (level + draw.between(-0.1, 0.1), 0.28, side * draw.between(0.42, 0.52))
        kidney(canvas, inner, place, size, side)
    liver = draw.rng.uniform((0.4, 0.3, 0.35), (0.7, 0.45, 0.6))
    organ(canvas, inner, (k + draw.between(-0.5, 0.5), -0.1, -0.45), liver, hard)
    room = 8 * math.prod(min(h, b) for h, b in zip(canvas.view.half, (9, 0.6, 0.85), strict=True))
    for _ in range(int(np.clip(room / 0.15, 4, 10 + 8 * hard))):
        place = canvas.somewhere().clip((-9, -0.6, -0.8), (9, 0.5, 0.8))
        organ(canvas, inner, place, draw.rng.uniform(0.1, 0.38, 3), hard)
    for _ in range(int(np.clip(room / 0.5, 1, 3 + 4 * hard))):
        place = canvas.somewhere().clip((-9, -0.6, -0.7), (9, 0.3, 0.7))
        bowel(canvas, inner, place, draw.between(0.06, 0.12))
    for _ in range(draw.count(0, round(1 + 3 * hard))):
        vessel(canvas, inner, canvas.somewhere(), direction(draw), draw.between(0.02, 0.05))
    if draw.chance(0.3 + 0.6 * hard):
        clutter(canvas, inner, "vessel", draw.between(0.2, 0.9), 3 * canvas.voxel)
    if draw.chance(0.35):
        plate(canvas, inner, canvas.somewhere(0.8), draw.between(0.3, 0.6))
    if draw.chance(0.5):  # what is left is filled with loops side by side
        gap = canvas.voxel * draw.between(0.8, 3)
        canvas.partition(inner, "wall", draw.count(8, round(12 + 12 * hard)), gap)


def _thorax(canvas: Canvas, hard: float) -> None:
    draw = canvas.draw
    inner = paint_trunk(canvas, (0.66, 0.95), draw.between(0.05, 0.1))
    k = canvas.view.centre[0]
    _ribs(canvas, inner)
    spine(canvas, inner, (0, 0.4, 0), draw.between(0.1, 0.14))
    vessel(canvas, inner, (k - 1.2, 0.24, 0.12), (1, 0, 0), draw.between(0.06, 0.09))
    _heart(canvas, inner, (draw.between(-0.4, 0.4), -0.18, 0.15), draw.between(0.24, 0.34))
    for side in (-1, 1):
        centre = (draw.between(-0.3, 0.3), 0.0, side * 0.48)
        shape = canvas.ellipsoid(centre, (1.1, 0.5, 0.36), None, 2.4, 0.08)
        lung = canvas.paint(shape, "lung", inner)
        for _ in range(draw.count(2, 5)):
            start = np.array([draw.between(-0.3, 0.3), 0.0, side * 0.25])
            heading = direction(draw) * 0.7 + [0, 0, side]
            vessel(canvas, lung, start, heading, draw.between(0.015, 0.035))
        lesions(canvas, lung, centre, (0.7, 0.35, 0.28), draw.count(0, 3))
        clutter(canvas, lung, "vessel", draw.between(0, 0.4), 0.035)
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
            clutter_in(canvas, chamber, label, "wall", 0.25 * radius)
    if draw.chance(0.5):
        rim = None if shape is None else Shape(shape.box, shape.depth - 0.1 * radius)
        canvas.paint(rim, "fat", parent)


def _ventricle(canvas: Canvas, hard: float) -> None:
    """A heart that fills the view: a ring of muscle around blood, beside a crescent."""
    draw = canvas.draw
    inner = paint_trunk(canvas, (0.9, 1.1), 0.1)
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
    organ(canvas, inner, liver, draw.rng.uniform(0.2, 0.5, 3), hard)
    for _ in range(draw.count(0, 3)):
        vessel(canvas, inner, canvas.somewhere(), (1, 0.2, 0.1), draw.between(0.04, 0.1))


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
        vessel(canvas, fluid, canvas.somewhere(0.7), direction(draw), 0.025)


def _limb(canvas: Canvas, hard: float) -> None:
    draw = canvas.draw
    inner = paint_trunk(canvas, (0.85, 0.9), 0)
    k = canvas.view.centre[0]
    for _ in range(draw.count(1, 2)):
        place = draw.rng.uniform(-0.3, 0.3, 2)
        size = draw.between(0.1, 0.2)
        path = path_through(draw, (k - 2.2, *place), (1, 0, 0), 4.4, 0.12, 0.12)
        along = np.linspace(0, 2 * np.pi, len(path)) + draw.between(0, 6)
        shape = canvas.tube(path, size * (1 + 0.5 * np.cos(along) ** 4))
        paint_bone(canvas, shape, inner, size * draw.between(0.15, 0.4))
    for _ in range(draw.count(1, 4)):
        place = draw.rng.uniform(-0.5, 0.5, 2)
        vessel(canvas, inner, (k - 1.2, *place), (1, 0, 0), draw.between(0.03, 0.06))
    if draw.chance(0.6):
        size = draw.rng.uniform(0.15, 0.45, 3)
        place = (k + draw.between(-0.5, 0.5), *draw.rng.uniform(-0.4, 0.4, 2))
        mass = canvas.ellipsoid(place, size, draw.turn(1), 2, draw.between(0.05, 0.3))
        label = canvas.paint(mass, "lesion", inner)
        if draw.chance(0.5):
            clutter_in(canvas, mass, label, "content", 0.6 * float(min(size)))
    gap = canvas.voxel * draw.between(0.2, 2.2 - hard)
    # septa: muscle is divided, what stays between the cells turns to fat
    canvas.partition(inner, "muscle", draw.count(5, round(8 + 6 * hard)), gap, draw.between(3, 8))
    canvas.kinds[inner] = "fat"


def _neck(canvas: Canvas, hard: float) -> None:
    """A spine seen near, in muscle."""
    draw = canvas.draw
    inner = paint_trunk(canvas, (0.9, 0.9), 0)
    k = canvas.view.centre[0]
    spine(canvas, inner, (0, -0.05, 0), draw.between(0.18, 0.3))
    airway = canvas.ellipsoid((k, -0.55, 0), (99, 0.1, 0.14), None, 2, 0.1)
    wall = canvas.paint(airway, "wall", inner)
    canvas.paint(airway, "gas", wall, depth=max(0.03, canvas.voxel))
    for side in (-1, 1):
        vessel(canvas, inner, (k - 1.2, -0.35, side * 0.35), (1, 0, 0), draw.between(0.05, 0.08))
        vessel(canvas, inner, (k - 1.2, -0.25, side * 0.45), (1, 0, 0), draw.between(0.04, 0.09))
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
        vessel(canvas, base, canvas.somewhere(), direction(draw), draw.between(0.03, 0.1))
    for _ in range(draw.count(0, 2)):
        bowel(canvas, base, canvas.somewhere(0.6), draw.between(0.08, 0.2))
    for _ in range(draw.count(0, 3)):
        organ(canvas, base, canvas.somewhere(), draw.rng.uniform(0.1, 0.4, 3), hard)
    first = len(canvas.kinds)
    gap = canvas.voxel * draw.between(-0.5, 2.5)
    canvas.partition(base, "organ", draw.count(3, round(6 + 10 * hard)), gap, draw.between(0.7, 2))
    for label in range(first, len(canvas.kinds)):
        if draw.chance(0.3):
            lesions(canvas, label, canvas.somewhere(), (0.25,) * 3, 1)


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
        organ(canvas, base, canvas.somewhere(), size, hard)
    for _ in range(draw.count(0, 3)):
        _shell(canvas, base, canvas.somewhere(0.8), draw.between(0.12, 0.4))
    for _ in range(draw.count(0, 2)):
        vessel(canvas, base, canvas.somewhere(), direction(draw), draw.between(0.02, 0.12))
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
        lesions(canvas, filling, centre, (0.6 * radius,) * 3, draw.count(1, 2))


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
