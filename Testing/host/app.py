# ruff: noqa: N801, N802, N815
"""`slicer.app`: the application object, its layout manager and the real logics behind them."""

from __future__ import annotations

import sys
import tempfile
from typing import Any

import slicer
import vtk
from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Property, Signal

from .views import qMRMLSliceWidget, qMRMLThreeDWidget

_SLICES = ("Red", "Yellow", "Green")
#: Names of `slicer.modules` -> logic class of slicer-core.
_LOGICS = {
    "markups": "vtkSlicerMarkupsLogic",
    "segmentations": "vtkSlicerSegmentationsModuleLogic",
    "sequences": "vtkSlicerSequencesLogic",
    "subjecthierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "transforms": "vtkSlicerTransformLogic",
    "volumes": "vtkSlicerVolumesLogic",
}
#: Made only when asked for: its vocabularies are not in slicer-core, and it complains.
_LATE = {"terminologies": "vtkSlicerTerminologiesModuleLogic"}


class World:
    """The scene and the logics; made once, the scene is cleared for each test."""

    def __init__(self, folder: str) -> None:
        self.scene = slicer.vtkMRMLScene()
        self.application = slicer.vtkSlicerApplicationLogic()
        self.application.SetHomeDirectory(folder)
        self.application.SetTemporaryPath(folder)
        self.application.SetMRMLScene(self.scene)
        self.colours = slicer.vtkSlicerColorLogic()
        self.colours.SetMRMLApplicationLogic(self.application)
        self.colours.SetMRMLScene(self.scene)
        self.application.SetModuleLogic("Colors", self.colours)
        self.application.SetColorLogic(self.colours)
        self.application.SetSliceLogics(vtk.vtkCollection())
        self._logics: dict[str, Any] = {}
        for name in _LOGICS:  # they register the node classes of their modules
            self.logic(name)
        self.application.SetModuleLogic("Markups", self.logic("markups"))
        self.editor_node()

    def logic(self, name: str) -> Any:
        """The logic behind ``slicer.modules.<name>``, made when first asked for, or None."""
        kind = {**_LOGICS, **_LATE}.get(name)
        if name not in self._logics and kind is not None:
            logic = getattr(slicer, kind)()
            logic.SetMRMLApplicationLogic(self.application)
            logic.SetMRMLScene(self.scene)
            self._logics[name] = logic
        return self._logics.get(name)

    def editor_node(self) -> Any:
        """The node that every segment editor of the application shares."""
        found = self.scene.GetSingletonNode("SegmentEditor", "vtkMRMLSegmentEditorNode")
        if found is None:
            node = slicer.vtkMRMLSegmentEditorNode()
            node.SetSingletonTag("SegmentEditor")
            found = self.scene.AddNode(node)
        return found


class qSlicerLayoutManager(QtCore.QObject):
    """The views of the usual layout: three slices and one 3D view, made when first asked for."""

    layoutChanged = Signal(int)

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world
        self._slices: dict[str, qMRMLSliceWidget] = {}
        self._volumes: list[qMRMLThreeDWidget] = []
        self._layout = 3

    def sliceViewNames(self) -> tuple[str, ...]:
        return _SLICES

    def sliceWidget(self, name: str) -> qMRMLSliceWidget | None:
        if name not in _SLICES:
            return None
        if name not in self._slices:
            widget = qMRMLSliceWidget()
            widget.show_slice(name, self._world.application, self._world.scene)
            self._slices[name] = widget
        return self._slices[name]

    def threeDWidget(self, index: int) -> qMRMLThreeDWidget | None:
        if index != 0:
            return None
        if not self._volumes:
            node = slicer.vtkMRMLViewNode()
            node.SetSingletonTag("1")
            node.SetLayoutName("1")
            widget = qMRMLThreeDWidget()
            widget.show_view(self._world.scene.AddNode(node), self._world.application)
            self._volumes.append(widget)
        return self._volumes[0]

    def mrmlSliceLogics(self) -> Any:
        return self._world.application.GetSliceLogics()

    def mrmlScene(self) -> Any:
        return self._world.scene

    def resetSliceViews(self) -> None:
        for widget in self._slices.values():
            widget.fitSliceToBackground()

    def resetThreeDViews(self) -> None:
        for widget in self._volumes:
            widget.threeDView().resetFocalPoint()

    def setLayout(self, layout: int) -> None:
        self._layout = layout
        self.layoutChanged.emit(layout)

    def all_views(self) -> list[QtWidgets.QWidget]:
        for name in _SLICES:
            self.sliceWidget(name)
        return [*self._slices.values(), self.threeDWidget(0)]

    layout = Property(int, lambda self: self._layout, setLayout)
    threeDViewCount = Property(int, lambda self: 1)
    tableViewCount = Property(int, lambda self: 0)


