"""Frames between GUI and helper: four bytes of length (big endian), then that much JSON.

    GUI      {"id", "call", "args"}
    helper   {"id", "event"} ... then {"id", "reply"} or {"id", "problem"}

Before that, each side proves to the other that it knows the secret that went through the pipe:

    helper   {"nonce": a}
    GUI      {"nonce": b, "proof": proof(secret, "gui", a, b)}
    helper   {"proof": proof(secret, "helper", a, b)}
"""

from __future__ import annotations

import hmac
import json
import secrets
import struct
from collections.abc import Iterator
from typing import Any

from ..errors import RemoteError

Json = dict[str, Any]
#: Most bytes of a frame; a session with undo and redo of a large image fits.
MOST_BYTES = 1 << 30
#: Most bytes of a frame of somebody who has not proved anything yet.
MOST_BYTES_OF_STRANGERS = 1 << 10
_LENGTH = struct.Struct(">I")


class BrokenWireError(RemoteError):
    """What came is no frame of ours."""


class HelperLostError(RemoteError):
    """The helper process is gone; what it was asked has to be asked again. Never on the wire."""


def frame(message: Json) -> bytes:
    """One message as bytes."""
    content = json.dumps(message, separators=(",", ":"), allow_nan=False).encode()
    if len(content) > MOST_BYTES:
        raise BrokenWireError("This step is too large to be sent to the helper process.")
    return _LENGTH.pack(len(content)) + content


class Parser:
    """Bytes in, as they come; messages out. A message that is too long or no JSON object raises
    `BrokenWireError`."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self.most = most
        self._bytes = bytearray()

    def feed(self, data: bytes) -> Iterator[Json]:
        self._bytes += data
        while (content := self._next()) is not None:
            yield _message(content)

    def _next(self) -> bytes | None:
        if len(self._bytes) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._bytes)
        if length > self.most:
            raise BrokenWireError(f"A message of {length} bytes was announced; that is too much.")
        end = _LENGTH.size + length
        if len(self._bytes) < end:
            return None
        content = bytes(memoryview(self._bytes)[_LENGTH.size : end])
        del self._bytes[:end]
        return content


def _message(content: bytes) -> Json:
    try:
        message = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BrokenWireError("What came is not JSON.") from error
    if not isinstance(message, dict):
        raise BrokenWireError("What came is no message.")
    return message


def nonce() -> str:
    return secrets.token_hex(32)


def proof(secret: str, who: str, first: str, second: str) -> str:
    """What only one who knows the secret can say, for this one pair of nonces."""
    return hmac.new(secret.encode(), f"{who} {first} {second}".encode(), "sha256").hexdigest()


def proves(message: Json, expected: str) -> bool:
    return hmac.compare_digest(str(message.get("proof")).encode(), expected.encode())
