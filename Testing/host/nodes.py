# ruff: noqa: N801, N802, N815
"""Widgets that show the nodes and segments of a scene."""

from __future__ import annotations

from typing import Any

import slicer
import vtk
from PySide6 import QtWidgets
from PySide6.QtCore import Property, Signal

from .modules import provides


class OfScene(QtWidgets.QWidget):
    """A widget that follows a scene."""

    mrmlSceneChanged = Signal(object)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene: Any = None
        self._watched: list[tuple[Any, int]] = []

    def mrmlScene(self) -> Any:
        return self._scene

    def setMRMLScene(self, scene: Any) -> None:
        if scene is self._scene:
            return
        for watched, tag in self._watched:
            watched.RemoveObserver(tag)
        self._watched.clear()
        self._scene = scene
        if scene is not None:
            for event in (scene.NodeAddedEvent, scene.NodeRemovedEvent, scene.EndCloseEvent):
                self._watch(scene, event, self._scene_changed)
        self._scene_changed()
        self.mrmlSceneChanged.emit(scene)

    def _watch(self, watched: Any, event: int, method: Any) -> None:
        self._watched.append((watched, watched.AddObserver(event, lambda *_: method())))

    def _scene_changed(self) -> None:
        """Nodes came or went."""


@provides("slicer")
class qMRMLWidget(OfScene):
    """The outer widget of a panel; its children get the scene by `mrmlSceneChanged`."""


def _kept(name: str, kind: Any) -> Property:
    """A property of a node selector that changes what it shows."""

    def read(self: Any) -> Any:
        return self._kept[name]

    def write(self: Any, value: Any) -> None:
        self._kept[name] = value
        self._scene_changed()

    return Property(kind, read, write)


@provides("slicer")
class qMRMLNodeComboBox(OfScene):
    """A choice of the nodes of some classes."""

    currentNodeChanged = Signal(object)
    currentNodeIDChanged = Signal(str)
    nodeAddedByUser = Signal(object)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._kept: dict[str, Any] = {
            "nodeTypes": [],
            "noneEnabled": False,
            "addEnabled": True,
            "removeEnabled": True,
            "editEnabled": False,
            "renameEnabled": False,
            "showHidden": False,
            "showChildNodeTypes": True,
            "noneDisplay": "None",
            "baseName": "",
            "selectNodeUponCreation": True,
        }
        self._attributes: list[tuple[str, str, Any]] = []
        self._nodes: list[Any] = []
        self._current: Any = None
        self._box = QtWidgets.QComboBox(self)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._box)
        self._box.activated.connect(self._chosen)

    def addAttribute(self, kind: str, name: str, value: Any = None) -> None:
        self._attributes.append((kind, name, value))
        self._scene_changed()

    def currentNode(self) -> Any:
        return self._current

    def setCurrentNode(self, node: Any) -> None:
        self._choose(node if node in self._nodes else None)

    def setCurrentNodeID(self, name: str) -> None:
        self._choose(next((n for n in self._nodes if n.GetID() == name), None))

    def setCurrentNodeIndex(self, index: int) -> None:
        self._choose(self._nodes[index] if 0 <= index < len(self._nodes) else None)

    def addNode(self, kind: str = "") -> Any:
        kept = self._kept
        node = self._scene.AddNewNodeByClass(kind or kept["nodeTypes"][0], kept["baseName"])
        self._choose(node)
        self.nodeAddedByUser.emit(node)
        return node

    def nodeFromIndex(self, index: int) -> Any:
        return self._nodes[index]

    def _chosen(self, index: int) -> None:
        self._choose(
            self._nodes[index - self._kept["noneEnabled"]]
            if index >= 0 and not (self._kept["noneEnabled"] and index == 0)
            else None
        )

    def _choose(self, node: Any) -> None:
        before, self._current = self._current, node
        self._show()
        if node is not before:
            self.currentNodeChanged.emit(node)
            self.currentNodeIDChanged.emit(node.GetID() if node is not None else "")

    def _scene_changed(self) -> None:
        scene = self._scene
        every = (
            [] if scene is None else [scene.GetNthNode(i) for i in range(scene.GetNumberOfNodes())]
        )
        self._nodes = [n for n in every if self._fits(n)]
        current = self._current if self._current in self._nodes else None
        if current is None and not self._kept["noneEnabled"] and self._nodes:
            current = self._nodes[0]
        self._choose(current)

    def _fits(self, node: Any) -> bool:
        kept = self._kept
        exact = not kept["showChildNodeTypes"]
        kinds = kept["nodeTypes"]
        fits = node.GetClassName() in kinds if exact else any(node.IsA(k) for k in kinds)
        return (
            fits
            and (kept["showHidden"] or not node.GetHideFromEditors())
            and all(
                node.GetAttribute(name) is not None and value in (None, node.GetAttribute(name))
                for kind, name, value in self._attributes
                if node.IsA(kind)
            )
        )

    def _show(self) -> None:
        none = [self._kept["noneDisplay"]] if self._kept["noneEnabled"] else []
        self._box.blockSignals(True)
        self._box.clear()
        self._box.addItems(none + [n.GetName() or n.GetID() for n in self._nodes])
        place = (
            self._nodes.index(self._current) + len(none)
            if self._current is not None
            else (0 if none else -1)
        )
        self._box.setCurrentIndex(place)
        self._box.blockSignals(False)

    nodeTypes = _kept("nodeTypes", "QStringList")
    noneEnabled = _kept("noneEnabled", bool)
    addEnabled = _kept("addEnabled", bool)
    removeEnabled = _kept("removeEnabled", bool)
    editEnabled = _kept("editEnabled", bool)
    renameEnabled = _kept("renameEnabled", bool)
    showHidden = _kept("showHidden", bool)
    showChildNodeTypes = _kept("showChildNodeTypes", bool)
    selectNodeUponCreation = _kept("selectNodeUponCreation", bool)
    noneDisplay = _kept("noneDisplay", str)
    baseName = _kept("baseName", str)
    currentNodeID = Property(
        str, lambda s: s._current.GetID() if s._current is not None else "", setCurrentNodeID
    )


