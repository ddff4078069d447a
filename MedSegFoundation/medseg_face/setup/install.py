"""What models need: a plan first, then an environment of its own, or Slicer's own Python."""

from __future__ import annotations

import sys
from typing import Any

import qt
import slicer
from medseg_scene.installing import Installing
from medseg_scene.tools import Command, Work
from slicer.i18n import tr as _

from ..application import face
from ..part import named
from .page import Page, Progress, fill, table
from .slicer_python import SlicerPython


class Install(Page):
    """pip runs as a program of its own; only what Slicer installs into itself is left to Slicer."""

    def build(self) -> None:
        environment = slicer.util.startupEnvironment()
        self.installing = Installing(face().settings, face().owner, environment)
        self.into_slicer = SlicerPython()
        self._planned: tuple[Any, ...] = ()
        self._plan: Work | None = None
        self.text(
            _(
                "The built-in model needs nothing. For others, choose what to run; you see all "
                "packages before anything is installed."
            )
        )
        self.needs = {}
        for need in self.installing.needs:
            box = named(qt.QCheckBox(need.title), need.title, need.advice)
            self.on(box, "toggled(bool)", self.refresh)
            self.layout.addWidget(box)
            self.needs[need.name] = box
        self._build_target()
        self.progress = Progress(self)
        self.summary = self.text()
        headers = [_("Package"), _("Version"), _("Now there"), _("Size, about")]
        self.table = table(headers, rows=5)
        self.table.setAccessibleName(_("Plan"))
        self.layout.addWidget(self.table)
        self.table.hide()
        self._build_actions()
        self.refresh()

    def _build_target(self) -> None:
        self.own = qt.QRadioButton(_("Into an environment of its own"))
        self.slicer = qt.QRadioButton(_("Into Slicer's own Python"))
        self.own.setToolTip(_("Slicer's Python stays as it is; the helper process uses this one."))
        self.own.setChecked(True)
        self.python = named(
            qt.QComboBox(),
            _("Python"),
            _("Makes the environment: Python 3.10 or newer. Type the path of another one."),
        )
        self.python.setEditable(True)
        self.python.setSizeAdjustPolicy(qt.QComboBox.AdjustToMinimumContentsLengthWithIcon)
        for path in self.installing.pythons():
            self.python.addItem(path)
        self.layout.addWidget(self.own)
        form = qt.QFormLayout()
        form.setContentsMargins(18, 0, 0, 0)
        form.addRow(_("Made with:"), self.python)
        self.layout.addLayout(form)
        self.layout.addWidget(self.slicer)
        self.why_not = self.text()
        for button in (self.own, self.slicer):
            self.on(button, "clicked()", self.refresh)
        self.on(self.python, "currentTextChanged(QString)", self.refresh)
        self.look = self.button(
            _("Show plan"), _("What would be installed; changes nothing."), self._look
        )
        self.go = self.button(_("Install"), _("Install what the plan shows."), self._install)
        self.get = self.button(
            _("Extensions Manager"), _("Get the PyTorch extension there."), self._extensions
        )
        self.row(self.look, self.go, self.get)

    def _build_actions(self) -> None:
        self.where = self.text()
        self.use = self.button(
            _("Use environment"), _("Run the helper process with it."), self._use
        )
        self.leave = self.button(
            _("Use Slicer's Python"), _("Run the helper process with Slicer's own."), self._leave
        )
        self.remove = self.button(
            _("Remove environment"), _("Delete it from the disk."), self._remove
        )
        self.row(self.use, self.leave, self.remove)

    def chosen(self) -> list[str]:
        return [name for name, box in self.needs.items() if box.checked]

    def refresh(self, *_args: object) -> None:
        busy, names = self.progress.busy, self.chosen()
        missing = "" if names else _("Choose what to run first.")
        lacking = self.into_slicer.missing(names) if self.slicer.checked else ""
        self.python.setEnabled(self.own.checked)
        self.why_not.setText(lacking)
        self.why_not.setVisible(bool(lacking))
        self.get.setVisible(bool(lacking))
        plan = self._plan if self._planned == self._target() else None
        planned = plan is not None
        unseen = "" if planned else _("Look at the plan first.")
        self._usable(self.look, missing, busy, _("What would be installed; changes nothing."))
        self._usable(self.go, missing or lacking or unseen, busy, _("Install what the plan shows."))
        self.table.setVisible(plan is not None and bool(self.installing.rows(plan)))
        self.summary.setText(self.installing.summary(plan) if plan is not None else "")
        self.summary.setVisible(planned)
        self.where.setText(self.installing.line)
        made, used = self.installing.environment() is not None, self.installing.in_use
        for button, shown in ((self.use, made and not used), (self.leave, used)):
            button.setVisible(shown)
            button.setEnabled(not busy)
        self.remove.setVisible(made and not used)
        self.remove.setEnabled(not busy)
        self.progress.refresh()

    def _target(self) -> tuple[Any, ...]:
        """What a plan holds for."""
        return tuple(self.chosen()), self.own.checked, self.python.currentText

    def _usable(self, button: Any, reason: str, busy: bool, tip: str) -> None:
        button.setEnabled(not reason and not busy)
        button.setToolTip(reason or tip)

    def _look(self) -> None:
        names = self.chosen()
        command = (
            self.installing.plan(names, self.python.currentText)
            if self.own.checked
            else self.installing.plan_here(names, sys.executable)
        )
        self._planned, self._plan = self._target(), None
        self._run(_("Looking what would be installed ..."), command, self._looked)

    def _looked(self, work: Work) -> None:
        if not work.error:
            self._plan, work.line = work, _("This would be installed:")
            fill(self.table, self.installing.rows(work))

    def _install(self) -> None:
        names = self.chosen()
        if self.own.checked:
            command = self.installing.install(names, self.python.currentText)
            self._run(_("Installing ..."), command, self._installed)
        else:
            self.progress.say(_("Slicer installs ..."))
            self.into_slicer.install(names, self.progress.say)
            self.refresh()

    def _installed(self, work: Work) -> None:
        self._plan = None
        if not work.error:
            self.installing.use()
            work.line = _("Installed; the helper process runs with it now.")

    def _use(self) -> None:
        self.installing.use()
        self.progress.say("")
        self.refresh()

    def _leave(self) -> None:
        self.installing.use_own_python()
        self.progress.say("")
        self.refresh()

    def _remove(self) -> None:
        self._run(_("Removing the environment ..."), self.installing.remove(), lambda work: None)

    def _extensions(self) -> None:
        self.progress.say(self.into_slicer.open_extensions_manager())

    def _run(self, title: str, command: Command, done: Any) -> None:
        self.progress.follow(self.run(Work(title, command, done), self.refresh))
        self.refresh()
