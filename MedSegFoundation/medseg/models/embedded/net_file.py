"""Weights files: safetensors, read and written with numpy alone.

The layout: 8 bytes with the length of the header (little endian), a JSON header that gives type,
shape and place of each array, then the arrays.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import ModelError
from .grid import Field

_TYPES: dict[str, np.dtype[Any]] = {"F16": np.dtype("<f2"), "F32": np.dtype("<f4")}
Contents = tuple[dict[str, Field], dict[str, str], str]


def read(path: Path) -> Contents:
    """Arrays (as float32), metadata and SHA-256 of a file; `ModelError` when it is broken."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ModelError(f"Cannot read the weights {path} ({error.strerror}).") from error
    try:
        arrays, info = _parse(raw)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"The weights {path} are broken or no safetensors file; restore the file."
        ) from error
    return arrays, info, hashlib.sha256(raw).hexdigest()


def _parse(raw: bytes) -> tuple[dict[str, Field], dict[str, str]]:
    start = 8 + int.from_bytes(raw[:8], "little")
    if len(raw) < 8 or start > len(raw):
        raise ValueError("the header is cut off")
    header = json.loads(raw[8:start])
    info = header.pop("__metadata__", {})
    arrays, end = {}, start
    for name, entry in header.items():
        kind, shape = _TYPES[entry["dtype"]], entry["shape"]
        first, last = (start + offset for offset in entry["data_offsets"])
        if (
            not start <= first <= last <= len(raw)
            or last - first != math.prod(shape) * kind.itemsize
        ):
            raise ValueError("an array is cut off")
        part = np.frombuffer(raw, kind, math.prod(shape), first)
        arrays[name] = part.reshape(shape).astype(np.float32)
        end = max(end, last)
    if end != len(raw):
        raise ValueError("the file has another length than its header says")
    return arrays, info


def write(path: Path, arrays: Mapping[str, Field], info: Mapping[str, str]) -> None:
    """Write ``arrays`` as float16; the old file stays until the new one is whole."""
    header: dict[str, object] = {"__metadata__": dict(info)}
    body = b""
    for name, array in arrays.items():
        data = np.ascontiguousarray(array, dtype=_TYPES["F16"]).tobytes()
        place = [len(body), len(body) + len(data)]
        header[name] = {"dtype": "F16", "shape": list(array.shape), "data_offsets": place}
        body += data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    part = path.with_name(path.name + ".part")
    part.write_bytes(len(text).to_bytes(8, "little") + text + body)
    part.replace(path)
