"""Where models run: on this computer, or on a server that the user names and agrees to."""

from __future__ import annotations

import ctk
import qt
from medseg_scene.servers import ServerChoice
from medseg_scene.tools import Command, Work
from slicer.i18n import tr as _

from ..application import face
from ..part import named
from .page import Page, Progress


class Where(Page):
    """Nothing is sent, and no connection opened, before a button is pressed."""

    def build(self) -> None:
        self.servers = ServerChoice(face().settings, face().owner)
        self.here = qt.QRadioButton(_("This computer: nothing leaves it"))
        self.there = qt.QRadioButton(_("A server"))
        for button in (self.here, self.there):
            self.layout.addWidget(button)
        (self.here if self.servers.here else self.there).setChecked(True)
        self.details = qt.QWidget()
        outer, self.layout = self.layout, qt.QVBoxLayout(self.details)
        self.layout.setContentsMargins(18, 0, 0, 0)
        outer.addWidget(self.details)
        self._build_details()
        self.on(self.here, "clicked()", self._use_here)
        self.on(self.there, "clicked()", self.refresh)
        self.refresh()

    def _build_details(self) -> None:
        form = qt.QFormLayout()
        self.layout.addLayout(form)
        self.url = named(qt.QLineEdit(self.servers.url), _("Address"))
        self.url.setPlaceholderText("https://gpu.hospital.example:1527")
        self.token = named(
            qt.QLineEdit(),
            _("Token"),
            _("Kept in a file that only you can read; never in the scene or in the settings."),
        )
        self.token.setEchoMode(qt.QLineEdit.Password)
        self.ca = named(
            ctk.ctkPathLineEdit(),
            _("Certificates"),
            _("A PEM file with your hospital's own authority; empty for the usual ones."),
        )
        self.ca.setCurrentPath(self.servers.ca)
        form.addRow(_("Address:"), self.url)
        form.addRow(_("Token:"), self.token)
        form.addRow(_("Certificates:"), self.ca)
        self.consent = self.text()
        self.agree = self.button(
            _("I agree"), _("Remembered for this server until you withdraw it."), self._agree
        )
        self.revoke = self.button(
            _("Withdraw"), _("Images are no longer sent to this server."), self._revoke
        )
        self.row(self.agree, self.revoke)
        self.test = self.button(
            _("Test connection"),
            _("Ask the server who it is; no image is sent. Says why when it fails."),
            self._test,
        )
        self.use = self.button(
            _("Work there"), _("Use this server from now on; open sessions move."), self._use
        )
        self.row(self.test, self.use)
        self.progress = Progress(self)
        self.on(self.url, "textChanged(QString)", self._url_changed)
        self.on(self.token, "editingFinished()", self._token_given)

    def refresh(self, *_args: object) -> None:
        self.details.setVisible(self.there.checked)
        url, servers = self.url.text, self.servers
        wrong = servers.wrong(url) if url else _("Give the address of a server first.")
        agreed = servers.agreed(url)
        asks = servers.needs_agreement(url)
        hint = _("kept; type to replace it") if servers.has_token(url) else _("none")
        self.token.setPlaceholderText(hint)
        self.consent.setVisible(asks)
        if asks and agreed is None:
            self.consent.setText(_("To be sent there: {what}").format(what=servers.what))
        elif asks and agreed is not None:
            self.consent.setText(
                _("You agreed on {day} that this is sent there: {what}").format(
                    day=agreed.when[:10], what=servers.what
                )
            )
        self.agree.setVisible(asks and agreed is None)
        self.revoke.setVisible(asks and agreed is not None)
        busy = self.progress.busy
        for button in (self.agree, self.revoke, self.test):
            button.setEnabled(not wrong and not busy)
        missing = wrong or (_("Agree first.") if asks and agreed is None else "")
        self.use.setEnabled(not missing and not busy)
        self.test.setToolTip(wrong or _("Ask the server who it is; no image is sent."))
        self.use.setToolTip(missing or _("Use this server from now on; open sessions move there."))
        self.progress.refresh()

    def _url_changed(self, *_args: object) -> None:
        if not self.progress.busy:
            self.progress.say(self.servers.wrong(self.url.text) if self.url.text else "")
        self.refresh()

    def _token_given(self) -> None:
        if self.token.text:
            reason = self.servers.save_token(self.url.text, self.token.text)
            self.progress.say(reason)
            if not reason:
                self.token.setText("")
            self.refresh()

    def _test(self) -> None:
        self._ask(_("Asking the server ..."), self.servers.test(self.url.text, self.ca.currentPath))

    def _agree(self) -> None:
        command = self.servers.agree(self.url.text, self.ca.currentPath)
        self._ask(_("Remembering that you agree, and asking the server ..."), command)

    def _revoke(self) -> None:
        self._ask(_("Withdrawing ..."), self.servers.revoke(self.url.text))
        if self.servers.url == self.url.text and not self.servers.here:
            self.servers.use_this_computer()

    def _ask(self, title: str, command: Command) -> None:
        self.progress.follow(self.run(Work(title, command, self._answered), self.refresh))
        self.refresh()

    def _answered(self, work: Work) -> None:
        work.line = self.servers.verdict(work)

    def _use(self) -> None:
        reason = self.servers.use(self.url.text, self.ca.currentPath)
        self.progress.say(
            reason or _("Models run on {server} now.").format(server=self.url.text.strip())
        )
        self.refresh()

    def _use_here(self) -> None:
        self.servers.use_this_computer()
        self.refresh()
