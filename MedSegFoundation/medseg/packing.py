"""Masks as text: one bit a voxel, only the box that matters, compressed.

Used wherever a mask travels inside JSON: in messages and in the tag of a segment. Unpacking never
takes more memory than the stated size allows, whatever the compressed text claims to hold.
"""

from __future__ import annotations

import base64
import binascii
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .blank import blank
from .errors import InputError
from .image import Mask
from .patch import Box, MaskPatch, bounding_box
from .pieces import Pieces, at_once, spans

#: Most voxels that a mask from outside may have: 2048 x 2048 x 1024.
MOST_VOXELS = 2**32
#: Bytes that are compressed in one go by those who cannot wait.
_PIECE = 1 << 20


@dataclass(frozen=True)
class Bits:
    """A mask ``(K, J, I)`` that is kept as it is: one bit a voxel, of the box of its true voxels.

    Equal masks have equal bits. Less to keep, to compare and to send than the mask, and packed
    for sending only once.
    """

    shape: tuple[int, int, int]
    start: tuple[int, int, int]
    size: tuple[int, int, int]
    bits: bytes

    @classmethod
    def of(cls, mask: Mask, box: Box | None = None) -> Bits:
        """``box``: that of the true voxels, for those who know it."""
        return at_once(cls.making(mask, box))

    @classmethod
    def making(cls, mask: Mask, box: Box | None = None) -> Pieces[Bits]:
        """`of` in pieces."""
        k, j, i = mask.shape
        box = box or bounding_box(mask) or (slice(0, 0),) * 3
        part = mask[box]
        a, b, c = part.shape
        first, row, column = (side.start for side in box)
        # Whole bytes from every eight slices, and no copy of all: that would be half of the time.
        pieces: list[bytes] = []
        for span in spans(part.shape):
            if pieces:
                yield
            some = range(span.start, span.stop, 8)
            pieces += [np.packbits(part[n : n + 8]).tobytes() for n in some]
        return cls((k, j, i), (first, row, column), (a, b, c), b"".join(pieces))

    @property
    def box(self) -> Box | None:
        """The box of its true voxels; None when there are none."""
        if not self.bits:
            return None
        k, j, i = (slice(a, a + n) for a, n in zip(self.start, self.size, strict=True))
        return k, j, i

    def mask(self) -> Mask:
        """The mask, a new one each time."""
        mask = np.zeros(self.shape, bool)
        for part in self.parts():
            part.apply(mask)
        return mask

    def parts(self) -> Iterator[MaskPatch]:
        """Patches that make the mask out of an empty one."""
        k, j, i = self.start
        _, b, c = self.size
        for span in spans(self.size):
            bits = self.bits[span.start * b * c // 8 : (span.stop * b * c + 7) // 8]
            voxels = _unpacked(bits, (span.stop - span.start, b, c))
            yield MaskPatch((k + span.start, j, i), voxels)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able data; what `pack_mask` gives."""
        return {
            "shape": list(self.shape),
            "start": list(self.start),
            "size": list(self.size),
            "bits": self._text,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any], shape: tuple[int, int, int] | None = None) -> Bits:
        """Inverse of `to_dict`; with ``shape``, `InputError` when the mask has another one."""
        own = _triple(data, "shape")
        if shape is not None and own != tuple(shape):
            raise InputError(f"The mask has shape {own}, the image {tuple(shape)}.")
        if math.prod(own) > MOST_VOXELS or min(own) < 1:
            raise InputError(f"A mask of shape {own} cannot be sent.")
        start, size = _place(data, own)
        return cls(own, start, size, _inflated(str(data.get("bits", "")), size))

    def packing(self) -> Pieces[None]:
        """Compress it now, in pieces; `to_dict` costs nothing then."""
        if "_text" in self.__dict__:
            return
        deflate, pieces = zlib.compressobj(1), list[bytes]()
        for n in range(0, len(self.bits), _PIECE):
            if pieces:
                yield
            pieces.append(deflate.compress(self.bits[n : n + _PIECE]))
        packed = b"".join([*pieces, deflate.flush()])
        self.__dict__["_text"] = base64.b64encode(packed).decode()

    @cached_property
    def _text(self) -> str:
        return _deflated(self.bits)


def pack_bits(mask: Mask) -> str:
    """A mask of any shape as text; its shape is not part of it."""
    return _deflated(np.packbits(mask).tobytes())


def unpack_bits(text: str, shape: tuple[int, int, int]) -> Mask:
    """Inverse of `pack_bits` for ``shape`` (K, J, I); `InputError` unless it fits exactly."""
    return _unpacked(_inflated(text, shape), shape)


def _deflated(bits: bytes) -> str:
    return base64.b64encode(zlib.compress(bits, 1)).decode()


def _unpacked(bits: bytes, shape: tuple[int, int, int]) -> Mask:
    flat = np.unpackbits(np.frombuffer(bits, np.uint8), count=math.prod(shape))
    return flat.reshape(shape).view(bool)


def _inflated(text: str, shape: tuple[int, int, int]) -> bytes:
    return b"".join(_inflating(text, shape))


def _inflating(text: str, shape: tuple[int, int, int]) -> Iterator[bytes]:
    """The bits of a mask, those of one of its `spans` after the other."""
    count = math.prod(shape)
    if count > MOST_VOXELS or any(n < 0 for n in shape):
        raise InputError(f"A mask of shape {shape} is too large to be sent.")
    inflate, whole = zlib.decompressobj(), True
    try:
        packed = base64.b64decode(text, validate=True)
        for span in spans(shape) if count else ():
            length = ((span.stop - span.start) * shape[1] * shape[2] + 7) // 8
            bits = inflate.decompress(packed, length)
            packed = inflate.unconsumed_tail
            whole = whole and len(bits) == length
            yield bits
        more = inflate.decompress(packed, 1)
    except (zlib.error, binascii.Error, ValueError) as error:
        raise InputError(f"A mask arrived damaged ({error}); send it again.") from error
    if more or not whole or not inflate.eof or inflate.unused_data:
        raise InputError(f"A mask arrived damaged: it does not hold {count} voxels.")


def pack_patch(patch: MaskPatch) -> dict[str, Any]:
    """A patch as JSON-able data: ``start`` and ``size`` are ``(k, j, i)``."""
    return at_once(packing_patch(patch))


def packing_patch(patch: MaskPatch) -> Pieces[dict[str, Any]]:
    """`pack_patch` in pieces."""
    deflate, pieces = zlib.compressobj(1), list[bytes]()
    for span in spans(patch.voxels.shape):
        if pieces:
            yield
        pieces.append(deflate.compress(np.packbits(patch.voxels[span]).tobytes()))
    packed = b"".join([*pieces, deflate.flush()])
    return {
        "start": list(patch.start),
        "size": list(patch.voxels.shape),
        "bits": base64.b64encode(packed).decode(),
    }


def unpack_patch(data: dict[str, Any], shape: tuple[int, int, int]) -> MaskPatch:
    """Inverse of `pack_patch`; raises `InputError` when it does not lie within ``shape``."""
    return at_once(unpacking_patch(data, shape))


def unpacking_patch(data: dict[str, Any], shape: tuple[int, int, int]) -> Pieces[MaskPatch]:
    """`unpack_patch` in pieces."""
    start, size = _place(data, shape)
    inflating = _inflating(str(data.get("bits", "")), size)
    voxels = blank(size)
    for number, (span, bits) in enumerate(zip(spans(size), inflating, strict=False)):
        if number:
            yield
        if len(bits) * 8 >= voxels[span].size:  # else it is damaged, which is told at the end
            voxels[span] = _unpacked(bits, voxels[span].shape)
    for _ in inflating:  # sees whether it is whole, and nothing behind it
        pass
    return MaskPatch(start, voxels)


def pack_mask(mask: Mask) -> dict[str, Any]:
    """A whole mask ``(K, J, I)`` as JSON-able data; only the box of its voxels is kept."""
    return Bits.of(mask).to_dict()


def unpack_mask(data: dict[str, Any], shape: tuple[int, int, int] | None = None) -> Mask:
    """Inverse of `pack_mask`; with ``shape``, `InputError` when the mask has another one."""
    return Bits.from_dict(data, shape).mask()


def patch_of(mask: Mask) -> MaskPatch:
    """The patch that turns an empty mask into this one."""
    box = bounding_box(mask)
    if box is None:
        return MaskPatch((0, 0, 0), np.zeros((0, 0, 0), bool))
    return MaskPatch((box[0].start, box[1].start, box[2].start), mask[box].copy())


def _place(
    data: dict[str, Any], shape: tuple[int, int, int]
) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    start, size = _triple(data, "start"), _triple(data, "size")
    if any(a < 0 or n < 0 or a + n > most for a, n, most in zip(start, size, shape, strict=True)):
        raise InputError(f"A mask patch at {start} of size {size} is outside the image {shape}.")
    return start, size


def _triple(data: dict[str, Any], name: str) -> tuple[int, int, int]:
    values = data.get(name)
    if not isinstance(values, (list, tuple)) or len(values) != 3:
        raise InputError(f"A mask needs three whole numbers as its '{name}'.")
    if not all(isinstance(v, int) and not isinstance(v, bool) for v in values):
        raise InputError(f"A mask needs three whole numbers as its '{name}'.")
    return values[0], values[1], values[2]
