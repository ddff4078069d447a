"""Handles in 3D views for a box prompt: a markups ROI that follows the box, and the box it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import slicer
from medseg import Box

from .drawings import COLOURS
from .hits import Grip, shown
from .observers import Observers
from .transforms import matrix_array, vtk_matrix

if TYPE_CHECKING:
    from .desk import Desk

#: No side of a box gets shorter by its handles.
_LEAST_MM = 0.1
#: Smaller differences come from rounding.
_ROUNDING_MM = 1e-3


class BoxHandles:
    """While a box effect is active: the newest box that has depth can be changed in 3D views.

    Slice views show the box and its handles themselves (see `marks`), so the ROI is seen in 3D
    only. It is hidden in lists of nodes and not saved.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        #: The ``vtkMRMLMarkupsROINode`` while there is a box.
        self.node: Any = None
        self._box: Box | None = None
        self._grip: Grip | None = None
        self._placing = False
        self._moves = Observers(self._moved)
        self._turns = Observers(self._let_go)

    def follow(self) -> None:
        """Put the handles where the box is now."""
        if self.node is not None and self.node.GetScene() is None:  # deleted, or the scene closed
            self._forget()
        index = self._index()
        if index is None:
            self.close()
            return
        box = self._desk.entries[index].prompt
        assert isinstance(box, Box)
        if self.node is None:
            self._add()
        if self._box is None or not _same(box, self._box):
            self._let_go()
            self._place(box)

    def close(self) -> None:
        """Take the handles away."""
        node = self.node
        self._forget()
        if node is not None and node.GetScene() is not None:
            node.GetScene().RemoveNode(node)

    def _index(self) -> int | None:
        """Where the box stands in the list of prompts."""
        if self._grip is not None:
            return self._grip.place()
        for index, entry in shown(self._desk):
            box = entry.prompt
            if isinstance(box, Box) and not entry.baked and (box.size > 0).all():
                return index
        return None

    def _add(self) -> None:
        scene = self._desk.editor.node.GetScene()
        node = slicer.vtkMRMLMarkupsROINode()
        node.SetName("MedSegFoundation box")
        node.SetHideFromEditors(True)
        node.SetSaveWithScene(False)
        self.node = scene.AddNode(node)
        self.node.CreateDefaultDisplayNodes()
        display = self.node.GetDisplayNode()
        display.SetSaveWithScene(False)
        display.SetVisibility2D(False)
        display.SetFillVisibility(False)
        display.SetPropertiesLabelVisibility(False)
        display.SetHandlesInteractive(True)
        display.SetTranslationHandleVisibility(True)
        display.SetScaleHandleVisibility(True)
        display.SetRotationHandleVisibility(True)
        kind = slicer.vtkMRMLMarkupsNode
        self._moves.watch(self.node, ["ModifiedEvent", kind.PointModifiedEvent])
        ends = [kind.PointStartInteractionEvent, kind.PointEndInteractionEvent]
        self._turns.watch(self.node, ends)

    def _place(self, box: Box) -> None:
        place = np.eye(4)
        place[:3, :3], place[:3, 3] = _right_handed(box), box.center
        self._placing = True
        try:
            self.node.SetAndObserveObjectToNodeMatrix(vtk_matrix(place))
            self.node.SetSize(*box.size.tolist())
            colour = COLOURS["include" if box.include else "exclude"]
            self.node.GetDisplayNode().SetSelectedColor(*colour)
        finally:
            self._placing = False
        self._box = box

    def _moved(self) -> None:
        """The ROI is not where it was put: the user pulls at a handle."""
        before = self._box
        if self._placing or before is None or self.node.GetScene() is None:
            return
        place = matrix_array(self.node.GetObjectToWorldMatrix())
        lengths = np.linalg.norm(place[:3, :3], axis=0)
        size = np.maximum(np.array(self.node.GetSize()) * lengths, _LEAST_MM)
        box = Box(place[:3, 3], size, place[:3, :3] / lengths, before.include)
        if _same(box, before):
            return
        if self._grip is None:
            index = self._index()
            if index is None:
                return
            self._grip = Grip(self._desk, index, self._desk.entries[index].prompt)
        self._box = box
        self._grip.put(box)

    def _let_go(self) -> None:
        """What is moved from now on is another undo step."""
        self._grip = None

    def _forget(self) -> None:
        self._moves.let_go()
        self._turns.let_go()
        self.node = self._box = self._grip = None


def _right_handed(box: Box) -> np.ndarray:
    """Axes of the same box, as columns; a ROI must not be mirrored."""
    assert box.axes is not None
    axes = box.axes.copy()
    if np.linalg.det(axes) < 0:
        axes[:, 2] *= -1
    return axes


def _same(first: Box, second: Box) -> bool:
    """The same corners, but for rounding."""
    corners = [box.positions() for box in (first, second)]
    gaps = np.linalg.norm(corners[0][:, None] - corners[1][None], axis=2)
    return bool(first.include == second.include and gaps.min(1).max() < _ROUNDING_MM)
