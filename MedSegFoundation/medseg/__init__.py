"""medseg: promptable segmentation of medical images, without Slicer and without Qt.

from medseg import Point, Session, find, read_image

session = Session(read_image("scan.nii.gz"), find())
step = session.add(Point([12.0, -30.5, 44.0]))
session.mask, step.patch, step.ml
"""

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
    "Session",
    "Step",
    "Text",
    "UnsupportedPromptError",
    "find",
    "names",
]
