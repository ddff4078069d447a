"""NRRD files: header with key/values, attached or in a file beside it (.nhdr)."""

from __future__ import annotations

import bz2
import math
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..image import Array
from .files import damaged, inflate, read_bytes, voxels
from .raw import Raw, complete_axes

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


@dataclass
class Nrrd:
    """``fields`` (lower-case names), ``keys`` (the key:=value lines, unescaped), raw voxels."""

    fields: dict[str, str]
    keys: dict[str, str]
    raw: Raw


def read(path: Path) -> Nrrd:
    """Read a NRRD file; ``raw.array`` is ``(T, K, J, I, C)``, a list axis counts as T."""
    data = read_bytes(path)
    if not data.startswith(b"NRRD000"):
        raise damaged(path, "it does not start with a NRRD header")
    fields, keys, rest = _header(data, path)
    try:
        sizes = [int(n) for n in fields["sizes"].split()]
        kind = next(k for k, names in TYPES.items() if fields["type"].lower() in names)
    except (KeyError, ValueError, StopIteration) as error:
        raise damaged(path, "its header gives no size or an unknown voxel type") from error
    order = ">" if fields.get("endian", "little").lower() == "big" else "<"
    array = voxels(_payload(fields, rest, path), 0, order + kind, math.prod(sizes), path).reshape(
        sizes[::-1]
    )
    return Nrrd(fields, keys, _raw(array, fields, path))


def _header(data: bytes, path: Path) -> tuple[dict[str, str], dict[str, str], bytes]:
    """Fields, key/values, and the bytes behind the blank line."""
    end = re.search(rb"\r?\n\r?\n", data)
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
    return fields, keys, data[end.end() :] if end else b""


def _payload(fields: dict[str, str], data: bytes, path: Path) -> bytes | bytearray:
    beside = fields.get("data file", fields.get("datafile"))
    if beside:
        if "%" in beside or beside.upper().startswith("LIST"):
            raise InputError(f"'{path.name}' is spread over several files; save it as one .nrrd.")
        data = read_bytes(path.parent / beside)
    if set(fields) & {"byte skip", "byteskip", "line skip", "lineskip"}:
        raise InputError(f"'{path.name}' skips parts of its data file; save it as one .nrrd.")
    encoding = fields.get("encoding", "").lower()
    if encoding == "raw":
        return data
    if encoding in ("gzip", "gz"):
        return inflate(data, path)
    if encoding in ("bzip2", "bz2"):
        try:
            return bz2.decompress(data)
        except (OSError, ValueError) as error:
            raise damaged(path, "its compressed data are not valid") from error
    raise InputError(f"'{path.name}' is encoded as '{encoding}'; save it as gzip or raw NRRD.")


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


def _raw(array: Array, fields: dict[str, str], path: Path) -> Raw:
    try:
        roles = _roles(fields, array.ndim)
    except ValueError as error:
        raise damaged(path, "its header has directions that are no numbers") from error
    plane = roles.count("s")
    if len(roles) != array.ndim or plane < 2 or roles.count("t") > 1 or roles.count("c") > 1:
        raise InputError(f"'{path.name}' has axes that make no 2D or 3D image; export a 3D image.")
    slow_first = roles[::-1]
    space = [a for a, role in enumerate(slow_first) if role == "s"]
    order = [slow_first.index("t")] if "t" in roles else []
    order += [*space, *([slow_first.index("c")] if "c" in roles else [])]
    shape = [array.shape[a] for a in space]
    shape = [1] * (3 - plane) + shape
    frames = array.shape[slow_first.index("t")] if "t" in roles else 1
    channels = array.shape[slow_first.index("c")] if "c" in roles else 1
    voxels5 = array.transpose(order).reshape(frames, *shape, channels)
    notes: list[str] = []
    try:
        affine = _affine(fields, roles, notes)
    except (ValueError, IndexError) as error:
        raise damaged(path, "its header has an origin or directions that are no numbers") from error
    return Raw(voxels5, complete_axes(affine, plane), path.name, notes=notes)


def _affine(fields: dict[str, str], roles: str, notes: list[str]) -> Array:
    space = fields.get("space", "").lower()
    affine = np.eye(4)
    spatial = [axis for axis, role in enumerate(roles) if role == "s"]
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
    lps = np.diag([*LPS, 1.0]) @ affine
    vectors = [_vector(lps[:3, a]) for a in range(3)]
    layered = array.ndim == 4
    name = TYPES[array.dtype.str[1:]]
    lines = [
        "NRRD0004",
        "# Complete NRRD file format specification at:",
        "# http://teem.sourceforge.net/nrrd/format.html",
        f"type: {name[0]}",
        f"dimension: {array.ndim}",
        "space: left-posterior-superior",
        f"sizes: {' '.join(str(n) for n in array.shape[::-1])}",
        f"space directions: {' '.join(['none'] * layered + vectors)}",
        f"kinds: {' '.join(['list'] * layered + ['domain'] * 3)}",
        *(["endian: little"] if array.dtype.itemsize > 1 else []),
        "encoding: gzip",
        f"space origin: {_vector(lps[:3, 3])}",
        *(f"{key}:={escape(value)}" for key, value in (keys or {}).items()),
    ]
    yield ("\n".join(lines) + "\n\n").encode()
    packer = zlib.compressobj(level=4, wbits=31)
    for block in array.astype(array.dtype.newbyteorder("<"), copy=False):
        yield packer.compress(block.tobytes())
    yield packer.flush()


def _vector(values: Array) -> str:
    return "(" + ",".join(repr(float(v) + 0.0) for v in values) + ")"
