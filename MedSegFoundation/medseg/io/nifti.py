"""NIfTI-1 and NIfTI-2, single files (.nii, .nii.gz), with nibabel's rules for the affine."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..image import Array
from .files import damaged, opened
from .layout import AXES, Layout
from .raw import complete_axes
from .unpack import packed_in, pieces

#: NIfTI type code -> numpy type, numbers per voxel.
TYPES = {
    2: ("u1", 1),
    4: ("i2", 1),
    8: ("i4", 1),
    16: ("f4", 1),
    64: ("f8", 1),
    128: ("u1", 3),
    256: ("i1", 1),
    512: ("u2", 1),
    768: ("u4", 1),
    1024: ("i8", 1),
    1280: ("u8", 1),
    2304: ("u1", 4),
}
#: Bytes of the longer header, that of NIfTI-2.
HEADER = 540
#: Largest size along an axis.
LONGEST = 32767
#: Unit code -> millimetres.
UNITS = {1: 1000.0, 3: 0.001}


@dataclass
class _Header:
    order: str
    dim: list[int]
    code: int
    pixdim: list[float]
    offset: int
    slope: float
    intercept: float
    units: int
    qform_code: int
    sform_code: int
    quaternion: list[float]
    sform: Array


def layout(path: Path) -> Layout:
    """What the header says; raises `InputError` for what is not read.

    The sform counts, else the qform, else nibabel's guess (a note says so).
    """
    with opened(path) as file:
        packing = packed_in(file.read(2))
    header = _header(_first(path, packing), path)
    dim = [n if a < header.dim[0] else 1 for a, n in enumerate((*header.dim[1:8],))]
    if not 1 <= header.dim[0] <= 7 or min(dim) < 1:
        raise damaged(path, "its header gives no image size")
    if dim[4] * dim[5] * dim[6] > 1:
        raise InputError(
            f"'{path.name}' has {header.dim[0]} dimensions (a vector or matrix field); "
            "export a 3D image."
        )
    if header.code not in TYPES:
        raise InputError(
            f"'{path.name}' has voxels of NIfTI type {header.code}, which is not read; "
            "save it with integer or float voxels."
        )
    kind, channels = TYPES[header.code]
    notes: list[str] = []
    affine = complete_axes(_affine(header, dim, notes), header.dim[0])
    slope, intercept = _rescaling(header) if channels == 1 else (1.0, 0.0)
    return Layout(
        path,
        AXES,
        (dim[3], dim[2], dim[1], dim[0], channels),
        np.dtype(header.order + kind),
        affine,
        path,
        packing=packing,
        skip=header.offset,
        slope=slope,
        intercept=intercept,
        notes=notes,
    )


def _first(path: Path, packing: str) -> bytes:
    """As many bytes as the header may have."""
    data = b""
    for piece in pieces(path, packing=packing):
        data += piece[:HEADER]
        if len(data) >= HEADER:
            break
    return data


def _header(data: bytes, path: Path) -> _Header:
    if len(data) < 348:
        raise damaged(path, "it is too short for a NIfTI header")
    for order in "<>":
        size = struct.unpack(order + "i", data[:4])[0]
        if size == 348:
            return _header_1(data, order, path)
        if size == 540 and len(data) >= 540:
            return _header_2(data, order)
    raise damaged(path, "it does not start with a NIfTI header")


def _header_1(data: bytes, order: str, path: Path) -> _Header:
    def get(kind: str, at: int) -> list[float]:
        return list(struct.unpack_from(order + kind, data, at))

    magic = bytes(data[344:347])
    if magic == b"ni1":
        raise InputError(f"'{path.name}' keeps its voxels in another file; save it as .nii.gz.")
    if magic != b"n+1":
        raise damaged(path, "it does not start with a NIfTI header")
    qform, sform = get("2h", 252)
    offset, slope, intercept = get("3f", 108)
    return _Header(
        order,
        [int(n) for n in get("8h", 40)],
        int(get("h", 70)[0]),
        get("8f", 76),
        int(offset) if np.isfinite(offset) else -1,
        slope,
        intercept,
        data[123],
        int(qform),
        int(sform),
        get("6f", 256),
        np.array(get("12f", 280)).reshape(3, 4),
    )


def _header_2(data: bytes, order: str) -> _Header:
    def get(kind: str, at: int) -> list[float]:
        return list(struct.unpack_from(order + kind, data, at))

    qform, sform = get("2i", 344)
    slope, intercept = get("2d", 176)
    return _Header(
        order,
        [int(n) for n in get("8q", 16)],
        int(get("h", 12)[0]),
        get("8d", 104),
        int(get("q", 168)[0]),
        slope,
        intercept,
        int(get("i", 500)[0]) & 0xFF,
        int(qform),
        int(sform),
        get("6d", 352),
        np.array(get("12d", 400)).reshape(3, 4),
    )


def _rescaling(header: _Header) -> tuple[float, float]:
    """Slope and intercept; a slope of 0 or not a number means none."""
    if not np.isfinite(header.slope) or header.slope == 0:
        return 1.0, 0.0
    return header.slope, header.intercept if np.isfinite(header.intercept) else 0.0


def _affine(header: _Header, dim: list[int], notes: list[str]) -> Array:
    affine = np.eye(4)
    if header.sform_code > 0:
        affine[:3] = header.sform
    elif header.qform_code > 0:
        affine = _qform(header)
    else:
        notes.append("The file has no orientation; left, front and top are guesses.")
        zooms = np.array(header.pixdim[1:4]) * [-1, 1, 1]
        affine[:3, :3] = np.diag(zooms)
        affine[:3, 3] = -zooms * (np.array(dim[:3]) - 1) / 2
    unit = UNITS.get(header.units & 7, 1.0)
    if unit != 1:
        affine[:3] *= unit
        notes.append("The file counts in metres or micrometres; converted to mm.")
    return affine


def _qform(header: _Header) -> Array:
    """Quaternion, voxel sizes and offset to an affine."""
    b, c, d = header.quaternion[:3]
    a = np.sqrt(max(0.0, 1.0 - (b * b + c * c + d * d)))
    scale = 2.0 / (a * a + b * b + c * c + d * d)
    rotation = np.array(
        [
            [1 - scale * (c * c + d * d), scale * (b * c - a * d), scale * (b * d + a * c)],
            [scale * (b * c + a * d), 1 - scale * (b * b + d * d), scale * (c * d - a * b)],
            [scale * (b * d - a * c), scale * (c * d + a * b), 1 - scale * (b * b + c * c)],
        ]
    )
    zooms = np.array(header.pixdim[1:4])
    zooms[2] *= -1 if header.pixdim[0] < 0 else 1
    affine = np.eye(4)
    affine[:3, :3] = rotation * zooms
    affine[:3, 3] = header.quaternion[3:]
    return affine


def encode(array: Array, affine: Array) -> bytes:
    """A NIfTI-1 file (not compressed) of a ``(K, J, I)`` array, its affine as sform."""
    return header(array.shape, array.dtype, affine) + body(array)


def header(
    shape: tuple[int, ...], dtype: np.dtype[Any], affine: Array, seconds: float = 0.0
) -> bytes:
    """What stands before the voxels ``(K, J, I)`` or ``(T, K, J, I)``; ``seconds``: T to T."""
    if max(shape) > LONGEST:
        raise InputError(
            f"A NIfTI file cannot hold {max(shape)} slices or frames; write a folder or a video."
        )
    codes = {np.dtype(kind): code for code, (kind, channels) in TYPES.items() if channels == 1}
    data = bytearray(352)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    sizes = [len(shape), *shape[::-1], 1, 1, 1, 1]
    struct.pack_into("<i", data, 0, 348)
    struct.pack_into("<8h", data, 40, *sizes[:8])
    struct.pack_into("<2h", data, 70, codes[dtype], dtype.itemsize * 8)
    struct.pack_into("<8f", data, 76, 1, *spacing, seconds, 0, 0, 0)
    struct.pack_into("<3f", data, 108, 352, 1, 0)
    data[123] = 2 | (8 if seconds else 0)
    struct.pack_into("<2h", data, 252, 0, 1)
    struct.pack_into("<12f", data, 280, *affine[:3].ravel())
    data[344:348] = b"n+1\0"
    return bytes(data)


def body(array: Array) -> bytes:
    """Voxels as the file holds them."""
    return array.astype(array.dtype.newbyteorder("<")).tobytes()
