"""Clear: the segment and its prompts go. Undo and Redo are those of the Segment Editor."""

from __future__ import annotations

from typing import Any

import qt
from slicer.i18n import tr as _

from .part import Part, named


class ClearButton(Part):
    """One undo step, prompts and mask together."""

    def __init__(self, column: Any) -> None:
        super().__init__()
        self.button = named(qt.QPushButton(_("Clear")), _("Clear"))
        column.addWidget(self.button)
        self.on(self.button, "clicked()", lambda: self.desk.reset())

    def refresh(self) -> None:
        reason = self.desk.reason
        tip = _("Empty the segment and forget its prompts; Undo of the editor brings both back.")
        none = "" if self.desk.entries else _("This segment has no prompts to clear.")
        self.usable(self.button, tip, reason or none)
