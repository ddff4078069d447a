"""medseg: promptable segmentation of medical images, without Slicer and without Qt.

from medseg import Point, Session, find, read_image

session = Session(read_image("scan.nii.gz"), find())
step = session.add(Point([12.0, -30.5, 44.0]))
session.mask, step.patch, step.ml
"""

from typing import TYPE_CHECKING, Any

from .errors import (
    GeometryError,
    InputError,
    MedsegError,
    ModelError,
    PromptError,
    UnsupportedPromptError,
)
from .image import Image
from .model import Capabilities, Model
from .patch import MaskPatch
from .prompts import Box, Lasso, Point, Prompt, Scribble, Text
from .registry import find, names
from .session import Session, Step

if TYPE_CHECKING:
    from .io import Segment, Segmentation, read_image, read_prompts, write_segmentation

__version__ = "0.1.0"
__all__ = [
    "Box",
    "Capabilities",
    "GeometryError",
    "Image",
    "InputError",
    "Lasso",
    "MaskPatch",
    "MedsegError",
    "Model",
    "ModelError",
    "Point",
    "Prompt",
    "PromptError",
    "Scribble",
    "Segment",
    "Segmentation",
    "Session",
    "Step",
    "Text",
    "UnsupportedPromptError",
    "find",
    "names",
    "read_image",
    "read_prompts",
    "write_segmentation",
]
#: Loaded when first used: files need SimpleITK, which is slow to load.
_FROM_IO = {"Segment", "Segmentation", "read_image", "read_prompts", "write_segmentation"}


def __getattr__(name: str) -> Any:
    if name not in _FROM_IO:
        raise AttributeError(f"module 'medseg' has no attribute '{name}'")
    from . import io

    return getattr(io, name)
