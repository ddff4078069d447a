"""Slices as a network wants them: the window of intensities, then its size and scale."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...image import Array
from ...slices import Slices
from .families import Family

#: CT window in HU: level 40, width 400, as MedSAM and MedSAM2 were trained.
CT_WINDOW = (-160.0, 240.0)
#: Percentiles of the values above zero, for all other modalities.
PERCENTILES = (0.5, 99.5)
#: Slices and pixels a slice that the percentiles are taken from.
SAMPLE_SLICES, SAMPLE_PIXELS = 32, 1 << 16
_TINY = 1e-8

Window = tuple[float, float]


def window_of(slices: Slices) -> Window:
    """Lowest and highest intensity to show: the CT window, or percentiles of a sample.

    Bytes are shown as they are. The sample is the same for the same slices.
    """
    first = slices.pixels(0)
    if first.dtype == np.uint8:
        return 0.0, 255.0
    if slices.modality == "CT":
        return CT_WINDOW
    indices = np.unique(np.linspace(0, slices.count - 1, SAMPLE_SLICES).astype(int))
    values = np.concatenate([_sample(slices.pixels(int(n))) for n in indices])
    positive = values[values > 0]
    low, high = np.percentile(positive if len(positive) else values, PERCENTILES)
    return float(low), float(max(high, low + _TINY))


def _sample(pixels: Array) -> Array:
    step = max(1, int(np.ceil(np.sqrt(pixels.shape[0] * pixels.shape[1] / SAMPLE_PIXELS))))
    return pixels[::step, ::step].ravel().astype(np.float32)


def to_bytes(pixels: Array, window: Window) -> Array:
    """A slice ``(A, B)`` or ``(A, B, C)`` as ``(A, B, 3)`` uint8."""
    if pixels.dtype == np.uint8:
        grey = pixels
    else:
        low, high = window
        scaled = (np.clip(pixels.astype(np.float32), low, high) - low) / (high - low)
        grey = (scaled * 255).astype(np.uint8)
    if grey.ndim == 2:
        grey = grey[..., None]
    if grey.shape[2] not in (3, 4):
        grey = np.repeat(grey[..., :1], 3, axis=2)
    return np.ascontiguousarray(grey[..., :3])


def to_input(rgb: Array, family: Family, size: int) -> Any:
    """Tensor ``(1, 3, size, size)`` of a slice from `to_bytes`."""
    import torch
    import torch.nn.functional as F  # noqa: N812 (the name everybody knows)

    a, b = fit(rgb.shape[:2], family, size)
    tensor = torch.from_numpy(rgb).permute(2, 0, 1)[None]
    if family.cubic or family.padded:  # resized as pictures of bytes, as their code does
        mode = "bicubic" if family.cubic else "bilinear"
        small = F.interpolate(tensor, (a, b), mode=mode, antialias=True).float()
    else:
        small = F.interpolate(tensor.float(), (a, b), mode="bilinear", antialias=True)
    if family.norm is None:
        low, high = small.amin(), small.amax()
        scaled = (small - low) / torch.clamp(high - low, min=_TINY)
    else:
        mean, deviation = (torch.tensor(v)[None, :, None, None] for v in family.norm)
        scaled = (small / 255 - mean) / deviation
    return F.pad(scaled, (0, size - b, 0, size - a))


def fit(shape: tuple[int, ...], family: Family, size: int) -> tuple[int, int]:
    """Pixels ``(a, b)`` that a slice takes of the network's square."""
    if not family.padded:
        return size, size
    scale = size / max(shape)
    return int(shape[0] * scale + 0.5), int(shape[1] * scale + 0.5)


def to_network(positions: Array, shape: tuple[int, ...], family: Family, size: int) -> Array:
    """Positions ``(N, 2)`` (a, b; pixel centres) of a slice as (x, y) in the network's square.

    Counted from the corner of the first pixel less a half, as the prompt encoders expect.
    """
    a, b = fit(shape, family, size)
    scale = np.array([a / shape[0], b / shape[1]])
    inside = (positions + 0.5) * scale - 0.5
    return np.ascontiguousarray(inside[:, ::-1])
