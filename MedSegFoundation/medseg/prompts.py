"""Prompts as plain data in world millimetres (RAS), independent of any image or model."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from .errors import PromptError
from .image import Array

#: Written into every prompt file; readers refuse a higher number.
FORMAT_VERSION = 1


def _points(values: ArrayLike, what: str) -> Array:
    points = np.asarray(values, dtype=float)
    if points.ndim != 2 or points.shape[1] != 3 or not len(points):
        raise PromptError(f"A {what} needs at least one position of three numbers in mm.")
    if not np.isfinite(points).all():
        raise PromptError(f"A {what} has a position that is not a number.")
    points.setflags(write=False)
    return points


@dataclass(frozen=True, eq=False)
class Point:
    """A click. ``position``: RAS mm; ``include``: False takes the place out of the object."""

    kind: ClassVar[str] = "point"
    position: Array
    include: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "position", _points(np.atleast_2d(self.position), "point")[0])

    def positions(self) -> Array:
        return self.position[None]

    def data(self) -> dict[str, Any]:
        return {"position": self.position.tolist()}


@dataclass(frozen=True, eq=False)
class Box:
    """A box around the object, loose or tight; it may be turned.

    ``center``: RAS mm. ``size``: edge lengths in mm along the box axes; one may be 0 for a box
    drawn in a slice. ``axes``: ``(3, 3)``, the box axes as columns (unit vectors in RAS).
    """

    kind: ClassVar[str] = "box"
    center: Array
    size: Array
    axes: Array | None = None
    include: bool = True

    def __post_init__(self) -> None:
        size = np.asarray(self.size, dtype=float)
        axes = np.eye(3) if self.axes is None else np.asarray(self.axes, dtype=float)
        if size.shape != (3,) or (size < 0).any() or (size > 0).sum() < 2:
            raise PromptError("A box needs three edge lengths, at least two of them above 0 mm.")
        turned = axes.shape == (3, 3) and bool((np.abs(axes) <= 1.001).all())
        if not turned or np.abs(axes.T @ axes - np.eye(3)).max() > 1e-3:
            raise PromptError("The axes of a box must be three unit vectors at right angles.")
        object.__setattr__(self, "center", _points(np.atleast_2d(self.center), "box")[0])
        object.__setattr__(self, "size", size)
        object.__setattr__(self, "axes", axes)

    @classmethod
    def from_corners(cls, first: ArrayLike, second: ArrayLike, include: bool = True) -> Box:
        """A box along R, A and S between two opposite corners (RAS mm), in any order."""
        a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
        return cls((a + b) / 2, np.abs(a - b), include=include)

    def positions(self) -> Array:
        """``(8, 3)`` corners in RAS mm."""
        assert self.axes is not None
        signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T
        return self.center + (signs * self.size / 2) @ self.axes.T

    def data(self) -> dict[str, Any]:
        assert self.axes is not None
        return {
            "center": self.center.tolist(),
            "size": self.size.tolist(),
            "axes": self.axes.tolist(),
        }


@dataclass(frozen=True, eq=False)
class Scribble:
    """A stroke. ``points``: ``(N, 3)`` RAS mm.

    ``connected`` joins consecutive points by lines (a drawn stroke); False takes them as they
    are (voxel centres of a painted mask). ``radius`` in mm; 0 is one voxel wide.
    """

    kind: ClassVar[str] = "scribble"
    points: Array
    include: bool = True
    radius: float = 0.0
    connected: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", _points(self.points, "scribble"))

    def positions(self) -> Array:
        return self.points

    def data(self) -> dict[str, Any]:
        return {
            "points": self.points.tolist(),
            "radius": self.radius,
            "connected": self.connected,
        }


@dataclass(frozen=True, eq=False)
class Lasso:
    """A closed loop in a plane around (part of) the object. ``points``: ``(N, 3)`` RAS mm."""

    kind: ClassVar[str] = "lasso"
    points: Array
    include: bool = True

    def __post_init__(self) -> None:
        points = _points(self.points, "lasso")
        if len(points) < 3:
            raise PromptError("A lasso needs at least three positions.")
        object.__setattr__(self, "points", points)

    def positions(self) -> Array:
        return self.points

    def data(self) -> dict[str, Any]:
        return {"points": self.points.tolist()}


@dataclass(frozen=True, eq=False)
class Text:
    """The name of what to segment, in words."""

    kind: ClassVar[str] = "text"
    text: str
    include: bool = True

    def positions(self) -> Array:
        return np.zeros((0, 3))

    def data(self) -> dict[str, Any]:
        return {"text": self.text}


Prompt = Point | Box | Scribble | Lasso | Text
_KINDS: dict[str, Callable[..., Prompt]] = {c.kind: c for c in (Point, Box, Scribble, Lasso, Text)}
KINDS = frozenset(_KINDS)
#: Farthest position and largest radius, in mm, that are read.
FARTHEST_MM = 1e6
_PLAIN: dict[str, tuple[Any, str]] = {
    "include": (bool, "true or false"),
    "connected": (bool, "true or false"),
    "radius": ((int, float), "a number in mm"),
    "text": (str, "a text"),
}


def to_dict(prompt: Prompt) -> dict[str, Any]:
    """A JSON-able dictionary of one prompt."""
    return {"kind": prompt.kind, "include": prompt.include, **prompt.data()}


def from_dict(data: dict[str, Any]) -> Prompt:
    """Inverse of `to_dict`; raises `PromptError` on anything unexpected."""
    fields = dict(data)
    kind = fields.pop("kind", None)
    if not isinstance(kind, str) or kind not in _KINDS:
        raise PromptError(f"'{kind}' is not a prompt kind; known are {', '.join(sorted(KINDS))}.")
    for name, (types, what) in _PLAIN.items():
        if name in fields and not isinstance(fields[name], types):
            raise PromptError(f"The '{name}' of a {kind} prompt must be {what}.")
    try:
        prompt = _KINDS[kind](**fields)
        reach = np.abs([*prompt.positions().ravel(), getattr(prompt, "radius", 0.0)]).max()
    except (TypeError, ValueError, OverflowError) as error:
        raise PromptError(f"A {kind} prompt has a field that does not fit: {error}.") from error
    if not reach <= FARTHEST_MM:
        raise PromptError(f"A {kind} prompt reaches farther than any patient does.")
    return prompt


def dumps(prompts: Iterable[Prompt]) -> str:
    """Prompts as a JSON document (RAS mm)."""
    return json.dumps(
        {
            "medseg_prompts": FORMAT_VERSION,
            "frame": "RAS",
            "unit": "mm",
            "prompts": [to_dict(p) for p in prompts],
        }
    )


def loads(text: str) -> list[Prompt]:
    """Inverse of `dumps`; raises `PromptError` with the reason."""
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise PromptError(f"The prompts are not valid JSON ({error}).") from error
    if not isinstance(data, dict) or "medseg_prompts" not in data:
        raise PromptError("This JSON holds no prompts: it has no 'medseg_prompts' entry.")
    if data["medseg_prompts"] > FORMAT_VERSION:
        raise PromptError("These prompts were written by a newer medseg; update medseg.")
    if data.get("frame", "RAS") != "RAS" or data.get("unit", "mm") != "mm":
        raise PromptError("Prompts must be in RAS and mm.")
    return [from_dict(p) for p in data.get("prompts", [])]
