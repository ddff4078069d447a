"""Draw strokes on the object."""

from __future__ import annotations

from typing import ClassVar

from medseg_face.effect import Effect, about
from slicer.i18n import tr as _


class MedSegScribbleEffect(Effect):
    name: ClassVar[str] = "MedSeg Scribble"
    kind: ClassVar[str] = "scribble"

    def title(self) -> str:
        return _("AI Scribble")

    def helpText(self) -> str:  # noqa: N802
        return about(
            _("Draw strokes on a structure to segment it"),
            _("<b>Drag</b> to draw; with <b>Ctrl</b> over what does not belong to it."),
        )
