"""Lines in the pixels of a view: all that a face has to draw."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from medseg.image import Array

#: Okabe and Ito's blue and vermillion, which colour-blind people tell apart, and neutral tones.
BLUE = (0.0, 0.447, 0.698)
VERMILLION = (0.835, 0.369, 0.0)
YELLOW = (0.941, 0.894, 0.259)
COLOURS = {
    "include": BLUE,
    "exclude": VERMILLION,
    "added": BLUE,
    "removed": VERMILLION,
    "handle": YELLOW,
}
_DASH, _GAP = 6.0, 4.0


@dataclass(frozen=True)
class Drawing:
    """``lines``: polylines ``(N, 2)`` in XY pixels, dashes cut already; a loop ends where it began.

    ``style``: "include", "exclude", "added", "removed", "handle". ``opacity``: 0 to 1, fainter
    away from the plane. ``width``: of the lines, in pixels.
    """

    lines: tuple[Array, ...] = ()
    style: str = "include"
    opacity: float = 1.0
    dashed: bool = False
    width: float = 2.0

    @property
    def colour(self) -> tuple[float, float, float]:
        """Red, green, blue, 0 to 1."""
        return COLOURS[self.style]

    @property
    def empty(self) -> bool:
        return not self.lines


def closed(points: Array) -> Array:
    """A polyline that ends where it began."""
    return np.concatenate([points, points[:1]])


def ring(at: Sequence[float], radius: float) -> Array:
    """A circle; all in pixels."""
    turn = np.linspace(0, 2 * np.pi, 25)
    around = np.stack([np.cos(turn), np.sin(turn)], axis=1) * radius
    return around + np.asarray(at[:2], float)


def glyph(at: Sequence[float], include: bool, size: float, framed: bool = True) -> list[Array]:
    """A plus in a circle, or a minus in a square; told apart by shape alone. Sizes in pixels."""
    x, y = float(at[0]), float(at[1])
    sign = size * 0.6
    lines = [np.array([[x - sign, y], [x + sign, y]])]
    if include:
        lines.append(np.array([[x, y - sign], [x, y + sign]]))
    if framed and include:
        lines.append(ring(at, size))
    elif framed:
        corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * size * 0.9
        lines.append(closed(corners + np.array([x, y])))
    return lines


def dashes(lines: Iterable[Array]) -> list[Array]:
    """Polylines cut into dashes of some pixels."""
    pieces: list[Array] = []
    for line in lines:
        length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
        for start in np.arange(0.0, length[-1], _DASH + _GAP):
            stop = min(start + _DASH, length[-1])
            inside = line[(length > start) & (length < stop)]
            ends = [[np.interp(s, length, line[:, n]) for n in (0, 1)] for s in (start, stop)]
            pieces.append(np.concatenate([[ends[0]], inside, [ends[1]]]))
    return pieces


def outline(mask: Array) -> list[Array]:
    """The edges around the True cells of ``mask`` ``(rows, columns)``, as straight lines.

    In cell units: cell ``(r, c)`` reaches from ``(c, r)`` to ``(c + 1, r + 1)`` in ``(x, y)``.
    """
    padded = np.pad(mask, 1)
    lines = [
        np.array([[start, row], [stop, row]], float)
        for row, start, stop in _runs(padded[1:, 1:-1] != padded[:-1, 1:-1])
    ]
    lines += [
        np.array([[column, start], [column, stop]], float)
        for column, start, stop in _runs((padded[1:-1, 1:] != padded[1:-1, :-1]).T)
    ]
    return lines


def _runs(edges: Array) -> list[tuple[int, int, int]]:
    """Row, first and last-plus-one of the runs of True in each row."""
    change = np.diff(np.pad(edges, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(change == 1)
    stops = np.nonzero(change == -1)[1]
    return list(zip(rows.tolist(), starts.tolist(), stops.tolist(), strict=True))
