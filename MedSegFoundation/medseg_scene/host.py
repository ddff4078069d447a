"""Stands in for the Slicer application where there is none (tests, scripts, notebooks).

The PyPI package slicer-core brings MRML and the module logics, but no application: nobody made
a scene, nobody started the logics. `ensure` does both, here and nowhere else, and does nothing
inside a real Slicer. Reading and writing of scenes needs the logics as they register the node
classes of their modules.
"""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import slicer

#: Attribute of ``slicer.modules`` -> its logic class.
_LOGICS = {
    "markups": "vtkSlicerMarkupsLogic",
    "segmentations": "vtkSlicerSegmentationsModuleLogic",
    "sequences": "vtkSlicerSequencesLogic",
    "subjecthierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "transforms": "vtkSlicerTransformLogic",
    "volumes": "vtkSlicerVolumesLogic",
}


def is_application() -> bool:
    """True inside a running 3D Slicer."""
    return hasattr(slicer, "app")


def ensure() -> Any:
    """The current ``vtkMRMLScene``, made first where no application made one."""
    if not is_application() and getattr(slicer, "mrmlScene", None) is None:
        slicer.mrmlScene = slicer.vtkMRMLScene()
        slicer.modules = SimpleNamespace(
            **{name: _module(kind, slicer.mrmlScene) for name, kind in _LOGICS.items()}
        )
    return slicer.mrmlScene


def _module(kind: str, scene: Any) -> SimpleNamespace:
    logic = getattr(slicer, kind)()
    logic.SetMRMLScene(scene)
    return SimpleNamespace(logic=partial(_same, logic))


def _same(logic: Any) -> Any:
    return logic
