"""MetaImage files (.mha, or .mhd with its voxels beside it)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import InputError
from ..image import Array
from .files import damaged, opened
from .layout import AXES, Layout
from .raw import complete_axes

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
#: Most bytes of a line of the header.
LINE = 10000


def layout(path: Path) -> Layout:
    """What the header of a MetaImage says; its LPS positions become RAS."""
    fields, start = _header(path)
    try:
        sizes = [int(n) for n in fields["DimSize"].split()]
        kind = TYPES[fields["ElementType"]]
        channels = int(fields.get("ElementNumberOfChannels", "1"))
        affine = _affine(fields, len(sizes))
    except (KeyError, ValueError) as error:
        raise damaged(path, "its header lacks the size, type or place of the voxels") from error
    if not 2 <= len(sizes) <= 4:
        raise InputError(f"'{path.name}' has {len(sizes)} dimensions; export a 3D image.")
    if fields.get("HeaderSize", "0") != "0":
        raise InputError(f"'{path.name}' skips parts of its data file; save it as one .mha.")
    data, where = path, fields["ElementDataFile"]
    if where.upper() != "LOCAL":
        if where.upper().startswith("LIST") or "%" in where:
            raise InputError(f"'{path.name}' is spread over several files; save it as one .mha.")
        data, start = path.parent / where, 0
    order = ">" if _true(fields, "BinaryDataByteOrderMSB") else "<"
    return Layout(
        path,
        AXES[4 - len(sizes) :],
        (*sizes[::-1], channels),
        np.dtype(order + kind),
        complete_axes(affine, len(sizes)),
        data,
        start,
        "gzip" if _true(fields, "CompressedData") else "",
    )


def _true(fields: dict[str, str], name: str) -> bool:
    return fields.get(name, "False").lower() == "true"


def _header(path: Path) -> tuple[dict[str, str], int]:
    """The ``key = value`` lines and the byte behind the last of them."""
    fields: dict[str, str] = {}
    with opened(path) as file:
        while "ElementDataFile" not in fields:
            key, mark, value = file.readline(LINE).decode("latin-1").partition("=")
            if not mark:
                raise damaged(path, "it does not hold a MetaImage header")
            fields[ALIASES.get(key.strip(), key.strip())] = value.strip()
        return fields, file.tell()


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
