"""Turns the prompts of a command line into prompts of the engine (RAS mm)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import InputError, PromptError
from ..image import Array, Image
from ..io import read_prompts, read_scribble
from ..models.sam.strokes import recist_box
from ..prompts import Box, Point, Prompt, Text

_LPS_TO_RAS = np.array([-1.0, -1.0, 1.0])


def read_given(given: Sequence[tuple[str, str]], image: Image, coords: str) -> list[Prompt]:
    """All prompts in the order they were typed.

    ``given``: option name and its text. ``coords``: "ras", "lps" (mm) or "ijk" (voxel indices,
    fastest first). Raises `InputError` or `PromptError` with the text that is at fault.
    """
    prompts: list[Prompt] = []
    for option, text in given:
        if option == "prompts":
            prompts += read_prompts(text)
        elif option == "scribble":
            prompts += read_scribble(text, image)
        elif option in ("text", "exclude-text"):
            prompts.append(Text(text, include=option == "text"))
        elif option == "box":
            prompts.append(_box(numbers(option, text, 6), image, coords))
        elif option == "line":
            prompts.append(_line(numbers(option, text, 6), image, coords))
        else:
            position = to_ras(numbers(option, text, 3), image, coords)
            prompts.append(Point(position, include=option == "point"))
    return prompts


def numbers(option: str, text: str, count: int) -> Array:
    """``count`` numbers separated by commas."""
    try:
        values = np.array([float(part) for part in text.split(",")])
    except ValueError:
        values = np.array([])
    if values.size != count or not np.isfinite(values).all():
        raise InputError(
            f"--{option} takes {count} numbers separated by commas without blanks, not '{text}'."
        )
    return values


def to_ras(values: Array, image: Image, coords: str) -> Array:
    """``(3,)`` position to RAS mm."""
    if coords == "ijk":
        return image.ijk_to_ras(values)
    return values * _LPS_TO_RAS if coords == "lps" else values


def _line(values: Array, image: Image, coords: str) -> Box:
    """The box of a longest diameter, which must lie in one slice."""
    ends = np.stack([to_ras(part, image, coords) for part in np.split(values, 2)])
    ijk = np.floor(image.ras_to_ijk(ends) + 0.5)
    flat = [axis for axis in (2, 1, 0) if ijk[0, axis] == ijk[1, axis]]
    if not flat:
        raise PromptError("Both ends of --line must lie in one slice of the image.")
    return recist_box(ends[0], ends[1], image.affine[:3, flat[0]] / image.spacing[flat[0]])


def _box(values: Array, image: Image, coords: str) -> Box:
    first, second = to_ras(values[:3], image, coords), to_ras(values[3:], image, coords)
    if coords != "ijk":
        return Box.from_corners(first, second)
    spacing = np.array(image.spacing)
    size = np.abs(values[3:] - values[:3]) * spacing
    return Box((first + second) / 2, size, axes=image.affine[:3, :3] / spacing)
