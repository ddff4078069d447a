"""Reads images, label maps, segmentations and prompts; writes segmentations."""

from .images import read_image, read_labels
from .prompts import read_prompts, read_scribble
from .seg_nrrd import Segment, encode_tag
from .segmentation import Segmentation, read_segmentation, write_segmentation

__all__ = [
    "Segment",
    "Segmentation",
    "encode_tag",
    "read_image",
    "read_labels",
    "read_prompts",
    "read_scribble",
    "read_segmentation",
    "write_segmentation",
]
