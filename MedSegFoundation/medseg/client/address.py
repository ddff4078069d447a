"""Where a server is: checked before anything is sent."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..errors import InputError

PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Address:
    """``scheme`` is "http" or "https"; an IPv6 ``host`` has no brackets."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        """Host and port, as sentences and the consent file name them."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self}"

    @property
    def loopback(self) -> bool:
        """True when what is sent there does not leave this machine."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:  # a name
            return False


def parse(url: str, *, insecure: bool = False) -> Address:
    """The address in a URL such as "https://server.example:8443".

    Raises `InputError` for anything more or less than scheme, name and port, and for plain
    http:// to another machine unless ``insecure``.
    """
    text = url.strip()
    scheme, mark, _ = text.partition("://")
    if not mark:
        raise InputError(f"The server address '{text}' has no scheme; add http:// or https://.")
    if scheme.lower() not in PORTS:
        raise InputError(f"A server address starts with http:// or https://, not '{scheme}://'.")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InputError(f"The server address cannot be read ({error}).") from error
    if parts.username is not None or parts.password is not None:
        raise InputError("The server address holds a user name or password; give a token instead.")
    if not host or any(c.isspace() for c in host):
        raise InputError(f"The server address '{text}' names no server; check it.")
    address = Address(scheme.lower(), host, PORTS[scheme.lower()] if port is None else port)
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise InputError(
            f"The server address '{text}' goes on after name and port; give {address.url}."
        )
    if address.scheme == "http" and not address.loopback and not insecure:
        raise InputError(
            f"http:// to {address} would let others on the network read images and token; "
            "use https://, or an SSH tunnel to 127.0.0.1."
        )
    return address
