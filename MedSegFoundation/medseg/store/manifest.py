"""The published models we know: what each is, where it comes from, and what its licence allows."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import InputError

#: Where a hub keeps the file of a repository.
HUB = "https://huggingface.co"
PAGE, FILE = "{hub}/{repository}", "{hub}/{repository}/resolve/main/{name}"


@dataclass(frozen=True)
class File:
    """``sha256``: of the published file, in hex; None where nobody told us."""

    name: str
    sha256: str | None = None


@dataclass(frozen=True)
class Entry:
    """A published model. ``megabytes`` (1e6 bytes) are approximate, None where not known.

    ``adapter``: the part of medseg that can run it; "" means none yet. ``needs``: what has to be
    installed for it (see `medseg.install`). ``remote``: it runs on a server of its own, which
    keeps the weights. ``files``: what a copy consists of; empty when it cannot be fetched.
    ``hub``: its repository there.
    """

    name: str
    title: str
    adapter: str
    needs: str
    licence: str
    weights_licence: str
    non_commercial: bool
    megabytes: float | None
    hub: str
    source: str
    advice: str
    files: tuple[File, ...] = field(default=())
    remote: bool = False

    @property
    def page(self) -> str:
        """The page that describes it."""
        return PAGE.format(hub=HUB, repository=self.hub)

    def url(self, file: File, hub: str | None = None) -> str:
        """Where a file of it is fetched; ``hub`` names a mirror instead of the public hub."""
        return FILE.format(hub=(hub or HUB).rstrip("/"), repository=self.hub, name=file.name)


@cache
def manifest() -> tuple[Entry, ...]:
    """All published models, in the order in which they are shown."""
    text = (Path(__file__).parent / "manifest.json").read_text(encoding="utf-8")
    return tuple(_entry(item) for item in json.loads(text)["models"])


def entry(name: str, known: tuple[Entry, ...]) -> Entry:
    """The model of that name; raises `InputError` with the names there are."""
    for found in known:
        if found.name == name:
            return found
    raise InputError(
        f"There is no published model '{name}'; choose one of {', '.join(e.name for e in known)}."
    )


def _entry(item: dict[str, Any]) -> Entry:
    files = tuple(File(f["name"], f.get("sha256")) for f in item["files"])
    return Entry(**{**item, "files": files})
