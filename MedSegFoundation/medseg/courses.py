"""What an object is followed through: the slices of a volume, a film, or volumes over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from .errors import InputError, PromptError
from .image import Array, Image
from .prompts import Prompt
from .slices import Slices, Stack

#: Pictures without a place, as 3D Slicer shows them: pixels of 1 mm, frames 1 mm apart.
FILM_AFFINE = np.diag([-1.0, -1.0, 1.0, 1.0])


class Course(Protocol):
    """Places 0 to ``count`` - 1, each with a picture ``(A, B)`` in every row.

    ``rows``: one for slices and films; in volumes over time one for each slice position.
    """

    @property
    def name(self) -> str: ...

    @property
    def rows(self) -> Sequence[Slices]: ...

    def still(self, place: int) -> Image:
        """The picture or volume at a place as an image, where its prompts belong (RAS mm)."""
        ...

    def place_of(self, prompt: Prompt) -> int:
        """Where a prompt lies; raises `PromptError` when that is nowhere or in several places."""
        ...


def places(course: Course) -> int:
    """How many there are."""
    return course.rows[0].count


@dataclass(frozen=True)
class ThroughSlices:
    """The slices of an image along ``axis`` (0, 1, 2 = K, J, I); K of a film is its time."""

    image: Image
    axis: int = 0

    @property
    def name(self) -> str:
        return self.image.name

    @property
    def rows(self) -> Sequence[Slices]:
        return [Stack(self.image, self.axis)]

    def still(self, place: int) -> Image:
        start, stop = [0, 0, 0], list(self.image.shape)
        start[self.axis], stop[self.axis] = place, place + 1
        cut = self.image.crop(start, stop)
        return Image(cut.array, cut.affine, cut.modality, cut.name)

    def place_of(self, prompt: Prompt) -> int:
        along = self.image.ras_to_ijk(prompt.positions())[:, 2 - self.axis]
        return _one_place(prompt, along, self.image.shape[self.axis])


class Reel(Slices, Protocol):
    """A row of pictures with a name; ``rate``: frames a second, None when it is not known."""

    @property
    def name(self) -> str: ...

    @property
    def rate(self) -> float | None: ...


@dataclass(frozen=True)
class ThroughFilm:
    """A film of any length; the third coordinate of a prompt is its frame (`FILM_AFFINE`)."""

    film: Reel

    @property
    def name(self) -> str:
        return self.film.name

    @property
    def rows(self) -> Sequence[Slices]:
        return [self.film]

    def still(self, place: int) -> Image:
        affine = FILM_AFFINE.copy()
        affine[2, 3] = place
        return Image(self.film.pixels(place)[None], affine, name=self.name)

    def place_of(self, prompt: Prompt) -> int:
        return _one_place(prompt, prompt.positions()[:, 2], self.film.count)


@dataclass(frozen=True)
class ThroughVolumes:
    """Volumes ``array`` ``(T, K, J, I)`` over time; all prompts belong to volume ``prompted``."""

    array: Array
    affine: Array
    name: str
    prompted: int = 0

    @property
    def rows(self) -> Sequence[Slices]:
        grid = Image(self.array[0], self.affine)
        j, i = grid.spacing[1], grid.spacing[0]
        return [_Moving(self.array[:, k], (j, i)) for k in range(self.array.shape[1])]

    def still(self, place: int) -> Image:
        return Image(self.array[place], self.affine, name=self.name)

    def place_of(self, prompt: Prompt) -> int:
        if not 0 <= self.prompted < len(self.array):
            raise InputError(
                f"There is no frame {self.prompted} in '{self.name}': it has frames 0 to "
                f"{len(self.array) - 1}."
            )
        return self.prompted


@dataclass(frozen=True)
class _Moving:
    """One slice position over time: ``array`` ``(T, J, I)``."""

    array: Array
    spacing: tuple[float, float]
    channels = 1
    film = True
    modality = None

    @property
    def count(self) -> int:
        return len(self.array)

    @property
    def shape(self) -> tuple[int, int]:
        return self.array.shape[1], self.array.shape[2]

    def pixels(self, index: int) -> Array:
        picture: Array = self.array[index]
        return picture


def _one_place(prompt: Prompt, along: Array, count: int) -> int:
    """``along``: where the positions of a prompt lie, in places (fractions)."""
    if not len(along):
        raise PromptError("A name alone does not say in which slice it is; give a point or a box.")
    lowest, highest = np.floor(along.min() + 0.5), np.ceil(along.max() - 0.5)
    if lowest < highest:
        raise PromptError(
            f"A {prompt.kind} reaches over slices or frames {int(lowest)} to {int(highest)}; "
            "draw it in one of them."
        )
    if not 0 <= lowest < count:
        raise PromptError(
            f"A {prompt.kind} lies in slice or frame {int(lowest)}; there are 0 to {count - 1}."
        )
    return int(lowest)
