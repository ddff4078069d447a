"""The prompts of the demo, as a radiologist would set them; RAS mm."""

from __future__ import annotations

from dataclasses import dataclass

from medseg import Box, Point, Prompt, Scribble
from sources import GREY_MATTER, WHITE_MATTER


@dataclass(frozen=True)
class Structure:
    """What to segment.

    ``tissue``: maps of the wheel it is compared with. ``glass``: drawn see-through in 3D.
    """

    name: str
    color: tuple[float, float, float]
    prompts: tuple[Prompt, ...]
    tissue: tuple[str, ...] | None = None
    glass: bool = False


HEAD = (
    Structure(
        "Brain",
        (0.80, 0.84, 0.92),
        (Box.from_corners([-80, -115, -75], [80, 85, 90]),),
        (GREY_MATTER, WHITE_MATTER),
        glass=True,
    ),
    Structure(
        "Lateral ventricles",
        (0.35, 0.74, 0.96),
        (
            Scribble([[8, 14, 16], [11, -2, 22], [15, -18, 23], [20, -34, 20]]),
            Scribble([[-8, 14, 16], [-11, -2, 22], [-15, -18, 23], [-20, -34, 20]]),
        ),
    ),
    Structure(
        "Right thalamus",
        (0.98, 0.82, 0.36),
        (
            Box.from_corners([2, -32, -4], [24, -4, 18]),
            Point([10, -18, -9], include=False),
        ),
    ),
    Structure(
        "Brainstem",
        (0.55, 0.85, 0.52),
        (Point([0, -28, -36]), Point([0, -36, -54])),
    ),
    Structure(
        "Cerebellum",
        (0.95, 0.52, 0.40),
        (
            Box.from_corners([-58, -95, -66], [58, -34, -12]),
            Point([20, -88, -8], include=False),
            Point([-20, -88, -8], include=False),
            Point([0, -33, -44], include=False),
        ),
    ),
)
HEAD_AT = (10.0, -20.0, 14.0)
VIEW = (0.8, -1.0, -0.45)

FILM = (
    Structure(
        "Left ventricle",
        (0.35, 0.74, 0.96),
        (Scribble([[-175, -70, 10], [-185, -95, 10], [-190, -115, 10]]),),
    ),
)
FILM_FRAMES = (0, 5, 10, 15, 20, 25)
