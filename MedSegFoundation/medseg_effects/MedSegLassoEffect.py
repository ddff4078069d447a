"""Draw a loop around the object."""

from __future__ import annotations

from typing import ClassVar

from medseg_face.effect import Effect, about
from slicer.i18n import tr as _


class MedSegLassoEffect(Effect):
    name: ClassVar[str] = "MedSeg Lasso"
    kind: ClassVar[str] = "lasso"

    def title(self) -> str:
        return _("AI Lasso")

    def helpText(self) -> str:  # noqa: N802
        return about(
            _("Draw a loop around a structure in one slice to segment it"),
            _(
                "<b>Drag</b> all the way round, the loop closes itself;"
                " with <b>Ctrl</b> around what does not belong to it."
            ),
        )
