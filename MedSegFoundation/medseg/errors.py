"""Errors whose message is meant for the user: one sentence that says what to do.

The command line turns any of them into that sentence and exit code 2; over a wire they travel
by their ``code`` (see `medseg.protocol.problems`) and are raised again on the other side.

    MedsegError
    |-- InputError        a file, folder, image or argument is not usable
    |   `-- GeometryError an affine or grid the engine must not guess about
    |-- PromptError       a prompt is outside the image, empty, or contradictory
    |   `-- NothingFoundError what a text prompt names is not in the image
    |-- UnsupportedPromptError the model cannot do this kind of prompt
    |-- ModelError        a model is unknown, lacks a package, or its weights are broken
    |-- MemoryShortError  neither the device nor the CPU has memory enough
    |-- CancelledError    the user stopped the work
    `-- RemoteError       the other side (companion process or server) cannot or will not
        |-- ConnectionProblem   it cannot be reached (name, port, TLS, time-out)
        |-- AccessError         it does not accept the token
        |-- ConsentError        the user has not agreed to send images there
        |-- VersionError        it speaks another version of the messages
        |-- FullError           it is busy with others; try again later
        |-- TooLargeError       it does not take so much
        |-- NotFoundError       it does not know this session, image or job (any more)
        |-- ExpiredError        it gave this session up because nobody used it
        `-- StaleError          the session has moved on; the answer would not fit
"""

from __future__ import annotations


class MedsegError(Exception):
    """Base of all errors with a sentence for the user."""


class InputError(MedsegError):
    """A file, folder, image or argument cannot be used as it is."""


class GeometryError(InputError):
    """A grid that cannot be represented without guessing (shear, uneven gaps, singular)."""


class PromptError(MedsegError):
    """A prompt is outside the image, empty, or not readable."""


class NothingFoundError(PromptError):
    """What a text prompt names is not in the image; nothing was changed."""


class UnsupportedPromptError(MedsegError):
    """The chosen model does not do this kind of prompt, or does not know this word."""


class ModelError(MedsegError):
    """A model is unknown, needs a package that is absent, or has broken weights."""


class MemoryShortError(MedsegError):
    """Neither the device nor the CPU has memory enough for this work."""


class CancelledError(MedsegError):
    """The user stopped the work."""


class RemoteError(MedsegError):
    """The companion process or the server cannot do it, or will not."""


class ConnectionProblem(RemoteError):  # noqa: N818 (ConnectionError is a built-in)
    """The server cannot be reached: its name, port, certificate, or time."""


class AccessError(RemoteError):
    """The server does not accept the token."""


class ConsentError(RemoteError):
    """The user has not agreed to send images to this server."""


class VersionError(RemoteError):
    """Both sides have no version of the messages in common."""


class FullError(RemoteError):
    """The server is busy with others."""


class TooLargeError(RemoteError):
    """The server does not take so much at once."""


class NotFoundError(RemoteError):
    """The other side does not know this session, image or job (any more)."""


class ExpiredError(RemoteError):
    """The session was given up because nobody used it."""


class StaleError(RemoteError):
    """The session is not where the sender believes."""
