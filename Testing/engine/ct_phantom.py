"""A made-up CT of a trunk whose every tissue is known: body on a table, arms, lungs, bones, fat.

Shapes are functions of RAS mm, so that any grid will do: the trunk's axis is R = A = 0, the
diaphragm S = 0, the chest above it. A voxel is the mean of eight places in it (partial volume),
then noise is added.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from medseg import Image
from medseg.image import Array, Mask
from scipy import ndimage

#: Hounsfield units; "vessel" are those in the lungs.
HU = {
    "room": -1000.0,
    "shell": -100.0,
    "foam": -940.0,
    "blanket": -750.0,
    "skin": 40.0,
    "fat": -100.0,
    "muscle": 50.0,
    "organ": 60.0,
    "blood": 40.0,
    "kidney": 35.0,
    "cord": 25.0,
    "lung": -850.0,
    "vessel": 40.0,
    "gas": -1000.0,
    "cortex": 600.0,
    "marrow": 160.0,
}
NUMBER = {name: number for number, name in enumerate(HU)}
PARTS = {
    "air": ("gas",),
    "body": tuple(name for name in HU if name not in ("room", "shell", "foam", "blanket")),
    "bone": ("cortex", "marrow"),
    "fat": ("fat",),
    "lung": ("lung", "vessel"),
    "soft tissue": ("skin", "muscle", "organ", "blood", "kidney", "cord"),
}


@dataclass(frozen=True)
class Phantom:
    """``image``, and ``truth``: term -> mask ``(K, J, I)``."""

    image: Image
    truth: dict[str, Mask]


def phantom(
    shape: tuple[int, int, int] = (90, 110, 160),
    spacing: tuple[float, float, float] = (3.0, 3.0, 3.0),
    axes: Array | None = None,
    middle: tuple[float, float, float] = (0.0, -10.0, 0.0),
    noise: float = 12.0,
    padding: float | None = None,
    field: float = 200.0,
    **units: float,
) -> Phantom:
    """Make one.

    ``shape``: (K, J, I); ``spacing``: (i, j, k) in mm; ``axes``: directions of I, J, K as columns
    (left, posterior, superior unless told); ``middle``: RAS mm of the image's middle.
    ``padding``: value of what lies beyond ``field`` mm from it within a slice. ``units``:
    Hounsfield units other than those of `HU`, such as ``blood=350``.
    """
    affine = np.eye(4)
    affine[:3, :3] = (np.diag([-1.0, -1.0, 1.0]) if axes is None else axes) @ np.diag(spacing)
    affine[:3, 3] = middle - affine[:3, :3] @ ((np.array(shape[::-1]) - 1) / 2)
    table = np.array([units.get(name, value) for name, value in HU.items()], np.float32)
    values = np.zeros(shape, np.float32)
    votes = {name: np.zeros(shape, np.uint8) for name in PARTS}
    members = {
        name: np.isin(np.arange(len(HU)), [NUMBER[p] for p in PARTS[name]]) for name in PARTS
    }
    j, i = np.indices(shape[1:], np.float32)
    for k in range(shape[0]):
        for step in np.ndindex(2, 2, 2):
            ijk = np.stack([i, j, np.full_like(i, k)], -1) + (np.array(step) - 0.5) / 2
            what = tissue(ijk @ affine[:3, :3].T + affine[:3, 3])
            values[k] += table[what] / 8
            for name, member in members.items():
                votes[name][k] += member[what]
    truth = {name: count > 4 for name, count in votes.items()}
    random = np.random.default_rng(0)
    values += ndimage.gaussian_filter(random.normal(0, 1.9 * noise, shape), [0, 0.5, 0.5])
    if padding is not None:
        away = [
            (n - (count - 1) / 2) * mm
            for n, count, mm in zip((j, i), shape[1:], spacing[1::-1], strict=True)
        ]
        beyond = np.hypot(*away) > field
        values[:, beyond] = padding
        truth = {name: mask & ~beyond for name, mask in truth.items()}
    image = Image(np.round(values).astype(np.int16), affine, modality="CT", name="phantom")
    return Phantom(image, truth)


def tissue(ras: Array) -> Array:
    """What lies at RAS mm ``(..., 3)``: numbers as in `NUMBER`. Later shapes cover earlier ones."""
    canvas = _Canvas(ras)
    canvas.bed()
    for side in (-1, 1):
        canvas.arm(side * 212)
    canvas.trunk()
    canvas.chest()
    canvas.belly()
    canvas.skeleton()
    return canvas.what


class _Canvas:
    def __init__(self, ras: Array) -> None:
        self.x, self.y, self.z = (ras[..., n] for n in range(3))
        self.what = np.full(self.x.shape, NUMBER["room"])

    def put(self, name: str, where: Mask) -> None:
        self.what[where] = NUMBER[name]

    def bed(self) -> None:
        """A table of two shells with foam between, a mattress on it, a blanket over the body."""
        down = -104 - self.y
        self.put("foam", (down > 0) & (down < 20) & (np.abs(self.x) < 200))
        self.put("shell", (down > 20) & (down < 65) & (np.abs(self.x) < 220))
        self.put("foam", (down > 22) & (down < 63) & (np.abs(self.x) < 218))
        sheet = np.abs(np.hypot(self.x / 176, self.y / 116) - 1) * 116
        self.put("blanket", (sheet < 4) & (self.y > 30))

    def arm(self, x: float) -> None:
        away = np.hypot(self.x - x, self.y)
        for name, radius in (("skin", 36), ("fat", 34), ("muscle", 27), ("cortex", 11)):
            self.put(name, away < radius)
        self.put("marrow", away < 8)

    def trunk(self) -> None:
        deep = (1 - np.hypot(self.x / 168, self.y / 108)) * 108
        for name, depth in (("skin", 0), ("fat", 2), ("muscle", 16)):
            self.put(name, deep > depth)
        self.put("fat", (deep > 32) & (self.z < -20))

    def ball(self, name: str, centre: tuple[float, float, float], size: tuple[float, ...]) -> None:
        parts = zip((self.x, self.y, self.z), centre, size, strict=True)
        self.put(name, sum(((p - c) / s) ** 2 for p, c, s in parts) < 1)

    def tube(self, name: str, x: Array | float, y: Array | float, radius: float) -> None:
        self.put(name, np.hypot(self.x - x, self.y - y) < radius)

    def chest(self) -> None:
        for side in (-1, 1):
            self.ball("lung", (side * 72, 0, 20), (52, 68, 130))
            self.ball("muscle", (side * 72, 0, -60), (60, 80, 70))
        lung = self.what == NUMBER["lung"]
        for number, radius in enumerate((1.2, 1.6, 2.0, 2.5)):
            turn = 0.7 * number
            along = np.cos(turn) * self.y + np.sin(turn) * self.z
            near = np.hypot((self.x + 200) % 37 - 18, (along + 9 * number) % 41 - 20) < radius
            self.put("vessel", lung & near)
        self.ball("blood", (-15, 15, 40), (45, 40, 50))
        above = self.z > 60
        for name, radius in (("muscle", 11), ("gas", 9)):
            self.put(name, (np.hypot(self.x, self.y + 12) < radius) & above)

    def belly(self) -> None:
        self.ball("organ", (75, 10, -50), (60, 55, 60))
        self.ball("kidney", (55, -45, -95), (24, 22, 50))
        self.ball("kidney", (-55, -45, -95), (24, 22, 50))
        for place in ((-60, 35, -70), (-20, 45, -100), (40, 40, -125), (-75, 10, -115)):
            self.ball("organ", place, (28, 20, 18))
            self.ball("gas", (place[0], place[1] + 4, place[2]), (24, 14, 14))
        self.tube("blood", -14, -22, 11)

    def skeleton(self) -> None:
        disc = np.abs((self.z + 500) % 34 - 17) > 14
        for name, radius in (("muscle", 22), ("cortex", 21), ("marrow", 19)):
            where = np.hypot(self.x, self.y + 56) < radius
            self.put(name, where & ~disc if name != "muscle" else where)
        self.put("cortex", (np.hypot(self.x, self.y + 84) < 15) & ~disc)
        self.tube("fat", 0, -84, 11)
        self.tube("cord", 0, -84, 8)
        ring = (np.hypot(self.x / 138, self.y / 86) - 1) * 86
        level = (self.z + 0.25 * self.y + 500) % 30 - 15
        rib = np.hypot(ring, level)
        chest = (self.z > -60) & (self.y < 60)
        self.put("cortex", (rib < 5.5) & chest)
        self.put("marrow", (rib < 4) & chest)
        for side in (-1, 1):
            away = np.hypot(self.x - side * 95, self.y + 20)
            for name, radius in (("cortex", 24), ("marrow", 21.5)):
                self.put(name, (away < radius) & (self.z < -130))
