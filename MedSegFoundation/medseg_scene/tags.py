"""What a segment remembers of its prompts: one JSON tag, saved and undone with the mask.

The tag is the only memory of the scene layer. It holds the prompts (world RAS mm), how many of
them are part of the start mask, that start mask, what made the mask (model, version, weights,
medseg version), and marks of grid and mask by which later readers see whether the rest still
describes what is in the segment.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import vtk
from medseg import Image, Model, Prompt, PromptError, __version__
from medseg.image import Mask
from medseg.patch import bounding_box
from medseg.prompts import dumps as prompts_dumps
from medseg.prompts import loads as prompts_loads

TAG = "MedSegFoundation.Session"
#: Readers refuse a higher number.
FORMAT_VERSION = 1
#: DICOM SEG writers look these up; without them a segment counts as drawn by hand.
_ALGORITHM_TYPE, _ALGORITHM_NAME = "DICOM.SegmentAlgorithmType", "DICOM.SegmentAlgorithmName"
_NAME_LENGTH = 64


@dataclass(frozen=True)
class Record:
    """The content of the tag.

    ``start``: mask ``(K, J, I)`` that the prompts from number ``baked`` on correct, or None.
    ``grid``, ``mask``: marks of the image grid and of the mask in the segment. ``model``: name,
    version and weights hash.
    """

    prompts: tuple[Prompt, ...]
    baked: int
    start: Mask | None
    grid: str
    mask: str
    model: dict[str, str | None]
    medseg: str = __version__

    def dumps(self) -> str:
        """JSON without the character ``|``, at which .seg.nrrd files would cut the tag."""
        data = {
            "medseg_session": FORMAT_VERSION,
            "prompts": json.loads(prompts_dumps(self.prompts)),
            "baked": self.baked,
            "start": None if self.start is None else _pack(self.start),
            "grid": self.grid,
            "mask": self.mask,
            "model": self.model,
            "medseg": self.medseg,
        }
        return json.dumps(data).replace("|", "\\u007c")

    @classmethod
    def loads(cls, text: str) -> Record:
        """Inverse of `dumps`; raises `PromptError` with the reason."""
        try:
            data = json.loads(text)
            if data["medseg_session"] > FORMAT_VERSION:
                raise PromptError(
                    "The prompts in this segment were written by a newer MedSegFoundation; "
                    "update the extension."
                )
            return cls(
                tuple(prompts_loads(json.dumps(data["prompts"]))),
                data["baked"],
                None if data["start"] is None else _unpack(data["start"]),
                data["grid"],
                data["mask"],
                data["model"],
                data["medseg"],
            )
        except (ValueError, KeyError, TypeError, zlib.error) as error:
            raise PromptError(
                f"The prompts stored in this segment cannot be read ({error!r}); "
                f"remove its tag '{TAG}'."
            ) from error


def read_tag(segment: Any, name: str = TAG) -> str:
    """A tag of a ``vtkSegment``, empty when there is none."""
    text = vtk.reference("")
    return str(text) if segment.GetTag(name, text) else ""


def write_record(segment: Any, record: Record) -> None:
    """Write the tag, and the two that tell DICOM SEG writers how the segment was made."""
    segment.SetTag(TAG, record.dumps())
    segment.SetTag(_ALGORITHM_TYPE, "SEMIAUTOMATIC")
    name = f"{record.model['name']} {record.model['version']}".replace("|", "/")
    segment.SetTag(_ALGORITHM_NAME, name[:_NAME_LENGTH])


def model_info(model: Model) -> dict[str, str | None]:
    """Name, version and weights hash of a model."""
    return {"name": model.name, "version": model.version, "weights_hash": model.weights_hash}


def mask_mark(mask: Mask) -> str:
    """A short text that differs for different masks ``(K, J, I)``."""
    box = bounding_box(mask)
    if box is None:
        return "empty"
    place = [mask.shape, *((side.start, side.stop) for side in box)]
    return _digest(repr(place).encode() + np.packbits(mask[box]).tobytes())


def grid_mark(image: Image) -> str:
    """A short text that differs for different grids (shape, or place by more than 0.001 mm)."""
    affine = (np.round(image.affine, 3) + 0.0).tolist()
    return _digest(json.dumps([image.shape, affine]).encode())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


def _pack(mask: Mask) -> dict[str, Any]:
    box = bounding_box(mask) or (slice(0, 0),) * 3
    bits = zlib.compress(np.packbits(mask[box]).tobytes(), 1)
    return {
        "shape": list(mask.shape),
        "box": [[side.start, side.stop] for side in box],
        "bits": base64.b64encode(bits).decode(),
    }


def _unpack(data: dict[str, Any]) -> Mask:
    mask = np.zeros(data["shape"], bool)
    k, j, i = (slice(start, stop) for start, stop in data["box"])
    part = mask[k, j, i]
    bits = np.frombuffer(zlib.decompress(base64.b64decode(data["bits"])), np.uint8)
    part[...] = np.unpackbits(bits, count=part.size).reshape(part.shape)
    return mask
