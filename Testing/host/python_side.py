# ruff: noqa: N802, N803
"""Modules that Slicer ships as Python: base classes of effects and modules, translation."""

from __future__ import annotations

import sys
import types
import unittest
from pathlib import Path
from typing import Any


class AbstractScriptedSegmentEditorEffect:
    """Base class of effects written in Python."""

    def __init__(self, scriptedEffect: Any) -> None:
        self.scriptedEffect = scriptedEffect

    def register(self) -> None:
        import slicer

        factory = slicer.qSlicerSegmentEditorEffectFactory.instance()
        factory.registerEffect(self.scriptedEffect)

    def cleanup(self) -> None:
        """Called before the editor goes away."""

    def xyzToRas(self, xyz: Any, viewWidget: Any) -> tuple:
        return _xyz(self.scriptedEffect.xyzToRas(_vector(xyz), viewWidget))

    def xyToRas(self, xy: Any, viewWidget: Any) -> tuple:
        return _xyz(self.scriptedEffect.xyToRas(_point(xy), viewWidget))

    def rasToXy(self, ras: Any, viewWidget: Any) -> tuple:
        found = self.scriptedEffect.rasToXy(_vector(ras), viewWidget)
        return found.x(), found.y()

    def xyzToIjk(self, xyz: Any, viewWidget: Any, image: Any, parentTransformNode: Any = None):
        ras = self.xyzToRas(xyz, viewWidget)
        return _to_ijk(ras, image, parentTransformNode)

    def xyToIjk(self, xy: Any, viewWidget: Any, image: Any, parentTransformNode: Any = None):
        return _to_ijk(self.xyToRas(xy, viewWidget), image, parentTransformNode)


class ScriptedLoadableModule:
    """Base class of modules."""

    def __init__(self, parent: Any) -> None:
        self.parent = parent
        self.moduleName = type(self).__name__

    def resourcePath(self, filename: str) -> str:
        return str(Path(self.parent.path).parent / "Resources" / filename)

    def getDefaultModuleDocumentationLink(self, docPage: str | None = None) -> str:
        return ""


class ScriptedLoadableModuleWidget:
    """Base class of module panels: `parent` is the page, `layout` its layout."""

    def __init__(self, parent: Any = None) -> None:
        import qt
        import slicer

        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.developerMode = False
        if parent is None:
            parent = slicer.qMRMLWidget()
            parent.setLayout(qt.QVBoxLayout())
            parent.setMRMLScene(slicer.mrmlScene)
        self.parent = parent
        self.layout = parent.layout()

    def resourcePath(self, filename: str) -> str:
        source = Path(sys.modules[type(self).__module__].__file__)
        return str(source.parent / "Resources" / filename)

    def setup(self) -> None:
        """The page is built here."""

    def cleanup(self) -> None:
        """The page goes away."""


class ScriptedLoadableModuleLogic:
    """Base class of module logics."""

    def __init__(self, parent: Any = None) -> None:
        self.moduleName = type(self).__name__.removesuffix("Logic")
        self.isSingletonParameterNode = True

    def getParameterNode(self) -> Any:
        import slicer

        scene = slicer.mrmlScene
        node = scene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        if node is None:
            node = slicer.vtkMRMLScriptedModuleNode()
            node.SetSingletonTag(self.moduleName)
            node = scene.AddNode(node)
            node.SetModuleName(self.moduleName)
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    """Base class of self-tests."""


def tr(text: str, *_: Any) -> str:
    return text


def translate(context: str, text: str, *_: Any) -> str:
    return text


def modules() -> dict[str, types.ModuleType]:
    """Name -> module, as the application has them on its path."""
    effects = _module("SegmentEditorEffects", AbstractScriptedSegmentEditorEffect)
    scripted = _module(
        "slicer.ScriptedLoadableModule",
        ScriptedLoadableModule,
        ScriptedLoadableModuleLogic,
        ScriptedLoadableModuleTest,
        ScriptedLoadableModuleWidget,
    )
    return {
        "SegmentEditorEffects": effects,
        "slicer.ScriptedLoadableModule": scripted,
        "slicer.i18n": _module("slicer.i18n", tr, translate),
        "qSlicerSegmentationsEditorEffectsPythonQt": _FromSlicer(
            "qSlicerSegmentationsEditorEffectsPythonQt"
        ),
    }


class _FromSlicer(types.ModuleType):
    """The C++ effect classes, which `slicer` shows too."""

    def __getattr__(self, name: str) -> Any:
        import slicer

        if not name.startswith("qSlicerSegmentEditor"):
            raise AttributeError(name)
        return getattr(slicer, name)


def _module(name: str, *members: Any) -> types.ModuleType:
    module = types.ModuleType(name)
    for member in members:
        setattr(module, member.__name__, member)
    module.__all__ = [member.__name__ for member in members]
    return module


def _vector(xyz: Any) -> Any:
    import qt

    return qt.QVector3D(float(xyz[0]), float(xyz[1]), float(xyz[2]))


def _point(xy: Any) -> Any:
    import qt

    return qt.QPoint(int(xy[0]), int(xy[1]))


def _xyz(vector: Any) -> tuple:
    return vector.x(), vector.y(), vector.z()


def _to_ijk(ras: Any, image: Any, transform: Any) -> list[int]:
    """As Slicer rounds: towards zero after adding a half, which is wrong below zero."""
    import slicer
    import vtk

    place = list(ras)
    if transform is not None:
        general = vtk.vtkGeneralTransform()
        slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(None, transform, general)
        place = list(general.TransformPoint(place))
    inverse = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(inverse)
    inverse.Invert()
    return [int(v + 0.5) for v in inverse.MultiplyPoint([*place, 1.0])[:3]]
