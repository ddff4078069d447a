"""MetaImage files (.mha, or .mhd with its voxels beside it)."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..image import Array
from .files import damaged, inflate, read_bytes, voxels
from .raw import Raw, complete_axes

TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4",
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
ALIASES = {
    "Rotation": "TransformMatrix",
    "Orientation": "TransformMatrix",
    "Position": "Offset",
    "Origin": "Offset",
    "ElementSize": "ElementSpacing",
    "ElementByteOrderMSB": "BinaryDataByteOrderMSB",
}


def read(path: Path) -> Raw:
    """Voxels and affine of a MetaImage; its LPS positions become RAS. Shear is kept."""
    data = read_bytes(path)
    fields, start = _header(data, path)
    try:
        sizes = [int(n) for n in fields["DimSize"].split()]
        kind = TYPES[fields["ElementType"]]
        channels = int(fields.get("ElementNumberOfChannels", "1"))
        affine = _affine(fields, len(sizes))
    except (KeyError, ValueError) as error:
        raise damaged(path, "its header lacks the size, type or place of the voxels") from error
    if not 2 <= len(sizes) <= 4:
        raise InputError(f"'{path.name}' has {len(sizes)} dimensions; export a 3D image.")
    where = fields["ElementDataFile"]
    if where.upper() != "LOCAL":
        if where.upper().startswith("LIST") or "%" in where:
            raise InputError(f"'{path.name}' is spread over several files; save it as one .mha.")
        data, start = read_bytes(path.parent / where), 0
    content: bytes | bytearray = data
    if fields.get("CompressedData", "False").lower() == "true":
        content, start = inflate(data[start:], path), 0
    big = fields.get("BinaryDataByteOrderMSB", "False").lower() == "true"
    shape = [*[1] * (4 - len(sizes)), *sizes[::-1], channels]
    array = voxels(content, start, (">" if big else "<") + kind, math.prod(shape), path)
    return Raw(array.reshape(shape), complete_axes(affine, len(sizes)), path.name)


def _header(data: bytes, path: Path) -> tuple[dict[str, str], int]:
    """The ``key = value`` lines and the byte behind the last of them."""
    fields: dict[str, str] = {}
    at = 0
    while "ElementDataFile" not in fields:
        end = data.find(b"\n", at, at + 10000)
        if end < 0:
            raise damaged(path, "it does not hold a MetaImage header")
        key, mark, value = data[at:end].decode("latin-1").partition("=")
        if not mark:
            raise damaged(path, "it does not hold a MetaImage header")
        fields[ALIASES.get(key.strip(), key.strip())] = value.strip()
        at = end + 1
    return fields, at


def _affine(fields: dict[str, str], ndim: int) -> Array:
    """IJK to RAS mm of the first three axes."""
    used = min(ndim, 3)
    matrix = np.array(fields.get("TransformMatrix", "").split() or np.eye(ndim).ravel(), float)
    spacing = np.array(fields.get("ElementSpacing", "").split() or np.ones(ndim), float)
    offset = np.array(fields.get("Offset", "").split() or np.zeros(ndim), float)
    affine = np.eye(4)
    affine[:used, :used] = (matrix.reshape(ndim, ndim).T * spacing)[:used, :used]
    affine[:used, 3] = offset[:used]
    flipped: Array = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    return flipped
