# ruff: noqa: N801, N802, N815
"""`qMRMLSegmentEditorWidget`: effects, real interactor events to them, real undo."""

from __future__ import annotations

from typing import Any

import slicer
import vtk
from PySide6 import QtCore, QtWidgets
from PySide6.QtCore import Property, Signal

from .modules import provides
from .nodes import OfScene
from .scripted import qSlicerSegmentEditorEffectFactory

#: Interactor events that effects are given.
_EVENTS = [
    *(
        f"{b}Button{e}Event"
        for b in ("Left", "Right", "Middle")
        for e in ("Press", "Release", "DoubleClick")
    ),
    "MouseMoveEvent",
    "MouseWheelForwardEvent",
    "MouseWheelBackwardEvent",
    "KeyPressEvent",
    "KeyReleaseEvent",
    "EnterEvent",
    "LeaveEvent",
]
_PRIORITY = 1.0


@provides("slicer")
class qMRMLSegmentEditorWidget(OfScene):
    """An editor: its own copies of the registered effects and its own undo stack."""

    currentSegmentIDChanged = Signal(str)
    segmentationNodeChanged = Signal(object)
    sourceVolumeNodeChanged = Signal(object)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.logic = slicer.vtkSlicerSegmentEditorLogic()
        self._effects: list[Any] = []
        self._active: Any = None
        self._node: Any = None
        self._seen: tuple = ()
        self._node_tag: int | None = None
        self._views: list[tuple[Any, int]] = []
        self._box = QtWidgets.QGroupBox("Effects", self)
        self._box.setLayout(QtWidgets.QVBoxLayout())
        QtWidgets.QVBoxLayout(self).addWidget(self._box)
        qSlicerSegmentEditorEffectFactory.instance().effectRegistered.connect(
            lambda _: self.updateEffectList()
        )
        self.updateEffectList()

    # Effects.

    def updateEffectList(self) -> None:
        names = [e.name_ for e in self._effects]
        for registered in qSlicerSegmentEditorEffectFactory.instance().registeredEffects():
            if registered.name_ not in names:
                effect = registered.call("clone")
                effect.editor = self
                self._effects.append(effect)
                effect.call("setupOptionsFrame")
                self._box.layout().addWidget(effect.optionsFrame())
                effect.optionsFrame().hide()
                effect.setParameterSetNode(self._node)
                if self._node is not None:
                    effect.call("setMRMLDefaults")

    def availableEffectNames(self) -> tuple[str, ...]:
        return tuple(e.name_ for e in self._effects)

    def effectCount(self) -> int:
        return len(self._effects)

    def effectByName(self, name: str) -> Any:
        return next((e for e in self._effects if e.name_ == name), None)

    def effectByIndex(self, index: int) -> Any:
        return self._effects[index]

    def activeEffect(self) -> Any:
        return self._active

    def setActiveEffectByName(self, name: str) -> None:
        self.setActiveEffect(self.effectByName(name))

    def setActiveEffect(self, effect: Any) -> None:
        if effect is self._active:
            return
        before, self._active = self._active, effect
        if before is not None:
            before.call("deactivate")
            before.optionsFrame().hide()
        if self._node is not None:
            self._node.SetActiveEffectName(effect.name_ if effect is not None else "")
        self._show_cursor(effect)
        if effect is not None:
            if not self._views:
                self.setupViewObservations()
            effect.optionsFrame().show()
            effect.call("activate")
            effect.call("updateGUIFromMRML")

    def _show_cursor(self, effect: Any) -> None:
        for view in self._all_views() if self._views or effect is not None else ():
            flat = view.metaObject().className() == "qMRMLSliceWidget"
            wanted = effect is not None and effect.property(
                "showEffectCursorInSliceView" if flat else "showEffectCursorInThreeDView"
            )
            if wanted:
                view.viewWidget().setViewCursor(effect.call("createCursor", view))
            else:
                view.viewWidget().unsetViewCursor()

    # Nodes.

    def mrmlSegmentEditorNode(self) -> Any:
        return self._node

    def setMRMLSegmentEditorNode(self, node: Any) -> None:
        if self._node is not None and self._node_tag is not None:
            self._node.RemoveObserver(self._node_tag)
        self._node = node
        self.logic.SetSegmentEditorNode(node)
        for effect in self._effects:
            effect.setParameterSetNode(node)
        if node is None:
            self.setActiveEffect(None)
            return
        self._node_tag = node.AddObserver(vtk.vtkCommand.AnyEvent, lambda *_: self._changed())
        for effect in self._effects:
            effect.call("setMRMLDefaults")
        self.updateWidgetFromMRML()

    def updateWidgetFromMRML(self) -> None:
        self._changed()

    def setMRMLScene(self, scene: Any) -> None:
        if scene is not None and scene is not self._scene:
            self.logic.SetMRMLScene(scene)
        super().setMRMLScene(scene)
        if scene is not None:
            self._watch(scene, scene.StartCloseEvent, self._closing)

    def _closing(self) -> None:
        self.setActiveEffect(None)
        self.logic.ClearUndoState()

    def _changed(self) -> None:
        if self._node is None:
            return
        now = (
            self._node.GetSegmentationNode(),
            self._node.GetSourceVolumeNode(),
            self._node.GetSelectedSegmentID() or "",
        )
        before, self._seen = self._seen or (None, None, ""), now
        if now[1] is not before[1]:
            self.sourceVolumeNodeChanged.emit(now[1])
            for effect in self._effects:
                effect.call("sourceVolumeNodeChanged")
        if now[0] is not before[0]:
            self.segmentationNodeChanged.emit(now[0])
            for effect in self._effects:
                effect.call("referenceGeometryChanged")
        if now[2] != before[2]:
            self.currentSegmentIDChanged.emit(now[2])
        if self._active is not None:
            self._active.call("updateGUIFromMRML")

    def segmentationNode(self) -> Any:
        return self._node.GetSegmentationNode() if self._node is not None else None

    def setSegmentationNode(self, node: Any) -> None:
        self.logic.SetSegmentationNode(node)
        ids = node.GetSegmentation().GetSegmentIDs() if node is not None else ()
        if ids and self._node.GetSelectedSegmentID() not in ids:
            self._node.SetSelectedSegmentID(ids[0])

    def sourceVolumeNode(self) -> Any:
        return self._node.GetSourceVolumeNode() if self._node is not None else None

    def setSourceVolumeNode(self, node: Any) -> None:
        self.logic.SetSourceVolumeNode(node)

    def currentSegmentID(self) -> str:
        return self._node.GetSelectedSegmentID() or ""

    def setCurrentSegmentID(self, name: str) -> None:
        self._node.SetSelectedSegmentID(name)

    # Undo.

    def saveStateForUndo(self) -> None:
        self.logic.SaveStateForUndo()

    def undo(self) -> None:
        self.logic.Undo()

    def redo(self) -> None:
        self.logic.Redo()

    def setMaximumNumberOfUndoStates(self, number: int) -> None:
        self.logic.SetMaximumNumberOfUndoStates(number)

    maximumNumberOfUndoStates = Property(
        int, lambda s: s.logic.GetMaximumNumberOfUndoStates(), setMaximumNumberOfUndoStates
    )

    # Events of views.

    def setupViewObservations(self) -> None:
        self.removeViewObservations()
        for view in self._all_views():
            interactor = view.viewWidget().interactor()
            for name in _EVENTS:
                self._observe(interactor, vtk.vtkCommand.GetEventIdFromString(name), view)
            node = view.mrmlAbstractViewNode()
            tag = node.AddObserver(
                vtk.vtkCommand.ModifiedEvent, lambda n, _, v=view: self._view_changed(n, v)
            )
            self._views.append((node, tag))
        node = self._interaction_node()
        event = node.InteractionModeChangedEvent
        self._views.append((node, node.AddObserver(event, lambda *_: self._mode_changed())))

    def removeViewObservations(self) -> None:
        for watched, tag in self._views:
            watched.RemoveObserver(tag)
        self._views.clear()

    def installKeyboardShortcuts(self, parent: QtWidgets.QWidget | None = None) -> None:
        """The editor's own keys are not imitated."""

    def uninstallKeyboardShortcuts(self) -> None:
        """See `installKeyboardShortcuts`."""

    def _observe(self, interactor: Any, event: int, view: Any) -> None:
        def happened(caller: Any, _name: str) -> None:
            if self._active is None or self._scene is None or self._scene.IsClosing():
                return
            if self._active.call("processInteractionEvents", caller, event, view):
                caller.GetCommand(tag).SetAbortFlag(1)

        tag = interactor.AddObserver(event, happened, _PRIORITY)
        self._views.append((interactor, tag))

    def _view_changed(self, node: Any, view: Any) -> None:
        if self._active is not None and not node.GetScene().IsClosing():
            self._active.call("processViewNodeEvents", node, vtk.vtkCommand.ModifiedEvent, view)

    def _mode_changed(self) -> None:
        if self._active is not None:
            self._active.call("interactionNodeModified", self._interaction_node())

    def _all_views(self) -> list[Any]:
        return QtCore.QCoreApplication.instance().layoutManager().all_views()

    def _interaction_node(self) -> Any:
        return QtCore.QCoreApplication.instance().applicationLogic().GetInteractionNode()
