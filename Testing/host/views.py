# ruff: noqa: N801, N802, N815
"""Slice and 3D views: real render windows, interactors and displayable managers, off screen."""

from __future__ import annotations

from typing import Any

import slicer
import vtk
from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Property, Signal

from .modules import provides

_2D = (
    "vtkMRMLCrosshairDisplayableManager",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager2D",
)
_3D = (
    "vtkMRMLCameraDisplayableManager",
    "vtkMRMLViewDisplayableManager",
    "vtkMRMLModelDisplayableManager",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager3D",
)
SIZE = (320, 320)


class View(QtWidgets.QWidget):
    """What slice and 3D views share: a render window and its interactor."""

    resized = Signal(QtCore.QSize)
    _factory: Any
    _managers: tuple[str, ...]

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(QtCore.Qt.FocusPolicy.StrongFocus)
        self._window = vtk.vtkRenderWindow()
        self._window.SetOffScreenRendering(1)
        self._window.SetMultiSamples(0)
        self._renderer = vtk.vtkRenderer()
        self._window.AddRenderer(self._renderer)
        self._interactor = vtk.vtkGenericRenderWindowInteractor()
        self._interactor.SetRenderWindow(self._window)
        self._interactor.SetInteractorStyle(vtk.vtkInteractorStyleUser())
        self._style: Any = None
        self._group: Any = None
        self._node: Any = None
        self._due = QtCore.QTimer(self)
        self._due.setSingleShot(True)
        self._due.timeout.connect(self.forceRender)
        self._given_cursor: QtGui.QCursor | None = None

    def set_up(self, node: Any, application_logic: Any) -> None:
        """Show ``node``: after this the displayable managers are at work."""
        self._node = node
        node.SetInteractionNode(application_logic.GetInteractionNode())
        factory = self._factory.GetInstance()
        factory.SetMRMLApplicationLogic(application_logic)
        for name in self._managers:
            if not factory.IsDisplayableManagerRegistered(name):
                factory.RegisterDisplayableManager(name)
        self._group = factory.InstantiateDisplayableManagers(self._renderer)
        self._group.SetMRMLDisplayableNode(node)
        self._group.AddObserver(vtk.vtkCommand.UpdateEvent, lambda *_: self.scheduleRender())
        self._style.SetDisplayableManagers(self._group)
        self._style.SetInteractor(self._interactor)

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:
        self.fit(self.width(), self.height())
        self.resized.emit(self.size())

    def fit(self, width: int, height: int) -> None:
        self._window.SetSize(width, height)
        self._interactor.SetSize(width, height)
        self.scheduleRender()

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        QtGui.QPainter(self).drawImage(0, 0, self.image())

    def image(self) -> QtGui.QImage:
        """What the view shows now."""
        self._window.Render()
        width, height = self._window.GetSize()
        pixels = vtk.vtkUnsignedCharArray()
        self._window.GetRGBACharPixelData(0, 0, width - 1, height - 1, 0, pixels)
        data = bytes(memoryview(pixels))
        shown = QtGui.QImage(data, width, height, QtGui.QImage.Format.Format_RGBX8888)
        return shown.flipped(QtCore.Qt.Orientation.Vertical)

    def interactor(self) -> Any:
        return self._interactor

    def renderWindow(self) -> Any:
        return self._window

    def interactorStyle(self) -> Any:
        return self._style

    interactorObserver = interactorStyle

    def displayableManagerByClassName(self, name: str) -> Any:
        return self._group.GetDisplayableManagerByClassName(name)

    def scheduleRender(self) -> None:
        self._due.start(0)

    def forceRender(self) -> None:
        self._window.Render()
        self.update()

    def setViewCursor(self, cursor: QtGui.QCursor) -> None:
        self._given_cursor = cursor
        self.setCursor(cursor)

    def unsetViewCursor(self) -> None:
        self._given_cursor = None
        self.unsetCursor()

    def setDefaultViewCursor(self, cursor: QtGui.QCursor) -> None:
        if self._given_cursor is None:
            self.setCursor(cursor)


