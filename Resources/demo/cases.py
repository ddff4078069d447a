"""The prompts of the demo, as a radiologist would set them; RAS mm."""

from __future__ import annotations

from dataclasses import dataclass

from medseg import Box, Point, Prompt, Scribble
from sources import GREY_MATTER, WHITE_MATTER


@dataclass(frozen=True)
class Structure:
    """What to segment.

    ``tissue``: maps of the wheel it is compared with. In 3D, ``glass`` is drawn see-through, and
    ``halved`` without the patient's left half, so that one can look inside.
    """

    name: str
    color: tuple[float, float, float]
    prompts: tuple[Prompt, ...]
    tissue: tuple[str, ...] | None = None
    glass: bool = False
    halved: bool = False


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
        (Point([8, 14, 16]), Point([-8, 14, 16])),
    ),
    Structure(
        "White matter",
        (0.96, 0.78, 0.36),
        (Scribble([[28, 40, 8], [27, 10, 26], [26, -30, 28]]),),
        (WHITE_MATTER,),
        halved=True,
    ),
)
HEAD_AT = (8.0, 14.0, 16.0)
VIEW = (0.8, -1.0, -0.45)

FILM = (Structure("Left ventricle", (0.35, 0.74, 0.96), (Point([-182, -95, 0]),)),)
FILM_FRAMES = (0, 5, 10, 15, 20, 25)
