"""``--server``: the model runs on a medseg server, everything else stays as it is."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from ..errors import AccessError, InputError
from ..image import Image
from ..model import Model
from ..registry import find
from .terminal import say

if TYPE_CHECKING:
    from ..client import HttpBackend, RemoteSession

TOKEN = "MEDSEG_TOKEN"


@runtime_checkable
class Sends(Protocol):
    """A model that sends images to a server of its own."""

    def agree(self) -> None: ...


def add_options(this: argparse.ArgumentParser, *, sends_images: bool = True) -> None:
    """The options of a command that can use a server."""
    group = this.add_argument_group(
        "server", f"The token comes from --token-file or the environment variable {TOKEN}."
    )
    group.add_argument("--server", metavar="URL", help="run the model there: https://name:port")
    group.add_argument("--ca", metavar="FILE", help="certificates to trust (a hospital's own CA)")
    group.add_argument("--token-file", metavar="FILE", help="a file that holds the token alone")
    if sends_images:
        group.add_argument(
            "--agree",
            action="store_true",
            help="images may be sent to the server (remembered for the next time)",
        )


@contextmanager
def connected(options: argparse.Namespace) -> Iterator[HttpBackend]:
    """The server of ``--server``, which is there and speaks our version."""
    from ..client import HttpBackend  # loads requests

    with HttpBackend(options.server, token=_token(options.token_file), ca=options.ca) as backend:
        if getattr(options, "agree", False):
            backend.agree()
        backend.welcome()
        say(f"The model runs on {backend.address}.", getattr(options, "quiet", True))
        yield backend


def local(options: argparse.Namespace, name: str) -> Model:
    """The model of that name in this process; one that sends images itself asks for ``--agree``."""
    model = find(name, options.device)
    if options.agree and isinstance(model, Sends):
        model.agree()
    return model


def session(
    backend: HttpBackend, options: argparse.Namespace, image: Image, model: str = ""
) -> RemoteSession:
    """A session on that server; ``model`` instead of the one in the options."""
    from ..client import RemoteSession

    return RemoteSession(backend, image, model or options.model, options.device)


def _token(path: str | None) -> str | None:
    if path is None:
        return os.environ.get(TOKEN)
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except OSError as error:
        raise InputError(f"The token file '{path}' cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise AccessError(f"The token file '{path}' holds more than a token.") from error
