# ruff: noqa: N802, N815
"""Two parts of an effect: its parameters, and what it does in views."""

from __future__ import annotations

import logging
from typing import Any

import slicer
import vtk
from PySide6 import QtCore, QtGui

_ACTIONS = slicer.vtkSlicerSegmentEditorLogic


class Parameters:
    """Strings in the editor node: "<effect>.<name>" or, common ones, "<name>"."""

    _node: Any
    name_: str

    def parameterSetNode(self) -> Any:
        return self._node

    def setParameterSetNode(self, node: Any) -> None:
        self._node = node

    def parameter(self, name: str) -> str:
        value = self._node.GetAttribute(self._full(name)) if self._node is not None else None
        if value is None and self._node is not None:
            value = self._node.GetAttribute(name)
        if value is None:
            logging.critical("Parameter named %s cannot be found for effect %s", name, self.name_)
        return value or ""

    def integerParameter(self, name: str) -> int:
        return _number(self.parameter(name), int)

    def doubleParameter(self, name: str) -> float:
        return _number(self.parameter(name), float)

    def parameterDefined(self, name: str) -> bool:
        return self._node is not None and self._node.GetAttribute(self._full(name)) is not None

    def commonParameterDefined(self, name: str) -> bool:
        return self._node is not None and self._node.GetAttribute(name) is not None

    def setParameter(self, name: str, value: Any) -> None:
        self._set(self._full(name), value)

    def setCommonParameter(self, name: str, value: Any) -> None:
        self._set(name, value)

    def setParameterDefault(self, name: str, value: Any) -> None:
        if not self.parameterDefined(name):
            self.setParameter(name, value)

    def setCommonParameterDefault(self, name: str, value: Any) -> None:
        if not self.commonParameterDefined(name):
            self.setCommonParameter(name, value)

    def nodeReference(self, name: str) -> Any:
        found = self._node.GetNodeReference(self._full(name))
        return found if found is not None else self._node.GetNodeReference(name)

    def setNodeReference(self, name: str, node: Any) -> None:
        self._node.SetNodeReferenceID(self._full(name), node.GetID() if node else None)

    def setCommonNodeReference(self, name: str, node: Any) -> None:
        self._node.SetNodeReferenceID(name, node.GetID() if node else None)

    def _full(self, name: str) -> str:
        return f"{self.name_}.{name}"

    def _set(self, name: str, value: Any) -> None:
        text = _text(value)
        if self._node is None:
            logging.critical("Invalid segment editor parameter set node")
        elif self._node.GetAttribute(name) != text:
            with slicer.util.NodeModify(self._node):
                self._node.SetAttribute(name, text)
            self._node.InvokeCustomModifiedEvent(self._node.EffectParameterModified)


class Views:
    """Actors, cursors and coordinates in slice and 3D views."""

    editor: Any

    def call(self, method: str, *args: Any) -> Any:
        raise NotImplementedError

    def viewNode(self, view: Any) -> Any:
        return view.mrmlAbstractViewNode()

    def renderWindow(self, view: Any) -> Any:
        return view.viewWidget().renderWindow()

    def renderer(self, view: Any) -> Any:
        return self.renderWindow(view).GetRenderers().GetFirstRenderer()

    def scheduleRender(self, view: Any) -> None:
        view.viewWidget().scheduleRender()

    def forceRender(self, view: Any) -> None:
        view.viewWidget().forceRender()

    def addActor2D(self, view: Any, actor: Any) -> None:
        self.renderer(view).AddViewProp(actor)

    def removeActor2D(self, view: Any, actor: Any) -> None:
        self.renderer(view).RemoveViewProp(actor)

    addActor3D, removeActor3D = addActor2D, removeActor2D

    def cursorOff(self, view: Any) -> None:
        view.viewWidget().setViewCursor(QtGui.QCursor(QtCore.Qt.CursorShape.BlankCursor))

    def cursorOn(self, view: Any) -> None:
        view.viewWidget().setViewCursor(self.call("createCursor", view))

    def segmentationDisplayableInView(self, node: Any) -> bool:
        return self.editor.logic.IsSegmentationDisplayableInView(node)

    # Coordinates.

    def xyzToRas(self, xyz: QtGui.QVector3D, view: Any) -> QtGui.QVector3D:
        place = [xyz.x(), xyz.y(), xyz.z(), 1.0]
        return QtGui.QVector3D(*view.mrmlSliceNode().GetXYToRAS().MultiplyPoint(place)[:3])

    def xyToRas(self, xy: QtCore.QPoint, view: Any) -> QtGui.QVector3D:
        return self.xyzToRas(QtGui.QVector3D(xy.x(), xy.y(), 0.0), view)

    def rasToXy(self, ras: QtGui.QVector3D, view: Any) -> QtCore.QPoint:
        inverse = vtk.vtkMatrix4x4()
        vtk.vtkMatrix4x4.Invert(view.mrmlSliceNode().GetXYToRAS(), inverse)
        x, y = inverse.MultiplyPoint([ras.x(), ras.y(), ras.z(), 1.0])[:2]
        return QtCore.QPoint(int(x), int(y))

    def sliceSpacing(self, view: Any) -> float:
        return _ACTIONS.GetSliceSpacing(view.mrmlSliceNode())


def _text(value: Any) -> str:
    """As C++ writes it: doubles with six digits only."""
    if isinstance(value, float):
        return format(value, ".6g")
    return str(int(value)) if isinstance(value, (bool, int)) else str(value)


def _number(text: str, kind: type) -> Any:
    try:
        return kind(text)
    except ValueError:
        logging.critical("%r is not a number", text)
        return kind(0)
