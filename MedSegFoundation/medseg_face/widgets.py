"""Finding one's way among Slicer's widgets."""

from __future__ import annotations

from typing import Any

import slicer

EDITOR = "qMRMLSegmentEditorWidget"


def editor_of(effect: Any) -> Any:
    """The segment editor widget that a scripted effect is shown in; None before it is."""
    widget = effect.optionsFrame()
    while widget is not None and not widget.inherits(EDITOR):
        widget = widget.parent()
    return widget


def child_named(widget: Any, name: str) -> Any:
    """The child of a widget with this object name, however deep; None without one."""
    for child in widget.children():
        if child.objectName == name:
            return child
        found = child_named(child, name)
        if found is not None:
            return found
    return None


def shown_views() -> list[Any]:
    """The slice and 3D view widgets of the layout; empty without a main window."""
    manager = slicer.app.layoutManager()
    if manager is None:
        return []
    slices = [manager.sliceWidget(name) for name in manager.sliceViewNames()]
    volumes = [manager.threeDWidget(n) for n in range(manager.threeDViewCount)]
    return [view for view in slices + volumes if view is not None]


def is_slice(view: Any) -> bool:
    """Whether a view widget is a slice view (else it is a 3D view)."""
    return bool(view.inherits("qMRMLSliceWidget"))


def canvas(view: Any) -> Any:
    """What draws in a view widget: its ``qMRMLSliceView`` or ``qMRMLThreeDView``."""
    return view.sliceView() if is_slice(view) else view.threeDView()
