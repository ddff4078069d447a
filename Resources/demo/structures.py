"""The prompts of the demo, as a radiologist would set them; RAS mm."""

from __future__ import annotations

from dataclasses import dataclass

from medseg import Box, Point, Prompt, Scribble
from sources import WHITE_MATTER

Stroke = tuple[tuple[float, float, float], ...]


@dataclass(frozen=True)
class Structure:
    """What to segment.

    ``tissue``: map of the wheel it is compared with. ``halved``: drawn in 3D without the
    patient's left half, so that one can look inside.
    """

    name: str
    color: tuple[float, float, float]
    prompts: tuple[Prompt, ...]
    tissue: str | None = None
    halved: bool = False


def mirrored(places: Stroke) -> Stroke:
    """The same on the other side of the head."""
    return tuple((-r, a, s) for r, a, s in places)


RIGHT_WHITE_MATTER: Stroke = (
    (28, -50, 28), (28, -25, 30), (24, 10, 28), (24, 35, 10),
    (36, -45, 5), (34, -60, 10), (30, -75, 8),
)  # fmt: skip
RIGHT_TEMPORAL_LOBE: Stroke = ((40, -10, -22), (40, -20, -18), (40, -35, -12), (36, -50, 0))

HEAD = (
    Structure(
        "White matter",
        (0.93, 0.88, 0.74),
        (
            Scribble(RIGHT_WHITE_MATTER),
            Scribble(mirrored(RIGHT_WHITE_MATTER)),
            Scribble(RIGHT_TEMPORAL_LOBE),
            Scribble(mirrored(RIGHT_TEMPORAL_LOBE)),
        ),
        WHITE_MATTER,
        halved=True,
    ),
    Structure(
        "Lateral ventricles",
        (0.35, 0.74, 0.96),
        (
            Scribble([[8, 14, 16], [11, -2, 22], [15, -18, 23], [20, -34, 20], [26, -42, 12]]),
            Scribble([[-8, 14, 16], [-11, -2, 22], [-15, -18, 23], [-20, -34, 20], [-26, -42, 12]]),
            Scribble([[10, -8, 8], [11, -16, 10], [13, -24, 11]], include=False),
            Scribble([[-10, -8, 8], [-11, -16, 10], [-13, -24, 11]], include=False),
        ),
    ),
    Structure(
        "Right thalamus",
        (0.98, 0.72, 0.30),
        (Box.from_corners([1, -34, -4], [26, -2, 20]),),
    ),
    Structure(
        "Brainstem",
        (0.50, 0.82, 0.48),
        (
            Point([0, -28, -36]),
            Point([0, -36, -52]),
            Point([18, -38, -36], include=False),
            Point([-18, -38, -36], include=False),
        ),
    ),
    Structure(
        "Cerebellum",
        (0.94, 0.50, 0.42),
        (
            Box.from_corners([-58, -95, -66], [58, -34, -12]),
            Point([24, -58, -36]),
            Point([-24, -58, -36]),
        ),
    ),
)
HEAD_AT = (10.0, -20.0, 14.0)
VIEW = (0.8, -1.0, -0.45)

FILM = (Structure("Left heart cavity", (0.35, 0.74, 0.96), (Point([-184, -93, 20]),)),)
FILM_FRAMES = (0, 5, 10, 15, 20, 25)
