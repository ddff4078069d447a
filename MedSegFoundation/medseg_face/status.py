"""What is going on: a line, a bar with Cancel, and a preview's Accept and Reject."""

from __future__ import annotations

from typing import Any

import qt
from slicer.i18n import tr as _

from .part import Part, named

#: What takes less than this is not announced: a bar that flashes is worse than none.
_PATIENCE_MS = 300
_LINES = 2


class Status(Part):
    """Says why something cannot be done, what is under way, or what came of it."""

    def __init__(self, column: Any, kind: str, hint: str) -> None:
        super().__init__()
        self._kind, self._hint = kind, hint
        self.label = named(qt.QLabel(), _("Status"))
        self.label.setWordWrap(True)
        self.label.setTextFormat(qt.Qt.PlainText)
        self.label.setAlignment(qt.Qt.AlignLeft | qt.Qt.AlignTop)
        self.label.setMinimumHeight(_LINES * self.label.fontMetrics().lineSpacing())
        self.bar = named(qt.QProgressBar(), _("Progress"))
        self.bar.setTextVisible(True)
        self.cancel = named(
            qt.QPushButton(_("Cancel")), _("Cancel"), _("Leave out all that has no result yet.")
        )
        self.accept = named(
            qt.QPushButton(_("Accept")), _("Accept"), _("Write the preview into the segment.")
        )
        self.reject = named(
            qt.QPushButton(_("Reject")), _("Reject"), _("Forget the preview; nothing is changed.")
        )
        self.heading = qt.QLabel(_("Prompts of this segment:"))
        row = qt.QWidget()  # always as high: what lies below must not move while one clicks
        layout = qt.QHBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.heading)
        for widget in (self.bar, self.cancel, self.accept, self.reject):
            layout.addWidget(widget)
            widget.hide()
        row.setFixedHeight(self.cancel.sizeHint.height())
        self.timer = qt.QTimer()
        self.timer.setSingleShot(True)
        self.timer.setInterval(_PATIENCE_MS)
        column.addWidget(self.label)
        column.addWidget(row)
        self.on(self.timer, "timeout()", self._show_busy)
        self.on(self.cancel, "clicked()", lambda: self.desk.cancel())
        self.on(self.accept, "clicked()", lambda: self.desk.accept())
        self.on(self.reject, "clicked()", lambda: self.desk.reject())

    def let_go(self) -> None:
        self.timer.stop()
        super().let_go()

    def refresh(self) -> None:
        desk = self.desk
        preview = desk.shown_preview is not None
        hint = _("Accept the outlined change, or reject it.") if preview else self._hint
        line = desk.reason or desk.can(self._kind) or desk.line or hint
        self.put(self.label, text=line, toolTip=line)
        for button in (self.accept, self.reject):
            self.put(button, visible=preview)
        if not desk.busy:
            self.timer.stop()
            self._bar_shown(False)
        elif desk.progress is not None:
            self._show_busy()
        elif not self.timer.active:
            self.timer.start()
        self._show_heading()

    def _show_busy(self) -> None:
        desk = self.desk
        if desk.progress is None:
            self.put(self.bar, maximum=0, format="")
        else:
            text = _("%p %")
            if desk.slice is not None:
                text = _("slice {index}, %p %").format(index=desk.slice.index)
            self.put(self.bar, maximum=100, value=round(100 * desk.progress), format=text)
        self._bar_shown(True)
        self._show_heading()

    def _show_heading(self) -> None:
        others = self.bar, self.accept
        self.put(self.heading, visible=all(widget.isHidden() for widget in others))

    def _bar_shown(self, on: bool) -> None:
        self.put(self.bar, visible=on)
        self.put(self.cancel, visible=on)
