"""What the image says about one group of seeds: how large, how even, how far, how alike.

A *seed group* is the set of voxels one prompt marks. Everything here is measured relative to
the group itself (its own intensity, spread and radius), so that no unit, window or size is
assumed and any modality will do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ...image import Array
from ...io.itk import sitk
from .grid import Field

Triple = tuple[float, float, float]


def _directions(count: int) -> Array:
    """Unit vectors ``(N, 3)`` (k, j, i) spread evenly over the sphere (Fibonacci lattice)."""
    place = np.arange(count) + 0.5
    polar, turn = np.arccos(1 - 2 * place / count), np.pi * (1 + 5**0.5) * place
    return np.stack(
        [np.cos(polar), np.sin(polar) * np.cos(turn), np.sin(polar) * np.sin(turn)], axis=1
    )


DIRECTIONS = _directions(192)
_NEIGHBOURS = np.argsort(-DIRECTIONS @ DIRECTIONS.T, axis=1)[:, :7]


#: Seeds whose spread is this many times the noise lie in texture; their size is also looked for
#: in an image blurred by `COARSE` smallest voxel edges.
TEXTURED = 2.5
COARSE = 3.0
#: Of images with more voxels, every other, third, ... slice tells the range and the noise.
MOST_FOR_RANGE, MOST_FOR_NOISE = 2_000_000, 16_000_000


@dataclass(frozen=True)
class Prepared:
    """An image made ready once: ``values``, ``smooth`` and ``coarse`` ``(K, J, I)``.

    ``noise``: its standard deviation, in the unit of the values. ``widest``: the largest spread
    that still counts as one kind of tissue.
    """

    values: Field
    smooth: Field
    noise: float
    widest: float
    spacing: Triple  # (k, j, i) mm

    @cached_property
    def coarse(self) -> Field:
        """A strongly smoothed copy, made when a prompt in texture asks for it."""
        blurred = ndimage.gaussian_filter(
            self.values, COARSE * voxel_sigma(self.spacing, self.values.shape)
        )
        return np.asarray(blurred)


def voxel_sigma(spacing: Triple, shape: Sequence[int]) -> Array:
    """A smoothing width of one smallest voxel edge, per axis in voxels; 0 along a flat axis."""
    return np.array(
        [min(spacing) / s if n > 1 else 0.0 for s, n in zip(spacing, shape, strict=True)]
    )


def prepare(values: Array, spacing: Triple) -> Prepared:
    """Noise level and a lightly smoothed copy of an image ``(K, J, I)``."""
    values = np.asarray(values, dtype=np.float32)
    low, high = np.percentile(values[_some(values, MOST_FOR_RANGE)], [0.05, 99.95])
    values = np.clip(values, low, high) if high > low else values
    smooth = ndimage.gaussian_filter(values, 0.7 * voxel_sigma(spacing, values.shape))
    part = _some(values, MOST_FOR_NOISE)
    rough = np.abs(values[part] - smooth[part])
    rough = rough[rough > 1e-6 * max(float(high - low), 1e-12)]
    noise = float(np.percentile(rough, 25)) / 0.3186 if rough.size else 0.0
    noise = max(noise, 1e-3 * float(high - low), 1e-6)
    return Prepared(values, smooth, noise, 0.1 * float(high - low), spacing)


def _some(values: Field, most: int) -> slice:
    """Slices with about ``most`` voxels together, but an eighth of them at least."""
    return slice(None, None, max(1, min(values.size // most, len(values) // 8)))


@dataclass(frozen=True)
class SeedModel:
    """Intensity ``mean`` and ``spread`` around the seeds, and ``radii`` in mm per direction."""

    mean: float
    spread: float
    radii: Array

    @property
    def radius(self) -> float:
        return float(np.median(self.radii))


def seed_model(image: Prepared, seeds: Array) -> SeedModel:
    """Estimate intensity and size at seeds ``(N, 3)`` (k, j, i)."""
    mean, spread = _even_ball(image, seeds)
    radii = _exit_radii(image, seeds, mean, spread)
    if spread > TEXTURED * image.noise:
        blurred = replace(image, smooth=image.coarse)
        wide = _exit_radii(blurred, seeds, *_even_ball(blurred, seeds))
        radii = np.maximum(radii, wide)
    return SeedModel(mean, spread, radii)


def _even_ball(image: Prepared, seeds: Array) -> tuple[float, float]:
    """Grow a ball around the seeds while it stays even; its median and spread."""
    step = min(image.spacing)
    reach = 6.3 * step
    margin = [int(np.ceil(reach / s)) for s in image.spacing]
    low = np.maximum(seeds.min(0) - margin, 0)
    high = np.minimum(seeds.max(0) + margin + 1, image.values.shape)
    part = image.smooth[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    marks = np.ones(part.shape, bool)
    marks[tuple((seeds - low).T)] = False
    away = ndimage.distance_transform_edt(marks, sampling=image.spacing)
    mean, spread = 0.0, 0.0
    for factor in (1.01, 1.5, 2.01, 2.5, 3.01, 3.6, 4.3, 5.2, 6.3):
        values = part[away <= factor * step]
        middle = float(np.median(values))
        width = 1.4826 * float(np.median(np.abs(values - middle)))
        width = min(max(width, 0.6 * image.noise), image.widest)
        if factor > 1.5 and np.mean(np.abs(values - mean) > 3 * max(spread, image.noise)) > 0.1:
            break
        mean, spread = middle, width
    return mean, spread


def _exit_radii(image: Prepared, seeds: Array, mean: float, spread: float) -> Array:
    """Per direction: mm from the seeds' centre until the intensity leaves ``mean`` +- 3 spreads."""
    shape = np.array(image.values.shape)
    centre = seeds[np.argmin(((seeds - seeds.mean(0)) ** 2).sum(1))]
    step = min(image.spacing)
    half_diagonal = 0.5 * float(np.linalg.norm(shape * image.spacing))
    count = int(np.clip(half_diagonal / step, 8, 160))
    radii = np.arange(1, count + 1) * step
    flat = shape == 1
    directions = DIRECTIONS.copy()
    if flat.any():
        directions[:, flat] = 0
        directions /= np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), 1e-6)
    places = (
        centre[:, None, None]
        + (directions.T / np.array(image.spacing)[:, None])[:, :, None] * radii
    )
    index = np.rint(places).astype(int)
    inside = ((index >= 0) & (index < shape[:, None, None])).all(0)
    index = np.clip(index, 0, (shape - 1)[:, None, None])
    away = np.abs(image.smooth[tuple(index)] - mean) / spread
    gone = (away > 3) | ~inside
    first = np.where(gone.any(1), gone.argmax(1), count - 1)
    smoothed = np.median(radii[first][_NEIGHBOURS], axis=1)
    return np.maximum(smoothed, 1.5 * step)


def gradient_length(values: Field, spacing: Triple) -> Field:
    """Length of the gradient of ``(K, J, I)``, per mm; an axis of one voxel has none."""
    square = np.zeros(values.shape, np.float32)
    for axis, step in enumerate(spacing):
        if values.shape[axis] > 1:
            square += np.square(np.gradient(values, step, axis=axis))
    return np.sqrt(square)


def geodesic(cost: Field, seeds: NDArray[np.intp], spacing: Triple, stop: float) -> Field:
    """Length in mm of the cheapest path from seeds ``(N, 3)`` (k, j, i), up to ``stop``.

    Fast marching (Sethian, PNAS 1996) as ITK implements it; ``cost`` is >= 1 per mm.
    """
    speed = sitk.GetImageFromArray((1.0 / cost).astype(np.float32))
    speed.SetSpacing([float(s) for s in spacing[::-1]])
    march = sitk.FastMarchingImageFilter()
    march.SetTrialPoints(seeds[:, ::-1].tolist())
    march.SetStoppingValue(stop)
    found = sitk.GetArrayFromImage(march.Execute(speed))
    return np.minimum(found, stop).astype(np.float32)
