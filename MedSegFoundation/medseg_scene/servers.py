"""Where the work is done: on this computer, or on a server that the user has named."""

from __future__ import annotations

from medseg.client.address import Address, parse
from medseg.client.consent import WHAT, Agreement, Consent
from medseg.companion.link import Server
from medseg.errors import MedsegError
from medseg.tokens import Tokens

from .owner import CompanionOwner
from .settings import SERVER_CA, SERVER_URL, Settings
from .tools import Command, Work, medseg_command

LAST_URL = "server/last"


def chosen(settings: Settings, tokens: Tokens | None = None) -> Server | None:
    """The server of the settings, with its token; None: this computer.

    A token that cannot be read is left out: the server then says that it wants one.
    """
    url = settings.get(SERVER_URL, "")
    if not url:
        return None
    try:
        token = (tokens or Tokens()).read(parse(url))
    except MedsegError:
        token = None
    return Server(url, token, settings.get(SERVER_CA, "") or None)


class ServerChoice:
    """What a page for servers shows and does; opens no connection itself."""

    def __init__(
        self,
        settings: Settings,
        owner: CompanionOwner,
        tokens: Tokens | None = None,
        consent: Consent | None = None,
    ) -> None:
        self._settings = settings
        self._owner = owner
        self._tokens = tokens or Tokens()
        self._consent = consent or Consent()

    #: What leaves this computer when a server is used, and only then.
    what = WHAT

    @property
    def here(self) -> bool:
        """The work is done on this computer."""
        return not self._settings.get(SERVER_URL, "")

    @property
    def url(self) -> str:
        """The server in use, or the one before."""
        text: str = self._settings.get(SERVER_URL, "") or self._settings.get(LAST_URL, "")
        return text

    @property
    def ca(self) -> str:
        text: str = self._settings.get(SERVER_CA, "")
        return text

    def wrong(self, url: str) -> str:
        """ "" or one sentence: why this is no address of a server."""
        try:
            parse(url)
        except MedsegError as error:
            return str(error)
        return ""

    def agreed(self, url: str) -> Agreement | None:
        """When the user agreed that images are sent there; None: not yet."""
        return None if self.wrong(url) else self._consent.given(str(parse(url)))

    def needs_agreement(self, url: str) -> bool:
        """False for a server on this computer: nothing leaves it."""
        return not self.wrong(url) and not parse(url).loopback

    def has_token(self, url: str) -> bool:
        return self._address(url) is not None and self._tokens.path(parse(url)).is_file()

    def save_token(self, url: str, token: str) -> str:
        """Keep a token in a file of the user's own ("" forgets it); returns why not, or ""."""
        try:
            self._tokens.save(parse(url), token)
        except MedsegError as error:
            return str(error)
        return ""

    def token_path(self, url: str) -> str:
        address = self._address(url)
        return "" if address is None else str(self._tokens.path(address))

    def test(self, url: str, ca: str) -> Command:
        """Look whether it can be used; its answer is told by `verdict`."""
        return self._connect(url, ca)

    def agree(self, url: str, ca: str) -> Command:
        """The same, and the user agrees that images are sent there."""
        return self._connect(url, ca, "--agree")

    def revoke(self, url: str) -> Command:
        """No more images may be sent there."""
        return medseg_command("setup", "connect", "--json", "--server", url, "--revoke")

    def verdict(self, work: Work) -> str:
        """One sentence on what a test has found."""
        found = work.answer("done")
        if work.error or found is None or "medseg" not in found:
            return work.error
        models, devices = ", ".join(found["models"]), ", ".join(found["devices"])
        return f"{found['server']} answers: medseg {found['medseg']}; {devices}; {models}."

    def use(self, url: str, ca: str) -> str:
        """Work there from now on; returns why not, or "". Open sessions move there."""
        reason = self.wrong(url)
        if reason:
            return reason
        if self.needs_agreement(url) and self.agreed(url) is None:
            return f"Agree first that images are sent to {parse(url)}."
        for key, value in ((SERVER_URL, url.strip()), (LAST_URL, url.strip()), (SERVER_CA, ca)):
            self._settings.set(key, value)
        self._owner.connect(chosen(self._settings, self._tokens))
        return ""

    def use_this_computer(self) -> None:
        """Nothing leaves it; open sessions move back."""
        if not self.here:
            self._settings.set(LAST_URL, self._settings.get(SERVER_URL, ""))
            self._settings.set(SERVER_URL, "")
            self._owner.connect(None)

    def _connect(self, url: str, ca: str, *more: str) -> Command:
        words = ["setup", "connect", "--json", "--server", url.strip(), *more]
        words += ["--ca", ca] if ca else []
        words += ["--token-file", self.token_path(url)] if self.has_token(url) else []
        return medseg_command(*words)

    def _address(self, url: str) -> Address | None:
        return None if self.wrong(url) else parse(url)
