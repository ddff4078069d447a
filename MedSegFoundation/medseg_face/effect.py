"""What all effects have in common: Slicer's interface, passed on to a `Stage` while active.

Loaded when the application starts, so nothing but Slicer itself is imported here at once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, ClassVar

import slicer
import vtk
from SegmentEditorEffects import AbstractScriptedSegmentEditorEffect
from slicer.i18n import tr as _

_EVENTS = (
    "LeftButtonPressEvent",
    "LeftButtonReleaseEvent",
    "LeftButtonDoubleClickEvent",
    "MouseMoveEvent",
    "LeaveEvent",
    "KeyPressEvent",
)


class Effect(AbstractScriptedSegmentEditorEffect):
    """Base class. Slicer makes one of each kind per segment editor."""

    #: Under which scenes and scripts know it; never changed, never translated.
    name: ClassVar[str] = ""
    #: Prompt kind, "text" or "propagate".
    kind: ClassVar[str] = ""

    def __init__(self, scriptedEffect: Any) -> None:  # noqa: N803
        scriptedEffect.name = self.name
        scriptedEffect.title = self.title()
        # A click makes the first segment; with either of these there had to be one before, and
        # undo of the first click would end the effect.
        scriptedEffect.perSegment = False
        scriptedEffect.requireSegments = False
        scriptedEffect.showEffectCursorInSliceView = True
        scriptedEffect.showEffectCursorInThreeDView = False
        super().__init__(scriptedEffect)
        self._stage: Any = None
        self._desk: Any = None
        self._panel: Any = None

    @classmethod
    def source(cls) -> Path:
        """The file that Slicer makes effects of this kind from."""
        return Path(str(sys.modules[cls.__module__].__file__))

    def title(self) -> str:
        raise NotImplementedError

    # Called by Slicer

    def clone(self) -> Any:
        effect = slicer.qSlicerSegmentEditorScriptedEffect(None)
        effect.setPythonSource(self.source().as_posix())
        return effect

    def icon(self) -> Any:
        from . import icons

        return icons.icon(self._picture)

    def createCursor(self, widget: Any) -> Any:  # noqa: N802
        from . import icons

        return icons.cursor(self._picture)

    def activate(self) -> None:
        from .stage import Stage

        self.deactivate()
        self._stage = Stage(self.scriptedEffect, self.kind, self._picture)
        self._desk = self._stage.desk
        self._stage.open()
        self._show_panel()

    def deactivate(self) -> None:
        stage, self._stage = self._stage, None
        if self._panel is not None:
            self._panel.let_go()
        if stage is not None:
            stage.close()

    def cleanup(self) -> None:
        """The editor goes away."""
        self.deactivate()
        desk, self._desk, self._panel = self._desk, None, None
        if desk is not None:
            from . import desks

            desks.let_go(desk)

    def processInteractionEvents(self, interactor: Any, event: int, view: Any) -> bool:  # noqa: N802
        name = vtk.vtkCommand.GetStringFromEventId(event)
        if self._stage is None or name not in _EVENTS:
            return False
        return bool(self._stage.event(name, interactor, view))

    def processViewNodeEvents(self, node: Any, event: int, view: Any) -> None:  # noqa: N802
        if self._stage is not None:
            self._stage.view_changed(view)

    def layoutChanged(self) -> None:  # noqa: N802
        if self._stage is not None:
            self._stage.draw()

    # Helpers

    @property
    def _picture(self) -> str:
        return self.name.replace(" ", "")

    def _show_panel(self) -> None:
        """Built when the effect is first used: the editor makes all effects at once."""
        if self._panel is None:
            from .panel import Panel

            self._panel = Panel(self._desk, self.kind)
            self.scriptedEffect.addOptionsWidget(self._panel.widget)
        self._panel.follow(self._desk)


def about(sentence: str, *more: str) -> str:
    """Help text: the sentence that is always shown, and what "Show details" adds."""
    items = "".join(f"<li>{line}</li>" for line in (*more, *common_help()))
    return f"<html>{sentence}<br>.<p><ul>{items}</ul></html>"


def common_help() -> tuple[str, ...]:
    """What is true of all effects."""
    return (
        _("<b>X</b> turns include into exclude and back; hold <b>Ctrl</b> for one prompt."),
        _("<b>Delete</b> removes the prompt under the pointer; <b>Esc</b> stops what runs."),
        _(
            "Other segments are left alone until you choose otherwise under <b>Masking, Modify"
            " other segments</b> while one of these effects is active. Paint and the other"
            " effects keep their own choice."
        ),
        _("Undo takes back one prompt and its change at a time."),
    )
