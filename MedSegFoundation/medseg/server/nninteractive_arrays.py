"""Arrays in the container of the nnInteractive protocol ("NNIA", version 1).

A header says type and shape, and chunks packed by blosc2 follow, each with its size before and
after. Nothing is unpacked before all these numbers are found to agree and to be allowed.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence

import numpy as np

from ..errors import InputError, TooLargeError
from ..image import Array
from ..protocol.blosc import pack as pack_chunk

_MAGIC, _VERSION, _ZSTD, _LZ4 = b"NNIA", 1, 1, 2
#: Largest chunk before compression, by the protocol.
_CHUNK_BYTES = 1 << 30
_DTYPES = frozenset(np.dtype(code).name for code in "?bBhHiIqQefd")
_HEAD = struct.Struct("<4sBBBB")
_SIZES = struct.Struct("<QQ")
#: A chunk of blosc2 begins so; see `medseg.protocol.blosc` for the fields.
_CHUNK = struct.Struct("<BBBBiii6sBB6sBB")
_EXTENDED, _STORED, _ALL_ZERO, _MOST_BLOCK = 0x05, 0x02, 0x10, 4 << 20
#: None, byte shuffle, bit shuffle.
_FILTERS = frozenset((0, 1, 2))
#: Where the flags of a chunk name its codec: zstd, lz4.
_CODECS = frozenset((0x80, 0x20))


def pack(array: Array) -> bytes:
    """An array of any shape of `_DTYPES` as a container."""
    array = np.ascontiguousarray(array)
    name = array.dtype.name.encode("ascii")
    head = _HEAD.pack(_MAGIC, _VERSION, _ZSTD, array.ndim, len(name)) + name
    parts = [head, struct.pack(f"<{array.ndim}q", *array.shape)]
    flat = array.reshape(-1)
    step = _CHUNK_BYTES // array.itemsize
    slabs = [flat[n : n + step] for n in range(0, flat.size, step)]
    parts.append(struct.pack("<I", len(slabs)))
    for slab in slabs:
        packed = pack_chunk(slab)
        parts += [_SIZES.pack(slab.nbytes, len(packed)), packed]
    return b"".join(parts)


def unpack(data: bytes, ndim: int, most: int) -> Array:
    """The array of a container, which must have ``ndim`` axes and at most ``most`` bytes.

    Raises `InputError` or `TooLargeError`; takes no more memory than the array itself.
    """
    shape, dtype, rest = _described(data, ndim)
    size = math.prod(shape) * dtype.itemsize
    if size > most:
        raise TooLargeError(
            f"The array has {size / 1e6:.0f} MB, at most {most / 1e6:.0f} MB are taken; crop it."
        )
    chunks = list(_chunks(data, rest, dtype.itemsize))
    if sum(full for _, full in chunks) != size:
        raise _damaged(f"it does not hold {size} bytes")
    import blosc2

    raw = np.empty(size, np.uint8)
    done = 0
    for chunk, full in chunks:
        try:
            blosc2.decompress2(chunk, dst=raw[done : done + full], nthreads=1)
        except (RuntimeError, ValueError) as error:
            raise _damaged("its content cannot be unpacked") from error
        done += full
    return raw.view(dtype).reshape(shape)


def _described(data: bytes, ndim: int) -> tuple[Sequence[int], np.dtype[np.generic], int]:
    """Shape, type, and where the chunks begin."""
    if len(data) < _HEAD.size or data[:4] != _MAGIC:
        raise InputError("The body is no array of the nnInteractive protocol.")
    _, version, _, axes, length = _HEAD.unpack_from(data)
    if version != _VERSION:
        raise InputError(f"The array is packed in version {version}; version {_VERSION} is known.")
    if axes != ndim:
        raise InputError(f"The array has {axes} axes; {ndim} are needed here.")
    name = data[_HEAD.size : _HEAD.size + length].decode("ascii", "replace")
    end = _HEAD.size + length + 8 * axes
    if name not in _DTYPES or len(data) < end:
        raise _damaged("its type is not known here")
    shape = struct.unpack_from(f"<{axes}q", data, _HEAD.size + length)
    if min(shape) < 1:
        raise InputError(f"An array of shape {shape} holds nothing.")
    return shape, np.dtype(name), end


def _chunks(data: bytes, at: int, itemsize: int) -> Iterator[tuple[memoryview, int]]:
    """Each chunk and its size when unpacked."""
    view = memoryview(data)
    if len(data) < at + 4:
        raise _damaged("it is too short")
    (count,) = struct.unpack_from("<I", data, at)
    at += 4
    for _ in range(count):
        if len(data) < at + _SIZES.size:
            raise _damaged("it is too short")
        full, packed = _SIZES.unpack_from(data, at)
        at += _SIZES.size
        chunk = view[at : at + packed]
        _check(chunk, full, packed, itemsize)
        yield chunk, full
        at += packed
    if at != len(data):
        raise _damaged("something follows it")


def _check(chunk: memoryview, full: int, packed: int, itemsize: int) -> None:
    if len(chunk) != packed or packed < _CHUNK.size or not 0 < full <= _CHUNK_BYTES:
        raise _damaged("its chunks do not fit")
    _, _, flags, kind, size, block, length, filters, _, _, metas, more, special = (
        _CHUNK.unpack_from(chunk)
    )
    sized = size == full and length == packed and not full % itemsize and kind == itemsize
    coded = flags & _EXTENDED == _EXTENDED and (flags & _STORED or flags & 0xE0 in _CODECS)
    plain = _FILTERS.issuperset(filters) and not any(metas) and not more
    fits = 0 < block <= min(full, _MOST_BLOCK) and special in (0, _ALL_ZERO)
    if not (sized and coded and plain and fits):
        raise _damaged("it is packed in a way that is not used here")


def _damaged(why: str) -> InputError:
    return InputError(f"The array arrived damaged ({why}); send it again.")