@provides("slicer")
class qMRMLSegmentSelectorWidget(OfScene):
    """A choice of one segment of a segmentation node."""

    currentNodeChanged = Signal(object)
    currentSegmentChanged = Signal(str)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._node: Any = None
        self._tag: int | None = None
        self._box = QtWidgets.QComboBox(self)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._box)
        self._box.currentIndexChanged.connect(
            lambda _: self.currentSegmentChanged.emit(self.currentSegmentID())
        )

    def currentNode(self) -> Any:
        return self._node

    def setCurrentNode(self, node: Any) -> None:
        if self._node is not None and self._tag is not None:
            self._node.RemoveObserver(self._tag)
        self._node = node
        if node is not None:
            changed = slicer.vtkSegmentation.SegmentsOrderModified
            self._tag = node.AddObserver(changed, lambda *_: self._show())
            node.GetSegmentation().AddObserver(vtk.vtkCommand.AnyEvent, lambda *_: self._show())
        self._show()
        self.currentNodeChanged.emit(node)

    def segmentIDs(self) -> list[str]:
        return list(self._node.GetSegmentation().GetSegmentIDs()) if self._node else []

    def currentSegmentID(self) -> str:
        return self._box.currentData() or ""

    def setCurrentSegmentID(self, name: str) -> None:
        self._box.setCurrentIndex(self._box.findData(name))

    def _show(self) -> None:
        ids, kept = self.segmentIDs(), self.currentSegmentID()
        if [self._box.itemData(i) for i in range(self._box.count())] == ids:
            return
        self._box.clear()
        for name in ids:
            self._box.addItem(self._node.GetSegmentation().GetSegment(name).GetName(), name)
        self.setCurrentSegmentID(kept)


@provides("slicer")
class qMRMLSegmentationShow3DButton(QtWidgets.QPushButton):
    """Shows a segmentation as a surface."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__("Show 3D", parent)
        self.setCheckable(True)
        self._node: Any = None
        self.toggled.connect(self._toggle)

    def segmentationNode(self) -> Any:
        return self._node

    def setSegmentationNode(self, node: Any) -> None:
        self._node = node

    def _toggle(self, on: bool) -> None:
        if self._node is None:
            return
        if on:
            self._node.CreateClosedSurfaceRepresentation()
        else:
            self._node.RemoveClosedSurfaceRepresentation()
