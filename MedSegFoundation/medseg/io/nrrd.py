"""NRRD files: header with key/values, attached or in a file beside it (.nhdr)."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..image import Array
from .files import damaged, opened
from .layout import Layout
from .raw import complete_axes

TYPES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("unsigned char", "uchar", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("unsigned short", "ushort", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("unsigned int", "uint", "uint32", "uint32_t"),
    "i8": ("longlong", "long long", "long long int", "int64", "int64_t", "signed long long"),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}
#: What turns the axes of a space into R, A, S.
SPACES = {
    "left-posterior-superior": (-1, -1, 1),
    "lps": (-1, -1, 1),
    "left-anterior-superior": (-1, 1, 1),
    "las": (-1, 1, 1),
    "right-anterior-superior": (1, 1, 1),
    "ras": (1, 1, 1),
}
LPS = (-1, -1, 1)
ENCODINGS = {"raw": "", "gzip": "gzip", "gz": "gzip", "bzip2": "bzip2", "bz2": "bzip2"}
#: Bytes that are read first to find the end of the header.
FIRST = 1 << 16


@dataclass
class Nrrd:
    """``keys`` (the key:=value lines, unescaped), and where the voxels are."""

    keys: dict[str, str]
    layout: Layout


def header(path: Path) -> Nrrd:
    """What the header of a NRRD file says; a list axis counts as T."""
    fields, keys, end = _lines(path)
    try:
        sizes = [int(n) for n in fields["sizes"].split()]
        kind = next(k for k, names in TYPES.items() if fields["type"].lower() in names)
    except (KeyError, ValueError, StopIteration) as error:
        raise damaged(path, "its header gives no size or an unknown voxel type") from error
    order = ">" if fields.get("endian", "little").lower() == "big" else "<"
    axes = _axes(fields, len(sizes), path)
    notes: list[str] = []
    try:
        affine = complete_axes(_affine(fields, axes, notes), 3 if "k" in axes else 2)
    except (ValueError, IndexError) as error:
        raise damaged(path, "its header has an origin or directions that are no numbers") from error
    data, start, packing = _payload(fields, end, path)
    dtype = np.dtype(order + kind)
    return Nrrd(
        keys,
        Layout(path, axes, (*sizes[::-1],), dtype, affine, data, start, packing, notes=notes),
    )


def _lines(path: Path) -> tuple[dict[str, str], dict[str, str], int]:
    """Fields (lower-case names), key/values, and the byte behind the blank line."""
    with opened(path) as file:
        data = file.read(FIRST)
        if not data.startswith(b"NRRD000"):
            raise damaged(path, "it does not start with a NRRD header")
        while not (end := re.search(rb"\r?\n\r?\n", data)) and (more := file.read(len(data))):
            data += more
    text = (data[: end.start()] if end else data).decode("utf-8", "replace")
    fields: dict[str, str] = {}
    keys: dict[str, str] = {}
    for line in re.split(r"\r?\n", text)[1:]:
        key, mark, value = line.partition(":")
        if line.startswith("#") or not mark:
            continue
        if value.startswith("="):
            keys[key] = unescape(value[1:])
        else:
            fields[key.strip().lower()] = value.strip()
    if end is None and not ({"data file", "datafile"} & set(fields)):
        raise damaged(path, "its header has no end")
    return fields, keys, end.end() if end else 0


def _payload(fields: dict[str, str], end: int, path: Path) -> tuple[Path, int, str]:
    """The file that has the voxels, where they begin, and how they are packed."""
    data = path
    beside = fields.get("data file", fields.get("datafile"))
    if beside:
        if "%" in beside or beside.upper().startswith("LIST"):
            raise InputError(f"'{path.name}' is spread over several files; save it as one .nrrd.")
        data, end = path.parent / beside, 0
    if set(fields) & {"byte skip", "byteskip", "line skip", "lineskip"}:
        raise InputError(f"'{path.name}' skips parts of its data file; save it as one .nrrd.")
    encoding = fields.get("encoding", "").lower()
    if encoding not in ENCODINGS:
        raise InputError(f"'{path.name}' is encoded as '{encoding}'; save it as gzip or raw NRRD.")
    return data, end, ENCODINGS[encoding]


def _vectors(text: str) -> list[list[float] | None]:
    """The vectors of "none (1,0,0) (0,1,0)"."""
    found = re.findall(r"\(([^)]*)\)|(none)", text)
    return [None if none else [float(v) for v in body.split(",")] for body, none in found]


def _roles(fields: dict[str, str], ndim: int) -> str:
    """One letter an axis, fastest first: "s" space, "t" frames or layers, "c" channels."""
    kinds = [k.lower() for k in fields.get("kinds", "").split()] or ["???"] * ndim
    directions = _vectors(fields.get("space directions", ""))
    roles = ""
    for axis, kind in enumerate(kinds[:ndim]):
        spatial = directions[axis] is not None if len(directions) == ndim else kind == "???"
        if kind in ("domain", "space") or (spatial and kind == "???"):
            roles += "s" if roles.count("s") < 3 else "t"
        else:
            roles += "t" if kind in ("list", "time", "???", "none") else "c"
    return roles


def _axes(fields: dict[str, str], ndim: int, path: Path) -> str:
    """The letters of a `Layout`, slowest first."""
    try:
        roles = _roles(fields, ndim)
    except ValueError as error:
        raise damaged(path, "its header has directions that are no numbers") from error
    plane = roles.count("s")
    if len(roles) != ndim or plane < 2 or roles.count("t") > 1 or roles.count("c") > 1:
        raise InputError(f"'{path.name}' has axes that make no 2D or 3D image; export a 3D image.")
    for letter in "kji"[-plane:][::-1]:
        roles = roles.replace("s", letter, 1)
    return roles[::-1]


def _affine(fields: dict[str, str], axes: str, notes: list[str]) -> Array:
    space = fields.get("space", "").lower()
    affine = np.eye(4)
    spatial = [axis for axis, letter in enumerate(axes[::-1]) if letter in "kji"]
    directions = _vectors(fields.get("space directions", ""))
    if directions:
        for column, axis in enumerate(spatial):
            vector = directions[axis] or [float(row == column) for row in range(3)]
            affine[:3, column] = [*vector, 0.0][:3]
    elif "spacings" in fields:
        spacings = [float(v) for v in fields["spacings"].split()]
        usable = [spacings[a] if np.isfinite(spacings[a]) else 1.0 for a in spatial]
        affine[: len(usable), : len(usable)] = np.diag(usable)
    origin = _vectors(fields.get("space origin", ""))
    if origin and origin[0] is not None:
        affine[:3, 3] = [*origin[0], 0.0][:3]
    if space not in SPACES:
        notes.append("The file has no patient orientation; left, front and top are guesses.")
    return np.diag([*SPACES.get(space, LPS), 1.0]) @ affine


def escape(value: str) -> str:
    """A key/value on one line: backslash and line ends written as two characters."""
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")


def unescape(value: str) -> str:
    """Inverse of `escape`."""
    known = {"n": "\n", "r": "\r", "\\": "\\"}
    return re.sub(r"\\([nr\\])", lambda m: known[m.group(1)], value)


def encode(array: Array, affine: Array, keys: dict[str, str] | None = None) -> Iterator[bytes]:
    """A NRRD0004 file (gzip, left-posterior-superior), in pieces.

    ``array``: ``(K, J, I)``, or ``(K, J, I, L)`` with a list of layers. ``affine``: IJK to RAS mm.
    """
    return encode_slices(array, array.shape, array.dtype, affine, keys)


def encode_slices(
    slices: Iterable[Array],
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    affine: Array,
    keys: dict[str, str] | None = None,
) -> Iterator[bytes]:
    """What `encode` gives, of an array that comes slice by slice."""
    lps = np.diag([*LPS, 1.0]) @ affine
    vectors = [_vector(lps[:3, a]) for a in range(3)]
    layered = len(shape) == 4
    name = TYPES[dtype.str[1:]]
    lines = [
        "NRRD0004",
        "# Complete NRRD file format specification at:",
        "# http://teem.sourceforge.net/nrrd/format.html",
        f"type: {name[0]}",
        f"dimension: {len(shape)}",
        "space: left-posterior-superior",
        f"sizes: {' '.join(str(n) for n in shape[::-1])}",
        f"space directions: {' '.join(['none'] * layered + vectors)}",
        f"kinds: {' '.join(['list'] * layered + ['domain'] * 3)}",
        *(["endian: little"] if dtype.itemsize > 1 else []),
        "encoding: gzip",
        f"space origin: {_vector(lps[:3, 3])}",
        *(f"{key}:={escape(value)}" for key, value in (keys or {}).items()),
    ]
    yield ("\n".join(lines) + "\n\n").encode()
    packer = zlib.compressobj(level=4, wbits=31)
    for plane in slices:
        yield packer.compress(plane.astype(dtype.newbyteorder("<"), copy=False).tobytes())
    yield packer.flush()


def _vector(values: Array) -> str:
    return "(" + ",".join(repr(float(v) + 0.0) for v in values) + ")"
