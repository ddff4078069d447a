"""Parent transforms as matrices: node RAS mm to world RAS mm."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk
from medseg import GeometryError
from medseg.image import Array


def matrix_array(matrix: Any) -> Array:
    """``(4, 4)`` numbers of a ``vtkMatrix4x4``."""
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def to_world(node: Any) -> Array:
    """``(4, 4)`` from the node's own RAS to world RAS, all linear parent transforms together.

    Raises `GeometryError` under a non-linear transform: no matrix can stand for it.
    """
    parent = node.GetParentTransformNode()
    if parent is None:
        return np.eye(4)
    warp = _first_warp(parent)
    if warp is not None:
        raise GeometryError(
            f"'{node.GetName()}' lies under the non-linear transform '{warp.GetName()}'; "
            "harden that transform on it (Transforms module) or take it out first."
        )
    matrix = vtk.vtkMatrix4x4()
    parent.GetMatrixTransformToWorld(matrix)
    return matrix_array(matrix)


def _first_warp(transform: Any) -> Any | None:
    while transform is not None and transform.IsLinear():
        transform = transform.GetParentTransformNode()
    return transform


def vtk_matrix(array: Array) -> Any:
    """A ``vtkMatrix4x4`` of a ``(4, 4)`` array."""
    return slicer.util.vtkMatrixFromArray(array)
