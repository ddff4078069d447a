"""The published models as a window lists them: where each stands, and what can be done with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from medseg.store import Entry, Store

from .tools import Command, medseg_command


@dataclass(frozen=True)
class Row:
    """One model. ``state``: one or two words. ``can``: action -> "", or why it cannot be done.

    ``agree``: what the user has to agree to before it is taken, "" when there is nothing.
    """

    name: str
    title: str
    size: str
    licence: str
    non_commercial: bool
    state: str
    details: str
    agree: str
    can: dict[str, str]


class ModelTable:
    """Reads small files only; what takes time is a `Command`."""

    def __init__(self, store: Store | None = None) -> None:
        self.store = store or Store()

    @property
    def folder(self) -> str:
        """Where models are stored, as short as it can be said."""
        folder, home = self.store.folder, Path.home()
        inside = folder.is_relative_to(home)
        return str(Path("~") / folder.relative_to(home)) if inside else str(folder)

    def rows(self) -> list[Row]:
        return [self._row(entry) for entry in self.store.known()]

    def fetch(self, name: str, agreed: bool = False) -> Command:
        """``agreed``: the user has just agreed to its licence."""
        return self._command("fetch", name, agreed)

    def import_(self, name: str, path: str, agreed: bool = False) -> Command:
        return self._command("import", name, agreed, path)

    def remove(self, name: str) -> Command:
        return self._command("remove", name)

    def check(self, name: str) -> Command:
        return self._command("check", name)

    def _command(self, action: str, name: str, agreed: bool = False, path: str = "") -> Command:
        words = ["models", action, name, *([path] if path else []), "--json"]
        return medseg_command(*words, *(["--agree-licence"] if agreed else []))

    def _row(self, entry: Entry) -> Row:
        copy = self.store.copy(entry.name)
        if copy is not None:
            state, size = "stored", f"{copy.size / 1e6:.0f} MB"
        else:
            state = "own server" if entry.remote else "not here"
            size = "?" if entry.megabytes is None else f"{entry.megabytes:.0f} MB"
        bound = entry.non_commercial
        return Row(
            entry.name,
            entry.title,
            size,
            entry.weights_licence,
            bound,
            state,
            _details(entry, "" if copy is None else f"{copy.folder}, {copy.origin}, {copy.when}"),
            _agreement(entry) if bound and self.store.approvals.given(entry) is None else "",
            self._can(entry, copy is not None),
        )

    def _can(self, entry: Entry, stored: bool) -> dict[str, str]:
        own = f"{entry.title} runs on a server of its own, which keeps its weights."
        page = f"{entry.title} has to be got from its page: {entry.page}"
        absent = f"{entry.title} is not on this computer."
        there = self.store.folder / entry.name
        shared = stored and not there.exists()
        kept = "It lies in a shared folder; whoever keeps that can remove it."
        return {
            "fetch": own if entry.remote else "" if entry.files else page,
            "import": own if entry.remote else "",
            "remove": absent if not stored else kept if shared else "",
            "check": "" if stored else absent,
        }


def _agreement(entry: Entry) -> str:
    return (
        f"The weights of {entry.title} are not for commercial use, or their licence is not clear.\n"
        f"Licence: {entry.weights_licence}\n{entry.source}.\nRead it at {entry.page}"
    )


def _details(entry: Entry, where: str) -> str:
    use = "not for commercial use, or not clear" if entry.non_commercial else "commercial use too"
    lines = [
        entry.advice,
        f"Licence of the code: {entry.licence}; of the weights: {entry.weights_licence} ({use}).",
        f"Source: {entry.source}. {entry.page}",
    ]
    hashed = "Its hash is kept when it comes, and compared by Check."
    if any(file.sha256 for file in entry.files):
        hashed = "Its published hash is compared when it comes, and by Check."
    return "\n".join([*lines, *([hashed] if not entry.remote else []), *([where] if where else [])])
