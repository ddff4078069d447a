"""``medseg serve``."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from ..errors import InputError, ModelError
from ..server import listen
from ..server.access import Access
from ..server.menu import Menu
from ..server.plan import Plan
from ..server.rules import Rules
from ..service import Settings
from . import ray_options


def run(options: argparse.Namespace) -> None:
    """Serve until stopped; raises `MedsegError` when the server cannot be started."""
    _check(options)
    plan = _plan(options)
    listen.check(plan.address, tokens=not plan.access.open)
    bound = listen.bind(plan.address)
    try:
        from ..server.run import serve
    except ModuleNotFoundError as error:
        raise ModelError(
            f"The server needs the package '{error.name}'; run: pip install 'medseg[server]'"
        ) from error
    serve(plan, bound)


def _plan(options: argparse.Namespace) -> Plan:
    settings = Settings(
        image_bytes=round(options.max_image_gb * 1e9),
        store_bytes=round(options.images_gb * 1e9),
        sessions=options.max_sessions,
        lease_seconds=60.0 * options.lease_minutes,
        cache=_folder(options.cache),
        devices=None if options.device == "auto" else (options.device,),
    )
    return Plan(
        listen.Address(
            options.host, options.port, options.tls_cert, options.tls_key, options.behind_proxy
        ),
        Access.from_environment(options.token_file, os.environ),
        Menu(options.model or ()),
        settings,
        Rules(patience=options.patience, grace=options.grace),
        options.log_format,
        ray_options.settings(options),
    )


def _check(options: argparse.Namespace) -> None:
    if not 0 <= options.port <= 65535:
        raise InputError("A --port is a number from 0 to 65535.")
    for name in ("max_image_gb", "images_gb", "max_sessions", "lease_minutes", "patience"):
        if not 0 < getattr(options, name) < float("inf"):
            raise InputError(f"--{name.replace('_', '-')} must be above 0.")
    if not 0 <= options.grace < float("inf"):
        raise InputError("--grace must be 0 or more seconds.")


def _folder(given: str | None) -> Path | None:
    """The cache folder, made where it does not exist."""
    if given is None:
        return None
    folder = Path(given)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"The cache '{folder}' cannot be made: {error.strerror}.") from error
    return folder
