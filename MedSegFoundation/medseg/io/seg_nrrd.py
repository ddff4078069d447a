"""The .seg.nrrd layout of 3D Slicer: layers of label values, and Segment{N}_... entries."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..image import Array, Mask
from ..patch import Box, bounding_box
from ..resample import SHEAR_NOTE, orthogonalise
from . import nrrd
from .files import damaged
from .raw import sheared

Shape = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Segment:
    """One segment. ``color``: r, g, b from 0 to 1. ``mask``: bool ``(K, J, I)``.

    ``tags``: Slicer's segment tags; values must not hold a bare "|" (see `encode_tag`).
    ``value``: its number in a label map, None for the next free one.
    """

    id: str
    name: str
    color: tuple[float, float, float]
    mask: Mask
    tags: dict[str, str] = field(default_factory=dict)
    value: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "mask", np.asarray(self.mask, dtype=bool))


@dataclass
class Layers:
    """Label arrays ``(K, J, I)``, and (layer, label value) of each segment."""

    arrays: list[Array]
    places: list[tuple[int, int]]


def encode_tag(text: str) -> str:
    """JSON text made safe for a segment tag: Slicer cuts tag values at a bare "|"."""
    return text.replace("|", "\\u007c")


def arrange(segments: Sequence[Segment], shape: Shape) -> Layers:
    """Put each segment into the first layer where it overlaps nothing."""
    wanted = [s.value or 0 for s in segments]
    dtype = np.uint8 if max([*wanted, len(segments)], default=0) < 255 else np.uint16
    if max(wanted, default=0) > 65535 or min(wanted, default=0) < 0:
        raise InputError("Label values must be from 1 to 65535; give the segments other values.")
    layers = Layers([np.zeros(shape, dtype)], [])
    used: list[set[int]] = [set()]
    for segment in segments:
        layer = 0
        while layer < len(layers.arrays) and layers.arrays[layer][segment.mask].any():
            layer += 1
        if layer == len(layers.arrays):
            layers.arrays.append(np.zeros(shape, dtype))
            used.append(set())
        value = _free(segment.value, used[layer], wanted)
        used[layer].add(value)
        layers.arrays[layer][segment.mask] = value
        layers.places.append((layer, value))
    return layers


def _free(value: int | None, used: set[int], wanted: Sequence[int]) -> int:
    """The value itself when it is free, else the lowest one that nobody has or wants."""
    if value and value not in used:
        return value
    return next(v for v in range(1, 65536) if v not in used and v not in wanted)


def encode(segments: Sequence[Segment], shape: Shape, affine: Array) -> Iterator[bytes]:
    """A .seg.nrrd file in pieces, as Slicer writes it. ``affine``: IJK to RAS mm."""
    layers = arrange(segments, shape)
    boxes = [bounding_box(segment.mask) for segment in segments]
    many = len(layers.arrays) > 1
    array = np.stack(layers.arrays, axis=-1) if many else layers.arrays[0]
    return nrrd.encode(array, affine, _keys(segments, layers.places, boxes, shape, affine))


def encode_labels(
    segments: Sequence[Segment],
    boxes: Sequence[Box | None],
    slices: Iterable[Array],
    shape: Shape,
    affine: Array,
) -> Iterator[bytes]:
    """What `encode` gives of one layer that comes slice by slice, ``(J, I)`` uint8.

    It holds 0, or the number of a segment from 1 on, whose voxels are in its box. The masks of the
    segments are not looked at.
    """
    places = [(0, n + 1) for n in range(len(segments))]
    keys = _keys(segments, places, boxes, shape, affine)
    return nrrd.encode_slices(slices, shape, np.dtype(np.uint8), affine, keys)


def _keys(
    segments: Sequence[Segment],
    places: Sequence[tuple[int, int]],
    boxes: Sequence[Box | None],
    shape: Shape,
    affine: Array,
) -> dict[str, str]:
    """``places``: layer and label value of each segment."""
    keys: dict[str, str] = {}
    for n, (segment, place, box) in enumerate(zip(segments, places, boxes, strict=True)):
        keys |= {f"Segment{n}_{k}": v for k, v in _entries(segment, *place, box).items()}
    return keys | {
        "Segmentation_ContainedRepresentationNames": "Binary labelmap|",
        "Segmentation_ConversionParameters": _conversion(shape, affine),
        "Segmentation_MasterRepresentation": "Binary labelmap",
        "Segmentation_ReferenceImageExtentOffset": "0 0 0",
    }


def _entries(segment: Segment, layer: int, value: int, box: Box | None) -> dict[str, str]:
    for key, text in segment.tags.items():
        if "|" in text or "|" in key or ":" in key:
            raise InputError(
                f"Tag '{key}' of segment '{segment.name}' has a '|', at which Slicer would cut "
                "it; pass JSON through encode_tag."
            )
    extent = " ".join(f"{s.start} {s.stop - 1}" for s in box[::-1]) if box else "0 -1 0 -1 0 -1"
    return {
        "Color": " ".join(f"{c:g}" for c in segment.color),
        "ColorAutoGenerated": "0",
        "Extent": extent,
        "ID": segment.id,
        "LabelValue": str(value),
        "Layer": str(layer),
        "Name": segment.name,
        "NameAutoGenerated": "0",
        "Tags": "".join(f"{key}:{text}|" for key, text in segment.tags.items()),
    }


def _conversion(shape: Shape, affine: Array) -> str:
    """The reference geometry, so that Slicer keeps the whole grid: IJK to RAS and extent."""
    extent = [v for n in shape[::-1] for v in (0, n - 1)]
    numbers = [repr(float(v) + 0.0) for v in affine.ravel()] + [str(v) for v in extent]
    return "Reference image geometry|" + "".join(f"{n};" for n in numbers) + "|&"


def has_segments(keys: dict[str, str]) -> bool:
    """True for the entries of a segmentation."""
    return any(re.fullmatch(r"Segment\d+_ID", key) for key in keys)


def decode(content: nrrd.Nrrd, path: Path) -> tuple[list[Segment], Array, list[str]]:
    """Segments, affine (IJK to RAS mm of the file's own, maybe cropped, grid) and notes."""
    raw = content.layout.read()
    layers = raw.array
    if layers.shape[-1] > 1:
        if layers.shape[0] > 1:
            raise damaged(path, "it has layers and colours")
        layers = np.moveaxis(layers, -1, 0).reshape(-1, *layers.shape[1:4])
    else:
        layers = layers[..., 0]
    if layers.dtype.kind not in "ui":
        raise InputError(f"'{path.name}' is not a segmentation: it holds fractions.")
    affine, notes = raw.affine, list(raw.notes)
    if sheared(affine, path.name):
        moved = [orthogonalise(layer, affine, nearest=True) for layer in layers]
        layers, affine = np.stack([array for array, _ in moved]), moved[0][1]
        notes.append(SHEAR_NOTE)
    try:
        segments = [_segment(content.keys, n, layers) for n in _numbers(content.keys)]
    except (ValueError, IndexError) as error:
        raise damaged(path, "a segment entry does not fit its voxels") from error
    return segments, affine, notes


def _numbers(keys: dict[str, str]) -> list[int]:
    found = (re.fullmatch(r"Segment(\d+)_ID", key) for key in keys)
    return sorted(int(m.group(1)) for m in found if m)


def _segment(keys: dict[str, str], n: int, layers: Array) -> Segment:
    def get(key: str, default: str) -> str:
        return keys.get(f"Segment{n}_{key}", default)

    # Files of Slicer 4.10 and before have one layer for each segment and no numbers.
    layer = int(get("Layer", str(n if len(layers) > 1 else 0)))
    value = int(get("LabelValue", "1"))
    red, green, blue = (float(c) for c in get("Color", "0.5 0.5 0.5").split())
    tags = (part.partition(":") for part in get("Tags", "").split("|"))
    return Segment(
        get("ID", ""),
        get("Name", f"Segment {n + 1}"),
        (red, green, blue),
        layers[layer] == value,
        {key: text for key, mark, text in tags if mark},
        value,
    )
