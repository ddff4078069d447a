"""Tokens for servers, each in a file that only its user can read."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from . import folders
from .client.address import Address
from .errors import AccessError, InputError


class Tokens:
    """``folder``: by default "tokens" in the user's configuration folder; made when needed."""

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        self.folder = folders.config() / "tokens" if folder is None else Path(folder)

    def path(self, server: Address) -> Path:
        """Where the token for a server is kept."""
        return self.folder / f"{re.sub('[^A-Za-z0-9.-]', '_', str(server))}.token"

    def read(self, server: Address) -> str | None:
        """The token, or None; raises `AccessError` when others can read it."""
        path = self.path(server)
        try:
            if sys.platform != "win32" and path.stat().st_mode & 0o077:
                raise AccessError(f"Others can read '{path}'; run: chmod 600 '{path}'")
            return path.read_text(encoding="ascii").strip() or None
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise AccessError(f"The token in '{path}' cannot be read; save it again.") from error

    def save(self, server: Address, token: str) -> None:
        """Keep a token; "" forgets it. Raises `InputError` when it cannot be written."""
        path, text = self.path(server), token.strip()
        if not text.isascii() or any(c.isspace() for c in text):
            raise InputError("A token has no blanks and no accents; copy it again.")
        try:
            path.unlink(missing_ok=True)
            if text:
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(handle, "w", encoding="ascii") as stream:
                    stream.write(text)
        except OSError as error:
            raise InputError(f"'{path}' cannot be written ({error.strerror}).") from error
