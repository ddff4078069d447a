"""Drag a box around the object."""

from __future__ import annotations

from typing import ClassVar

from medseg_face.effect import Effect, about
from slicer.i18n import tr as _


class MedSegBoxEffect(Effect):
    name: ClassVar[str] = "MedSeg Box"
    kind: ClassVar[str] = "box"

    def title(self) -> str:
        return _("AI Box")

    def helpText(self) -> str:  # noqa: N802
        return about(
            _("Drag a box around a structure to segment it"),
            _(
                "<b>Drag</b> from one corner to the opposite one;"
                " with <b>Ctrl</b> to take away what is inside."
            ),
            _(
                "Drag an edge, a corner or the middle of a box to change it, in any view;"
                " pull an edge in another view to give it depth."
            ),
            _(
                "The newest box that has depth shows handles in 3D views: move, turn or resize it"
                " there."
            ),
        )
