"""Segments in and out, on the grid of an engine image.

A segment's labelmap is a world of its own: cropped to its content (with negative extents where
it lies before the volume's corner), possibly finer, turned, under another transform, and shared
with other segments. So it is read through its label value and its own matrix, and written only
through the segment editor logic, voxel by changed voxel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import slicer
import vtk
from medseg import Image, InputError
from medseg.image import Array, Mask
from medseg.patch import MaskPatch, bounding_box
from vtk.util.numpy_support import vtk_to_numpy

from .boxes import Box, box_of, clipped, corner, size, union, within
from .editable import is_masked, kept_to_rules
from .editors import Editor
from .grids import sample, shifted, touched_box, whole_offset
from .transforms import matrix_array, to_world, vtk_matrix


def find_segment(segmentation: Any, segment_id: str) -> Any:
    """The ``vtkSegment``; raises `InputError` when the segmentation has none of that id."""
    segment = segmentation.GetSegmentation().GetSegment(segment_id)
    if segment is None:
        raise InputError(
            f"Segmentation '{segmentation.GetName()}' has no segment '{segment_id}' (any more); "
            "choose or add a segment."
        )
    return segment


def segment_stamp(segmentation: Any, segment_id: str) -> tuple[Any, ...]:
    """Something that differs once voxels or place of a segment have changed; reads no voxel.

    It may also differ when nothing has: other segments share the layer.
    """
    segment = find_segment(segmentation, segment_id)
    labelmap = _labelmap(segmentation, segment_id)
    place = to_world(segmentation).tobytes()
    if labelmap is None:
        return (place,)
    return place, labelmap.GetAddressAsString(""), labelmap.GetMTime(), segment.GetLabelValue()


def read_segment(segmentation: Any, segment_id: str, image: Image) -> Mask:
    """A segment as a bool mask ``(K, J, I)`` on the grid of an image.

    Each voxel takes the value at its centre. Raises `InputError` for a segment that is absent
    or has no binary labelmap, `GeometryError` under a non-linear transform.
    """
    mask = np.zeros(image.shape, bool)
    box = extent_box(segmentation, segment_id, image)
    if box is not None:
        mask[box] = read_box(segmentation, segment_id, image, box)
    return mask


def extent_box(segmentation: Any, segment_id: str, image: Image) -> Box | None:
    """Where in an image a segment can have voxels at all; None: nowhere. Reads no voxel."""
    find_segment(segmentation, segment_id)
    labelmap = _labelmap(segmentation, segment_id)
    if labelmap is None or _is_empty(labelmap):
        return None
    extent = labelmap.GetExtent()
    stop = np.add(extent[1::2], 1).tolist()
    return _seen_from(image, extent[::2], stop, to_world(segmentation) @ _matrix(labelmap))


def _seen_from(image: Image, start: Sequence[int], stop: Sequence[int], place: Array) -> Box | None:
    """The box of image voxels that may touch a box (i, j, k) of another grid."""
    low, high = touched_box(start, stop, np.linalg.inv(image.affine) @ place)
    return clipped(low[::-1], high[::-1], image.shape)


def read_box(segmentation: Any, segment_id: str, image: Image, box: Box) -> Mask:
    """The part ``box`` of what `read_segment` gives, at the cost of that part."""
    segment = find_segment(segmentation, segment_id)
    part = np.zeros(size(box), bool)
    labelmap = _labelmap(segmentation, segment_id)
    if labelmap is None or _is_empty(labelmap):
        return part
    place = to_world(segmentation) @ _matrix(labelmap)
    affine = shifted(image.affine, corner(box)[::-1])
    extent = labelmap.GetExtent()
    offset = whole_offset(np.linalg.inv(place) @ affine, part.shape)
    if offset is not None:
        start = np.subtract(offset, extent[::2])[::-1].tolist()
        _copy_label(_array(labelmap), start, segment.GetLabelValue(), part)
        return part
    low, high = touched_box((0, 0, 0), part.shape[::-1], np.linalg.inv(place) @ affine)
    layer = _array(labelmap)
    first = np.subtract(low, extent[::2])[::-1]
    there = clipped(first.tolist(), np.subtract(high, extent[::2])[::-1].tolist(), layer.shape)
    if there is None:
        return part
    voxels = layer[there] == segment.GetLabelValue()
    hit = bounding_box(voxels)
    if hit is not None:
        first = np.add(extent[::2], np.add(corner(there), corner(hit))[::-1])
        _sample_into(part, affine, voxels[hit], shifted(place, first.tolist()))
    return part


def _copy_label(layer: Array, start: Sequence[int], label: int, part: Mask) -> None:
    """Where a layer has a label, in the part of it that begins at ``start`` (k, j, i)."""
    there = clipped(start, np.add(start, part.shape).tolist(), layer.shape)
    if there is not None:
        first = np.subtract(corner(there), start).tolist()
        np.equal(layer[there], label, out=part[box_of(first, np.add(first, size(there)).tolist())])


def _sample_into(mask: Mask, affine: Array, voxels: Mask, place: Array) -> None:
    low, high = touched_box((0, 0, 0), voxels.shape[::-1], np.linalg.inv(affine) @ place)
    box = clipped(low[::-1], high[::-1], mask.shape)
    if box is None:
        return
    matrix = np.linalg.inv(place) @ shifted(affine, corner(box)[::-1])
    mask[box] = sample(voxels, matrix, size(box))


def write_changes(
    editor: Editor, segmentation: Any, segment_id: str, image: Image, before: Mask, after: Mask
) -> None:
    """Take the voxels that a change of mask removes out of a segment, and put the new ones in.

    ``before``, ``after``: ``(K, J, I)`` on the grid of the image. What lies outside the change is
    not touched, so finer detail and neighbours stay. Editable area, intensity range and overwrite
    mode of the editor's node are honoured (read the segment afterwards to see what they left).
    Saves no undo state.
    """
    patch = MaskPatch.between(before, after)
    write_patch(editor, segmentation, segment_id, image, before, patch)


def write_patch(
    editor: Editor, segmentation: Any, segment_id: str, image: Image, before: Mask, patch: MaskPatch
) -> Box | None:
    """`write_changes` for a change of which the box is known, at the cost of that box.

    Returns where in the image the segment may have changed, None when nowhere.
    """
    if patch.empty:
        return None
    geometry = reference_geometry(segmentation)
    world = to_world(segmentation) @ _matrix(geometry)
    old = before[patch.box]
    touched: Box | None = None
    masked = is_masked(editor.node)
    for voxels, modify in (
        (old & ~patch.voxels, editor.remove),
        (patch.voxels & ~old, editor.add),
    ):
        box = bounding_box(voxels)
        if box is None:
            continue
        place = shifted(image.affine, np.add(patch.start, corner(box))[::-1].tolist())
        labelmap = _modifier(voxels[box], place, segmentation, geometry, masked)
        if labelmap is not None:
            with kept_to_rules(editor.node, labelmap, modify == editor.remove):
                modify(segmentation, segment_id, labelmap)
            extent = labelmap.GetExtent()
            stop = np.add(extent[1::2], 1).tolist()
            touched = union(touched, _seen_from(image, extent[::2], stop, world))
    return touched


def matches_after_transfer(
    segmentation: Any, image: Image, wanted: Mask, box: Box, actual: Mask
) -> bool:
    """Whether ``actual``, read from a segment in ``box``, is all its grid can hold of ``wanted``.

    ``wanted``: the whole mask. On the image's own or a finer grid that means equal; a coarser or
    turned grid loses detail on the way there and back, which is no sign that a rule held voxels
    back.
    """
    if np.array_equal(wanted[box], actual):
        return True
    geometry = reference_geometry(segmentation)
    outer = _there_and_back(segmentation, image, geometry, box)
    place = shifted(image.affine, corner(outer)[::-1])
    labelmap = _modifier(wanted[outer], place, segmentation, geometry, clip=False)
    again = np.zeros(size(outer), bool)
    if labelmap is not None:
        there = shifted(to_world(segmentation) @ _matrix(labelmap), labelmap.GetExtent()[::2])
        _sample_into(again, place, _array(labelmap).astype(bool), there)
    return np.array_equal(again[within(box, outer)], actual)


def _there_and_back(segmentation: Any, image: Image, geometry: Any, box: Box) -> Box:
    """The part of an image that has a say in ``box`` when a mask goes through another grid."""
    world = to_world(segmentation) @ _matrix(geometry)
    affine = shifted(image.affine, corner(box)[::-1])
    low, high = touched_box((0, 0, 0), size(box)[::-1], np.linalg.inv(world) @ affine)
    return union(box, _seen_from(image, low, high, world)) or box


def ensure_geometry(segmentation: Any, volume: Any, image: Image) -> None:
    """Give a segmentation without any geometry that of the volume, as Slicer's editor does.

    A sheared volume cannot give one; then its right-angled ``image`` does.
    """
    if _geometry_text(segmentation):
        return
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    if image.notes:
        converter = slicer.vtkSegmentationConverter
        grid = slicer.vtkOrientedImageData()
        grid.SetDimensions(image.shape[::-1])
        place = np.linalg.inv(to_world(segmentation)) @ image.affine
        segmentation.GetSegmentation().SetConversionParameter(
            converter.GetReferenceImageGeometryParameterName(),
            converter.SerializeImageGeometry(vtk_matrix(place), grid),
        )


def reference_geometry(segmentation: Any) -> Any:
    """The grid in which Slicer edits this segmentation, as an oriented image without voxels."""
    geometry = slicer.vtkOrientedImageData()
    text = _geometry_text(segmentation)
    if not slicer.vtkSegmentationConverter.DeserializeImageGeometry(text, geometry, False):
        raise InputError(
            f"Segmentation '{segmentation.GetName()}' has no geometry; "
            "set its source volume in the Segment Editor first."
        )
    return geometry


def _geometry_text(segmentation: Any) -> str:
    logic = slicer.vtkSlicerSegmentEditorLogic
    text: str = logic.GetReferenceImageGeometryStringFromSegmentation(
        segmentation.GetSegmentation()
    )
    return text


def _modifier(
    voxels: Mask, place: Array, segmentation: Any, geometry: Any, clip: bool
) -> Any | None:
    """``voxels`` as a labelmap in exactly the reference geometry; None when nothing is left.

    Slicer applies masks and intensity ranges only to modifiers of that geometry, and does not
    apply them outside its extent: ``clip`` keeps the modifier inside.
    """
    world = to_world(segmentation) @ _matrix(geometry)
    start, stop = touched_box((0, 0, 0), voxels.shape[::-1], np.linalg.inv(world) @ place)
    if clip:
        extent = geometry.GetExtent()
        start = tuple(np.maximum(start, extent[::2]).tolist())
        stop = tuple(np.minimum(stop, np.add(extent[1::2], 1)).tolist())
    if not voxels.any() or np.less_equal(stop, start).any():
        return None
    shape = tuple(np.subtract(stop, start).tolist())[::-1]
    values = sample(voxels, np.linalg.inv(place) @ shifted(world, start), shape)
    return _oriented(values, start, geometry) if values.any() else None


def _oriented(values: Mask, start: tuple[int, int, int], geometry: Any) -> Any:
    image = slicer.vtkOrientedImageData()
    stop = np.add(start, values.shape[::-1]) - 1
    image.SetExtent(*np.stack([start, stop], 1).ravel().tolist())
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
    image.SetGeometryFromImageToWorldMatrix(vtk_matrix(_matrix(geometry)))
    _array(image)[...] = values
    return image


def _labelmap(segmentation: Any, segment_id: str) -> Any | None:
    labelmap = segmentation.GetBinaryLabelmapInternalRepresentation(segment_id)
    if labelmap is None and segmentation.GetSegmentation().GetNumberOfSegments():
        source = segmentation.GetSegmentation().GetSourceRepresentationName()
        if source != slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName():
            raise InputError(
                f"Segmentation '{segmentation.GetName()}' is stored as '{source}'; make 'Binary "
                "labelmap' its source representation (Segmentations module) first."
            )
    return labelmap


def _is_empty(labelmap: Any) -> bool:
    if labelmap.GetPointData().GetScalars() is None:
        return True
    extent = labelmap.GetExtent()
    return any(low > high for low, high in zip(extent[::2], extent[1::2], strict=True))


def _array(image: Any) -> Array:
    """``(K, J, I)`` view of the scalars of an image."""
    view: Array = vtk_to_numpy(image.GetPointData().GetScalars())
    return view.reshape(image.GetDimensions()[::-1])


def _matrix(image: Any) -> Array:
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    return matrix_array(matrix)
