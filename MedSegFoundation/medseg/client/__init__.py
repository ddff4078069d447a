"""A server as a back end: blocking, with threads, so never in a GUI process.

from medseg.client import HttpBackend, RemoteSession

backend = HttpBackend("https://segment.hospital.example", token=token, ca="hospital-ca.pem")
backend.agree()  # once per server: images may be sent there
session = RemoteSession(backend, image)
session.add(Point([12.0, -30.5, 44.0]))
"""

from .consent import Consent
from .http import HttpBackend
from .patience import Backoff, Timeout
from .session import RemoteSession

__all__ = ["Backoff", "Consent", "HttpBackend", "RemoteSession", "Timeout"]
