"""Small images with one known object, and what tests ask of a mask."""

import numpy as np
from medseg import Image, Point


def affine(spacing=(1.0, 1.0, 1.0), rotation=None, origin=(-20.0, 11.0, 5.0)):
    """IJK to RAS mm; ``rotation`` has the directions of the axes as columns."""
    matrix = np.eye(4)
    matrix[:3, :3] = (np.eye(3) if rotation is None else rotation) @ np.diag(spacing)
    matrix[:3, 3] = origin
    return matrix


def turned():
    """A rotation about two axes."""
    a, b = 0.4, 0.3
    first = [[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]]
    second = [[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]]
    return np.array(first) @ np.array(second)


def ball(shape=(40, 44, 48), spacing=(1.0, 1.0, 1.0), radius=9.0, centre=None):
    """Truth ``(K, J, I)`` of a ball of ``radius`` mm; ``spacing`` is (i, j, k), as in images."""
    centre = (np.array(shape) - 1) // 2 if centre is None else np.array(centre)
    grids = np.ogrid[tuple(slice(n) for n in shape)]
    away = sum(((g - c) * s) ** 2 for g, c, s in zip(grids, centre, spacing[::-1], strict=True))
    return away <= radius**2


def image(truth, matrix=None, *, low=100.0, high=200.0, noise=6.0, **more):
    """The truth as a noisy image."""
    random = np.random.default_rng(0)
    values = np.where(truth, high, low) + noise * random.standard_normal(truth.shape)
    return Image(values.astype(np.float32), affine() if matrix is None else matrix, **more)


def at(where, kji, include=True):
    """A click on a voxel."""
    return Point(where.ijk_to_ras(np.array(kji, float)[::-1]), include)


def middle(truth):
    """The voxel in the middle of a mask."""
    return np.round(np.argwhere(truth).mean(0)).astype(int)


def dice(a, b):
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))
