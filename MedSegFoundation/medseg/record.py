"""What a segment remembers of its prompts: one JSON text, kept in a tag of the segment.

It holds the prompts (world RAS mm), how many of them are part of the start mask, that start
mask, what made the mask (model, version, weights, medseg version), and marks of grid and mask
by which later readers see whether the rest still describes what is in the segment. The command
line and the scene layer write the same, so work can go on in either.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .errors import InputError, PromptError
from .image import Image, Mask
from .model import Model
from .packing import Bits
from .prompts import Prompt
from .prompts import dumps as prompts_dumps
from .prompts import loads as prompts_loads
from .session import Session
from .story import Story

TAG = "MedSegFoundation.Session"
#: Readers refuse a higher number.
FORMAT_VERSION = 1
#: DICOM SEG writers look these up; without them a segment counts as drawn by hand.
ALGORITHM_TYPE, ALGORITHM_NAME = "DICOM.SegmentAlgorithmType", "DICOM.SegmentAlgorithmName"
_NAME_LENGTH = 64


@dataclass(frozen=True)
class Record:
    """The content of the tag.

    ``start``: mask ``(K, J, I)`` that the prompts from number ``baked`` on correct, or None.
    ``grid``, ``mask``: marks of the image grid and of the mask in the segment. ``model``: name,
    version and weights hash. ``story``: how the start mask was propagated, if it was.
    """

    prompts: tuple[Prompt, ...]
    baked: int
    start: Bits | None
    grid: str
    mask: str
    model: dict[str, str | None]
    medseg: str
    story: Story | None = None

    @classmethod
    def of(cls, session: Session) -> Record:
        """Where a session stands."""
        return cls(
            session.prompts,
            session.baked,
            session.history.state.start,
            grid_mark(session.image),
            mask_mark(session.mask),
            model_info(session.model),
            _version(),
            session.history.state.story,
        )

    def dumps(self) -> str:
        """JSON without the character ``|``, at which .seg.nrrd files would cut the tag."""
        data = {
            "medseg_session": FORMAT_VERSION,
            "prompts": json.loads(prompts_dumps(self.prompts)),
            "baked": self.baked,
            "start": None if self.start is None else self.start.to_dict(),
            "grid": self.grid,
            "mask": self.mask,
            "model": self.model,
            "medseg": self.medseg,
            "story": None if self.story is None else self.story.to_dict(),
        }
        return json.dumps(data).replace("|", "\\u007c")

    @classmethod
    def loads(cls, text: str) -> Record:
        """Inverse of `dumps`; raises `PromptError` with the reason."""
        try:
            data = json.loads(text)
            if data["medseg_session"] > FORMAT_VERSION:
                raise PromptError(
                    "The prompts in this segment were written by a newer medseg; update medseg."
                )
            return cls(
                tuple(prompts_loads(json.dumps(data["prompts"]))),
                data["baked"],
                None if data["start"] is None else Bits.from_dict(data["start"]),
                data["grid"],
                data["mask"],
                data["model"],
                data["medseg"],
                Story.from_dict(data.get("story")),
            )
        except (ValueError, KeyError, TypeError, InputError) as error:
            raise PromptError(
                f"The prompts stored in this segment cannot be read ({error!r}); "
                f"remove its tag '{TAG}'."
            ) from error

    def tags(self) -> dict[str, str]:
        """All tags of the segment, by name."""
        name = f"{self.model['name']} {self.model['version']}".replace("|", "/")
        return {
            TAG: self.dumps(),
            ALGORITHM_TYPE: "SEMIAUTOMATIC",
            ALGORITHM_NAME: name[:_NAME_LENGTH],
        }

    def describes(self, image: Image, mask: Mask) -> bool:
        """True when nobody has changed the grid or the mask since."""
        return self.grid == grid_mark(image) and self.mask == mask_mark(mask)


def _version() -> str:
    from . import __version__

    return __version__


def model_info(model: Model) -> dict[str, str | None]:
    """Name, version and weights hash of a model.

    Of a name with a path in it (``sam2:PATH?option=...``) the folder is left out: a record travels
    with the segment, and the hash says which weights they were.
    """
    name = re.sub(r":[^?]*[/\\]", ":", model.name)
    return {"name": name, "version": model.version, "weights_hash": model.weights_hash}


def mask_mark(mask: Mask) -> str:
    """A short text that differs for different masks ``(K, J, I)``."""
    return joined_mark(mask.shape, [slice_mark(plane) for plane in mask])


def slice_mark(plane: Mask) -> bytes:
    """What one slice ``(J, I)`` adds to the mark of a mask; nothing when it is empty."""
    rows = np.flatnonzero(plane.any(axis=1))
    if not rows.size:
        return b""
    return rows_mark(plane, int(rows[0]), int(rows[-1]))


def rows_mark(plane: Mask, first: int, last: int) -> bytes:
    """`slice_mark` of a slice of which the first and the last row that hold voxels are known."""
    content = np.packbits(plane[first : last + 1]).tobytes()
    return hashlib.sha256(f"{first} {last} ".encode() + content).digest()


def joined_mark(shape: Sequence[int], slices: Sequence[bytes]) -> str:
    """`mask_mark` of a mask of that shape, from the `slice_mark` of all its slices."""
    held = [number for number, mark in enumerate(slices) if mark]
    return _digest(f"{tuple(shape)} {held} ".encode() + b"".join(slices))


def grid_mark(image: Image) -> str:
    """A short text that differs for different grids (shape, or place by more than 0.001 mm)."""
    affine = (np.round(image.affine, 3) + 0.0).tolist()
    return _digest(json.dumps([image.shape, affine]).encode())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]
