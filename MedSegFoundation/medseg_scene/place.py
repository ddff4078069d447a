"""What is chosen in a segment editor, and whether prompts can be given there."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
from medseg import MedsegError
from medseg.image import Array

from .entries import Entry, entries_of_tag
from .observers import Observers
from .segments import segment_stamp
from .sequences import Source, lend_segment, lent_segment
from .tags import read_tag
from .views import View
from .volumes import volume_affine


class Place:
    """Volume, segmentation and segment that a ``vtkMRMLSegmentEditorNode`` (or None) names."""

    def __init__(self, node: Any | None) -> None:
        self.node: Any = None
        self.volume: Any = None
        self.segmentation: Any = None
        self.segment_id = ""
        scene = None if node is None else node.GetScene()
        if node is None or scene is None or scene.IsClosing():
            return
        self.node = node
        self.volume = node.GetSourceVolumeNode()
        self.segmentation = node.GetSegmentationNode()
        self.segment_id = node.GetSelectedSegmentID() or ""

    def same_nodes(self, other: Place) -> bool:
        return (
            self.node is other.node
            and self.volume is other.volume
            and self.segmentation is other.segmentation
        )

    @property
    def has_segment(self) -> bool:
        """False when the selected segment is not in what the segmentation shows now."""
        return self._segment is not None

    @property
    def _segment(self) -> Any | None:
        if self.segmentation is None or not self.segment_id:
            return None
        return self.segmentation.GetSegmentation().GetSegment(self.segment_id)

    @property
    def reason(self) -> str:
        """ "" or why no prompt can be given."""
        if self.node is None:
            return "Open the Segment Editor first."
        if self.segmentation is None:
            return "Choose or create a segmentation first."
        if self.volume is None:
            return "Choose a source volume first."
        if 0 in self.slices:
            return f"Volume '{self.volume.GetName()}' holds no voxels yet; load or choose another."
        try:
            volume_affine(self.volume)
            if self.has_segment:
                segment_stamp(self.segmentation, self.segment_id)
            elif self.segmentation.GetSegmentation().GetNumberOfSegments() and not self._lender:
                return "Select a segment first."
        except MedsegError as error:
            return str(error)
        return ""

    @property
    def _lender(self) -> Any | None:
        """The browser of a sequence of which another frame has the selected segment."""
        browser = Source(self.volume).browser
        if browser is None or lent_segment(browser, self.segmentation, self.segment_id) is None:
            return None
        return browser

    def ensure_segment(self) -> bool:
        """Add a segment where there is none, and select it; True when that was needed."""
        if self.has_segment:
            return False
        if self._lender is not None:
            lend_segment(self._lender, self.segmentation, self.segment_id)
            return False
        self.segment_id = str(self.segmentation.GetSegmentation().AddEmptySegment())
        self.node.SetSelectedSegmentID(self.segment_id)
        return True

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The prompts that the tag of the segment tells of; none where it cannot be read."""
        segment = self._segment
        text = "" if segment is None else read_tag(segment)
        return entries_of_tag(text)

    @property
    def slices(self) -> tuple[int, int, int]:
        """Number of slices along K, J and I; zeros without voxels."""
        data = None if self.volume is None else self.volume.GetImageData()
        i, j, k = (0, 0, 0) if data is None else data.GetDimensions()
        return k, j, i

    @property
    def frames(self) -> int:
        """How many frames the sequence of the volume has; 0 when it is in none."""
        browser = None if self.volume is None else Source(self.volume).browser
        return 0 if browser is None else int(browser.GetNumberOfItems())

    @property
    def frame(self) -> int:
        """The shown frame, from 0."""
        browser = None if self.volume is None else Source(self.volume).browser
        return 0 if browser is None else int(browser.GetSelectedItemNumber())

    def slice_of(self, view: View) -> tuple[int, int]:
        """Image axis (0, 1, 2 = K, J, I) that a view looks along, and the slice in its middle.

        (0, 0) while there is a `reason`.
        """
        if self.reason:
            return 0, 0
        affine = volume_affine(self.volume)
        directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
        axis = 2 - int(np.abs(view.normal @ directions).argmax())
        middle = view.ras((view.size[0] / 2, view.size[1] / 2))
        index = np.linalg.solve(affine, [*middle, 1.0])[2 - axis]
        return axis, int(np.clip(round(index), 0, self.slices[axis] - 1))

    def middle_of(self, axis: int, number: int) -> Array:
        """``(3,)`` world RAS mm: the middle of a slice of the volume; see `slice_of`."""
        kji = [(n - 1) / 2 for n in self.slices]
        kji[axis] = number
        where: Array = volume_affine(self.volume) @ [*kji[::-1], 1.0]
        return where[:3]

    def show_frame(self, number: int) -> None:
        """Browse to a frame; nothing happens outside of a sequence."""
        browser = None if self.volume is None else Source(self.volume).browser
        if browser is not None and 0 <= number < self.frames:
            browser.SetSelectedItemNumber(number)

    def observe(self, observers: Observers) -> None:
        """Watch all that a prompt list or a `reason` depends on."""
        if self.node is None:
            return
        kind, scene, node = slicer.vtkSegmentation, slicer.vtkMRMLScene, slicer.vtkMRMLNode
        changes = [node.ReferenceAddedEvent, node.ReferenceModifiedEvent]
        observers.watch(self.node, ["ModifiedEvent", *changes, node.ReferenceRemovedEvent])
        closed = [scene.NodeRemovedEvent, scene.EndCloseEvent, scene.EndImportEvent]
        observers.watch(self.node.GetScene(), closed)
        segments = [kind.SegmentAdded, kind.SegmentRemoved, kind.SegmentModified]
        observers.watch(self.segmentation, [*segments, kind.SourceRepresentationModified])
        observers.watch(self.volume, [slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent])
