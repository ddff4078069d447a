"""``medseg models published``, ``fetch``, ``import``, ``remove`` and ``check``."""

from __future__ import annotations

import argparse
import json
import time
from typing import TYPE_CHECKING, Any

from .terminal import Bar, say, table

if TYPE_CHECKING:
    from ..store import Copy, Entry, Store

HEADER = ("model", "MB", "stored", "commercial use", "licence of the weights")
_SECONDS = 0.2  # between two lines of progress


def add_actions(this: argparse.ArgumentParser, kind: type[argparse.ArgumentParser]) -> None:
    """The sub-commands of ``medseg models`` that work on stored models."""
    actions = this.add_subparsers(dest="action", metavar="ACTION", parser_class=kind)
    for name, text in (
        ("published", "list published models, and which are stored on this computer"),
        ("fetch", "fetch a published model; goes on where it was broken off"),
        ("import", "store a model that you have as a file or folder"),
        ("remove", "delete a stored model"),
        ("check", "compare stored files with the hashes kept when they came"),
    ):
        action = actions.add_parser(name, help=text, description=text.capitalize() + ".")
        if name == "check":
            action.add_argument("name", metavar="NAME", nargs="?", help="one model; default: all")
        elif name != "published":
            action.add_argument("name", metavar="NAME", help="see 'medseg models published'")
        if name == "import":
            action.add_argument("path", metavar="PATH", help="the file, or the folder of several")
        if name in ("fetch", "import"):
            action.add_argument(
                "--agree-licence",
                action="store_true",
                help="you agree to a licence without commercial use (remembered)",
            )
        if name == "fetch":
            action.add_argument("--hub", metavar="URL", help="a mirror of the hub")
            action.add_argument("--ca", metavar="FILE", help="certificates to trust")
        action.add_argument("--folder", metavar="DIR", help="of models (default: MEDSEG_MODELS)")
        action.add_argument(
            "--json",
            action="store_true",
            default=argparse.SUPPRESS,
            help="one JSON object per model or step on stdout",
        )


def run(options: argparse.Namespace) -> None:
    """Do what was asked for; raises `MedsegError`."""
    from ..store import Store

    store = Store(options.folder)
    if options.action == "published":
        _list(store, options.json)
        return
    told = Told(options.json)
    if options.action == "remove":
        gone = store.remove(options.name)
        told.end({"event": "removed", "name": options.name, "there": gone})
        told.say(f"'{options.name}' {'is removed' if gone else 'was not stored'}.")
        return
    if getattr(options, "agree_licence", False):
        store.approvals.grant(store.entry(options.name))
    for name in _names(options, store):
        with told.bar(name):
            if options.action == "fetch":
                copy = store.fetch(name, told, hub=options.hub, ca=options.ca)
            elif options.action == "import":
                copy = store.import_(name, options.path, told)
            else:
                copy = store.check(name, told)
        told.end({"event": "done", **facts(store, store.entry(name))})
        told.say(f"'{name}': {_megabytes(copy)} MB in {copy.folder}, {_DONE[options.action]}.")


_DONE = {"fetch": "fetched", "import": "imported", "check": "unchanged since it was stored"}


def stored_lines() -> list[str]:
    """What is stored, for the list of models: a line for each, and how to see more."""
    from ..store import Store

    store = Store()
    copies = [(e, store.copy(e.name)) for e in store.known()]
    lines = [f"stored: {e.name}, {_megabytes(c)} MB in {c.folder}" for e, c in copies if c]
    return [*lines, "'medseg models published' lists what can be fetched."]


def facts(store: Store, entry: Entry) -> dict[str, Any]:
    """One line of ``--json``. ``approved``: its licence was agreed to, or need not be."""
    copy = store.copy(entry.name)
    approved = not entry.non_commercial or store.approvals.given(entry) is not None
    return {
        "name": entry.name,
        "title": entry.title,
        "adapter": entry.adapter,
        "licence": entry.licence,
        "weights_licence": entry.weights_licence,
        "non_commercial": entry.non_commercial,
        "approved": approved,
        "megabytes": entry.megabytes,
        "page": entry.page,
        "remote": entry.remote,
        "stored": None if copy is None else str(copy.path),
        "bytes": None if copy is None else copy.size,
        "sha256": {} if copy is None else {f.name: f.sha256 for f in copy.files},
    }


class Told:
    """Progress as a bar for people, or as JSON lines for programs."""

    def __init__(self, as_json: bool) -> None:
        self._json = as_json
        self._bar: Bar | None = None
        self._next = 0.0

    def bar(self, name: str) -> Bar:
        self._bar = Bar(name, quiet=self._json)
        return self._bar

    def __call__(self, file: str, done: int, total: int | None) -> None:
        if self._bar is not None and total:
            self._bar(done / total)
        if self._json and (time.monotonic() >= self._next or done == total):
            self._next = time.monotonic() + _SECONDS
            self.end({"event": "progress", "file": file, "done": done, "total": total})

    def end(self, event: dict[str, Any]) -> None:
        if self._json:
            print(json.dumps(event), flush=True)

    def say(self, text: str) -> None:
        say(text, quiet=self._json)


def _names(options: argparse.Namespace, store: Store) -> list[str]:
    if options.name is not None:
        return [options.name]
    return [entry.name for entry in store.known() if store.copy(entry.name) is not None]


def _list(store: Store, as_json: bool) -> None:
    if as_json:
        for entry in store.known():
            print(json.dumps(facts(store, entry)))
        return
    rows: list[tuple[str, ...]] = [HEADER]
    for entry in store.known():
        copy = store.copy(entry.name)
        size = "?" if entry.megabytes is None else f"{entry.megabytes:.0f}"
        where = "own server" if entry.remote else "no" if copy is None else "yes"
        use = "no, or not clear" if entry.non_commercial else "yes"
        rows.append((entry.name, size, where, use, entry.weights_licence))
    print(f"{table(rows)}\nfolder: {store.folder}")


def _megabytes(copy: Copy) -> int:
    return round(copy.size / 1e6)
