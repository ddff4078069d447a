"""Makers of scenes for the tests."""

import numpy as np
import slicer
from medseg import Capabilities
from vtk.util.numpy_support import vtk_to_numpy


class Balls:
    """A real, tiny model: the bright voxels within 5 mm of each click, minus excluded ones."""

    name, weights_hash = "balls", None
    capabilities = Capabilities(
        prompts=frozenset({"point", "text"}),
        dimensions=frozenset({"2d", "3d"}),
        start_mask=True,
        normalises=True,
        colour=True,
        licence="Apache-2.0",
    )

    def __init__(self, radius=5.0, version="1"):
        self.version = version
        self.radius = radius
        self.opened = 0

    def open(self, image):
        self.opened += 1
        return _OpenBalls(image, self.radius)


class _OpenBalls:
    def __init__(self, image, radius):
        self.radius = radius
        k, j, i = np.indices(image.shape)
        self.ras = image.ijk_to_ras(np.stack([i, j, k], axis=-1))
        grey = image.array if image.array.ndim == 3 else image.array[..., 0]
        self.bright = grey >= 50
        self.shape = image.shape

    def segment(self, prompts, start=None, progress=None):
        mask = np.zeros(self.shape, bool) if start is None else start.copy()
        for prompt in prompts:
            if prompt.kind == "point":
                near = np.linalg.norm(self.ras - prompt.position, axis=-1) <= self.radius
                mask[near & self.bright] = prompt.include
        return mask


def turned(degrees=(20.0, -35.0, 50.0), spacing=(1.0, 1.5, 2.5), origin=(-12.0, 30.0, 7.0), hand=1):
    """An oblique, anisotropic IJK to RAS matrix; ``hand`` -1 makes it left-handed."""
    a, b, c = np.radians(degrees)
    x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = (z @ y @ x) * np.array([spacing[0], spacing[1], hand * spacing[2]])
    affine[:3, 3] = origin
    return affine


def add_volume(array=None, affine=None, name="scan", kind="vtkMRMLScalarVolumeNode"):
    """A volume node; by default 12 x 16 x 20 (KJI), left part 100, right part (I >= 10) 200."""
    if array is None:
        array = np.full((12, 16, 20), 100, np.int16)
        array[:, :, 10:] = 200
    node = slicer.mrmlScene.AddNewNodeByClass(kind, name)
    slicer.util.updateVolumeFromArray(node, array)
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(np.eye(4) if affine is None else affine))
    return node


def add_segmentation(volume=None, name="objects"):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.CreateDefaultDisplayNodes()
    if volume is not None:
        node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    return node


def add_transform(matrix=None, parent=None, name="moved"):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode", name)
    if matrix is not None:
        node.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    node.SetAndObserveTransformNodeID(parent.GetID() if parent else None)
    return node


def add_segment(segmentation, mask, affine=None, start=(0, 0, 0), name="hand"):
    """A hand-made segment: ``mask`` (K, J, I) at extent start (i, j, k) of a grid."""
    return segmentation.AddSegmentFromBinaryLabelmapRepresentation(
        oriented(mask, affine, start), name
    )


def oriented(mask, affine=None, start=(0, 0, 0)):
    image = slicer.vtkOrientedImageData()
    stop = np.add(start, mask.shape[::-1]) - 1
    image.SetExtent(*np.stack([start, stop], 1).ravel().tolist())
    image.AllocateScalars(3, 1)
    matrix = np.eye(4) if affine is None else affine
    image.SetGeometryFromImageToWorldMatrix(slicer.util.vtkMatrixFromArray(matrix))
    vtk_to_numpy(image.GetPointData().GetScalars()).reshape(mask.shape)[...] = mask
    return image


def draw_by_hand(editor, segmentation, segment_id, mask, affine=None, undoable=True):
    """What a user does with Paint: add voxels with another tool of the same editor."""
    if undoable:
        editor.save_state()
    editor.add(segmentation, segment_id, oriented(mask, affine))


def box_mask(shape, k, j, i):
    mask = np.zeros(shape, bool)
    mask[slice(*k), slice(*j), slice(*i)] = True
    return mask
