"""What there is to see of the prompts, of what is being drawn, and of a preview."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from medseg import Box, Lasso, Point, Prompt, Scribble
from medseg.image import Array, Mask

from .drawings import Drawing, closed, dashes, glyph, outline, ring
from .solids import cut, outline_of
from .views import View

if TYPE_CHECKING:
    from .desk import Desk

GLYPH_PX = 8.0
#: Beyond so many mm off the plane nothing is drawn of a prompt.
FADE_MM = 15.0
_FAINTEST = 0.15
#: A preview is looked up at no more places than this along each side of a view.
_SAMPLES = 400
#: Less than this part of a voxel is no slope.
_FLAT = 1e-6


@dataclass(frozen=True)
class Mark:
    """One prompt to draw. ``index``: in `Desk.entries`; None: it is still being drawn.

    ``waiting``: dashed, its result is on its way. ``baked``: part of the mask for good, drawn
    without its frame. ``handles``: it can be grabbed, so a box shows its middle.
    """

    prompt: Prompt
    index: int | None = None
    waiting: bool = False
    baked: bool = False
    handles: bool = False

    @property
    def kind(self) -> str:
        return self.prompt.kind

    @property
    def style(self) -> str:
        return "include" if self.prompt.include else "exclude"

    @property
    def points(self) -> Array:
        """``(N, 3)`` RAS mm, for 3D views."""
        return self.prompt.positions()

    def in_view(self, view: View) -> Drawing:
        """Its lines in a view; empty where it is too far from the plane."""
        lines, off = self._lines(view)
        near = max(view.slice_mm / 2, 1e-6)
        if not lines or off > FADE_MM + near:
            return Drawing(style=self.style)
        opacity = 1.0 if off <= near else max(_FAINTEST, 0.6 * (1 - (off - near) / FADE_MM))
        shown = dashes(lines) if self.waiting else lines
        width = 1.0 if self.baked else 2.0
        return Drawing(tuple(shown), self.style, opacity, self.waiting, width)

    def _lines(self, view: View) -> tuple[list[Array], float]:
        """Polylines in pixels, and how many mm they are off the plane."""
        prompt = self.prompt
        if isinstance(prompt, Point):
            x, y, away = view.xy(prompt.position)
            return glyph((x, y), prompt.include, GLYPH_PX, not self.baked), abs(away)
        if isinstance(prompt, Box):
            return self._box_lines(prompt, view)
        if isinstance(prompt, (Scribble, Lasso)):
            placed = view.project(prompt.points)
            off = np.abs(placed[:, 2])
            line = closed(placed[:, :2]) if isinstance(prompt, Lasso) else placed[:, :2]
            lines = [line, *glyph(line[0], prompt.include, GLYPH_PX, not self.baked)]
            if isinstance(prompt, Scribble) and prompt.radius > 0:  # how wide it is, at its ends
                lines += [ring(end, prompt.radius / view.pixel_mm) for end in line[[0, -1]]]
            return lines, float(off.min())
        return [], 0.0

    def _box_lines(self, box: Box, view: View) -> tuple[list[Array], float]:
        polygon = cut(box, view)
        off = 0.0
        if polygon is None:
            off = float(np.abs(view.project(box.positions())[:, 2]).min())
            if (box.size > 0).all():  # only where the box is cut, it is there
                return [], off
            polygon = outline_of(box, view)
        lines = [closed(polygon)]
        corner = polygon[polygon.sum(1).argmax()]
        lines += glyph(corner, box.include, GLYPH_PX, not self.baked)
        if self.handles and not self.baked:
            x, y = polygon.mean(0)
            lines += [np.array([[x - 4, y], [x + 4, y]]), np.array([[x, y - 4], [x, y + 4]])]
        return lines, off


@dataclass(frozen=True, eq=False)
class Outline:
    """The border of some voxels in a view: what a preview adds (solid) or removes (dashed).

    Those that are in ``voxels`` and not in ``others``, both ``(K, J, I)``; ``affine``: IJK to
    RAS mm.
    """

    voxels: Mask
    others: Mask
    affine: Array
    style: str
    kind: ClassVar[str] = "outline"
    #: Nothing of it is drawn in 3D views.
    points: ClassVar[Array] = np.zeros((0, 3))

    def in_view(self, view: View) -> Drawing:
        """Looks only at the slice through the voxels, at no more than `_SAMPLES` squared places."""
        dashed = self.style == "removed"
        found = self._sampled(view)
        if found is None:
            return Drawing(style=self.style, dashed=dashed)
        cells, origin, step = found
        lines = [line * step + origin for line in outline(cells)]
        return Drawing(tuple(dashes(lines) if dashed else lines), self.style, 1.0, dashed)

    def _sampled(self, view: View) -> tuple[Mask, Array, float] | None:
        """Cells of ``step`` pixels from ``origin`` (x, y), True where there is a voxel."""
        shape = np.array(self.voxels.shape[::-1])
        signs = np.stack(np.meshgrid([0, 1], [0, 1], [0, 1]), -1).reshape(-1, 3)
        corners = (signs * shape - 0.5) @ self.affine[:3, :3].T + self.affine[:3, 3]
        placed = view.project(corners)
        if placed[:, 2].min() > 0 or placed[:, 2].max() < 0:
            return None
        low = np.maximum(np.floor(placed[:, :2].min(0)), 0)
        high = np.minimum(np.ceil(placed[:, :2].max(0)), view.size)
        if (high <= low).any():
            return None
        step = max(1.0, float((high - low).max()) / _SAMPLES)
        x = np.arange(low[0] + step / 2, high[0] + step / 2, step)
        y = np.arange(low[1] + step / 2, high[1] + step / 2, step)
        matrix = np.linalg.inv(self.affine) @ view.to_ras
        cells = np.ones((len(y), len(x)), bool)
        index = []
        for row, most in zip(matrix[:3], shape, strict=True):
            at = np.floor(_along(row[0], x)[None] + _along(row[1], y)[:, None] + row[3] + 0.5)
            cells &= (at >= 0) & (at < most)
            index.append(np.clip(at, 0, most - 1).astype(int))
        i, j, k = index
        return cells & self.voxels[k, j, i] & ~self.others[k, j, i], low, step


def _along(slope: float, pixels: Array) -> Array:
    """A single value where nothing changes along an axis of the view: most views are straight."""
    return slope * pixels[:1] if abs(slope) * len(pixels) < _FLAT else slope * pixels


def marks(desk: Desk, handles: bool = False) -> list[Mark | Outline]:
    """All there is to draw: prompts that are not hidden, what a gesture draws, the preview.

    ``handles``: of prompts that can be grabbed.
    """
    return list(_marks(desk, handles))


def _marks(desk: Desk, handles: bool) -> Iterator[Mark | Outline]:
    hidden = desk.hidden
    for index, entry in enumerate(desk.entries):
        if index not in hidden:
            yield Mark(entry.prompt, index, entry.waiting, entry.baked, handles and not entry.baked)
    yield from (replace(mark, index=None) for mark in desk.drawing)
    preview = desk.shown_preview
    if preview is not None and not preview.patch.empty:
        after, before = preview.patch.voxels, preview.before
        yield Outline(after, before, preview.affine, "added")
        yield Outline(before, after, preview.affine, "removed")
