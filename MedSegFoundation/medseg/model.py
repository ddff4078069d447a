"""The one interface between a session and any segmentation model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from .errors import InputError, UnsupportedPromptError
from .image import Image, Mask
from .prompts import Prompt, Text
from .vocabulary import Term, check

#: Called with a fraction from 0 to 1 while a model works.
Progress = Callable[[float], None]


@dataclass(frozen=True)
class Capabilities:
    """What a model can do; everything else is refused with a sentence, never dropped.

    ``prompts``: prompt kinds ("point", "box", "scribble", "lasso", "text").
    ``dimensions``: "2d" (one slice), "3d", "2d+t".
    ``start_mask``: can go on from a mask it did not make.
    ``normalises``: takes raw intensities of any modality; False means the caller must window.
    ``colour``: takes ``(K, J, I, C)`` images.
    ``vocabulary``: all that text prompts may name; empty with "text" in ``prompts``: any words.
    """

    prompts: frozenset[str]
    dimensions: frozenset[str]
    start_mask: bool
    normalises: bool
    colour: bool
    licence: str
    weights_licence: str | None = None
    vocabulary: tuple[Term, ...] = ()


class OpenImage(Protocol):
    """A model with one image loaded; may cache whatever it likes about that image."""

    def segment(
        self, prompts: Sequence[Prompt], start: Mask | None = None, progress: Progress | None = None
    ) -> Mask:
        """Mask ``(K, J, I)`` for all prompts together, as a pure function of the arguments.

        ``start`` is a mask that the prompts correct; without it they describe the object alone.
        """
        ...


class Model(Protocol):
    """A segmentation model. ``version`` changes whenever its masks may change."""

    name: str
    version: str
    capabilities: Capabilities

    @property
    def weights_hash(self) -> str | None:
        """SHA-256 of the weights file, None when there are no weights."""
        ...

    def open(self, image: Image) -> OpenImage:
        """Prepare an image for prompts."""
        ...


def dimension(image: Image) -> str:
    """ "2d", "3d" or "2d+t"."""
    if image.time_axis:
        return "2d+t"
    return "2d" if min(image.shape) == 1 else "3d"


def check_image(model: Model, image: Image) -> None:
    """Raise `InputError` when the model cannot take this image."""
    if dimension(image) not in model.capabilities.dimensions:
        can = ", ".join(sorted(model.capabilities.dimensions))
        kind = dimension(image)
        raise InputError(f"Model '{model.name}' takes {can} images, this one is {kind}.")
    if image.channels > 1 and not model.capabilities.colour:
        raise InputError(f"Model '{model.name}' takes grey images only, this one is in colour.")


def check_prompt(model: Model, prompt: Prompt) -> None:
    """Raise `UnsupportedPromptError` when the model cannot do this kind of prompt, or this word."""
    if prompt.kind not in model.capabilities.prompts:
        can = ", ".join(sorted(model.capabilities.prompts))
        raise UnsupportedPromptError(
            f"Model '{model.name}' cannot do {prompt.kind} prompts (it does {can}); "
            "choose another with --model."
        )
    if isinstance(prompt, Text) and model.capabilities.vocabulary:
        check(prompt.text, model.capabilities.vocabulary, model.name)
