"""Prompts from the markups files of 3D Slicer (.mrk.json)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import PromptError
from ..image import Array
from ..prompts import Box, Lasso, Point, Prompt, Scribble
from .files import read_text

#: Names, labels and descriptions that make a prompt exclude.
EXCLUDE = re.compile(r"\s*(-|exclude|neg|background)", re.IGNORECASE)
FLIPS = {"LPS": (-1.0, -1.0, 1.0), "RAS": (1.0, 1.0, 1.0)}
#: Values of coordinateSystem in older files.
OLD_SYSTEMS = {"0": "RAS", "1": "LPS"}


def read(path: Path) -> list[Prompt]:
    """The prompts in a .mrk.json file, in RAS mm.

    Point lists become points, ROIs boxes (turned ones too), closed curves lassos, open curves
    scribbles. A prompt excludes when its name starts with "-", "exclude", "neg" or "background"
    (upper or lower case): the label or description of a single point, else the name of the
    markup (in newer files), else the file name, which is the node's name where Slicer saved it.
    Curves are taken straight between their control points. Raises `PromptError`.
    """
    try:
        data = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise PromptError(f"'{path.name}' is not valid JSON ({error}).") from error
    markups = data.get("markups") if isinstance(data, dict) else None
    if not isinstance(markups, list):
        raise PromptError(f"'{path.name}' holds no markups and no prompts; choose another file.")
    prompts: list[Prompt] = []
    for markup in markups:
        try:
            prompts += _prompts(markup, path)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise PromptError(
                f"'{path.name}' has a markup that lacks something or holds wrong values "
                f"({error}); save it again in Slicer."
            ) from error
    return prompts


def _prompts(markup: dict[str, Any], path: Path) -> list[Prompt]:
    kind = markup["type"]
    node = str(markup.get("name") or path.name.removesuffix(".mrk.json"))
    include = not EXCLUDE.match(node)
    flip = _flip(markup, path)
    if kind == "ROI":
        return [_box(markup, flip, include, path)]
    if kind not in ("Fiducial", "ClosedCurve", "Curve", "OpenCurve"):
        raise PromptError(
            f"'{path.name}' holds a markup of type {kind}, which is no prompt; use a point list, "
            "a ROI or a curve."
        )
    points = markup.get("controlPoints") or []
    positions = [_position(point, n, flip, path) for n, point in enumerate(points)]
    if not positions:
        raise PromptError(f"'{path.name}' holds a markup without points; place some first.")
    if kind == "Fiducial":
        return [
            Point(position, include and not _excluded(point))
            for point, position in zip(points, positions, strict=True)
        ]
    shape = Lasso if kind == "ClosedCurve" else Scribble
    return [shape(np.array(positions), include)]


def _excluded(point: dict[str, Any]) -> bool:
    words = (str(point.get(key) or "") for key in ("label", "description"))
    return any(EXCLUDE.match(word) for word in words)


def _flip(markup: dict[str, Any], path: Path) -> Array:
    """Signs that turn the file's coordinates into RAS."""
    system = str(markup.get("coordinateSystem", "LPS"))
    system = OLD_SYSTEMS.get(system, system)
    units = markup.get("coordinateUnits", "mm")
    if system not in FLIPS or units not in ("mm", ["mm"] * 3):
        raise PromptError(
            f"'{path.name}' is in {system} and {units}; prompts must be in LPS or RAS and mm."
        )
    return np.array(FLIPS[system])


def _position(point: dict[str, Any], index: int, flip: Array, path: Path) -> Array:
    position = point.get("position")
    if point.get("positionStatus", "defined") != "defined" or position is None:
        label = point.get("label") or index + 1
        raise PromptError(
            f"Point '{label}' in '{path.name}' has no position; place it or delete it in Slicer."
        )
    return np.array(position, dtype=float) * flip


def _box(markup: dict[str, Any], flip: Array, include: bool, path: Path) -> Box:
    if markup.get("roiType", "Box") not in ("Box", "BoundingBox"):
        raise PromptError(f"'{path.name}' holds a ROI that is not a box; use a box.")
    if markup.get("insideOut"):
        include = not include
    center = markup.get("center")
    if center is None:
        raise PromptError(f"The ROI in '{path.name}' is not placed; place it in Slicer.")
    orientation = np.array(markup.get("orientation", np.eye(3).ravel()), float).reshape(3, 3)
    center = np.array(center, dtype=float) * flip
    return Box(center, np.abs(markup["size"]), flip[:, None] * orientation, include)
