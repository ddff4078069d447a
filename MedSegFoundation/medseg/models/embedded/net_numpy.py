"""The operations of `net.forward` in plain numpy: matrix products over shifted views."""

from __future__ import annotations

import numpy as np

from .grid import Field

#: Columns per matrix product: small enough to stay in the cache.
SLAB = 24_000


def point(x: Field, weight: Field, bias: Field) -> Field:
    """Mix channels voxel by voxel."""
    mixed = weight @ x.reshape(len(x), -1)
    mixed += bias[:, None]
    return mixed.reshape(-1, *x.shape[1:])


def conv(x: Field, weight: Field, bias: Field) -> Field:
    """3x3x3 convolution with zeros around, in slabs of whole planes."""
    flat = [axis for axis in (1, 2, 3) if x.shape[axis] == 1]
    for axis in flat:  # all that such an axis meets is the middle of the kernel
        weight = weight.take([1], axis=axis + 1)
    padded = np.pad(x, [(0, 0)] + [(0, 0) if axis in flat else (1, 1) for axis in (1, 2, 3)])
    out = np.empty((len(weight), *x.shape[1:]), np.float32)
    planes = max(1, SLAB // (padded.shape[2] * padded.shape[3]))
    reach = weight.shape[2] - 1
    for start in range(0, x.shape[1], planes):
        stop = min(start + planes, x.shape[1])
        _conv_slab(padded[:, start : stop + reach], weight, out[:, start:stop])
    out += bias[:, None, None, None]
    return out


def _conv_slab(padded: Field, weight: Field, out: Field) -> None:
    """Convolve without padding: a step along K or J is a shift in the flattened slab."""
    count, depth, height, width = weight.shape[1:]
    rows, columns = padded.shape[2:]
    flat = padded.reshape(count, -1)
    length = flat.shape[1] - width + 1
    wide = np.concatenate([flat[:, i : i + length] for i in range(width)])
    total = np.zeros((len(weight), out.shape[1] * rows * columns), np.float32)
    used = length - ((depth - 1) * rows + height - 1) * columns
    for k in range(depth):
        for j in range(height):
            shift = (k * rows + j) * columns
            kernel = weight[:, :, k, j].transpose(0, 2, 1).reshape(len(weight), -1)
            total[:, :used] += kernel @ wide[:, shift : shift + used]
    out[:] = total.reshape(len(weight), -1, rows, columns)[:, :, : out.shape[2], : out.shape[3]]


def halve(x: Field, weight: Field, bias: Field) -> Field:
    """2x2x2 blocks to one voxel; odd sizes repeat their last plane."""
    x = np.pad(x, [(0, 0)] + [(0, n % 2) for n in x.shape[1:]], mode="edge")
    k, j, i = (n // 2 for n in x.shape[1:])
    blocks = x.reshape(-1, k, 2, j, 2, i, 2).transpose(0, 2, 4, 6, 1, 3, 5)
    return point(blocks.reshape(-1, k, j, i), weight.reshape(len(weight), -1), bias)


def double(x: Field, weight: Field, like: Field) -> Field:
    """One voxel to 2x2x2, cropped to the size of ``like``."""
    count, k, j, i = x.shape
    parts = weight.reshape(count, -1).T @ x.reshape(count, -1)
    blocks = parts.reshape(-1, 2, 2, 2, k, j, i).transpose(0, 4, 1, 5, 2, 6, 3)
    whole = blocks.reshape(-1, 2 * k, 2 * j, 2 * i)
    return whole[:, : like.shape[1], : like.shape[2], : like.shape[3]]


def bend(x: Field) -> Field:
    """The SiLU, written so that nothing overflows."""
    return np.asarray(x * (0.5 + 0.5 * np.tanh(0.5 * x)), dtype=np.float32)


def even(x: Field) -> Field:
    """Each voxel over the root mean square of its channels."""
    return np.asarray(x / np.sqrt(np.mean(x * x, axis=0) + 1e-3), dtype=np.float32)
