"""Click on the object."""

from __future__ import annotations

from typing import ClassVar

from medseg_face.effect import Effect, about
from slicer.i18n import tr as _


class MedSegPointEffect(Effect):
    name: ClassVar[str] = "MedSeg Point"
    kind: ClassVar[str] = "point"

    def title(self) -> str:
        return _("AI Point")

    def helpText(self) -> str:  # noqa: N802
        return about(
            _("Click on a structure to segment it; click again to correct"),
            _("<b>Click</b> on what belongs to it; <b>Ctrl + click</b> on what does not."),
            _("<b>Drag</b> a point to move it; the result follows."),
            _(
                "Points lie in any slice view, turned ones too, or on a surface in a 3D view"
                " (click without moving; a drag turns the view as always)."
            ),
            _("The right and middle button, and <b>Shift</b>, zoom and move the view as always."),
        )
