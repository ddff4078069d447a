"""A server as a back end: blocking, with threads, so never in a GUI process.

from medseg.client import HttpBackend, RemoteSession

backend = HttpBackend("https://segment.hospital.example", token=token, ca="hospital-ca.pem")
backend.agree()  # once per server: images may be sent there
session = RemoteSession(backend, image)
session.add(Point([12.0, -30.5, 44.0]))
"""

from typing import TYPE_CHECKING, Any

from .consent import Consent

if TYPE_CHECKING:
    from .http import HttpBackend
    from .patience import Backoff, Timeout
    from .session import RemoteSession

__all__ = ["Backoff", "Consent", "HttpBackend", "RemoteSession", "Timeout"]
#: Loaded when first used: they need requests, which a GUI process has no use for.
_LATER = {"Backoff": "patience", "HttpBackend": "http", "RemoteSession": "session"}
_LATER["Timeout"] = "patience"


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'medseg.client' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(f".{_LATER[name]}", __name__), name)
