# ruff: noqa: N802
"""The part of the segment editor widget that gives events of views to the active effect."""

from __future__ import annotations

from typing import Any

import vtk
from PySide6 import QtCore

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
#: 3D views tell of no double clicks.
_EVENTS_3D = [name for name in _EVENTS if "DoubleClick" not in name]
_PRIORITY = 1.0


class ViewEvents:
    """Observers on the interactors and nodes of all views, while an effect is active."""

    _views: list[tuple[Any, int]]
    _active: Any
    _scene: Any
    logic: Any

    def setupViewObservations(self) -> None:
        self.removeViewObservations()
        for view in self._all_views():
            if not self.logic.IsSegmentationDisplayableInView(view.mrmlAbstractViewNode()):
                continue
            interactor = view.viewWidget().interactor()
            for name in _EVENTS if flat(view) else _EVENTS_3D:
                self._observe(interactor, vtk.vtkCommand.GetEventIdFromString(name), view)
            node = view.mrmlAbstractViewNode()
            tag = node.AddObserver(
                vtk.vtkCommand.ModifiedEvent, lambda n, _, v=view: self._view_changed(n, v)
            )
            self._views.append((node, tag))
        node = self._interaction_node()
        tag = node.AddObserver("ModifiedEvent", lambda *_: self._mode_changed())
        self._views.append((node, tag))

    def removeViewObservations(self) -> None:
        for watched, tag in self._views:
            watched.RemoveObserver(tag)
        self._views.clear()

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
        return self._application().layoutManager().all_views()

    def _interaction_node(self) -> Any:
        return self._application().applicationLogic().GetInteractionNode()

    @staticmethod
    def _application() -> Any:
        return QtCore.QCoreApplication.instance()

    def _show_cursor(self, effect: Any) -> None:
        for view in self._all_views():
            shown = "showEffectCursorInSliceView" if flat(view) else "showEffectCursorInThreeDView"
            wanted = effect is not None and effect.property(shown)
            if wanted:
                view.viewWidget().setViewCursor(effect.call("createCursor", view))
            else:
                view.viewWidget().unsetViewCursor()


def flat(view: Any) -> bool:
    return view.metaObject().className() == "qMRMLSliceWidget"