@provides("slicer")
class qMRMLSliceView(View):
    """A slice view; its size in pixels is that of its slice node."""

    _factory, _managers = slicer.vtkMRMLSliceViewDisplayableManagerFactory, _2D

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._renderer.GetActiveCamera().ParallelProjectionOn()
        mapper = vtk.vtkImageMapper()
        mapper.SetColorWindow(255)
        mapper.SetColorLevel(127.5)
        self._picture = vtk.vtkActor2D()
        self._picture.SetMapper(mapper)
        self._picture.GetProperty().SetDisplayLocationToBackground()
        self._picture.VisibilityOff()
        self._renderer.AddViewProp(self._picture)
        self._style = slicer.vtkMRMLSliceViewInteractorStyle()
        self._logic: Any = None

    def show_slice(self, logic: Any, application_logic: Any) -> None:
        self._logic = logic
        self._style.SetSliceLogic(logic)
        self.set_up(logic.GetSliceNode(), application_logic)
        # Control-drag blends layers; with a release that an effect takes, that crashes VTK.
        self._style.SetActionEnabled(self._style.Blend, False)
        logic.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._new_picture())
        self._new_picture()

    def fit(self, width: int, height: int) -> None:
        if self._logic is not None:
            self._logic.ResizeSliceNode(width, height)
        super().fit(width, height)

    def _new_picture(self) -> None:
        connection = self._logic.GetImageDataConnection()
        self._picture.SetVisibility(connection is not None)
        self._picture.GetMapper().SetInputConnection(connection)
        self.scheduleRender()

    def mrmlSliceNode(self) -> Any:
        return self._node

    sliceViewInteractorStyle = View.interactorStyle

    def convertDeviceToXYZ(self, xy: list[int]) -> list[float]:
        return [float(xy[0]), float(xy[1]), 0.0]

    def convertXYZToRAS(self, xyz: list[float]) -> list[float]:
        return list(self._node.GetXYToRAS().MultiplyPoint([*xyz, 1.0])[:3])

    def convertRASToXYZ(self, ras: list[float]) -> list[float]:
        inverse = vtk.vtkMatrix4x4()
        vtk.vtkMatrix4x4.Invert(self._node.GetXYToRAS(), inverse)
        return list(inverse.MultiplyPoint([*ras, 1.0])[:3])


@provides("slicer")
class qMRMLThreeDView(View):
    """A 3D view."""

    _factory, _managers = slicer.vtkMRMLThreeDViewDisplayableManagerFactory, _3D

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._style = slicer.vtkMRMLThreeDViewInteractorStyle()

    def mrmlViewNode(self) -> Any:
        return self._node

    def resetFocalPoint(self) -> None:
        self._renderer.ResetCamera()

    def resetCamera(self, *_: object) -> None:
        self._renderer.ResetCamera()


@provides("slicer")
class qMRMLSliceWidget(QtWidgets.QWidget):
    """A slice view in its frame. The controller bar is not imitated."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._view = _framed(self, qMRMLSliceView(self))
        self._logic: Any = None

    def show_slice(self, name: str, application_logic: Any, scene: Any) -> Any:
        """Make the slice logic and node ``name`` and show them."""
        self._logic = slicer.vtkMRMLSliceLogic()
        self._logic.SetMRMLApplicationLogic(application_logic)
        self._logic.SetMRMLScene(scene)
        self._logic.AddSliceNode(name)
        application_logic.GetSliceLogics().AddItem(self._logic)
        self._view.show_slice(self._logic, application_logic)
        self.resize(*SIZE)
        self._view.resize(*SIZE)
        self._view.fit(*SIZE)
        return self._logic

    def sliceLogic(self) -> Any:
        return self._logic

    logic = sliceLogic

    def sliceView(self) -> qMRMLSliceView:
        return self._view

    viewWidget = sliceView

    def mrmlSliceNode(self) -> Any:
        return self._logic.GetSliceNode()

    mrmlAbstractViewNode = mrmlSliceNode

    def mrmlSliceCompositeNode(self) -> Any:
        return self._logic.GetSliceCompositeNode()

    def interactorStyle(self) -> Any:
        return self._view.interactorStyle()

    def fitSliceToBackground(self) -> None:
        self._logic.FitSliceToBackground(*self._view.renderWindow().GetSize())

    def setSliceOrientation(self, orientation: str) -> None:
        self.mrmlSliceNode().SetOrientation(orientation)

    sliceOrientation = Property(
        str, lambda self: self.mrmlSliceNode().GetOrientation(), setSliceOrientation
    )
    sliceViewName = Property(str, lambda self: self.mrmlSliceNode().GetLayoutName())


@provides("slicer")
class qMRMLThreeDWidget(QtWidgets.QWidget):
    """A 3D view in its frame."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._view = _framed(self, qMRMLThreeDView(self))

    def show_view(self, node: Any, application_logic: Any) -> None:
        self._view.set_up(node, application_logic)
        self.resize(*SIZE)
        self._view.resize(*SIZE)
        self._view.fit(*SIZE)

    def threeDView(self) -> qMRMLThreeDView:
        return self._view

    viewWidget = threeDView

    def mrmlViewNode(self) -> Any:
        return self._view.mrmlViewNode()

    mrmlAbstractViewNode = mrmlViewNode


def _framed(frame: QtWidgets.QWidget, view: View) -> Any:
    layout = QtWidgets.QVBoxLayout(frame)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.addWidget(view)
    return view
