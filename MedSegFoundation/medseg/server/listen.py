"""Where the server listens, and whether it may: nothing but this machine without token and TLS."""

from __future__ import annotations

import errno
import ipaddress
import socket
import ssl
from dataclasses import dataclass

from ..errors import InputError


@dataclass(frozen=True)
class Address:
    """``cert`` and ``key``: PEM files for TLS. ``behind_proxy``: somebody else does the TLS."""

    host: str = "127.0.0.1"
    port: int = 1527
    cert: str | None = None
    key: str | None = None
    behind_proxy: bool = False

    @property
    def local(self) -> bool:
        """True when only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def check(address: Address, tokens: bool) -> None:
    """Raise `InputError` when others could come in without a token, or listen in.

    ``tokens``: whether the server asks for a token.
    """
    if not tokens and (address.behind_proxy or not address.local):
        raise InputError(
            "Others may reach this server only with a token: write lines 'name:token' to a file "
            "and give it with --token-file."
        )
    if (address.cert is None) != (address.key is None):
        raise InputError("TLS needs both --tls-cert and --tls-key.")
    if address.cert is None and not address.local and not address.behind_proxy:
        raise InputError(
            f"Images and tokens would travel to {address.host} unprotected: give --tls-cert and "
            "--tls-key, or --behind-proxy when a proxy does the TLS."
        )
    if address.cert is not None:
        _check_tls(address.cert, address.key or "")


def _check_tls(cert: str, key: str) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password=lambda: "")
    except (ssl.SSLError, OSError, ValueError) as error:
        missing = isinstance(error, OSError) and not isinstance(error, ssl.SSLError)
        why = error.strerror if missing and isinstance(error, OSError) else "they do not fit"
        raise InputError(
            f"The TLS files '{cert}' and '{key}' cannot be used ({why}); they must be PEM, belong "
            "together, and the key must not need a password."
        ) from error


def bind(address: Address) -> socket.socket:
    """A socket at the address; raises `InputError` when it cannot be had."""
    try:
        family, kind, number, _, place = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise InputError(f"'{address.host}' is no address of this machine.") from error
    made = socket.socket(family, kind, number)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(place)
    except OSError as error:
        made.close()
        raise InputError(_why(error, address)) from error
    return made


def _why(error: OSError, address: Address) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {address.port} is taken; choose another with --port (0 finds a free one)."
    if error.errno == errno.EACCES:
        return f"Port {address.port} needs more rights; choose one above 1023 with --port."
    return f"'{address.host}' is no address of this machine ({error.strerror})."


def url(address: Address, bound: socket.socket) -> str:
    """What a client is given."""
    scheme = "http" if address.cert is None else "https"
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"{scheme}://{host}:{bound.getsockname()[1]}"
