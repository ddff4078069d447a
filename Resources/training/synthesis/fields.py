"""Randomness and smooth fields."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

Size = tuple[int, int, int]
Vector = Sequence[float]
Box = tuple[slice, slice, slice]


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


def spline(positions: Tensor, cells: int) -> Tensor:
    """Cubic B-spline weights ``(N, cells)`` at ``positions`` ``(N,)`` counted in cells."""
    away = (positions[:, None] - torch.arange(cells, device=positions.device)).abs()
    outer, inner = (2 - away).clamp_(min=0), (1 - away).clamp_(min=0)
    return (outer * outer * outer - 4 * inner * inner * inner) / 6


def along_axes(volume: Tensor, matrices: Sequence[Tensor]) -> Tensor:
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


def gauss(old: int, centres: Tensor, sigma: float) -> Tensor:
    """Gaussian averaging ``(len(centres), old)``; ``centres`` and ``sigma`` in old voxels."""
    away = (centres[:, None] - torch.arange(old, device=centres.device)) / max(sigma, 0.05)
    return torch.softmax(-0.5 * away**2, dim=1)


def linear(old: int, new: int, device: torch.device) -> Tensor:
    """Linear interpolation ``(new, old)`` between grids that cover the same length."""
    centres = (torch.arange(new, device=device) + 0.5) * (old / new) - 0.5
    away = (centres.clamp(0, old - 1)[:, None] - torch.arange(old, device=device)).abs()
    return (1 - away).clamp(min=0)
