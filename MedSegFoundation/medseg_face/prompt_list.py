"""The list of prompts: what each is, and its eye, polarity and delete."""

from __future__ import annotations

from typing import Any, NamedTuple

import qt
import slicer
from slicer.i18n import tr as _

from . import shapes, words
from .key_filter import KeyFilter
from .part import Part, named

WHAT, EYE, POLARITY, DELETE = range(4)
_ROWS_SHOWN = 6
_ROW_HEIGHT = 22
_CELL_WIDTH = 26


class Row(NamedTuple):
    """All that a row shows; equal rows look the same."""

    text: str
    include: bool
    baked: bool
    waiting: bool
    hidden: bool
    ink: str


class PromptList(Part):
    """A row per entry of the desk; only rows that changed are touched."""

    def __init__(self) -> None:
        super().__init__()
        self.table = table = qt.QTableWidget()
        self._rows: list[Row] = []
        table.setColumnCount(4)
        table.horizontalHeader().hide()
        table.verticalHeader().hide()
        height = max(_ROW_HEIGHT, table.fontMetrics().height() + 6)
        table.verticalHeader().setDefaultSectionSize(height)
        table.horizontalHeader().setMinimumSectionSize(_CELL_WIDTH)
        table.horizontalHeader().setSectionResizeMode(WHAT, qt.QHeaderView.Stretch)
        for column in (EYE, POLARITY, DELETE):
            table.horizontalHeader().setSectionResizeMode(column, qt.QHeaderView.Fixed)
            table.setColumnWidth(column, _CELL_WIDTH)
        table.setSelectionBehavior(qt.QAbstractItemView.SelectRows)
        table.setSelectionMode(qt.QAbstractItemView.SingleSelection)
        table.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
        table.setHorizontalScrollBarPolicy(qt.Qt.ScrollBarAlwaysOff)
        table.setShowGrid(False)
        table.setTabKeyNavigation(False)
        table.setFixedHeight(_ROWS_SHOWN * height + 4)
        named(
            table,
            _("Prompts of the segment"),
            _(
                "Prompts of the segment. Arrow keys go through them and centre the slice views;"
                " Space does what the marked cell says, Delete removes the prompt."
            ),
        )
        keys = {qt.Qt.Key_Space: self._act_here, qt.Qt.Key_Return: self._act_here}
        self._keys = KeyFilter(table, {**keys, qt.Qt.Key_Delete: self._delete})
        self.on(table, "cellClicked(int,int)", self._clicked)
        self.on(table, "currentCellChanged(int,int,int,int)", self._went)

    def follow(self, desk: Any) -> None:
        super().follow(desk)
        self._keys.start()

    def let_go(self) -> None:
        self._keys.stop()
        super().let_go()

    def refresh(self) -> None:
        """Show the entries as they are now."""
        new = self._wanted()
        old = self._rows
        if new == old:
            return
        table = self.table
        before = table.blockSignals(True)
        first = _common(old, new)
        last = _common(old[first:][::-1], new[first:][::-1])
        for _row in range(len(old) - len(new)):
            table.removeRow(first)
        for _row in range(len(new) - len(old)):
            table.insertRow(first)
        self._rows = new
        for row in range(first, len(new) - last):
            self._fill(row)
        table.blockSignals(before)

    def _wanted(self) -> list[Row]:
        hidden = self.desk.hidden
        ink = self.table.palette.color(qt.QPalette.WindowText).name()
        return [
            Row(words.prompt(e.prompt), e.prompt.include, e.baked, e.waiting, n in hidden, ink)
            for n, e in enumerate(self.desk.entries)
        ]

    def _fill(self, row: int) -> None:
        look = self._rows[row]
        palette = self.table.palette
        polarity = _("Include") if look.include else _("Exclude")
        state = _(
            "It is part of the mask for good, as the mask was changed by hand after it;"
            " only Undo takes it back."
        )
        if look.waiting:
            state = _("Its result is on its way.")
        elif not look.baked:
            state = _("Click to centre the slice views on it.")
        fixed = look.baked and not look.waiting
        grey = shapes.faded(look.include, palette)
        self._cell(
            row,
            WHAT,
            grey if fixed else shapes.polarity(look.include),
            f"{polarity}: {look.text}",
            state,
            text=look.text,
        )
        eye = _("Show its mark") if look.hidden else _("Hide its mark (it goes on counting)")
        self._cell(row, EYE, shapes.eye(not look.hidden, palette), eye, eye)
        turn = _("Make it exclude") if look.include else _("Make it include")
        self._cell(row, POLARITY, shapes.swap(palette, fixed), turn, state if fixed else turn)
        delete = _("Delete this prompt")
        self._cell(row, DELETE, shapes.cross(palette, fixed), delete, state if fixed else delete)

    def _cell(
        self, row: int, column: int, icon: Any, name: str, tip: str, text: str | None = None
    ) -> None:
        item, look = self._item(row, column), self._rows[row]
        item.setIcon(icon)
        item.setToolTip(tip if text is None else f"{name}\n{tip}")
        item.setData(qt.Qt.AccessibleTextRole, name)
        if text is not None:
            item.setText(text)
            font = item.font()
            font.setItalic(look.waiting)
            item.setFont(font)
            fixed = look.baked and not look.waiting
            group = qt.QPalette.Disabled if fixed else qt.QPalette.Active
            item.setForeground(qt.QBrush(self.table.palette.color(group, qt.QPalette.Text)))

    def _item(self, row: int, column: int) -> Any:
        """The item of a cell, made by Qt: not every PythonQt lets go of items made in Python."""
        if self.table.item(row, column) is None:
            model = self.table.model()
            model.setData(model.index(row, column), "", qt.Qt.DisplayRole)
        return self.table.item(row, column)

    # What the user does

    def _clicked(self, row: int, column: int) -> None:
        if column == WHAT:
            self._jump(row)
        else:
            self._act(row, column)

    def _went(self, row: int, column: int, row_before: int, column_before: int) -> None:
        if column == WHAT and row != row_before:
            self._jump(row)

    def _delete(self) -> None:
        self._act(self.table.currentRow(), DELETE)

    def _act_here(self) -> None:
        self._clicked(self.table.currentRow(), self.table.currentColumn())

    def _act(self, row: int, column: int) -> None:
        desk = self.desk
        if not 0 <= row < len(self._rows) or self._wanted() != self._rows:
            self.refresh()
            return
        if column == EYE:
            desk.hide(row, not self._rows[row].hidden)
        elif column == POLARITY:
            desk.toggle(row)
        elif column == DELETE:
            desk.remove(row)
        self.refresh()

    def _jump(self, row: int) -> None:
        entries = self.desk.entries
        if not 0 <= row < len(entries):
            return
        place = words.middle(entries[row].prompt)
        if place is not None:
            mode = slicer.vtkMRMLSliceNode.CenteredJumpSlice
            slicer.vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, *map(float, place), mode)


def _common(first: list[Row], second: list[Row]) -> int:
    """How many rows are the same from the beginning."""
    pairs = zip(first, second, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(first), len(second)))
