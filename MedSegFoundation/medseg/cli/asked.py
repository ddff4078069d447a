"""What a command line asks of each structure: its name, and the masks to start from."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..courses import Course, places
from ..errors import InputError, PromptError
from ..image import Image, Mask
from ..io import read_labels
from ..registry import find
from ..tracking import masks_from
from .given import read_given

#: Structures in one run: as many as the values of a small label map.
MOST = 255


@dataclass
class Asked:
    """One structure; ``name`` is None when none was given. ``given``: its options, in order."""

    name: str | None = None
    given: list[tuple[str, str]] = field(default_factory=list)

    def of(self, *options: str) -> list[str]:
        """The texts of these options."""
        return [text for option, text in self.given if option in options]

    @property
    def prompts(self) -> list[tuple[str, str]]:
        return [pair for pair in self.given if pair[0] not in ("mask", "seeds")]


def structures(given: Sequence[tuple[str, str]]) -> list[Asked]:
    """One for each ``--segment``; what stands before the first belongs to it.

    Raises `InputError` when a name is given twice, or there are too many.
    """
    found = [Asked()]
    for option, text in given:
        if option != "segment":
            found[-1].given.append((option, text))
        elif found[-1].name is None:
            found[-1].name = text
        elif any(asked.name == text for asked in found):
            raise InputError(f"--segment {text} is given twice; give all of its prompts together.")
        else:
            found.append(Asked(text))
    if len(found) > MOST:
        raise InputError(f"These are {len(found)} segments; at most {MOST} go together.")
    return found


def seeds(
    options: argparse.Namespace,
    asked: Asked,
    course: Course,
    grid: Image,
    start: Mapping[int, Mask] | None = None,
) -> dict[int, Mask]:
    """Accepted masks ``(rows, A, B)`` of a structure by place, from its masks and its prompts.

    ``grid``: what the prompts' numbers refer to. ``start``: masks that prompts correct.
    """
    accepted = {}
    for text in asked.of("mask"):
        place = _place(text, places(course))
        accepted[place] = _mask_on(text.partition("=")[2], course, place)
    prompts = read_given(asked.prompts, grid, options.coords)
    if prompts:
        model = find(options.model, options.device)
        accepted |= masks_from(course, prompts, model, {**(start or {}), **accepted})
    if not accepted and not asked.of("seeds") and asked.name is not None:
        raise PromptError(f"Nothing says where '{asked.name}' is; give it a prompt or a mask.")
    return accepted


def _place(text: str, count: int) -> int:
    number, _, path = text.partition("=")
    if not number.isdecimal() or not path:
        raise InputError(f"--mask takes N=FILE, such as 19=heart.nii.gz, not '{text}'.")
    if int(number) >= count:
        raise PromptError(f"--mask {text}: there are slices or frames 0 to {count - 1} only.")
    return int(number)


def _mask_on(path: str, course: Course, place: int) -> Mask:
    """A mask file brought onto a place: on the same grid, or just of the same size."""
    shape = (len(course.rows), *course.rows[0].shape)
    labels = read_labels(path)
    still = course.still(place)
    if labels.array.size != np.prod(shape) and not labels.same_grid(still):
        labels = read_labels(path, still)
    mask = (labels.array > 0).reshape(shape)
    if not mask.any():
        raise PromptError(f"The mask '{path}' is empty at {place}; choose another.")
    return mask
