"""Masks as text: one bit a voxel, only the box that matters, compressed.

Used wherever a mask travels inside JSON: in messages and in the tag of a segment. Unpacking never
takes more memory than the stated size allows, whatever the compressed text claims to hold.
"""

from __future__ import annotations

import base64
import binascii
import math
import zlib
from typing import Any

import numpy as np

from .errors import InputError
from .image import Mask
from .patch import MaskPatch, bounding_box

#: Most voxels that a mask from outside may have: 2048 x 2048 x 1024.
MOST_VOXELS = 2**32


def pack_bits(mask: Mask) -> str:
    """A mask of any shape as text; its shape is not part of it."""
    return base64.b64encode(zlib.compress(np.packbits(mask).tobytes(), 1)).decode()


def unpack_bits(text: str, shape: tuple[int, int, int]) -> Mask:
    """Inverse of `pack_bits` for ``shape`` (K, J, I); `InputError` unless it fits exactly."""
    count = math.prod(shape)
    if count > MOST_VOXELS or any(n < 0 for n in shape):
        raise InputError(f"A mask of shape {shape} is too large to be sent.")
    length = (count + 7) // 8
    inflate = zlib.decompressobj()
    try:
        bits = inflate.decompress(base64.b64decode(text, validate=True), length + 1)
    except (zlib.error, binascii.Error, ValueError) as error:
        raise InputError(f"A mask arrived damaged ({error}); send it again.") from error
    if len(bits) != length or not inflate.eof or inflate.unused_data:
        raise InputError(f"A mask arrived damaged: it does not hold {count} voxels.")
    return np.unpackbits(np.frombuffer(bits, np.uint8), count=count).reshape(shape).view(bool)


def pack_patch(patch: MaskPatch) -> dict[str, Any]:
    """A patch as JSON-able data: ``start`` and ``size`` are ``(k, j, i)``."""
    return {
        "start": list(patch.start),
        "size": list(patch.voxels.shape),
        "bits": pack_bits(patch.voxels),
    }


def unpack_patch(data: dict[str, Any], shape: tuple[int, int, int]) -> MaskPatch:
    """Inverse of `pack_patch`; raises `InputError` when it does not lie within ``shape``."""
    start, size = _triple(data, "start"), _triple(data, "size")
    if any(a < 0 or n < 0 or a + n > most for a, n, most in zip(start, size, shape, strict=True)):
        raise InputError(f"A mask patch at {start} of size {size} is outside the image {shape}.")
    return MaskPatch(start, unpack_bits(str(data.get("bits", "")), size))


def pack_mask(mask: Mask) -> dict[str, Any]:
    """A whole mask ``(K, J, I)`` as JSON-able data; only the box of its voxels is kept."""
    return {"shape": list(mask.shape), **pack_patch(patch_of(mask))}


def unpack_mask(data: dict[str, Any], shape: tuple[int, int, int] | None = None) -> Mask:
    """Inverse of `pack_mask`; with ``shape``, `InputError` when the mask has another one."""
    own = _triple(data, "shape")
    if shape is not None and own != tuple(shape):
        raise InputError(f"The mask has shape {own}, the image {tuple(shape)}.")
    if math.prod(own) > MOST_VOXELS or min(own) < 1:
        raise InputError(f"A mask of shape {own} cannot be sent.")
    patch = unpack_patch(data, own)
    mask = np.zeros(own, bool)
    patch.apply(mask)
    return mask


def patch_of(mask: Mask) -> MaskPatch:
    """The patch that turns an empty mask into this one."""
    box = bounding_box(mask)
    if box is None:
        return MaskPatch((0, 0, 0), np.zeros((0, 0, 0), bool))
    return MaskPatch((box[0].start, box[1].start, box[2].start), mask[box].copy())


def _triple(data: dict[str, Any], name: str) -> tuple[int, int, int]:
    values = data.get(name)
    if not isinstance(values, (list, tuple)) or len(values) != 3:
        raise InputError(f"A mask needs three whole numbers as its '{name}'.")
    if not all(isinstance(v, int) and not isinstance(v, bool) for v in values):
        raise InputError(f"A mask needs three whole numbers as its '{name}'.")
    return values[0], values[1], values[2]
