"""Appearance: what every label looks like in CT, MR and ultrasound."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .canvas import Canvas

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


def blend(easy: float, difficult: float, hard: float) -> float:
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


def look_ct(canvas: Canvas, hard: float) -> Look:
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
    spread = blend(3.0, 0.75, hard)
    middle = base["organ"]
    soft = {kind for kind, value in base.items() if -50 < value < 120}
    for kind in soft:
        base[kind] = middle + spread * (base[kind] - middle)
        jitter[kind] *= spread
    means = _means(canvas, base, jitter, 0.1)
    rough = blend(0.5, 1.3, hard)
    coarse = [rough * CT[kind][2] for kind in canvas.kinds]
    fine = [rough * CT[kind][3] for kind in canvas.kinds]
    return _look(canvas, means, coarse, fine)


def look_mr(canvas: Canvas, hard: float) -> Look:
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
    spread = blend(1.3, 0.65, hard)
    base = {kind: v if v < 0.08 else 0.45 + spread * (v - 0.45) for kind, v in base.items()}
    jitter = {kind: 0.07 * blend(1.8, 0.8, hard) if v > 0.08 else 0.01 for kind, v in base.items()}
    jitter["organ"] = jitter["lesion"] = blend(0.22, 0.1, hard)
    means = [max(mean, 0.0) for mean in _means(canvas, base, jitter, 0.15)]
    rough = blend(0.6, 1.5, hard)
    coarse = [rough * MR[kind][2] for kind in canvas.kinds]
    fine = [rough * MR[kind][3] for kind in canvas.kinds]
    return _look(canvas, means, coarse, fine)


def look_us(canvas: Canvas, hard: float) -> Look:
    base = {kind: row[0] for kind, row in US.items()}
    jitter = {kind: 0.25 * value for kind, value in base.items()}
    jitter["organ"], jitter["lesion"] = 0.2, 0.2
    means = [min(max(m, 0.01), 1.2) for m in _means(canvas, base, jitter, 0.2)]
    flat = sum(means) / len(means)
    spread = blend(1.8, 1.0, hard)
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


def render(canvas: Canvas, look: Look) -> Tensor:
    """The ideal image: means and textures of the labels, before any scanner."""
    index = canvas.labels.int().flatten()
    still = canvas.view.moving
    image = look.mean[index].view(canvas.view.shape)
    broad = canvas.noise(canvas.draw.between(0.15, 0.5), still=still)
    small = canvas.noise(max(canvas.draw.between(0.02, 0.08), 1.5 * canvas.voxel), still=still)
    image = image + look.coarse[index].view_as(image) * broad
    return image.addcmul_(look.fine[index].view_as(image), small)
