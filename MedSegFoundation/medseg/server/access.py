"""Who may use the server: named tokens, of which only hashes are kept in memory."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

from ..errors import AccessError, InputError

#: The user of a server without tokens, which only listens to its own machine.
LOCAL = "local"
#: Shortest token that is accepted, in characters.
SHORTEST = 16
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_HOW = "make one with: python -c 'import secrets; print(secrets.token_urlsafe(32))'"

#: Token hash -> user name.
Tokens = dict[bytes, str]


class Access:
    """Finds the user of a request. Without tokens everybody is `LOCAL`.

    ``load`` reads the tokens again, for rotation; None when they cannot change.
    """

    def __init__(
        self, tokens: Tokens | None = None, load: Callable[[], Tokens] | None = None
    ) -> None:
        self._tokens = dict(tokens or {})
        self._load = load

    @classmethod
    def from_environment(cls, file: str | None, environment: Mapping[str, str]) -> Access:
        """Tokens of ``--token-file``, MEDSEG_TOKEN_FILE or MEDSEG_TOKENS, in this order.

        Raises `InputError` when they are not usable.
        """
        path = file or environment.get("MEDSEG_TOKEN_FILE")
        if path:

            def load() -> Tokens:
                return read_tokens(path)

            return cls(load(), load)
        text = environment.get("MEDSEG_TOKENS")
        if text is None:
            return cls()
        return cls(parse_tokens(text.replace(",", "\n").split("\n"), "MEDSEG_TOKENS"))

    @property
    def open(self) -> bool:
        """True when no token is asked for."""
        return not self._tokens

    def reload(self) -> None:
        """Take the tokens of the file as they are now; on `InputError` the old ones stay."""
        if self._load is not None:
            self._tokens = self._load()

    def user(self, authorization: str | None) -> str:
        """The user of an ``Authorization`` header; raises `AccessError` unless it has a token."""
        if self.open:
            return LOCAL
        scheme, _, token = (authorization or "").partition(" ")
        given = _hash(token.strip())
        found = None
        for known, name in self._tokens.items():  # all of them, so that time tells nothing
            if hmac.compare_digest(known, given):
                found = name
        if found is None or scheme.lower() != "bearer":
            raise AccessError("The server does not accept this token; ask whoever runs it for one.")
        return found


def read_tokens(path: str) -> Tokens:
    """The tokens of a file with lines ``name:token``; raises `InputError` with the reason."""
    try:
        with Path(path).open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            lines = file.read(1 << 20).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise InputError(f"The token file '{path}' cannot be read: {why}.") from error
    if os.name == "posix" and stat.S_IMODE(mode) & 0o007:
        raise InputError(f"Every user can read the token file; first run: chmod 600 '{path}'.")
    return parse_tokens(lines, f"The token file '{path}'")


def parse_tokens(lines: list[str], source: str) -> Tokens:
    """Lines ``name:token``; blank ones and those with ``#`` in front do not count.

    One name may have several tokens, for the time of a rotation. Raises `InputError`.
    """
    tokens: Tokens = {}
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, colon, token = (part.strip() for part in text.partition(":"))
        if not colon or not _NAME.fullmatch(name):
            raise InputError(f"{source}, line {number}: write 'name:token'.")
        if len(token) < SHORTEST or len(set(token)) < 8 or not token.isascii():
            raise InputError(f"{source}, line {number}: the token of '{name}' is weak; {_HOW}")
        if tokens.setdefault(_hash(token), name) != name:
            raise InputError(f"{source}, line {number}: '{name}' has the token of another user.")
    if not tokens:
        raise InputError(f"{source} holds no token; {_HOW}")
    return tokens


def label(user: str) -> str:
    """What logs call a user: tells users apart, and does not name them."""
    return hashlib.sha256(b"medseg log " + user.encode()).hexdigest()[:8]


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
