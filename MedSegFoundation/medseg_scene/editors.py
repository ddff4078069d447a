"""The way into a segmentation: Slicer's segment editor logic, its rules and its undo stack."""

from __future__ import annotations

from typing import Any, Protocol

import slicer
from medseg import PromptError

#: Undo states kept; Slicer's default of 5 is less than an object takes. A state costs memory
#: only for the labelmap layers that changed.
UNDO_LEVELS = 20


class Editor(Protocol):
    """What a `SceneSession` needs of a segment editor; an effect offers it over its own API."""

    @property
    def node(self) -> Any:
        """The ``vtkMRMLSegmentEditorNode`` with masks, ranges, overwrite mode, selection."""
        ...

    def save_state(self) -> None:
        """Begin one undo step; called once per action, before the first change."""
        ...

    def add(self, segmentation: Any, segment_id: str, labelmap: Any) -> None:
        """Add a ``vtkOrientedImageData`` (1 = add) to a segment, under the rules of the node."""
        ...

    def remove(self, segmentation: Any, segment_id: str, labelmap: Any) -> None:
        """Take it (1 = remove) out of a segment, under the rules of the node."""
        ...

    def can_undo(self) -> bool: ...

    def can_redo(self) -> bool: ...

    def undo(self) -> None:
        """Raises `PromptError` when there is nothing to undo."""
        ...

    def redo(self) -> None:
        """Raises `PromptError` when there is nothing to redo."""
        ...

    def forget(self) -> None:
        """Drop undo and redo: what is shown now is something else (another frame)."""
        ...


class LogicEditor:
    """An editor over a ``vtkSlicerSegmentEditorLogic`` (Slicer 5.10 and later)."""

    def __init__(self, logic: Any) -> None:
        self._logic = logic

    @classmethod
    def create(cls, volume: Any, segmentation: Any, undo_levels: int = UNDO_LEVELS) -> LogicEditor:
        """An editor of our own, with a hidden node that is not saved with the scene.

        Overwrite mode is "none": prompts never take voxels from other segments; where objects
        overlap (a tumour in a liver), both keep the place. Callers change that on `node`.
        """
        scene = segmentation.GetScene()
        node = slicer.vtkMRMLSegmentEditorNode()
        node.SetName("MedSegFoundation editor")
        node.SetHideFromEditors(True)
        node.SetSaveWithScene(False)
        node.SetOverwriteMode(slicer.vtkMRMLSegmentEditorNode.OverwriteNone)
        scene.AddNode(node)
        node.SetAndObserveSegmentationNode(segmentation)
        node.SetAndObserveSourceVolumeNode(volume)
        logic = slicer.vtkSlicerSegmentEditorLogic()
        logic.SetMRMLScene(scene)
        logic.SetSegmentEditorNode(node)
        logic.SetMaximumNumberOfUndoStates(undo_levels)
        return cls(logic)

    @property
    def node(self) -> Any:
        return self._logic.GetSegmentEditorNode()

    def save_state(self) -> None:
        self._logic.SaveStateForUndo()

    def add(self, segmentation: Any, segment_id: str, labelmap: Any) -> None:
        self._modify(segmentation, segment_id, labelmap, self._logic.ModificationModeAdd)

    def remove(self, segmentation: Any, segment_id: str, labelmap: Any) -> None:
        self._modify(segmentation, segment_id, labelmap, self._logic.ModificationModeRemove)

    def can_undo(self) -> bool:
        return bool(self._logic.CanUndo())

    def can_redo(self) -> bool:
        return bool(self._logic.CanRedo())

    def undo(self) -> None:
        if not self.can_undo():
            raise PromptError("There is nothing to undo.")
        self._logic.Undo()

    def redo(self) -> None:
        if not self.can_redo():
            raise PromptError("There is nothing to redo.")
        self._logic.Redo()

    def forget(self) -> None:
        self._logic.ClearUndoState()

    def close(self) -> None:
        """Take the editor's node out of the scene, and free what undo has kept."""
        node = self.node
        self.forget()
        if node is not None and node.GetScene() is not None:
            node.GetScene().RemoveNode(node)
        self._logic.SetSegmentEditorNode(None)

    def _modify(self, segmentation: Any, segment_id: str, labelmap: Any, mode: Any) -> None:
        # Mode Set is not used: on 5.10 to 5.13 it empties the whole segment first, in spite of
        # the extent argument, and reads a segment of another geometry at the wrong place.
        self._logic.ModifySegmentByLabelmap(segmentation, segment_id, labelmap, mode, True, False)
