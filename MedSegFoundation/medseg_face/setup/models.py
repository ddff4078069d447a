"""The published models: fetch, import, remove, check."""

from __future__ import annotations

from typing import Any

import qt
from medseg_scene.model_table import ModelTable, Row
from medseg_scene.tools import Command, Work
from slicer.i18n import tr as _

from ..application import face
from .page import Page, Progress, fill, table


class Models(Page):
    """Nothing is fetched before a button is pressed, and a closed licence agreed to."""

    def build(self) -> None:
        self.models = ModelTable()
        self._rows: list[Row] = []
        self._waiting: tuple[str, str] | None = None
        self.text(
            _(
                "The built-in model is always there. These published ones can be added; most need "
                "packages, too (see Install)."
            )
        )
        headers = [_("Model"), _("MB"), _("Stored"), _("Commercial"), _("Licence")]
        self.table = table(headers)
        self.table.setAccessibleName(_("Published models"))
        self.layout.addWidget(self.table)
        self.details = self.text()
        self.buttons = {
            "fetch": self.button(_("Fetch"), _("Fetch it from its hub."), self._fetch),
            "file": self.button(
                _("Import file..."), _("Store a model that you have as a file."), self._import_file
            ),
            "folder": self.button(
                _("Import folder..."), _("Store a model that is a folder."), self._import_folder
            ),
            "check": self.button(
                _("Check"), _("Compare its files with the hashes kept when they came."), self._check
            ),
            "remove": self.button(_("Remove"), _("Delete it from this computer."), self._remove),
        }
        for names in (("fetch", "check", "remove"), ("file", "folder")):
            self.row(*(self.buttons[name] for name in names))
        self._build_licence()
        self.progress = Progress(self)
        self.text(_("Stored in {folder}").format(folder=self.models.folder), small=True)
        self.on(self.table, "itemSelectionChanged()", self.refresh)

    def _build_licence(self) -> None:
        self.licence = qt.QGroupBox(_("Licence"))
        outer, self.layout = self.layout, qt.QVBoxLayout(self.licence)
        self.asked = self.text()
        self.agree = self.button(
            _("I agree"),
            _("Remembered for this model and this licence."),
            self._agreed,
        )
        self.decline = self.button(_("No"), _("Leave it."), self._declined)
        self.row(self.agree, self.decline)
        self.layout = outer
        self.layout.addWidget(self.licence)
        self.licence.hide()

    def opened(self) -> None:
        self._fill()
        if self.table.currentRow() < 0 and self._rows:
            self.table.selectRow(0)
        self.refresh()

    def chosen(self) -> Row | None:
        row = self.table.currentRow()
        return self._rows[row] if 0 <= row < len(self._rows) else None

    def refresh(self) -> None:
        row, busy = self.chosen(), self.progress.busy
        self.details.setText(row.details if row is not None else "")
        for action, button in self.buttons.items():
            asked = "import" if action in ("file", "folder") else action
            reason = _("Choose a model.") if row is None else row.can[asked]
            button.setEnabled(not reason and not busy and self._waiting is None)
            button.setToolTip(reason or button.accessibleName)
        self.licence.setVisible(self._waiting is not None)
        self.progress.refresh()

    def ask_path(self, folder: bool) -> str:
        """The file or folder that the user chooses, or ""."""
        if folder:
            text = _("Choose the folder that holds the model")
            return str(qt.QFileDialog.getExistingDirectory(self.table, text))
        text = _("Choose the file of the model")
        return str(qt.QFileDialog.getOpenFileName(self.table, text))

    def _fill(self) -> None:
        self._rows = self.models.rows()
        fill(self.table, [_cells(row) for row in self._rows], [r.details for r in self._rows])

    def _fetch(self) -> None:
        self._take("fetch", "")

    def _import_file(self) -> None:
        self._import(self.ask_path(folder=False))

    def _import_folder(self) -> None:
        self._import(self.ask_path(folder=True))

    def _import(self, path: str) -> None:
        if path:
            self._take("import", path)

    def _take(self, action: str, path: str) -> None:
        row = self.chosen()
        if row is not None and row.agree:
            self._waiting = action, path
            self.asked.setText(row.agree)
            self.table.setEnabled(False)
            self.refresh()
        elif row is not None:
            self._start(action, path, agreed=False)

    def _agreed(self) -> None:
        waiting = self._waiting
        self._declined()
        if waiting is not None:
            self._start(*waiting, agreed=True)

    def _declined(self) -> None:
        self._waiting = None
        self.table.setEnabled(True)
        self.refresh()

    def _start(self, action: str, path: str, agreed: bool) -> None:
        row = self.chosen()
        if row is None:
            return
        title = {"fetch": _("Fetching {model} ..."), "import": _("Importing {model} ...")}[action]
        command = (
            self.models.fetch(row.name, agreed)
            if action == "fetch"
            else self.models.import_(row.name, path, agreed)
        )
        self._run(title.format(model=row.title), command)

    def _check(self) -> None:
        row = self.chosen()
        if row is not None:
            self._run(
                _("Checking {model} ...").format(model=row.title), self.models.check(row.name)
            )

    def _remove(self) -> None:
        row = self.chosen()
        if row is not None:
            self._run(
                _("Removing {model} ...").format(model=row.title), self.models.remove(row.name)
            )

    def _run(self, title: str, command: Command) -> None:
        self.progress.follow(self.run(Work(title, command, self._ended), self.refresh))
        self.refresh()

    def _ended(self, work: Work) -> None:
        self._fill()
        if not work.error:
            work.line = _("{title} done.").format(title=work.title)
            face().owner.look_again(work.line)


def _cells(row: Row) -> tuple[Any, ...]:
    stored = {"stored": _("yes"), "not here": _("no"), "own server": _("server")}
    use = _("no") if row.non_commercial else _("yes")
    return row.title, row.size.removesuffix(" MB"), stored[row.state], use, row.licence
