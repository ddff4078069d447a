"""What the sections of the page have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import qt
from medseg_scene.tools import Work
from slicer.i18n import tr as _

from ..part import named
from .program import Program


class Page:
    """One section. ``layout``: where its widgets go. Everything is connected once, and let go of
    by `close`, since PythonQt holds a connected method for good.
    """

    def __init__(self, layout: Any) -> None:
        self.layout = layout
        self._made: list[tuple[Any, str, Callable[..., object]]] = []
        self._programs: list[Program] = []
        self.build()

    def build(self) -> None:
        """Make the widgets."""
        raise NotImplementedError

    def opened(self) -> None:
        """The section is shown, for the first time or again."""

    def close(self) -> None:
        """The page goes away."""
        for widget, signal, slot in self._made:
            widget.disconnect(signal, slot)
        self._made = []
        for program in self._programs:
            program.leave()
        self._programs = []

    def on(self, widget: Any, signal: str, slot: Callable[..., object]) -> None:
        if not widget.connect(signal, slot):  # PythonQt raises nothing
            raise TypeError(f"{widget.className()} has no signal {signal}")
        self._made.append((widget, signal, slot))

    def text(self, text: str = "", *, small: bool = False) -> Any:
        """A paragraph that can be selected and copied."""
        label = qt.QLabel(text)
        label.setWordWrap(True)
        label.setTextFormat(qt.Qt.PlainText)
        label.setTextInteractionFlags(qt.Qt.TextSelectableByMouse)
        policy = label.sizePolicy
        policy.setHorizontalPolicy(qt.QSizePolicy.Ignored)  # a long address must not widen the page
        label.setSizePolicy(policy)
        if small:
            label.setEnabled(False)
        self.layout.addWidget(label)
        return label

    def button(self, text: str, tip: str, slot: Callable[..., object]) -> Any:
        button = named(qt.QPushButton(text), text, tip)
        self.on(button, "clicked()", slot)
        return button

    def row(self, *widgets: Any, stretch: bool = True) -> Any:
        """Widgets side by side."""
        row = qt.QHBoxLayout()
        for widget in widgets:
            row.addWidget(widget)
        if stretch:
            row.addStretch(1)
        self.layout.addLayout(row)
        return row

    def run(self, work: Work, changed: Callable[[], object]) -> Program:
        """Start a command; it is left when the page goes away."""
        self._programs = [p for p in self._programs if not p.work.finished]
        program = Program(work, changed)
        self._programs.append(program)
        return program


class Progress:
    """What a command tells: a line, a bar with Cancel while it runs."""

    def __init__(self, page: Page) -> None:
        self._program: Program | None = None
        self.label = page.text()
        self.bar = named(qt.QProgressBar(), _("Progress"))
        self.cancel = page.button(_("Cancel"), _("Stop it; nothing is left half-made."), self.stop)
        page.row(self.bar, self.cancel, stretch=False)
        for widget in (self.label, self.bar, self.cancel):
            widget.hide()

    @property
    def busy(self) -> bool:
        return self._program is not None and not self._program.work.finished

    def follow(self, program: Program) -> None:
        self._program = program
        self.refresh()

    def stop(self) -> None:
        if self._program is not None:
            self._program.stop()
            self.refresh()

    def say(self, line: str) -> None:
        """Something else than a command has a line to show."""
        self._program = None
        self.label.setText(line)
        self.refresh()

    def refresh(self) -> None:
        for widget in (self.bar, self.cancel):
            widget.setVisible(self.busy)
        if self._program is not None:
            work = self._program.work
            self.label.setText(work.line or work.title)
            fraction = work.fraction
            self.bar.setMaximum(0 if fraction is None else 100)
            if fraction is not None:
                self.bar.setValue(round(100 * fraction))
            self.cancel.setEnabled(not work.stopped)
        self.label.setVisible(bool(self.label.text))


def table(headers: list[str], rows: int = 8) -> Any:
    """An empty table of whole rows, as high as ``rows`` of them."""
    made = qt.QTableWidget(0, len(headers))
    made.setHorizontalHeaderLabels(headers)
    made.verticalHeader().hide()
    made.setSelectionBehavior(qt.QAbstractItemView.SelectRows)
    made.setSelectionMode(qt.QAbstractItemView.SingleSelection)
    made.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
    made.setAlternatingRowColors(True)
    made.setShowGrid(False)
    made.setTabKeyNavigation(False)
    made.setWordWrap(False)
    made.horizontalHeader().setSectionResizeMode(qt.QHeaderView.ResizeToContents)
    made.horizontalHeader().setStretchLastSection(True)
    made.horizontalHeader().setHighlightSections(False)
    height = made.fontMetrics().height() + 6
    made.verticalHeader().setDefaultSectionSize(height)
    made.setFixedHeight(height * (rows + 1) + 8)
    return made


def fill(made: Any, rows: Sequence[tuple[str, ...]], tips: list[str] | None = None) -> None:
    """Show these rows; the row that was chosen stays chosen."""
    chosen = made.currentRow()
    made.setRowCount(len(rows))
    for line, cells in enumerate(rows):
        for column, text in enumerate(cells):
            item = qt.QTableWidgetItem(text)
            if tips is not None:
                item.setToolTip(tips[line])
            made.setItem(line, column, item)
    if 0 <= chosen < len(rows):
        made.selectRow(chosen)