class qSlicerApplication(QtWidgets.QApplication):
    """The application; there is one per process, and it outlives the tests."""

    startupCompleted = Signal()
    mrmlSceneChanged = Signal(object)

    def __init__(self) -> None:
        super().__init__([sys.argv[0] or "host"])
        self.setApplicationName("Slicer")
        self.setOrganizationName("TestHost")
        self.setApplicationVersion("5.13.0")
        self.setQuitOnLastWindowClosed(False)
        self._folder = tempfile.TemporaryDirectory(prefix="slicer-host-")
        for kind in (QtCore.QSettings.Format.IniFormat, QtCore.QSettings.Format.NativeFormat):
            QtCore.QSettings.setPath(kind, QtCore.QSettings.Scope.UserScope, self._folder.name)
        self.world: World | None = None
        self._layouts: qSlicerLayoutManager | None = None
        self._paused = 0

    def begin(self) -> World:
        """Make the scene, the first time."""
        if self.world is None:
            self.world = World(self._folder.name)
            self._layouts = qSlicerLayoutManager(self.world)
        return self.world

    def layoutManager(self) -> qSlicerLayoutManager:
        return self._layouts

    def applicationLogic(self) -> Any:
        return self.world.application

    def mrmlScene(self) -> Any:
        return self.world.scene

    def moduleLogic(self, name: str) -> Any:
        return self.world.logic(name.lower())

    def testingEnabled(self) -> bool:
        return True

    def pauseRender(self) -> None:
        self._paused += 1

    def resumeRender(self) -> None:
        self._paused -= 1

    def userSettings(self) -> QtCore.QSettings:
        return QtCore.QSettings()

    settings = userSettings

    def startupEnvironment(self) -> QtCore.QProcessEnvironment:
        return QtCore.QProcessEnvironment.systemEnvironment()

    def setOverrideCursor(self, cursor: Any) -> None:
        kind = QtCore.Qt.CursorShape(int(cursor)) if isinstance(cursor, int) else cursor
        super().setOverrideCursor(QtGui.QCursor(kind))

    temporaryPath = Property(str, lambda self: self._folder.name)
    cachePath = Property(str, lambda self: self._folder.name + "/RemoteIO")
    slicerHome = Property(str, lambda self: self._folder.name)
    slicerUserSettingsFilePath = Property(str, lambda self: QtCore.QSettings().fileName())
    extensionsInstallPath = Property(str, lambda self: self._folder.name)
    revision = Property(str, lambda self: "31053")
    repositoryRevision = Property(str, lambda self: "31053")
    releaseType = Property(str, lambda self: "Experimental")
    majorVersion = Property(int, lambda self: 5)
    minorVersion = Property(int, lambda self: 13)
    mainApplicationName = Property(str, lambda self: "Slicer")
    os = Property(str, lambda self: {"win32": "win", "darwin": "macosx"}.get(sys.platform, "linux"))
    arch = Property(str, lambda self: "amd64")
    renderPaused = Property(bool, lambda self: self._paused > 0)
