"""Checks the frames of an enhanced (multi-frame) DICOM volume.

GDCM takes pixel size 1 mm when frames are unsorted or unevenly spaced, and one rescale slope for
all frames, both in silence. SimpleITK does not show the per-frame sequences, so the few values
that tell are looked up in the bytes of the header.
"""

from __future__ import annotations

import struct

import numpy as np

from ..errors import GeometryError, InputError
from .dicom_files import Slice, numbers
from .files import read_bytes

PIXEL_DATA = b"\xe0\x7f\x10\x00"
POSITION = b"\x20\x00\x32\x00"
RESCALE = {"slopes": b"\x28\x00\x53\x10", "intercepts": b"\x28\x00\x52\x10"}
REMEDY = "export it as a plain DICOM series or as NIfTI."


def check_frames(item: Slice) -> None:
    """Raise unless the frames stand in order at even distances and share one rescaling."""
    data = read_bytes(item.path)
    header = data[: max(data.rfind(PIXEL_DATA), 0)]
    name, frames = item.path.name, item.size[2]
    places = [p for p in _values(header, POSITION) if len(p) == 3]
    wanted = item.grid[:3, 3] + np.arange(frames)[:, None] * item.grid[:3, 2]
    flat = not np.linalg.norm(item.grid[:3, 2])
    if flat or len(places) != frames or np.abs(np.array(places) - wanted).max() > 0.05:
        raise GeometryError(
            f"The {frames} frames of '{name}' are not in order at even distances, or do not tell "
            f"their place; {REMEDY}"
        )
    for what, tag in RESCALE.items():
        if len({tuple(v) for v in _values(header, tag)}) > 1:
            raise InputError(f"The frames of '{name}' have different rescale {what}; {REMEDY}")


def _values(header: bytes, tag: bytes) -> list[list[float]]:
    """The numbers of every element with this tag (VR DS), explicit or implicit little endian."""
    found = []
    at = header.find(tag)
    while 0 <= at <= len(header) - 8:
        explicit = header[at + 4 : at + 6] == b"DS"
        (length,) = struct.unpack_from(
            "<H" if explicit else "<I", header, at + (6 if explicit else 4)
        )
        text = header[at + 8 : at + 8 + length] if length <= 256 else b""
        values = numbers(text.decode("latin-1").strip(" \0"))
        if values:
            found.append(values)
        at = header.find(tag, at + 4)
    return found
