"""What an object is followed through: the slices of a volume, a film, or volumes over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

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
    """A film of any length; ``affine``: IJK to RAS mm, K being the frame."""

    film: Reel
    affine: Array = field(default_factory=FILM_AFFINE.copy)

    @property
    def name(self) -> str:
        return self.film.name

    @property
    def rows(self) -> Sequence[Slices]:
        return [self.film]

    def still(self, place: int) -> Image:
        affine = self.affine.copy()
        affine[:3, 3] += place * affine[:3, 2]
        return Image(self.film.pixels(place)[None], affine, self.film.modality, self.name)

    def place_of(self, prompt: Prompt) -> int:
        ijk = (prompt.positions() - self.affine[:3, 3]) @ np.linalg.inv(self.affine[:3, :3]).T
        return _one_place(prompt, ijk[:, 2], self.film.count)


class Volumes(Protocol):
    """Volumes over time ``(T, K, J, I)``, as an array gives them, or a file as they are needed."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, at: Any, /) -> Array:
        """``[t]``: a volume ``(K, J, I)``; ``[t, k]``: a slice ``(J, I)`` of it."""
        ...


@dataclass(frozen=True)
class ThroughVolumes:
    """Volumes ``array`` over time; all prompts belong to volume ``prompted``."""

    array: Volumes
    affine: Array
    name: str
    prompted: int = 0

    @property
    def rows(self) -> Sequence[Slices]:
        i, j = np.linalg.norm(self.affine[:3, :2], axis=0).tolist()
        return [_Moving(self.array, k, (j, i)) for k in range(self.array.shape[1])]

    def still(self, place: int) -> Image:
        return Image(self.array[place], self.affine, name=self.name)

    def place_of(self, prompt: Prompt) -> int:
        count = self.array.shape[0]
        if not 0 <= self.prompted < count:
            raise InputError(
                f"There is no frame {self.prompted} in '{self.name}': it has frames 0 to "
                f"{count - 1}."
            )
        return self.prompted


@dataclass(frozen=True)
class _Moving:
    """Slice position ``k`` over time."""

    array: Volumes
    k: int
    spacing: tuple[float, float]
    channels = 1
    film = True
    modality = None

    @property
    def count(self) -> int:
        return self.array.shape[0]

    @property
    def shape(self) -> tuple[int, int]:
        return self.array.shape[2], self.array.shape[3]

    def pixels(self, index: int) -> Array:
        return self.array[index, self.k]


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
