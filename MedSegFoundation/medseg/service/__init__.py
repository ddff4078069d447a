"""Answers the messages of `medseg.protocol` for many users at once, whatever carries them.

    Service --backend(user)--> UserBackend --images, sessions, jobs--> Runner --> device threads

Thread-safe throughout. Every look-up is by user and name, so nobody sees another's things.
"""

from .backend import UserBackend
from .service import Service
from .settings import Settings

__all__ = ["Service", "Settings", "UserBackend"]
