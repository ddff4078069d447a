"""What is chosen in a segment editor, and whether prompts can be given there."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import slicer
from medseg import MedsegError
from medseg.record import Record

from .live import Entry
from .observers import Observers
from .segments import segment_stamp
from .tags import read_tag
from .views import View
from .volumes import volume_affine


class Place:
    """Volume, segmentation and segment that a ``vtkMRMLSegmentEditorNode`` (or None) names."""

    node: Any
    volume: Any
    segmentation: Any
    segment_id: str

    def __init__(self, node: Any | None) -> None:
        self.node = self.volume = self.segmentation = None
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
    def segments(self) -> list[str]:
        if self.segmentation is None or self.segmentation.GetSegmentation() is None:
            return []
        return list(self.segmentation.GetSegmentation().GetSegmentIDs())

    @property
    def reason(self) -> str:
        """ "" or why no prompt can be given."""
        if self.node is None:
            return "Open the Segment Editor first."
        if self.segmentation is None:
            return "Choose or create a segmentation first."
        if self.volume is None:
            return "Choose a source volume first."
        if self.volume.GetImageData() is None or 0 in self.volume.GetImageData().GetDimensions():
            return f"Volume '{self.volume.GetName()}' holds no voxels yet; load or choose another."
        if self.segments and not self.segment_id:
            return "Select a segment first."
        try:
            volume_affine(self.volume)
            if self.segment_id in self.segments:
                segment_stamp(self.segmentation, self.segment_id)
        except MedsegError as error:
            return str(error)
        return ""

    def ensure_segment(self) -> bool:
        """Add a segment where there is none, and select it; True when that was needed."""
        if self.segments:
            return False
        self.segment_id = str(self.segmentation.GetSegmentation().AddEmptySegment())
        self.node.SetSelectedSegmentID(self.segment_id)
        return True

    @property
    def slices(self) -> tuple[int, int, int]:
        """Number of slices along K, J and I."""
        data = None if self.volume is None else self.volume.GetImageData()
        i, j, k = (0, 0, 0) if data is None else data.GetDimensions()
        return k, j, i

    def slice_of(self, view: View) -> tuple[int, int]:
        """Image axis (0, 1, 2 = K, J, I) that a view looks along, and the slice in its middle."""
        if self.volume is None:
            return 0, 0
        to_ijk = np.linalg.inv(volume_affine(self.volume))
        along = np.abs(
            to_ijk[:3, :3] @ view.normal * np.linalg.norm(np.linalg.inv(to_ijk)[:3, :3], axis=0)
        )
        middle = view.ras((view.size[0] / 2, view.size[1] / 2))
        index = (to_ijk @ [*middle, 1])[:3]
        axis = 2 - int(along.argmax())
        return axis, int(np.clip(round(index[2 - axis]), 0, self.slices[axis] - 1))

    def observe(self, observers: Observers) -> None:
        """Watch all that a prompt list or a `reason` depends on."""
        if self.node is None:
            return
        segmentation, scene = slicer.vtkSegmentation, slicer.vtkMRMLScene
        node = slicer.vtkMRMLNode
        changes = [node.ReferenceAddedEvent, node.ReferenceModifiedEvent]
        observers.watch(self.node, ["ModifiedEvent", *changes, node.ReferenceRemovedEvent])
        events = [scene.NodeRemovedEvent, scene.EndCloseEvent, scene.EndImportEvent]
        observers.watch(self.node.GetScene(), events)
        events = [segmentation.SegmentAdded, segmentation.SegmentRemoved]
        events += [segmentation.SegmentModified, segmentation.SourceRepresentationModified]
        observers.watch(self.segmentation, events)
        observers.watch(self.volume, [slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent])


def listed_in(place: Place) -> tuple[Entry, ...]:
    """The prompts that the tag of a segment tells of; none where it cannot be read."""
    if place.segment_id not in place.segments:
        return ()
    text = read_tag(place.segmentation.GetSegmentation().GetSegment(place.segment_id))
    return _entries(text) if text else ()


@lru_cache(maxsize=4)
def _entries(text: str) -> tuple[Entry, ...]:
    try:
        record = Record.loads(text)
    except MedsegError:
        return ()
    return tuple(Entry(p, n < record.baked, False) for n, p in enumerate(record.prompts))
