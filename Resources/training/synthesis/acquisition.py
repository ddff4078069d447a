"""Acquisition: blur, thick slices, noise and resampling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .appearance import Look, blend, look_ct, look_mr, look_us, render
from .canvas import Canvas
from .fields import Draw, Size, along_axes, gauss, linear


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
        weights.append(gauss(old, centres, sigma * step))
    return along_axes(ideal, weights)


def _hand_out(image: Tensor, scan: Scan) -> Tensor:
    """Resample from the scanner's grid to the grid of the sample."""
    if tuple(image.shape) == scan.size:
        return image
    return along_axes(
        image,
        [linear(old, new, image.device) for old, new in zip(scan.grid, scan.size, strict=True)],
    )


def _grain(draw: Draw, shape: Sequence[int], sigma: float) -> Tensor:
    """Noise of unit variance, correlated in the plane over ``sigma`` voxels."""
    noise = draw.field(*shape)
    for axis in (1, 2):
        n = shape[axis]
        weights = gauss(n, torch.arange(n, device=draw.device), sigma)
        weights = weights / weights.norm(dim=1, keepdim=True)
        noise = noise @ weights.T if axis == 2 else weights @ noise
    return noise


def _scan_ct(canvas: Canvas, look: Look, scan: Scan, hard: float) -> Tensor:
    draw = canvas.draw
    image = _take(render(canvas, look), scan)
    sigma = blend(5, 25, hard) * draw.between(0.7, 1.3)
    image = image + sigma * _grain(draw, image.shape, draw.between(0.3, 0.8))
    return _hand_out(image, scan).clamp_(min=-1024)


def _scan_mr(canvas: Canvas, look: Look, scan: Scan, hard: float) -> Tensor:
    draw = canvas.draw
    uneven = draw.between(0, blend(0.1, 0.45, hard))
    gain = torch.exp(uneven * canvas.noise(1.5, still=canvas.view.moving))
    image = _take(render(canvas, look) * gain, scan)
    sigma = blend(0.01, 0.06, hard) * draw.between(0.7, 1.3)
    real = image + sigma * draw.field(*image.shape)
    image = torch.hypot(real, sigma * draw.field(*image.shape))
    return _hand_out(image, scan) * float(10 ** draw.between(1, 3.3))


def _scan_us(canvas: Canvas, look: Look, scan: Scan, hard: float) -> Tensor:
    """Depth runs along j. Speckle grows wider than deep, interfaces shine, absorbers shade."""
    draw = canvas.draw
    index = canvas.labels.int().flatten()
    echo = render(canvas, look).clamp_(min=0.005)
    edge = torch.zeros_like(echo)
    edge[:, 1:] = (echo[:, 1:] - echo[:, :-1]).abs()
    swallow = look.swallow[index].view_as(echo) * (64 / echo.shape[1])
    shade = torch.exp(-torch.cumsum(swallow, dim=1) * blend(0.6, 1.2, hard)).clamp_(0.02, 1.5)
    clean = _take((echo + draw.between(0.1, 1.2) * edge) * shade, scan)
    wide = draw.between(0.5, 1.0)
    speckle = torch.hypot(*(_grain(draw, clean.shape, wide) for _ in range(2))) / 1.2533
    strength = blend(0.3, 0.75, hard)
    image = clean * (1 - strength + strength * speckle)
    image = torch.log1p(image * draw.between(8, 60))
    return _hand_out(image, scan) * float(draw.between(40, 80))


def sector(draw: Draw, rows: int, columns: int) -> Tensor:
    """The sector that a curved probe sees, bool ``(rows, columns)``; half the probes see all."""
    if draw.chance(0.5):
        return torch.ones(rows, columns, dtype=torch.bool, device=draw.device)
    depth = torch.linspace(0, 1, rows, device=draw.device)[:, None] + draw.between(0.02, 0.3)
    side = torch.linspace(-0.5, 0.5, columns, device=draw.device)[None]
    inside = (side / depth).abs() < draw.between(0.5, 0.9)
    return inside & (torch.hypot(side, depth) < draw.between(1.0, 1.4))


LOOKS = {"ct": (look_ct, _scan_ct), "mr": (look_mr, _scan_mr), "us": (look_us, _scan_us)}
