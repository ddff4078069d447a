"""Which model answers, under which licence, and where it runs."""

from __future__ import annotations

from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from .part import Part, named


class ModelChoice(Part):
    """A choice of models; more of them, and servers, are set up in the module's own page."""

    def __init__(self, form: Any) -> None:
        super().__init__()
        self._models: list[Any] = []
        self.combo = named(qt.QComboBox(), _("Model"))
        self.combo.setSizeAdjustPolicy(qt.QComboBox.AdjustToMinimumContentsLengthWithIcon)
        self.combo.setMinimumContentsLength(12)
        self.more = _link(_("More models..."), _("Get other models, in the page of this module."))
        self.about = qt.QLabel()
        self.about.setWordWrap(True)
        self.about.setTextFormat(qt.Qt.PlainText)
        self.setup = _link(_("Set up..."), _("Choose where models run: here or on a server."))
        first, second = qt.QHBoxLayout(), qt.QHBoxLayout()
        first.addWidget(self.combo, 1)
        first.addWidget(self.more)
        second.addWidget(self.about, 1)
        second.addWidget(self.setup)
        form.addRow(_("Model:"), first)
        form.addRow(_("Runs on:"), second)
        self.on(self.combo, "activated(int)", self._chosen)
        self.on(self.more, "clicked()", _open_setup)
        self.on(self.setup, "clicked()", _open_setup)

    def refresh(self) -> None:
        models = self.desk.models
        if models != self._models:
            self._models = models
            self._fill(models)
        place = next((n for n, m in enumerate(models) if m.name == self.desk.model), -1)
        self.put_choice(self.combo, currentIndex=place)
        tip = _("Choose a model.") if place < 0 else _tip(models[place])
        self.put(self.combo, toolTip=tip)
        server = self.desk.owner.server
        where = _("this computer") if server is None else server.url
        self.put(self.about, text=where, toolTip=_("Where the chosen model works."))

    def _fill(self, models: list[Any]) -> None:
        combo = self.combo
        before = combo.blockSignals(True)
        combo.clear()
        for place, model in enumerate(models):
            flag = _("{title} (non-commercial)") if model.non_commercial else "{title}"
            combo.addItem(flag.format(title=model.title))
            combo.setItemData(place, _tip(model), qt.Qt.ToolTipRole)
            combo.model().item(place).setEnabled(not model.reason)
        combo.blockSignals(before)

    def _chosen(self, place: int) -> None:
        self.desk.model = self._models[place].name


def _tip(model: Any) -> str:
    """Why it cannot be used; else under which licences it comes."""
    if model.reason:
        return str(model.reason)
    lines = [_("Licence: {licence}").format(licence=model.licence)]
    if model.weights_licence:
        lines.append(_("Weights: {licence}").format(licence=model.weights_licence))
    if model.non_commercial:
        lines.append(_("Not for commercial use."))
    return "\n".join(lines)


def _link(text: str, tip: str) -> Any:
    button = qt.QToolButton()
    button.setText(text)
    button.setAutoRaise(True)
    button.setFocusPolicy(qt.Qt.TabFocus)
    return named(button, text, tip)


def _open_setup() -> None:
    slicer.util.selectModule("MedSegFoundation")
