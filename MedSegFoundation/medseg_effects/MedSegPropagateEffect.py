"""Carry the object through the slices."""

from __future__ import annotations

from typing import ClassVar

from medseg_face.effect import Effect, about
from slicer.i18n import tr as _


class MedSegPropagateEffect(Effect):
    name: ClassVar[str] = "MedSeg Propagate"
    kind: ClassVar[str] = "propagate"

    def title(self) -> str:
        return _("AI Propagate")

    def helpText(self) -> str:  # noqa: N802
        return about(
            _("Carry a segment from the slices with prompts to the others"),
            _(
                "<b>Click</b> in a slice to correct it (with <b>Ctrl</b> to take away),"
                " then propagate again."
            ),
        )
