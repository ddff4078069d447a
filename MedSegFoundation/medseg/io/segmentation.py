"""Segments with names, colours and tags: plain data, and the files that hold them."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..errors import GeometryError, InputError
from ..image import Array, Image, Mask
from ..resample import labels_onto
from . import nifti, nrrd, seg_nrrd
from .files import existing_file, suffix, write_atomic
from .images import StrPath, read_labels
from .seg_nrrd import Segment

#: Most values in a label map that still looks like one, and not like an image.
MOST_LABELS = 1000
COLORS = (
    (0.50, 0.68, 0.50),
    (0.95, 0.84, 0.57),
    (0.69, 0.48, 0.40),
    (0.44, 0.72, 0.82),
    (0.85, 0.40, 0.31),
    (0.87, 0.51, 0.40),
    (0.56, 0.93, 0.56),
    (0.75, 0.40, 0.34),
)


def default_color(index: int) -> tuple[float, float, float]:
    """A colour (r, g, b from 0 to 1) for the segment with that index."""
    return COLORS[index % len(COLORS)]


@dataclass(frozen=True, eq=False)
class Segmentation:
    """Segments on one grid; they may overlap.

    ``affine``: IJK to RAS mm. ``shape``: ``(K, J, I)``, the shape of every mask.
    """

    affine: Array
    shape: tuple[int, int, int]
    segments: tuple[Segment, ...] = ()
    name: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "affine", np.array(self.affine, dtype=float))
        object.__setattr__(self, "segments", tuple(self.segments))
        for segment in self.segments:
            if segment.mask.shape != tuple(self.shape):
                raise InputError(
                    f"Segment '{segment.name}' has shape {segment.mask.shape}, the segmentation "
                    f"{tuple(self.shape)}; resample it first."
                )
        ids = [s.id for s in self.segments]
        if len(set(ids)) < len(ids):
            raise InputError(f"Segment ids must differ, these do not: {', '.join(ids)}.")

    @classmethod
    def on(cls, image: Image, segments: Iterable[Segment] = ()) -> Segmentation:
        """A segmentation on the grid of an image."""
        return cls(image.affine, image.shape, tuple(segments), image.name)

    @classmethod
    def from_labels(cls, labels: Image) -> Segmentation:
        """One segment for each value above 0 of a label map; its name is "Label N"."""
        values = [int(v) for v in np.unique(labels.array) if v != 0]
        if values and (min(values) < 0 or len(values) > MOST_LABELS):
            raise InputError(
                f"'{labels.name}' is not a label map: it has {len(values)} values from "
                f"{min(values)} to {max(values)}."
            )
        segments = [
            Segment(f"Segment_{v}", f"Label {v}", default_color(n), labels.array == v, {}, v)
            for n, v in enumerate(values)
        ]
        return cls(labels.affine, labels.shape, tuple(segments), labels.name, labels.notes)

    def labels(self) -> Image:
        """A label map ``(K, J, I)``: the value of each segment, or the next free number.

        Raises `InputError` when segments overlap.
        """
        layers = seg_nrrd.arrange(self.segments, self.shape)
        if len(layers.arrays) > 1:
            raise InputError(
                f"Segments of '{self.name or 'the segmentation'}' overlap, which a label map "
                "cannot hold; use a .seg.nrrd file."
            )
        return Image(layers.arrays[0], self.affine, None, self.name, notes=self.notes)

    def onto(self, image: Image) -> Segmentation:
        """The same segments on the grid of an image, by nearest neighbour.

        Raises `GeometryError` when the grids do not overlap or all segments miss the image.
        """
        moved = [replace(s, mask=self._moved(s.mask, image)) for s in self.segments]
        if any(s.mask.any() for s in self.segments) and not any(s.mask.any() for s in moved):
            raise GeometryError(
                f"No segment of '{self.name}' falls on the image; check that both are of one "
                "patient."
            )
        return replace(self, affine=image.affine, shape=image.shape, segments=tuple(moved))

    def _moved(self, mask: Mask, image: Image) -> Mask:
        grid = Image(mask.view(np.uint8), self.affine, name=self.name, time_axis=image.time_axis)
        return labels_onto(image, grid, must_hit=False) > 0


def read_segmentation(path: StrPath, image: Image | None = None) -> Segmentation:
    """Read a .seg.nrrd of 3D Slicer, or a plain label map (one segment for each value).

    The grid is the file's own (Slicer may write a cropped one); with ``image`` the segments are
    brought onto its grid. Raises `InputError` or `GeometryError` with a sentence.
    """
    file = existing_file(path, "segmentation file")
    found = _slicer_segments(file) if suffix(file) in (".seg.nrrd", ".nrrd") else None
    if found is None:
        found = Segmentation.from_labels(read_labels(file))
    return found if image is None else found.onto(image)


def _slicer_segments(path: Path) -> Segmentation | None:
    """The segments of a NRRD file; None when it is a plain label map."""
    content = nrrd.header(path)
    if suffix(path) == ".nrrd" and not seg_nrrd.has_segments(content.keys):
        return None
    segments, affine, notes = seg_nrrd.decode(content, path)
    k, j, i = segments[0].mask.shape if segments else content.layout.shape[1:4]
    return Segmentation(affine, (k, j, i), tuple(segments), path.name, tuple(notes))


def write_segmentation(path: StrPath, segmentation: Segmentation) -> Path:
    """Write .seg.nrrd (all of it), or a label map: .nii.gz, .nii, .nrrd (values only).

    The file is written completely or not at all; an older one stays when anything fails.
    Raises `InputError` with a sentence; overlapping segments need .seg.nrrd.
    """
    target = Path(path)
    kind = suffix(target)
    if os.path.isdir(target):
        raise InputError(f"'{target}' is a folder; name a file such as result.seg.nrrd in it.")
    if kind == ".seg.nrrd":
        chunks: Iterator[bytes] = seg_nrrd.encode(
            segmentation.segments, segmentation.shape, segmentation.affine
        )
    elif kind == ".nrrd":
        chunks = nrrd.encode(segmentation.labels().array, segmentation.affine)
    elif kind in (".nii", ".nii.gz"):
        data = nifti.encode(segmentation.labels().array, segmentation.affine)
        chunks = iter(_gzipped(data) if kind == ".nii.gz" else [data])
    else:
        raise InputError(f"Cannot write '{target.name}'; use .seg.nrrd, .nii.gz or .nrrd.")
    write_atomic(target, chunks)
    return target


def _gzipped(data: bytes) -> Sequence[bytes]:
    packer = zlib.compressobj(level=6, wbits=31)
    return packer.compress(data), packer.flush()
