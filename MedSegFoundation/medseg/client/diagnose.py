"""What went wrong on the way to a server, as one sentence that says what to do."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator

import requests
from urllib3 import exceptions as urllib3_errors

from ..errors import ConnectionProblem
from .address import Address

#: Of OpenSSL (X509_V_ERR_...).
_EXPIRED, _NOT_YET, _WRONG_NAMES = 10, 9, (62, 64)
#: What OpenSSL says when the other side does not speak TLS.
_NOT_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "PACKET_LENGTH")
_UNREACHABLE = {
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.EHOSTDOWN,
    errno.ENETDOWN,
    errno.EADDRNOTAVAIL,
    10065,  # the same on Windows: no route, no network, address
    10051,
    10049,
}


def unreachable(error: BaseException, address: Address) -> tuple[ConnectionProblem, bool]:
    """The problem behind an error of requests, urllib3 or a socket, and whether it may pass."""
    chain = list(_causes(error))
    if isinstance(error, requests.exceptions.ProxyError):
        return _proxy(address), True
    for cause in chain:
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError):
            return ConnectionProblem(_tls(cause, address)), False
    return ConnectionProblem(_socket(chain, address)), True


def no_answer(address: Address) -> ConnectionProblem:
    """It took the connection and closed it: over http:// perhaps because it speaks HTTPS."""
    if address.scheme == "http" and _speaks_tls(address):
        return ConnectionProblem(
            f"{address} speaks HTTPS, not plain HTTP; give https://{address} as the server address."
        )
    return ConnectionProblem(_dropped(address))


def dropped(error: BaseException) -> bool:
    """True when a connection stood and was closed without a whole answer."""
    known = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError, ssl.SSLEOFError)
    closed = (*known, urllib3_errors.ProtocolError)
    return any(isinstance(cause, closed) for cause in _causes(error))


def _tls(error: ssl.SSLError, address: Address) -> str:
    code = getattr(error, "verify_code", None)
    reason = str(getattr(error, "reason", None) or error)
    if code == _EXPIRED:
        return f"The certificate of {address} has expired; its administrator must renew it."
    if code == _NOT_YET:
        return f"The certificate of {address} is not valid yet; check the clock of this computer."
    if code in _WRONG_NAMES:
        return (
            f"The certificate of {address} is made out to another name; "
            "give the server's name as it stands in its certificate."
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        why = getattr(error, "verify_message", "") or reason
        return (
            f"The certificate of {address} is not trusted ({why}); give your hospital's "
            "CA bundle with --ca FILE (ca= in Python)."
        )
    if any(word in reason for word in _NOT_TLS):
        return (
            f"{address} speaks plain HTTP, not HTTPS; ask for its https:// address "
            "(http:// is for servers on this machine)."
        )
    return f"No secure connection to {address} came about ({reason}); ask its administrator."


def _socket(chain: list[BaseException], address: Address) -> str:
    """The most special cause counts, wherever in the chain it is."""
    numbers = {cause.errno for cause in chain if isinstance(cause, OSError)}
    if _any(chain, socket.gaierror, UnicodeError):
        return (
            f"There is no server named '{address.host}'; "
            "check the name, and whether this computer is online (VPN?)."
        )
    if _any(chain, ConnectionRefusedError):
        return f"Nothing answers at {address}; check the port, and whether the server runs."
    if numbers & _UNREACHABLE:
        return f"There is no way to {address} from this network; check network and VPN."
    if dropped(chain[0]):
        return _dropped(address)
    if _any(chain, urllib3_errors.ReadTimeoutError):
        return f"{address} took too long to answer; try again, or ask its administrator."
    if _any(chain, TimeoutError, urllib3_errors.ConnectTimeoutError):
        return f"{address} does not answer (a firewall?); check address, network and VPN."
    return f"The connection to {address} failed ({type(chain[-1]).__name__}); try again."


def _any(chain: list[BaseException], *kinds: type[BaseException]) -> bool:
    return any(isinstance(cause, kinds) for cause in chain)


def _dropped(address: Address) -> str:
    return f"{address} closed the connection without an answer; try again."


def _proxy(address: Address) -> ConnectionProblem:
    return ConnectionProblem(
        f"The proxy of this computer gives no way to {address}; check HTTPS_PROXY, "
        "or name the server in NO_PROXY."
    )


def _speaks_tls(address: Address, seconds: float = 3.0) -> bool:
    """Whether a TLS greeting is answered by one; nothing is sent after it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection((address.host, address.port), seconds) as plain,
            context.wrap_socket(plain),
        ):
            return True
    except OSError:
        return False


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and everything behind it, outermost first."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        item = waiting.pop(0)
        if not isinstance(item, BaseException) or id(item) in seen:
            continue
        seen.add(id(item))
        yield item
        waiting += [getattr(item, "reason", None), item.__cause__, item.__context__, *item.args]
