"""A row of pictures: the slices of a volume along an axis, or the frames of a film."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from .image import Array, Image


class Slices(Protocol):
    """Pictures ``(A, B)``, or ``(A, B, C)`` in colour, all of one size.

    ``spacing``: pixel size ``(a, b)`` in mm. ``film``: True when the row goes through time.
    ``modality``: DICOM modality when it is known.
    """

    @property
    def count(self) -> int: ...

    @property
    def shape(self) -> tuple[int, int]: ...

    @property
    def channels(self) -> int: ...

    @property
    def spacing(self) -> tuple[float, float]: ...

    @property
    def film(self) -> bool: ...

    @property
    def modality(self) -> str | None: ...

    def pixels(self, index: int) -> Array:
        """One picture; raises `InputError` when it cannot be read."""
        ...


@dataclass(frozen=True)
class Stack:
    """The slices of an image along an array axis (0, 1, 2 = K, J, I)."""

    image: Image
    axis: int = 0

    @property
    def count(self) -> int:
        return self.image.shape[self.axis]

    @property
    def shape(self) -> tuple[int, int]:
        a, b = (n for axis, n in enumerate(self.image.shape) if axis != self.axis)
        return a, b

    @property
    def channels(self) -> int:
        return self.image.channels

    @property
    def spacing(self) -> tuple[float, float]:
        a, b = (s for n, s in enumerate(self.image.spacing[::-1]) if n != self.axis)
        return a, b

    @property
    def film(self) -> bool:
        return self.image.time_axis and self.axis == 0

    @property
    def modality(self) -> str | None:
        return self.image.modality

    def pixels(self, index: int) -> Array:
        return np.take(self.image.array, index, axis=self.axis)
