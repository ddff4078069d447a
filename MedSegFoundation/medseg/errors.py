"""Errors whose message is meant for the user: one sentence that says what to do.

The command line turns any of them into that sentence and exit code 2.

    MedsegError
    |-- InputError        a file, folder, image or argument is not usable
    |   `-- GeometryError an affine or grid the engine must not guess about
    |-- PromptError       a prompt is outside the image, empty, or contradictory
    |-- UnsupportedPromptError the model cannot do this kind of prompt
    `-- ModelError        a model is unknown, lacks a package, or its weights are broken
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


class UnsupportedPromptError(MedsegError):
    """The chosen model does not do this kind of prompt."""


class ModelError(MedsegError):
    """A model is unknown, needs a package that is absent, or has broken weights."""
