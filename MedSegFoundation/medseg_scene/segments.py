"""Segments in and out, on the grid of an engine image.

A segment's labelmap is a world of its own: cropped to its content (with negative extents where
it lies before the volume's corner), possibly finer, turned, under another transform, and shared
with other segments. So it is read through its label value and its own matrix, and written only
through the segment editor logic, voxel by changed voxel.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk
from medseg import Image, InputError
from medseg.image import Array, Mask
from medseg.patch import bounding_box
from vtk.util.numpy_support import vtk_to_numpy

from .editors import Editor
from .grids import sample, shifted, touched_box
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


def read_segment(segmentation: Any, segment_id: str, image: Image) -> Mask:
    """A segment as a bool mask ``(K, J, I)`` on the grid of an image.

    Each voxel takes the value at its centre. Raises `InputError` for a segment that is absent
    or has no binary labelmap, `GeometryError` under a non-linear transform.
    """
    segment = find_segment(segmentation, segment_id)
    mask = np.zeros(image.shape, bool)
    labelmap = _labelmap(segmentation, segment_id)
    if labelmap is None or _is_empty(labelmap):
        return mask
    start = labelmap.GetExtent()[::2]
    layer = _array(labelmap)
    box = bounding_box(layer == segment.GetLabelValue())
    if box is None:
        return mask
    first = [side.start for side in box][::-1]
    voxels = layer[box] == segment.GetLabelValue()
    place = shifted(to_world(segmentation) @ _matrix(labelmap), np.add(start, first).tolist())
    _sample_into(mask, image.affine, voxels, place)
    return mask


def _sample_into(mask: Mask, affine: Array, voxels: Mask, place: Array) -> None:
    low, high = touched_box((0, 0, 0), voxels.shape[::-1], np.linalg.inv(affine) @ place)
    first = np.clip(low, 0, mask.shape[::-1]).tolist()
    last = np.clip(high, first, mask.shape[::-1]).tolist()
    i, j, k = (slice(a, b) for a, b in zip(first, last, strict=True))
    target = mask[k, j, i]
    matrix = np.linalg.inv(place) @ shifted(affine, first)
    shape = (target.shape[0], target.shape[1], target.shape[2])
    target[...] = sample(voxels, matrix, shape)


def write_changes(
    editor: Editor, segmentation: Any, segment_id: str, image: Image, before: Mask, after: Mask
) -> None:
    """Take the voxels that a change of mask removes out of a segment, and put the new ones in.

    ``before``, ``after``: ``(K, J, I)`` on the grid of the image. What lies outside the change is
    not touched, so finer detail and neighbours stay. Editable area, intensity range and overwrite
    mode of the editor's node are honoured (read the segment afterwards to see what they left).
    Saves no undo state.
    """
    box = bounding_box(before != after)
    if box is None:
        return
    geometry = reference_geometry(segmentation)
    place = shifted(image.affine, [side.start for side in box][::-1])
    removed = before[box] & ~after[box]
    added = after[box] & ~before[box]
    for voxels, modify in ((removed, editor.remove), (added, editor.add)):
        labelmap = _modifier(voxels, place, segmentation, geometry, _is_masked(editor.node))
        if labelmap is not None:
            modify(segmentation, segment_id, labelmap)


def matches_after_transfer(segmentation: Any, image: Image, wanted: Mask, actual: Mask) -> bool:
    """Whether ``actual``, read from a segment, is all that its grid can hold of ``wanted``.

    On the image's own or a finer grid that means equal; a coarser or turned grid loses detail
    on the way there and back, which is no sign that a rule held voxels back.
    """
    box = bounding_box(wanted != actual)
    if box is None:
        return True
    geometry = reference_geometry(segmentation)
    content = bounding_box(wanted)
    if content is None:
        return False
    place = shifted(image.affine, [side.start for side in content][::-1])
    labelmap = _modifier(wanted[content], place, segmentation, geometry, clip=False)
    again = np.zeros(image.shape, bool)
    if labelmap is not None:
        there = shifted(to_world(segmentation) @ _matrix(labelmap), labelmap.GetExtent()[::2])
        _sample_into(again, image.affine, _array(labelmap).astype(bool), there)
    return bool((again == actual).all())


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


def _is_masked(node: Any) -> bool:
    everywhere = slicer.vtkMRMLSegmentationNode.EditAllowedEverywhere
    return bool(node.GetMaskMode() != everywhere or node.GetSourceVolumeIntensityMask())


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
