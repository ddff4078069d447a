"""Opens prompt files and painted scribbles."""

from __future__ import annotations

import json

import numpy as np

from ..errors import PromptError
from ..image import Array, Image
from ..prompts import Prompt, Scribble, loads
from ..resample import labels_onto
from . import markups
from .files import existing_file, read_text
from .images import StrPath, read_labels


def read_prompts(path: StrPath) -> list[Prompt]:
    """Prompts (RAS mm) from our JSON (`medseg.prompts.dumps`) or a Slicer .mrk.json file.

    See `medseg.io.markups.read` for how markups become prompts and which ones exclude. Raises
    `PromptError` or `InputError` with the reason.
    """
    file = existing_file(path, "prompt file")
    text = read_text(file)
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise PromptError(f"'{file.name}' is not valid JSON ({error}).") from error
    if isinstance(data, dict) and "markups" in data:
        return markups.read(file)
    prompts = loads(text)
    if not prompts:
        raise PromptError(f"'{file.name}' holds no prompts; place some first.")
    return prompts


def read_scribble(path: StrPath, image: Image) -> list[Prompt]:
    """Scribbles from a painted label image: voxel centres (RAS mm), not connected.

    Value 2 takes out of the object, value 1 (or the only value, such as 255) belongs to it. The
    grid may differ from the image's: every painted voxel marks the image voxel it lies in, so
    thin strokes stay. Raises `PromptError` when nothing is painted on the image.
    """
    labels = read_labels(path)
    values = [int(v) for v in np.unique(labels.array) if v != 0]
    if not values:
        raise PromptError(f"'{labels.name}' has no painted voxels; paint a scribble first.")
    if len(values) > 1 and values != [1, 2]:
        listed = ", ".join(str(v) for v in values[:8])
        raise PromptError(
            f"'{labels.name}' has the values {listed}; paint 1 for the object and 2 for the rest."
        )
    painted = _onto(image, labels)
    prompts: list[Prompt] = []
    for value in values:
        kji = np.argwhere(painted == value)
        if len(kji):
            points = image.ijk_to_ras(kji[:, ::-1])
            prompts.append(Scribble(points, include=value != 2, connected=False))
    if not prompts:
        raise PromptError(f"No painted voxel of '{labels.name}' lies on the image.")
    return prompts


def _onto(image: Image, labels: Image) -> Array:
    """Painted values ``(K, J, I)`` on the image; unlike plain sampling, no voxel is lost."""
    painted = labels_onto(image, labels, must_hit=False)
    if image.same_grid(labels):
        return painted
    kji = np.argwhere(labels.array != 0)
    values = labels.array[tuple(kji.T)]
    ijk = np.floor(image.ras_to_ijk(labels.ijk_to_ras(kji[:, ::-1])) + 0.5).astype(int)
    inside = ((ijk >= 0) & (ijk < image.shape[::-1])).all(axis=1)
    i, j, k = ijk[inside].T
    painted[k, j, i] = values[inside]
    return painted
