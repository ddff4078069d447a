# ruff: noqa: N801, N802, N815
"""`qMRMLSegmentEditorWidget`: effects, real interactor events to them, real undo."""

from __future__ import annotations

from typing import Any

import slicer
from PySide6 import QtCore, QtWidgets
from PySide6.QtCore import Property, Signal

from .editor_keys import EditorKeys
from .modules import provides
from .nodes import OfScene
from .scripted import qSlicerSegmentEditorEffectFactory
from .view_events import ViewEvents


@provides("slicer")
class qMRMLSegmentEditorWidget(OfScene, ViewEvents, EditorKeys):
    """An editor: its own copies of the registered effects and its own undo stack.

    Which effect is active stands in the editor node; the widget follows the node, as Slicer's.
    """

    currentSegmentIDChanged = Signal(str)
    segmentationNodeChanged = Signal(object)
    sourceVolumeNodeChanged = Signal(object)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.logic = slicer.vtkSlicerSegmentEditorLogic()
        self._effects: list[Any] = []
        self._active: Any = None
        self._last: Any = None
        self._shortcuts: list[Any] = []
        self._node: Any = None
        self._seen: tuple = (None, None, "")
        self._node_tags: list[int] = []
        self._views: list[tuple[Any, int]] = []
        self._box = QtWidgets.QGroupBox("Effects", self)
        self._box.setLayout(QtWidgets.QVBoxLayout())
        column = QtWidgets.QVBoxLayout(self)
        column.addWidget(self._box)
        self._history = History(self)
        column.addWidget(self._history)
        qSlicerSegmentEditorEffectFactory.instance().effectRegistered.connect(
            self._effect_registered
        )
        self._application().layoutManager().layoutChanged.connect(self._layout_changed)
        self.updateEffectList()

    def _layout_changed(self, _layout: int) -> None:
        if self._views:
            self.setupViewObservations()
        for effect in self._effects:
            effect.call("layoutChanged")

    def _effect_registered(self, _name: str) -> None:
        self.updateEffectList()

    def event(self, event: QtCore.QEvent) -> bool:
        if event.type() == QtCore.QEvent.Type.DeferredDelete:
            self._clean_up()
        return super().event(event)

    def _clean_up(self) -> None:
        """As the destructor does."""
        factory = qSlicerSegmentEditorEffectFactory.instance()
        factory.effectRegistered.disconnect(self._effect_registered)
        self._application().layoutManager().layoutChanged.disconnect(self._layout_changed)
        self.removeViewObservations()
        self.uninstallKeyboardShortcuts()
        self._history.let_go()
        self._forget_node()
        for effect in self._effects:
            effect.call("cleanup")
        self._effects, self._active = [], None
        self.setMRMLScene(None)

    # Effects.

    def updateEffectList(self) -> None:
        names = [e.name_ for e in self._effects]
        for registered in qSlicerSegmentEditorEffectFactory.instance().registeredEffects():
            if registered.name_ not in names:
                effect = registered.call("clone")
                effect.editor = self
                self._effects.append(effect)
                if self._node is not None:
                    effect.setParameterSetNode(self._node)
                    effect.call("setMRMLDefaults")
                effect.call("icon")
                effect.call("setupOptionsFrame")
                effect.optionsFrame().hide()
                self._box.layout().addWidget(effect.optionsFrame())

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
        if self._node is not None:
            self._node.SetActiveEffectName("" if effect is None else effect.name_)

    def _update_effects(self) -> None:
        """What the node names becomes active; only then is the other one not active any more."""
        name = self._node.GetActiveEffectName() or ""
        wanted = self.effectByName(name) if name else None
        if wanted is self._active:
            return
        if self._active is not None:
            self._active.call("deactivate")
        if wanted is not None and not self._editable():
            wanted = None
        if wanted is not None:
            self.setupViewObservations()
            mode = self._interaction_node()
            if mode.GetCurrentInteractionMode() != mode.ViewTransform:
                mode.SetCurrentInteractionMode(mode.ViewTransform)
            wanted.call("activate")
            assert isinstance(wanted.call("helpText"), str)
        else:
            self.removeViewObservations()
        self._show_cursor(wanted)
        self._last, self._active = self._active, wanted

    def _editable(self) -> bool:
        """Whether the segmentation is, or can be, a binary labelmap; asks nobody."""
        if self.logic.CanTriviallyConvertSourceRepresentationToBinaryLabelMap():
            return bool(self.logic.TrivialSetSourceRepresentationToBinaryLabelmap())
        return False

    # Nodes.

    def mrmlSegmentEditorNode(self) -> Any:
        return self._node

    def setMRMLSegmentEditorNode(self, node: Any) -> None:
        if node is self._node:
            return
        self._forget_node()
        self._node = node
        self.logic.SetSegmentEditorNode(node)
        if node is None:
            return
        watched = ["ModifiedEvent", node.ReferenceAddedEvent, node.ReferenceModifiedEvent]
        for event in (*watched, node.ReferenceRemovedEvent):
            self._node_tags.append(node.AddObserver(event, lambda *_: self.updateWidgetFromMRML()))
        event = node.EffectParameterModified
        self._node_tags.append(node.AddObserver(event, lambda *_: self._parameter_changed()))
        self._give_node()
        self.updateWidgetFromMRML()

    def _forget_node(self) -> None:
        for tag in self._node_tags:
            self._node.RemoveObserver(tag)
        self._node_tags = []

    def _give_node(self) -> None:
        with slicer.util.NodeModify(self._node):
            for effect in self._effects:
                effect.setParameterSetNode(self._node)
                effect.call("setMRMLDefaults")

    def _parameter_changed(self) -> None:
        for effect in self._effects:
            if effect.property("active"):
                effect.call("updateGUIFromMRML")

    def setMRMLScene(self, scene: Any) -> None:
        if scene is not None and scene is not self._scene:
            self.logic.SetMRMLScene(scene)
        super().setMRMLScene(scene)
        if scene is not None:
            self._watch(scene, scene.EndCloseEvent, self._closed)
            self.updateWidgetFromMRML()

    def _closed(self) -> None:
        if self._node is not None:
            self._give_node()
        self.updateWidgetFromMRML()

    def updateWidgetFromMRML(self) -> None:
        scene, node = self._scene, self._node
        if scene is None or scene.IsClosing() or scene.IsBatchProcessing() or node is None:
            return
        with slicer.util.NodeModify(node):
            self._update_nodes()
            self._update_selection()
            self._update_effects()
            self._history.update_buttons()

    def _update_nodes(self) -> None:
        now = self._node.GetSegmentationNode(), self._node.GetSourceVolumeNode()
        before, self._seen = self._seen, (*now, self._seen[2])
        if now[0] is not before[0]:
            if now[0] is not None:
                reference = now[0].GetNodeReference(now[0].GetReferenceImageGeometryReferenceRole())
                if reference is not None:
                    self._node.SetAndObserveSourceVolumeNode(reference)
                now[0].CreateDefaultDisplayNodes()
                self._select_first()
            self.segmentationNodeChanged.emit(now[0])
            for effect in self._effects:
                effect.call("referenceGeometryChanged")
        if now[1] is not before[1]:
            self.sourceVolumeNodeChanged.emit(now[1])
            for effect in self._effects:
                effect.call("sourceVolumeNodeChanged")

    def _select_first(self) -> None:
        ids = self._segment_ids()
        if ids and self._node.GetSelectedSegmentID() not in ids:
            self._node.SetSelectedSegmentID(ids[0])

    def _update_selection(self) -> None:
        """The list of segments selects another one in the place of one that is gone."""
        chosen, ids = self._node.GetSelectedSegmentID() or "", self._segment_ids()
        if chosen and chosen not in ids:
            chosen = ids[0] if ids else ""
            self._node.SetSelectedSegmentID(chosen or None)
            if not chosen and self._active is not None and self._active.property("perSegment"):
                self.setActiveEffect(None)
        if chosen != self._seen[2]:
            self._seen = (*self._seen[:2], chosen)
            self.currentSegmentIDChanged.emit(chosen)

    def _segment_ids(self) -> tuple[str, ...]:
        node = self._node.GetSegmentationNode()
        return () if node is None else tuple(node.GetSegmentation().GetSegmentIDs())

    def segmentationNode(self) -> Any:
        return self._node.GetSegmentationNode() if self._node is not None else None

    def setSegmentationNode(self, node: Any) -> None:
        if self._node is None or node is self._node.GetSegmentationNode():
            return
        self.logic.SetSegmentationNode(node)
        self.setActiveEffect(None)

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

    def setUndoEnabled(self, enabled: bool) -> None:
        if enabled:
            self.logic.ClearUndoState()
        self._history.setVisible(enabled)

    def setMaximumNumberOfUndoStates(self, number: int) -> None:
        self.logic.SetMaximumNumberOfUndoStates(number)

    undoEnabled = Property(bool, lambda s: s._history.isVisible(), setUndoEnabled)
    maximumNumberOfUndoStates = Property(
        int, lambda s: s.logic.GetMaximumNumberOfUndoStates(), setMaximumNumberOfUndoStates
    )


class History(QtWidgets.QGroupBox):
    """The buttons for undo and redo, enabled when the logic can."""

    def __init__(self, editor: qMRMLSegmentEditorWidget) -> None:
        super().__init__(editor)
        self.setObjectName("UndoRedoGroupBox")
        self._logic = editor.logic
        row = QtWidgets.QHBoxLayout(self)
        self._buttons = [self._button("UndoButton", editor.undo)]
        self._buttons.append(self._button("RedoButton", editor.redo))
        for button in self._buttons:
            row.addWidget(button)
        event = self._logic.SegmentationHistoryChangedEvent
        self._tag = self._logic.AddObserver(event, lambda *_: self.update_buttons())

    def let_go(self) -> None:
        self._logic.RemoveObserver(self._tag)

    def _button(self, name: str, slot: Any) -> QtWidgets.QToolButton:
        button = QtWidgets.QToolButton(self)
        button.setObjectName(name)
        button.setText(name.removesuffix("Button"))
        button.clicked.connect(slot)
        return button

    def update_buttons(self) -> None:
        for button, can in zip(
            self._buttons, (self._logic.CanUndo(), self._logic.CanRedo()), strict=True
        ):
            button.setEnabled(bool(can))
