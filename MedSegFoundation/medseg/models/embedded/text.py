"""Words as prompts: each adds what it names in a CT to the mask, or takes it away.

Prompts act in their order. What a word found is, with the mask before it, the start that later
clicks correct; so a mask stays a pure function of image, start mask and prompts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...errors import InputError, PromptError
from ...image import Image, Mask
from ...model import OpenImage, Progress
from ...prompts import Prompt, Text
from ...vocabulary import CT_TERMS, check
from .interactive import keys_of
from .text_rules import Rules

#: Voxels that are looked at to tell whether an image is a CT.
_MOST = 2_000_000
#: Fat and air are darker than this (HU), and some of them is in every CT.
FATTY = -60.0


class Worded:
    """An open image that takes words as well; all other prompts go to ``inner``."""

    def __init__(self, image: Image, inner: OpenImage, name: str) -> None:
        self._image = image
        self._inner = inner
        self._name = name
        self._rules: Rules | None = None
        self._last: tuple[str, Mask] | None = None

    def segment(
        self, prompts: Sequence[Prompt], start: Mask | None = None, progress: Progress | None = None
    ) -> Mask:
        """See `medseg.model.OpenImage`; raises `NothingFoundError` for what is not there."""
        last = max((n for n, p in enumerate(prompts, 1) if isinstance(p, Text)), default=0)
        if not last:
            return self._inner.segment(prompts, start, progress)
        base = self._worded(prompts[:last], start)
        if progress:
            progress(last / len(prompts))
        rest = prompts[last:]
        return self._inner.segment(rest, base, progress) if rest else base.copy()

    def _worded(self, prompts: Sequence[Prompt], start: Mask | None) -> Mask:
        """The mask after prompts of which the last one is a word; the newest is kept."""
        key = keys_of(prompts, start)[-1]
        if self._last is None or self._last[0] != key:
            self._last = key, self._step(prompts, start)
        return self._last[1]

    def _step(self, prompts: Sequence[Prompt], start: Mask | None) -> Mask:
        *earlier, word = prompts
        assert isinstance(word, Text)
        before = self.segment(earlier, start) if earlier else start
        if not word.include and (before is None or not before.any()):
            raise PromptError(
                "There is nothing to exclude from yet; give a prompt inside the object first."
            )
        found = self.find(word.text)
        if before is None:
            return found
        return np.asarray(before | found if word.include else before & ~found)

    def find(self, text: str) -> Mask:
        """What a word names in this image, ``(K, J, I)``.

        Raises `UnsupportedPromptError` for an unknown word, `InputError` for what is no CT,
        `NothingFoundError` for what is not in the image.
        """
        term = check(text, CT_TERMS, self._name)
        if self._rules is None:
            check_hounsfield(self._image)
            self._rules = Rules(self._image)
        return self._rules.find(term.name)


def check_hounsfield(image: Image) -> None:
    """Raise `InputError` when the values are not, or may not be, Hounsfield units of a CT."""
    if image.time_axis:
        raise InputError("Words are found in CT volumes, this is a film; use clicks or a box.")
    modality = (image.modality or "CT").upper()
    if modality != "CT":
        raise InputError(
            f"Words are found by the Hounsfield units of CT, this image is {modality}; "
            "use clicks or a box."
        )
    values = image.array.reshape(-1)[:: max(1, image.array.size // _MOST)]
    body = values[(values > -300) & (values < 3000)]
    middle = float(np.median(body)) if len(body) else 1e9
    tissue = len(body) > 0.02 * len(values) and -200 < middle < 300
    if image.modality is None and tissue:
        tissue = bool(np.mean((values > -1200) & (values < -800)) > 0.005)
    if not tissue or np.percentile(values, 0.5) > FATTY:
        raise InputError(
            "Words are found by the Hounsfield units of CT, and the values of this image do not "
            "look like them (water 0, air -1000); use clicks or a box."
        )
