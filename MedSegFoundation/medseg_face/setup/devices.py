"""Devices where models run, their memory, and what a prompt takes there."""

from __future__ import annotations

from medseg_scene.device_list import USUAL, DeviceList
from slicer.i18n import tr as _

from ..application import face
from .page import Page, fill, table


class Devices(Page):
    """Asked when the section is opened; that starts the helper process."""

    def build(self) -> None:
        self.devices = DeviceList(face().owner, self.refresh)
        size = " x ".join(str(n) for n in USUAL[::-1])
        self.text(
            _("Memory and time of a prompt with the default model on an image of {size}.").format(
                size=size
            )
        )
        headers = [_("Device"), _("Free"), _("Needed"), _("To open it"), _("A prompt")]
        self.table = table(headers, rows=3)
        self.table.setAccessibleName(_("Devices"))
        self.layout.addWidget(self.table)
        self.line = self.text()
        self.again = self.button(_("Look again"), _("Ask once more."), self.devices.refresh)
        self.row(self.again)

    def opened(self) -> None:
        self.devices.refresh()

    def refresh(self) -> None:
        rows = [(r.name, r.free, r.needs, r.opening, r.prompt) for r in self.devices.rows]
        fill(self.table, rows, [r.advice for r in self.devices.rows])
        advice = [r.advice for r in self.devices.rows if r.advice]
        self.line.setText(self.devices.line or "\n".join(advice))
        self.line.setVisible(bool(self.line.text))
