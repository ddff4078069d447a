"""The way into a segmentation from an effect: Slicer's own calls, its rules and its undo stack."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import slicer
from medseg import PromptError

from .widgets import child_named

#: Attributes of the segment editor node.
_OURS = "MedSegFoundation.OverwriteMode"
_OF_OTHERS = "MedSegFoundation.OverwriteModeOfOtherEffects"


class EffectEditor:
    """A `medseg_scene.editors.Editor` over a scripted effect and its editor widget.

    Each write is the effect's `modifySegmentByLabelmap` with a crop, so editable area, intensity
    range and overwrite mode of the editor hold. For the overwrite mode see `our_rules`.
    """

    def __init__(self, widget: Any, effect: Any) -> None:
        self._widget = widget
        self._effect = effect
        self._buttons: dict[str, Any] = {}

    def use(self, effect: Any) -> None:
        """Write through this effect of the same widget from now on."""
        self._effect = effect

    @property
    def node(self) -> Any:
        """The ``vtkMRMLSegmentEditorNode``; None while the editor has none."""
        return self._effect.parameterSetNode()

    def save_state(self) -> None:
        self._effect.saveStateForUndo()

    def add(self, segmentation: Any, segment_id: str, labelmap: Any) -> None:
        self._modify(segmentation, segment_id, labelmap, "ModificationModeAdd")

    def remove(self, segmentation: Any, segment_id: str, labelmap: Any) -> None:
        self._modify(segmentation, segment_id, labelmap, "ModificationModeRemove")

    def can_undo(self) -> bool:
        return self._ready("UndoButton")

    def can_redo(self) -> bool:
        return self._ready("RedoButton")

    def undo(self) -> None:
        """Raises `PromptError` when there is nothing to undo."""
        if not self.can_undo():
            raise PromptError("There is nothing to undo.")
        self._widget.undo()

    def redo(self) -> None:
        """Raises `PromptError` when there is nothing to redo."""
        if not self.can_redo():
            raise PromptError("There is nothing to redo.")
        self._widget.redo()

    def forget(self) -> None:
        """Drop undo and redo. Turning undo on is the one way there is; it stays as it was."""
        box = child_named(self._widget, "UndoRedoGroupBox")
        off = box is not None and box.isHidden()
        self._widget.setUndoEnabled(True)
        if off:
            self._widget.setUndoEnabled(False)

    def _modify(self, segmentation: Any, segment_id: str, labelmap: Any, mode: str) -> None:
        kind = getattr(slicer.qSlicerSegmentEditorAbstractEffect, mode)
        with our_rules(self.node):
            self._effect.modifySegmentByLabelmap(segmentation, segment_id, labelmap, kind)

    def _ready(self, name: str) -> bool:
        """Whether the widget's button could be pressed; its history is not to be had otherwise."""
        if name not in self._buttons:
            self._buttons[name] = child_named(self._widget, name)
        button = self._buttons[name]
        return button is None or bool(button.isEnabledTo(button.parent()))


def take_over(node: Any) -> None:
    """An effect of ours becomes active: "Modify other segments" is ours from now on.

    Slicer's default lets all effects take voxels from other segments. Ours leave the others alone
    ("Allow overlap") until the user chooses otherwise in the editor while one of ours is active.
    That choice is kept for our effects; Paint and the others find what they had before.
    """
    if node is None or node.GetAttribute(_OF_OTHERS) is not None:
        return
    node.SetAttribute(_OF_OTHERS, str(node.GetOverwriteMode()))
    node.SetOverwriteMode(_mode(node, _OURS, node.OverwriteNone))


def hand_back(node: Any) -> None:
    """No effect of ours is active any more: the other effects' mode is back."""
    if node is None or node.GetAttribute(_OF_OTHERS) is None:  # a closed scene resets the node
        return
    ours, theirs = node.GetOverwriteMode(), _mode(node, _OF_OTHERS, node.OverwriteAllSegments)
    node.SetAttribute(_OURS, str(ours))
    node.RemoveAttribute(_OF_OTHERS)
    node.SetOverwriteMode(theirs)


@contextmanager
def our_rules(node: Any) -> Iterator[None]:
    """For a result that comes while another effect is active: our overwrite mode, unseen."""
    if node is None or node.GetAttribute(_OF_OTHERS) is not None:
        yield
        return
    theirs, quiet = node.GetOverwriteMode(), node.GetDisableModifiedEvent()
    node.SetDisableModifiedEvent(1)
    node.SetOverwriteMode(_mode(node, _OURS, node.OverwriteNone))
    try:
        yield
    finally:
        node.SetOverwriteMode(theirs)
        node.SetDisableModifiedEvent(quiet)


def _mode(node: Any, attribute: str, default: int) -> int:
    text = node.GetAttribute(attribute)
    return int(text) if text in ("0", "1", "2") else int(default)
