"""Lines on top of a view: what `medseg_scene.marks` says, as VTK actors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import vtk
from medseg.image import Array
from medseg_scene.drawings import Drawing, glyph
from medseg_scene.marks import GLYPH_PX, Mark
from vtk.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray

#: A dark line of so many pixels more lies under each line, so it is seen on any image.
_HALO_PX = 2.0
_EDGES = [(a, b) for a, b in combinations(range(8), 2) if bin(a ^ b).count("1") == 1]


class Canvas:
    """The lines in one view; ``renderer``: its ``vtkRenderer``. Positions are XY pixels."""

    def __init__(self, renderer: Any) -> None:
        self._renderer = renderer
        self._layers: dict[tuple[float, bool], _Layer] = {}

    @property
    def actors(self) -> list[Any]:
        """Those that are in the view now."""
        return [layer.actor for layer in self._layers.values()]

    def show(self, drawings: Iterable[Drawing]) -> None:
        """Show these, and nothing else."""
        by_width: dict[float, list[Drawing]] = {}
        for drawing in drawings:
            if not drawing.empty:
                by_width.setdefault(drawing.width, []).append(drawing)
        for key in [k for k in self._layers if k[0] not in by_width]:
            self._renderer.RemoveViewProp(self._layers.pop(key).actor)
        for halo in (True, False):  # added first, drawn first
            for width, some in by_width.items():
                if (width, halo) not in self._layers:
                    layer = self._layers[width, halo] = _Layer(width, halo)
                    self._renderer.AddViewProp(layer.actor)
                self._layers[width, halo].show(some)

    def close(self) -> None:
        self.show([])


class SpaceCanvas(Canvas):
    """The same signs in a 3D view: they face the viewer and are never hidden by a surface."""

    def __init__(self, renderer: Any) -> None:
        super().__init__(renderer)
        self._marks: list[Mark] = []
        self._drawn: tuple[Any, ...] = ()
        self._tag = renderer.AddObserver("StartEvent", lambda *_: self._follow())

    def show_marks(self, marks: Sequence[Mark]) -> None:
        self._marks, self._drawn = list(marks), ()
        self._follow()

    def close(self) -> None:
        self._renderer.RemoveObserver(self._tag)
        super().close()

    def _follow(self) -> None:
        """Before each picture: the camera may have moved."""
        camera = self._renderer.GetActiveCamera()
        now = camera.GetMTime(), tuple(self._renderer.GetSize())
        if now == self._drawn or 0 in now[1]:
            return
        self._drawn = now
        matrix = camera.GetCompositeProjectionTransformMatrix(
            self._renderer.GetTiledAspectRatio(), -1, 1
        )
        values = np.array([[matrix.GetElement(r, c) for c in range(4)] for r in range(4)])
        self.show(in_space(mark, values, now[1]) for mark in self._marks)


def in_space(mark: Mark, projection: Array, size: tuple[int, int]) -> Drawing:
    """The lines of a mark in a 3D view. ``projection``: ``(4, 4)``, RAS mm to -1..1."""
    points = mark.points
    placed = np.c_[points, np.ones(len(points))] @ projection.T
    if not len(points) or (placed[:, 3] <= 0).any():  # behind the camera
        return Drawing(style=mark.style)
    xy = (placed[:, :2] / placed[:, 3:] + 1) / 2 * np.array(size)
    sign = glyph(xy[0], mark.prompt.include, GLYPH_PX, not mark.baked)
    if mark.kind == "box":
        lines = [xy[list(edge)] for edge in _EDGES]
    elif mark.kind == "lasso":
        lines = [np.concatenate([xy, xy[:1]])]
    else:
        lines = [xy] if len(xy) > 1 else []
    return Drawing((*lines, *sign), mark.style, 1.0, mark.waiting, 1.0 if mark.baked else 2.0)


class _Layer:
    """Lines of one width, each in its own colour; or the dark lines under them."""

    def __init__(self, width: float, halo: bool) -> None:
        self._halo = halo
        self._data = vtk.vtkPolyData()
        mapper = vtk.vtkPolyDataMapper2D()
        mapper.SetInputData(self._data)
        self.actor = vtk.vtkActor2D()
        self.actor.SetMapper(mapper)
        self.actor.PickableOff()
        self.actor.GetProperty().SetLineWidth(width + _HALO_PX * halo)

    def show(self, drawings: list[Drawing]) -> None:
        lines = [line for drawing in drawings for line in drawing.lines]
        colours = [self._colour(drawing) for drawing in drawings for _ in drawing.lines]
        lengths = np.array([len(line) for line in lines])
        flat = np.zeros((lengths.sum(), 3))
        flat[:, :2] = np.concatenate(lines)
        points = vtk.vtkPoints()
        points.SetData(numpy_to_vtk(flat, deep=1))
        offsets = np.concatenate([[0], lengths.cumsum()])
        cells = vtk.vtkCellArray()
        cells.SetData(_ids(offsets), _ids(np.arange(len(flat))))
        self._data.SetPoints(points)
        self._data.SetLines(cells)
        scalars = numpy_to_vtk(np.array(colours, np.uint8), deep=1)
        self._data.GetCellData().SetScalars(scalars)
        self._data.Modified()

    def _colour(self, drawing: Drawing) -> list[int]:
        colour = (0.0, 0.0, 0.0) if self._halo else drawing.colour
        opacity = drawing.opacity * (0.5 if self._halo else 1.0)
        return [round(255 * value) for value in (*colour, opacity)]


def _ids(values: Array) -> Any:
    return numpy_to_vtkIdTypeArray(np.ascontiguousarray(values, np.int64), deep=1)
