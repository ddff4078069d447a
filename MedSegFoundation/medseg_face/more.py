"""Switches that are seldom needed, folded away."""

from __future__ import annotations

from typing import Any

import ctk
import qt
from slicer.i18n import tr as _

from .freeze import Freeze
from .part import Part, named


class More(Part):
    """Preview, a segment for each click, and what is frozen."""

    def __init__(self, column: Any) -> None:
        super().__init__()
        self.button = named(
            ctk.ctkCollapsibleButton(), _("More"), _("Preview, many objects, and what is frozen.")
        )
        self.button.text = _("More")
        self.button.collapsed = True
        body = qt.QWidget()  # CTK shows all direct children when it is opened
        qt.QVBoxLayout(self.button).addWidget(body)
        form = qt.QFormLayout(body)
        form.setContentsMargins(0, 0, 0, 0)
        self.preview = named(
            qt.QCheckBox(_("Preview results before they are written")),
            _("Preview"),
            _("A result is shown as an outline and waits for Accept or Reject."),
        )
        self.new_segments = named(
            qt.QCheckBox(_("One click = new segment")),
            _("One click = new segment"),
            _("Each including prompt makes a segment of its own: for many objects of a kind."),
        )
        form.addRow(self.preview)
        form.addRow(self.new_segments)
        self.freeze = Freeze(form)
        column.addWidget(self.button)
        self.on(self.preview, "clicked(bool)", self._preview_set)
        self.on(self.new_segments, "clicked(bool)", self._new_segments_set)

    def refresh(self) -> None:
        self.put_choice(self.preview, checked=self.desk.preview)
        self.put_choice(self.new_segments, checked=self.desk.new_segments)

    def _preview_set(self, on: bool) -> None:
        self.desk.preview = on

    def _new_segments_set(self, on: bool) -> None:
        self.desk.new_segments = on
