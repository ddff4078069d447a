"""Name the object."""

from __future__ import annotations

from typing import ClassVar

from medseg_face.effect import Effect, about
from slicer.i18n import tr as _


class MedSegTextEffect(Effect):
    name: ClassVar[str] = "MedSeg Text"
    kind: ClassVar[str] = "text"

    def title(self) -> str:
        return _("AI Text")

    def helpText(self) -> str:  # noqa: N802
        return about(
            _("Type what to segment, then correct it with clicks"),
            _("The line completes words that the chosen model knows."),
            _("<b>Click</b> in a view to add to the result, <b>Ctrl + click</b> to take away."),
        )
