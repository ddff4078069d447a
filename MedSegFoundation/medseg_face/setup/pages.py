"""All sections, one below the other; only the first is open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ctk
import qt
from slicer.i18n import tr as _

from .devices import Devices
from .install import Install
from .later import Batch, Tracking
from .models import Models
from .page import Page
from .start import Start
from .where import Where


class Pages:
    """Fills the layout of the module's panel."""

    def __init__(self, layout: Any) -> None:
        self.sections = [
            Section(_("Start"), Start),
            Section(_("Where models run"), Where),
            Section(_("Models"), Models),
            Section(_("Install"), Install),
            Section(_("Devices"), Devices),
            Section(_("Batch"), Batch),
            Section(_("Tracking"), Tracking),
        ]
        for section in self.sections:
            layout.addWidget(section.button)
        layout.addStretch(1)
        self.sections[0].open()

    def close(self) -> None:
        for section in self.sections:
            section.close()


class Section:
    """A button with a title; what is below it is made when it is first opened."""

    def __init__(self, title: str, kind: Callable[[Any], Page]) -> None:
        self.button = ctk.ctkCollapsibleButton()
        self.button.text = title
        self.button.collapsed = True
        self._layout = qt.QVBoxLayout(self.button)
        self._kind = kind
        self.page: Page | None = None
        self.button.connect("contentsCollapsed(bool)", self._collapsed)

    def open(self) -> None:
        self.button.collapsed = False

    def close(self) -> None:
        self.button.disconnect("contentsCollapsed(bool)", self._collapsed)
        if self.page is not None:
            self.page.close()

    def _collapsed(self, collapsed: bool) -> None:
        if collapsed:
            return
        if self.page is None:
            self.page = self._kind(self._layout)
        self.page.opened()
