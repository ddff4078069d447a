"""Chunks packed by blosc2: zstd level 1 behind a bit shuffle. Only here is blosc2 used.

What comes from outside must look exactly like what `pack` makes before the library sees it:
sizes, filters, codec and flags are read from the 32 bytes of the header (blosc2's chunk format).
"""

from __future__ import annotations

import struct

import numpy as np

from ..errors import InputError
from ..image import Array

#: version, version of the codec, flags, type size, bytes, block bytes, packed bytes, filters,
#: codec, its setting, settings of the filters, two bytes of further flags.
_HEADER = struct.Struct("<BBBBiii6sBB6sBB")
_EXTENDED, _STORED, _CODEC, _ZSTD = 0x05, 0x02, 0xE0, 0x80
_ALL_ZERO = 0x10
_BIT_SHUFFLE = 2
_MOST_BLOCK = 4 << 20
#: Larger than blosc2 would choose: 4 to 5 % less of a CT, in the same time.
_BLOCK = 1 << 20


def pack(slab: Array) -> bytes:
    """A C-contiguous array as one blosc2 chunk."""
    import blosc2

    packed: bytes = blosc2.compress2(
        slab,
        codec=blosc2.Codec.ZSTD,
        clevel=1,
        filters=[blosc2.Filter.BITSHUFFLE],
        filters_meta=[0],
        nthreads=1,
        typesize=slab.dtype.itemsize,
        blocksize=min(_BLOCK, slab.nbytes),
    )
    return packed


def unpack(data: bytes, size: int, itemsize: int) -> Array:
    """The ``size`` bytes (uint8) of a chunk that `pack` made; `InputError` for anything else."""
    _check(data, size, itemsize)
    import blosc2

    raw = np.empty(size, np.uint8)
    try:
        blosc2.decompress2(data, dst=raw, nthreads=1)
    except (RuntimeError, ValueError) as error:
        raise _damaged("its content cannot be unpacked") from error
    return raw


def _check(data: bytes, size: int, itemsize: int) -> None:
    if len(data) < _HEADER.size:
        raise _damaged("it is too short")
    _, _, flags, kind, full, block, packed, filters, _, _, metas, more, special = (
        _HEADER.unpack_from(data)
    )
    if full != size or packed != len(data):
        raise _damaged(f"it does not hold {size} bytes")
    usual = flags & _EXTENDED == _EXTENDED and (flags & _STORED or flags & _CODEC == _ZSTD)
    plain = filters.strip(b"\0") == bytes([_BIT_SHUFFLE]) and not any(metas) and not more
    fits = kind == itemsize and 0 < block <= min(full, _MOST_BLOCK)
    if not (usual and plain and fits and special in (0, _ALL_ZERO)):
        raise _damaged("it is packed in a way that is not used here")


def _damaged(why: str) -> InputError:
    return InputError(f"A part of the image arrived damaged ({why}); send it again.")
