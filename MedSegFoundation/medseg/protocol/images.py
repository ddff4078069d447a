"""Images on their way to where the model is: a name made of the content, and chunks.

An image travels as whole slices of its *wire form*: little endian, C order, in the narrowest
type that holds every voxel exactly (see `wire_dtype`). CT that a program keeps as float32 or
int32 so travels as int16, and arrives as int16. Models compute in float32, so the mask is the
same as in process; the digest is that of the wire form, so the name is the same, too.

Name, modality and time axis aside, nothing of a header travels: no file name, no patient.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np

from ..errors import GeometryError, InputError, TooLargeError
from ..image import Array, Image
from .messages import ImageOffer, Limits

#: Types that voxels travel in.
DTYPES = ("uint8", "int8", "int16", "uint16", "int32", "uint32", "float32", "float64")
#: Size of a chunk before compression, unless one slice is larger.
CHUNK_BYTES = 8 << 20
#: Colour channels that an image may have.
MOST_CHANNELS = 16
_NAME = re.compile(r"[0-9a-f]{64}")


def digest(image: Image) -> str:
    """The name of an image: SHA-256 (hex) of voxels, geometry, modality and time axis.

    A tree: one hash for each slice of the wire form, and one over the description and those. It
    does not depend on chunks, codec, or the type in which a program keeps the voxels. SHA-256
    because it was the quickest safe hash where it was measured (838 MB/s, blake2b 205 MB/s).
    """
    dtype = wire_dtype(image.array)
    return _digest(image, _described(image, dtype, ""))


def offer(image: Image, known: Iterable[str], chunk_bytes: int = CHUNK_BYTES) -> ImageOffer:
    """Offer an image to a side with the codecs ``known``.

    Raises `InputError` when the image cannot travel. The same image, codecs and ``chunk_bytes``
    always make the same offer, so an upload that broke off can be taken up again.
    """
    there = set(known)
    codec = next((c for c in codecs() if c in there), "raw")
    dtype = wire_dtype(image.array)
    made = _described(image, dtype, codec)
    slices = max(1, chunk_bytes // max(1, slice_bytes(made)))
    return replace(made, digest=_digest(image, made), chunk_slices=min(slices, image.shape[0]))


def check_offer(made: ImageOffer, limits: Limits) -> None:
    """Raise `InputError`, `GeometryError` or `TooLargeError` unless the offer can be taken.

    A chunk of several slices must keep to ``limits.chunk_bytes``, one of a single slice to
    ``limits.message_bytes``.
    """
    if not _NAME.fullmatch(made.digest):
        raise InputError("The digest of an image is 64 hexadecimal digits.")
    if len(made.shape) != 3 or min(made.shape) < 1:
        raise InputError(f"An image needs three sizes above 0, not {made.shape}.")
    if made.dtype not in DTYPES:
        raise InputError(f"Voxels of type '{made.dtype}' cannot be sent; use {', '.join(DTYPES)}.")
    if made.codec not in codecs():
        known = ", ".join(codecs())
        raise InputError(f"The codec '{made.codec}' is not known here; use {known}.")
    if not 1 <= made.channels <= MOST_CHANNELS or made.chunk_slices < 1:
        raise InputError(f"An image needs 1 to {MOST_CHANNELS} channels and slices in a chunk.")
    rows = made.affine
    square = len(rows) == 4 and all(len(row) == 4 for row in rows)
    if not square or not all(abs(v) < 1e9 for row in rows for v in row):
        raise GeometryError("The image has no usable 4x4 affine (IJK to RAS mm).")
    if made.modality is not None and len(made.modality) > 16:
        raise InputError("The modality of an image is a short DICOM code, such as CT.")
    if image_bytes(made) > limits.image_bytes:
        size, most = image_bytes(made) / 1e6, limits.image_bytes / 1e6
        raise TooLargeError(
            f"The image has {size:.0f} MB, at most {most:.0f} MB are taken; crop it first."
        )
    most = limits.chunk_bytes if made.chunk_slices > 1 else limits.message_bytes
    if min(made.chunk_slices, made.shape[0]) * slice_bytes(made) > most:
        raise TooLargeError(f"A chunk may have at most {most} bytes; send fewer slices in each.")


def codecs() -> list[str]:
    """What this process can pack and unpack, best first."""
    return (["blosc2"] if _has_blosc2() else []) + ["zlib", "raw"]


def image_bytes(made: ImageOffer) -> int:
    """Size of the voxels in wire form."""
    return made.shape[0] * slice_bytes(made)


def slice_bytes(made: ImageOffer) -> int:
    return made.shape[1] * made.shape[2] * made.channels * np.dtype(made.dtype).itemsize


def chunk_count(made: ImageOffer) -> int:
    return -(-made.shape[0] // made.chunk_slices)


def chunk_range(made: ImageOffer, n: int) -> tuple[int, int]:
    """First slice of a chunk and the one behind its last; `InputError` when there is none."""
    if not 0 <= n < chunk_count(made):
        raise InputError(f"There is no chunk {n}; the image has {chunk_count(made)}.")
    first = n * made.chunk_slices
    return first, min(first + made.chunk_slices, made.shape[0])


def array_shape(made: ImageOffer, slices: int) -> tuple[int, ...]:
    """``(slices, J, I)``, or ``(slices, J, I, C)`` in colour."""
    colour = () if made.channels == 1 else (made.channels,)
    return (slices, made.shape[1], made.shape[2], *colour)


def encode_chunk(image: Image, made: ImageOffer, n: int) -> bytes:
    """Chunk number ``n`` of an offered image."""
    first, stop = chunk_range(made, n)
    slab = _wire(image, np.dtype(made.dtype), first, stop)
    if made.codec == "blosc2":
        from .blosc import pack

        return pack(slab)
    return _shrink(slab) if made.codec == "zlib" else slab.tobytes()


def decode_chunk(made: ImageOffer, n: int, data: bytes) -> Array:
    """The slab ``(slices, J, I[, C])`` of a chunk; `InputError` when it is not exactly that.

    Takes no more memory than the slab, whatever ``data`` claims to hold.
    """
    first, stop = chunk_range(made, n)
    shape, dtype = array_shape(made, stop - first), np.dtype(made.dtype).newbyteorder("<")
    size = math.prod(shape) * dtype.itemsize
    if made.codec == "blosc2":
        from .blosc import unpack

        raw: Any = unpack(data, size, dtype.itemsize)
    elif made.codec == "zlib":
        return _grow(inflate(data, size), shape, dtype)
    else:
        raw = data
    if len(raw) != size:
        raise damaged(f"it holds {len(raw)} bytes instead of {size}")
    return np.frombuffer(raw, dtype).reshape(shape)


def damaged(why: str) -> InputError:
    return InputError(f"A part of the image arrived damaged ({why}); send it again.")


def wire_dtype(array: Array) -> np.dtype[Any]:
    """The narrowest type that holds every voxel exactly; types of up to 16 bit stay.

    Raises `InputError` for voxels that are no real numbers or fit no type of `DTYPES`.
    """
    if array.dtype.name in DTYPES and array.dtype.itemsize <= 2:
        return array.dtype.newbyteorder("=")
    if array.dtype.kind == "b":
        return np.dtype(np.uint8)
    if array.dtype.kind not in "iuf":
        raise InputError(f"Voxels of type '{array.dtype}' cannot be sent; convert them first.")
    span = _whole_span(array)
    if span is not None:
        for name in ("int16", "uint16", "int32", "uint32"):
            if np.iinfo(name).min <= span[0] and span[1] <= np.iinfo(name).max:
                return np.dtype(name)
    for name in ("float32", "float64"):
        kind = np.dtype(name)
        if array.dtype == kind or all(_holds(kind, part) for part in array):
            return kind
    raise InputError(f"Voxels of type '{array.dtype}' cannot be sent; convert them to float32.")


def slice_hashes(slab: Array) -> list[bytes]:
    """One hash for each slice of a slab in wire form."""
    return [hashlib.sha256(part).digest() for part in slab]


def root_hash(made: ImageOffer, hashes: Sequence[bytes]) -> str:
    """The digest of the image that an offer describes, from the hashes of all its slices."""
    told = [made.shape, made.channels, made.dtype, made.affine, made.modality, made.time_axis]
    return hashlib.sha256(json.dumps(told).encode() + b"\n" + b"".join(hashes)).hexdigest()


def _described(image: Image, dtype: np.dtype[Any], codec: str) -> ImageOffer:
    return ImageOffer(
        digest="",
        shape=list(image.shape),
        dtype=dtype.name,
        affine=image.affine.tolist(),
        codec=codec,
        chunk_slices=1,
        channels=image.channels,
        modality=image.modality,
        time_axis=image.time_axis,
    )


def _digest(image: Image, made: ImageOffer) -> str:
    dtype = np.dtype(made.dtype)
    slabs = (_wire(image, dtype, k, k + 1) for k in range(image.shape[0]))
    return root_hash(made, [h for slab in slabs for h in slice_hashes(slab)])


def _wire(image: Image, dtype: np.dtype[Any], first: int, stop: int) -> Array:
    """Slices in wire form; a view where the image is in that form already."""
    slab = np.ascontiguousarray(image.array[first:stop], dtype.newbyteorder("<"))
    return slab.reshape(slab.shape[:3]) if image.channels == 1 else slab


def _whole_span(array: Array) -> tuple[int, int] | None:
    """Lowest and highest voxel, None unless all are whole numbers."""
    low, high = [], []
    for part in array:
        if array.dtype.kind == "f" and not (np.isfinite(part).all() and _is_whole(part)):
            return None
        low.append(int(part.min()))
        high.append(int(part.max()))
    return min(low), max(high)


def _is_whole(part: Array) -> bool:
    return bool((np.rint(part) == part).all())


def _holds(kind: np.dtype[Any], part: Array) -> bool:
    with np.errstate(over="ignore"):
        return bool(np.array_equal(part.astype(kind).astype(part.dtype), part, equal_nan=True))


def inflate(data: bytes, size: int) -> bytes:
    """Decompress a zlib stream that must hold exactly ``size`` bytes."""
    stream = zlib.decompressobj()
    try:
        raw = stream.decompress(data, size + 1)
    except zlib.error as error:
        raise damaged(str(error)) from error
    if len(raw) != size or not stream.eof or stream.unused_data:
        raise damaged(f"it does not hold {size} bytes")
    return raw


def _shrink(slab: Array) -> bytes:
    """Low bytes and high bytes apart; runs only: quicker than level 1 on CT, and smaller."""
    planes = slab.reshape(-1).view(np.uint8).reshape(-1, slab.dtype.itemsize).T
    packer = zlib.compressobj(1, zlib.DEFLATED, 15, 9, zlib.Z_RLE)
    return packer.compress(np.ascontiguousarray(planes).data) + packer.flush()


def _grow(raw: bytes, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    planes = np.frombuffer(raw, np.uint8).reshape(dtype.itemsize, -1)
    return np.ascontiguousarray(planes.T).reshape(-1).view(dtype).reshape(shape)


@cache
def _has_blosc2() -> bool:
    return find_spec("blosc2") is not None
