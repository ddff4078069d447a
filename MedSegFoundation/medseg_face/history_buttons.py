"""Undo, Redo and Clear."""

from __future__ import annotations

from typing import Any

import qt
from slicer.i18n import tr as _

from .part import Part, named


class HistoryButtons(Part):
    """They go through the undo stack of the segment editor, prompts and mask together."""

    def __init__(self, column: Any) -> None:
        super().__init__()
        row = qt.QHBoxLayout()
        self.undo, self.redo, self.clear = (
            named(qt.QPushButton(text), text) for text in (_("Undo"), _("Redo"), _("Clear"))
        )
        for button in (self.undo, self.redo, self.clear):
            row.addWidget(button)
        column.addLayout(row)
        self.on(self.undo, "clicked()", lambda: self.desk.undo())
        self.on(self.redo, "clicked()", lambda: self.desk.redo())
        self.on(self.clear, "clicked()", lambda: self.desk.reset())

    def refresh(self) -> None:
        reason = self.desk.reason
        tip = _("Take back the last prompt or edit, prompts and mask together.")
        self.usable(self.undo, tip, self.desk.cannot_undo)
        self.usable(self.redo, _("Do again what was undone."), self.desk.cannot_redo)
        tip = _("Empty the segment and forget its prompts; Undo brings both back.")
        none = "" if self.desk.entries else _("This segment has no prompts to clear.")
        self.usable(self.clear, tip, reason or none)
