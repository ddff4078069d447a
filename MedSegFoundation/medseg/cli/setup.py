"""``medseg setup``: what models need, a plan of it, an own environment; a look at a server."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..errors import CancelledError, InputError
from . import remote
from .terminal import say, table

if TYPE_CHECKING:
    from ..install import Environment, Plan, Stop

HELP = """\
What models need beside medseg itself. Nothing is installed before you have seen the plan, and then
only into an environment of its own; other Pythons (that of 3D Slicer, too) stay as they are.
"""
EXAMPLES = """\
examples:
  medseg setup status
  medseg setup plan sam
  medseg setup install sam --python python3.12

  Without a network, from wheels that somebody has copied here:
    medseg setup install sam --no-index --find-links wheels
"""
HEADER = ("package", "version", "now", "MB, about")


def add_actions(this: argparse.ArgumentParser, kind: type[argparse.ArgumentParser]) -> None:
    """The sub-commands of ``medseg setup``."""
    actions = this.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=kind)
    for name, text in (
        ("status", "what there is, and what is missing for what"),
        ("plan", "what would be installed; changes nothing"),
        ("install", "make an environment of its own and use it from now on"),
        ("remove", "delete the environment"),
        ("connect", "look whether a server can be used, and say why not"),
    ):
        action = actions.add_parser(name, help=text, description=text.capitalize() + ".")
        action.add_argument("--json", action="store_true", help="one JSON object a line on stdout")
        if name == "connect":
            remote.add_options(action)
            action.add_argument(
                "--revoke", action="store_true", help="no more images may be sent there"
            )
            continue
        action.add_argument("--folder", metavar="DIR", help="of environments")
        if name in ("plan", "install"):
            _add_pip(action, name)


def _add_pip(action: argparse.ArgumentParser, name: str) -> None:
    action.add_argument("needs", metavar="PURPOSE", nargs="+", help="see 'medseg setup status'")
    action.add_argument(
        "--python", metavar="PROGRAM", default=sys.executable, help="make the environment with it"
    )
    if name == "plan":
        action.add_argument("--into", metavar="PROGRAM", help="plan for a Python that is in use")
    action.add_argument("--find-links", metavar="DIR", help="for pip: where wheels lie")
    action.add_argument("--no-index", action="store_true", help="for pip: ask no package index")
    action.add_argument("--index-url", metavar="URL", help="for pip: the package index to ask")
    action.add_argument(
        "--attended",
        action="store_true",
        help="stop when standard input closes (for programs with a window)",
    )


def run(options: argparse.Namespace) -> None:
    """Do what was asked for; raises `MedsegError`."""
    {
        "status": _status,
        "plan": _plan,
        "install": _install,
        "remove": _remove,
        "connect": _connect,
    }[options.action](options)


def _status(options: argparse.Namespace) -> None:
    from ..install import NEEDS, Environments

    made = Environments(options.folder).current()
    if options.json:
        needs = [{"name": n.name, "title": n.title, "advice": n.advice} for n in NEEDS]
        print(json.dumps({"event": "status", "environment": facts(made), "needs": needs}))
        return
    print("\n".join(f"{n.name:14} {n.title}. {n.advice}" for n in NEEDS))
    print(
        "There is no environment."
        if made is None
        else f"environment for {', '.join(made.needs)}: {made.python}"
    )


def facts(made: Environment | None) -> dict[str, Any] | None:
    """An environment for ``--json``."""
    if made is None:
        return None
    return {
        "python": str(made.python),
        "needs": list(made.needs),
        "packages": made.packages,
        "when": made.when,
    }


def _plan(options: argparse.Namespace) -> None:
    from ..install import Environments, plan_into

    with _stoppable(options) as stop:
        if options.into:
            plan = plan_into(options.into, options.needs, _pip(options), _told(options), stop)
        else:
            environments = Environments(options.folder, _pip(options))
            plan = environments.plan(options.python, options.needs, _told(options), stop)
    _show(plan, options)


def _install(options: argparse.Namespace) -> None:
    from ..install import Environments

    with _stoppable(options) as stop:
        environments = Environments(options.folder, _pip(options))
        made = environments.install(options.python, options.needs, _told(options), stop)
    if options.json:
        print(json.dumps({"event": "done", "environment": facts(made)}), flush=True)
    say(f"Ready: {made.python}", quiet=options.json)


def _remove(options: argparse.Namespace) -> None:
    from ..install import Environments

    gone = Environments(options.folder).remove()
    if options.json:
        print(json.dumps({"event": "removed", "there": gone}))
    say("The environment is removed." if gone else "There was none.", quiet=options.json)


def _connect(options: argparse.Namespace) -> None:
    """Who answers at ``--server``."""
    if options.server is None:
        raise InputError("Name the server to look at: --server URL.")
    if options.revoke:
        _revoke(options)
        return
    with remote.connected(options) as backend:
        welcome, address = backend.welcome(), backend.address
        agreed = address.loopback or backend.consent.given(str(address)) is not None
    names = [info.name for info in welcome.models if not info.missing]
    if options.json:
        found: dict[str, Any] = {"event": "done", "server": str(address), "medseg": welcome.medseg}
        found |= {"devices": welcome.devices, "models": names, "agreed": agreed}
        print(json.dumps(found))
        return
    print(f"{address}: medseg {welcome.medseg}; {', '.join(welcome.devices)}; {', '.join(names)}")
    print("Images may be sent there." if agreed else "Images may not be sent there yet (--agree).")


def _revoke(options: argparse.Namespace) -> None:
    """The server need not be there."""
    from ..client import Consent
    from ..client.address import parse

    address = parse(options.server)
    Consent().revoke(str(address))
    if options.json:
        print(json.dumps({"event": "done", "server": str(address), "agreed": address.loopback}))
    say(f"No more images may be sent to {address}.", quiet=options.json)


def _show(plan: Plan, options: argparse.Namespace) -> None:
    if options.json:
        items = [vars(item) for item in plan.items]
        print(json.dumps({"event": "plan", "items": items, "megabytes": plan.megabytes}))
        return
    rows: list[tuple[str, ...]] = [HEADER]
    for item in plan.items:
        size = "?" if item.megabytes is None else f"{item.megabytes:.1f}"
        rows.append((item.name, item.version, item.installed or "-", size))
    print(table(rows) if plan.items else "Nothing is missing.")


def _pip(options: argparse.Namespace) -> list[str]:
    return [
        *(["--no-index"] if options.no_index else []),
        *(["--find-links", options.find_links] if options.find_links else []),
        *(["--index-url", options.index_url] if options.index_url else []),
    ]


def _told(options: argparse.Namespace) -> Any:
    def tell(line: str) -> None:
        if options.json:
            print(json.dumps({"event": "line", "text": line}), flush=True)
        else:
            say(line)

    return tell


@contextmanager
def _stoppable(options: argparse.Namespace) -> Iterator[Stop]:
    """Ctrl+C, SIGTERM or (``--attended``) the end of standard input stop what runs."""
    from ..install import Stop

    stop = Stop()
    signals = (signal.SIGINT, signal.SIGTERM)
    mine = threading.current_thread() is threading.main_thread()
    before = [signal.signal(s, lambda *_: stop.ask()) for s in signals] if mine else []
    if options.attended:
        threading.Thread(target=_watch_input, args=(stop,), daemon=True).start()
    try:
        yield stop
    except CancelledError:
        raise KeyboardInterrupt from None
    finally:
        for number, handler in zip(signals, before, strict=False):
            signal.signal(number, handler)


def _watch_input(stop: Stop) -> None:
    try:
        while os.read(0, 4096):
            pass
    except OSError:
        pass
    stop.ask()
