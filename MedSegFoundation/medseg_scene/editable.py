"""Where the segment editor's rules let a segment be changed, worked out for a box only.

Slicer's modify call makes a mask of all segments and a threshold of the source volume over the
whole reference geometry, in each call: half a second and more for a large volume. What it looks up
in them is the box of the modifier. Here that box alone is made, from the same settings with the
same resampling and threshold of Slicer; a test compares both ways voxel for voxel.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import slicer
import vtk
from medseg.image import Array, Mask
from vtk.util.numpy_support import vtk_to_numpy

from .boxes import box_of, clipped, corner, size


def is_masked(node: Any) -> bool:
    """Whether a ``vtkMRMLSegmentEditorNode`` has an editable area or intensity range."""
    everywhere = slicer.vtkMRMLSegmentationNode.EditAllowedEverywhere
    return bool(node.GetMaskMode() != everywhere or node.GetSourceVolumeIntensityMask())


@contextmanager
def kept_to_rules(node: Any, modifier: Any, removes: bool) -> Iterator[None]:
    """Take out of a modifier what the rules forbid; Slicer need not look at them meanwhile.

    ``modifier``: a labelmap in the reference geometry of the node's segmentation, of its selected
    segment, within the extent of that geometry. ``removes``: it is to be taken out. Inside a
    single segment Slicer gives that segment what is removed from another: that stays its own work.
    """
    single = slicer.vtkMRMLSegmentationNode.EditAllowedInsideSingleSegment
    mode, ranged = node.GetMaskMode(), node.GetSourceVolumeIntensityMask()
    if not is_masked(node) or (removes and mode == single):
        yield
        return
    _array(modifier)[~editable(node, modifier)] = 0
    quiet = node.GetDisableModifiedEvent()
    node.SetDisableModifiedEvent(1)
    node.SetMaskMode(slicer.vtkMRMLSegmentationNode.EditAllowedEverywhere)
    node.SetSourceVolumeIntensityMask(False)
    try:
        yield
    finally:
        node.SetMaskMode(mode)
        node.SetSourceVolumeIntensityMask(ranged)
        node.SetDisableModifiedEvent(quiet)


def editable(node: Any, box: Any) -> Mask:
    """Voxels ``(K, J, I)`` of a box that the rules of a node let change; see `kept_to_rules`."""
    allowed = np.ones(box.GetDimensions()[::-1], bool)
    if node.GetMaskMode() != slicer.vtkMRMLSegmentationNode.EditAllowedEverywhere:
        allowed &= _area(node, box)
    if node.GetSourceVolumeIntensityMask():
        allowed &= _in_range(node, box)
    return allowed


def _area(node: Any, box: Any) -> Mask:
    """As ``vtkMRMLSegmentationNode::GenerateEditMask``: inside or outside of some segments."""
    segmentation, kind = node.GetSegmentationNode(), slicer.vtkMRMLSegmentationNode
    mode, display = node.GetMaskMode(), node.GetSegmentationNode().GetDisplayNode()
    names = list(segmentation.GetSegmentation().GetSegmentIDs())
    if mode in (kind.EditAllowedInsideVisibleSegments, kind.EditAllowedOutsideVisibleSegments):
        if display is None:  # Slicer changes nothing then
            return np.zeros(box.GetDimensions()[::-1], bool)
        names = [name for name in names if display.GetSegmentVisibility(name)]
    if mode == kind.EditAllowedInsideSingleSegment:
        names = [name for name in names if name == node.GetMaskSegmentID()]
    if mode in (kind.EditAllowedOutsideAllSegments, kind.EditAllowedOutsideVisibleSegments):
        return ~_any_of(segmentation, [n for n in names if n != node.GetSelectedSegmentID()], box)
    return _any_of(segmentation, names, box)


def _any_of(segmentation: Any, names: Iterable[str], box: Any) -> Mask:
    """Where at least one of these segments is."""
    found = np.zeros(box.GetDimensions()[::-1], bool)
    layers: dict[str, Array] = {}
    for name in names:
        labelmap = segmentation.GetBinaryLabelmapInternalRepresentation(name)
        if labelmap is None or labelmap.IsEmpty():
            continue
        layer = labelmap.GetAddressAsString("")
        if layer not in layers:
            layers[layer] = _labels(labelmap, box)
        found |= layers[layer] == segmentation.GetSegmentation().GetSegment(name).GetLabelValue()
    return found


def _labels(labelmap: Any, box: Any) -> Array:
    """A layer on the grid of a box ``(K, J, I)``, 0 where it ends."""
    resampling = slicer.vtkOrientedImageDataResample
    if not resampling.DoGeometriesMatch(labelmap, box):
        there = slicer.vtkOrientedImageData()
        resampling.ResampleOrientedImageToReferenceOrientedImage(labelmap, box, there, False)
        labelmap = there
    layer = _array(labelmap)
    shape = box.GetDimensions()[::-1]
    offset = np.subtract(box.GetExtent()[::2], labelmap.GetExtent()[::2])[::-1]
    labels = np.zeros(shape, layer.dtype)
    part = clipped(offset.tolist(), (offset + shape).tolist(), layer.shape)
    if part is not None:
        first = corner(part) - offset
        labels[box_of(first.tolist(), (first + size(part)).tolist())] = layer[part]
    return labels


def _in_range(node: Any, box: Any) -> Mask:
    """Where the source volume, interpolated as Slicer does it, is within the intensity range."""
    volume, segmentation = node.GetSourceVolumeNode(), node.GetSegmentationNode()
    if volume is None or volume.GetImageData() is None:  # Slicer changes nothing then
        return np.zeros(box.GetDimensions()[::-1], bool)
    matrix, way, values = vtk.vtkMatrix4x4(), vtk.vtkGeneralTransform(), volume.GetImageData()
    volume.GetIJKToRASMatrix(matrix)
    if values.GetNumberOfScalarComponents() > 1:
        first = vtk.vtkImageExtractComponents()
        first.SetInputData(values)
        first.Update()
        values = first.GetOutput()
    source, there = slicer.vtkOrientedImageData(), slicer.vtkOrientedImageData()
    source.ShallowCopy(values)
    source.SetGeometryFromImageToWorldMatrix(matrix)
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(
        volume.GetParentTransformNode(), segmentation.GetParentTransformNode(), way
    )
    outside = volume.GetImageBackgroundScalarComponentAsDouble(0)
    slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(
        source, box, there, True, False, way, outside
    )
    threshold = vtk.vtkImageThreshold()
    threshold.SetInputData(there)
    threshold.ThresholdBetween(*node.GetSourceVolumeIntensityMaskRange())
    threshold.SetInValue(1)
    threshold.SetOutValue(0)
    threshold.SetOutputScalarTypeToUnsignedChar()
    threshold.Update()
    return _array(threshold.GetOutput()).astype(bool)


def _array(image: Any) -> Array:
    """``(K, J, I)`` view of the scalars of an image."""
    view: Array = vtk_to_numpy(image.GetPointData().GetScalars())
    return view.reshape(image.GetDimensions()[::-1])
