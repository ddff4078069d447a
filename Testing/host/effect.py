# ruff: noqa: N801, N802, N815
"""`qSlicerSegmentEditorAbstractEffect`: what an effect talks to."""

from __future__ import annotations

import logging
from typing import Any

import slicer
from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Property

from .effect_parts import Parameters, Views
from .modules import provides

_ACTIONS = slicer.vtkSlicerSegmentEditorLogic
_MODES = {
    int(mode): mode
    for mode in (
        _ACTIONS.ModificationModeSet,
        _ACTIONS.ModificationModeAdd,
        _ACTIONS.ModificationModeRemove,
        _ACTIONS.ModificationModeRemoveAll,
    )
}


@provides("slicer")
class qSlicerSegmentEditorAbstractEffect(QtCore.QObject, Parameters, Views):
    """One effect of one editor widget; parameters live in the editor node."""

    ModificationModeSet = int(_ACTIONS.ModificationModeSet)
    ModificationModeAdd = int(_ACTIONS.ModificationModeAdd)
    ModificationModeRemove = int(_ACTIONS.ModificationModeRemove)
    ModificationModeRemoveAll = int(_ACTIONS.ModificationModeRemoveAll)
    NotConfirmed, ConfirmedWithoutDialog, ConfirmedWithDialog = 0, 1, 2

    def __init__(self, parent: QtCore.QObject | None = None) -> None:
        super().__init__(parent)
        self.editor: Any = None
        self._kept: dict[str, Any] = {
            "name": "",
            "title": "",
            "active": False,
            "perSegment": True,
            "requireSegments": True,
            "showEffectCursorInSliceView": True,
            "showEffectCursorInThreeDView": False,
        }
        self._node: Any = None
        self._actors: list[tuple[Any, Any]] = []
        self._frame = QtWidgets.QFrame()
        self._layout = QtWidgets.QFormLayout(self._frame)

    # Labelmaps and undo: the real editor logic of the widget.

    def scene(self) -> Any:
        return self._node.GetScene() if self._node is not None else None

    def saveStateForUndo(self) -> None:
        self.editor.logic.SaveStateForUndo()

    def defaultModifierLabelmap(self) -> Any:
        self.editor.logic.ResetModifierLabelmapToDefault()
        return self.editor.logic.GetModifierLabelmap()

    def modifierLabelmap(self) -> Any:
        found = self.editor.logic.GetModifierLabelmap()
        return found if found.GetNumberOfPoints() else self.defaultModifierLabelmap()

    def maskLabelmap(self) -> Any:
        self.editor.logic.UpdateMaskLabelmap()
        return self.editor.logic.GetMaskLabelmap()

    def selectedSegmentLabelmap(self) -> Any:
        self.editor.logic.UpdateSelectedSegmentLabelmap()
        return self.editor.logic.GetSelectedSegmentLabelmap()

    def referenceGeometryImage(self) -> Any:
        self.editor.logic.UpdateReferenceGeometryImage()
        return self.editor.logic.GetReferenceGeometryImage()

    def sourceVolumeImageData(self) -> Any:
        self.editor.logic.UpdateAlignedSourceVolume()
        return self.editor.logic.GetAlignedSourceVolume()

    masterVolumeImageData = sourceVolumeImageData

    def modifySelectedSegmentByLabelmap(self, labelmap: Any, mode: int, *rest: Any) -> None:
        node = self._node
        if not node.GetSelectedSegmentID():
            logging.critical("no segment is selected")
            return
        self.modifySegmentByLabelmap(
            node.GetSegmentationNode(), node.GetSelectedSegmentID(), labelmap, mode, *rest
        )

    def modifySegmentByLabelmap(
        self, node: Any, name: str, labelmap: Any, mode: int, *rest: Any
    ) -> None:
        extent, bypass = _extent_and_bypass(rest)
        mode = _MODES[mode]
        extents = () if extent is None else (extent,)
        self.editor.logic.ModifySegmentByLabelmap(
            node, name, labelmap, mode, *extents, self._kept["perSegment"], bypass
        )

    def confirmCurrentSegmentVisible(self) -> int:
        visible = self.editor.logic.IsSelectedSegmentVisible()
        return self.ConfirmedWithoutDialog if visible else self.NotConfirmed

    # The panel.

    def optionsFrame(self) -> QtWidgets.QFrame:
        return self._frame

    def optionsLayout(self) -> QtWidgets.QFormLayout:
        return self._layout

    def addOptionsWidget(self, widget: Any) -> Any:
        self._layout.addRow(widget)
        return widget

    def addLabeledOptionsWidget(self, label: str, widget: Any) -> QtWidgets.QWidget:
        self._layout.addRow(label, widget)
        return self._layout.labelForField(widget)

    def selectEffect(self, name: str) -> None:
        self.editor.setActiveEffectByName(name)

    # What Slicer's widget calls; a scripted effect passes it on to Python.

    def call(self, method: str, *args: Any) -> Any:
        return getattr(self, f"default_{method}", lambda *_: None)(*args)

    def default_activate(self) -> None:
        self._frame.setVisible(True)
        self._kept["active"] = True
        self.call("updateGUIFromMRML")

    def default_deactivate(self) -> None:
        self._frame.setVisible(False)
        self._kept["active"] = False

    def default_helpText(self) -> str:
        return ""

    def default_createCursor(self, view: Any) -> QtGui.QCursor:
        return QtGui.QCursor(QtCore.Qt.CursorShape.ArrowCursor)

    def default_icon(self) -> QtGui.QIcon:
        return QtGui.QIcon()

    def default_interactionNodeModified(self, node: Any) -> None:
        if node.GetCurrentInteractionMode() != node.ViewTransform:
            self.selectEffect("")

    @property
    def name_(self) -> str:
        return self._kept["name"]

    def _property(name: str, kind: type) -> Property:  # noqa: N805
        return Property(
            kind, lambda self: self._kept[name], lambda self, v: self._kept.update({name: v})
        )

    name = _property("name", str)
    title = _property("title", str)
    perSegment = _property("perSegment", bool)
    requireSegments = _property("requireSegments", bool)
    showEffectCursorInSliceView = _property("showEffectCursorInSliceView", bool)
    showEffectCursorInThreeDView = _property("showEffectCursorInThreeDView", bool)
    active = Property(bool, lambda self: self._kept["active"])


def _extent_and_bypass(rest: tuple) -> tuple[Any, bool]:
    """Optional arguments of the modify calls: six ints, and whether masks are passed over."""
    rest = list(rest)
    extent = rest.pop(0) if rest and isinstance(rest[0], (list, tuple)) else None
    if extent is not None and (len(extent) != 6 or any(type(v) is not int for v in extent)):
        raise ValueError(f"an extent is six ints, not {extent!r}")
    return extent, bool(rest.pop(0)) if rest else False
