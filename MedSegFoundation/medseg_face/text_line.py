"""A line for the name of what to segment, completed from the words the model knows."""

from __future__ import annotations

from typing import Any

import qt
from medseg.vocabulary import known
from slicer.i18n import tr as _

from .part import Part, named


class TextLine(Part):
    """Type a name, press Enter; what is not found is said in the status line."""

    def __init__(self, form: Any) -> None:
        super().__init__()
        self._words: list[str] = []
        self.line = named(
            qt.QLineEdit(),
            _("What to look for"),
            _("Name what to segment, in words; the arrow keys choose from what is known."),
        )
        self.line.setPlaceholderText(_("lung, bone, fat ..."))
        self.line.setClearButtonEnabled(True)
        self.model = qt.QStandardItemModel(0, 1)
        self.completer = qt.QCompleter()
        self.completer.setModel(self.model)
        self.completer.setCompletionRole(qt.Qt.UserRole)
        self.completer.setCaseSensitivity(qt.Qt.CaseInsensitive)
        self.completer.setFilterMode(qt.Qt.MatchContains)
        self.line.setCompleter(self.completer)
        self.button = named(qt.QPushButton(_("Find")), _("Find"))
        row = qt.QHBoxLayout()
        row.addWidget(self.line)
        row.addWidget(self.button)
        form.addRow(_("Find:"), row)
        self.on(self.line, "returnPressed()", self._find)
        self.on(self.button, "clicked()", self._find)

    def refresh(self) -> None:
        reason = self.desk.reason or self.desk.can("text")
        self.usable(self.button, _("Segment what is named."), reason)
        words = self.desk.vocabulary
        if words != self._words:
            self._words = words
            self.model.setRowCount(len(words))
            for row, word in enumerate(words):
                index = self.model.index(row, 0)
                self.model.setData(index, _shown(word), qt.Qt.DisplayRole)
                self.model.setData(index, word, qt.Qt.UserRole)

    def _find(self) -> None:
        self.desk.find(self.line.text)
        self.line.selectAll()


def _shown(word: str) -> str:
    """A synonym with what it stands for: "lungs → lung"."""
    term = known(word)
    return word if term is None or term.name == word else f"{word} → {term.name}"
