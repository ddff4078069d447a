"""Volume nodes to engine images."""

from __future__ import annotations

from typing import Any

import slicer
import vtk
from medseg import Image, InputError
from medseg.image import Array, is_sheared
from medseg.resample import ShearedScan

from .transforms import matrix_array, to_world

_MODALITY = "DICOM.Modality"


def volume_affine(node: Any) -> Array:
    """``(4, 4)`` IJK of a volume node to world RAS mm, linear parent transforms included.

    Raises `GeometryError` under a non-linear transform.
    """
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return to_world(node) @ matrix_array(matrix)


def image_from_volume(node: Any) -> Image:
    """The engine's view of a scalar, label or vector volume node.

    The array is a read-only view of the node's own memory: ``(K, J, I)``, or ``(K, J, I, C)`` of
    a vector volume. The affine leads to world RAS mm. A volume that shears in the world (tilted
    gantry, shearing transform) is resampled onto a right-angled grid, and `Image.notes` say so.
    Raises `InputError` for a volume without voxels, `GeometryError` for non-linear transforms.
    """
    image = scan_of(node)
    return image.resampled if isinstance(image, ShearedScan) else image


def scan_of(node: Any) -> Image:
    """`image_from_volume` that takes no time: a `ShearedScan` where there is to be resampled."""
    if node.GetImageData() is None or 0 in node.GetImageData().GetDimensions():
        raise InputError(f"Volume '{node.GetName()}' holds no voxels yet; load or create them.")
    array, affine = slicer.util.arrayFromVolume(node).view(), volume_affine(node)
    array.setflags(write=False)
    kind = ShearedScan if is_sheared(affine) else Image
    return kind(array, affine, modality(node), node.GetName() or "")


def volume_state(node: Any) -> tuple[Any, ...]:
    """Something that differs once voxels or place of a volume node have changed."""
    return (*voxel_state(node), volume_affine(node).tobytes())


def voxel_state(node: Any) -> tuple[Any, ...]:
    """Something that differs once the voxels of a volume node have changed."""
    scalars = node.GetImageData().GetPointData().GetScalars() if node.GetImageData() else None
    return (scalars.GetAddressAsString(""), scalars.GetMTime()) if scalars else ()


def modality(node: Any) -> str | None:
    """DICOM modality of a volume node ("CT", "MR", ...), None when the scene does not know it."""
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(node.GetScene())
    item = tree.GetItemByDataNode(node) if tree else 0
    known = tree.GetItemAttribute(item, _MODALITY) if item else ""
    return known or node.GetAttribute(_MODALITY) or _modality_of_unit(node)


def _modality_of_unit(node: Any) -> str | None:
    unit = node.GetVoxelValueUnits() if hasattr(node, "GetVoxelValueUnits") else None
    return "CT" if unit and unit.GetCodeMeaning() == "Hounsfield unit" else None
