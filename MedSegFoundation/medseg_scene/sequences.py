"""Volumes that show one frame of a sequence after the other, and segmentations that follow them.

A browser node copies the shown frame into a *proxy* node, anew each time. So a frame is known by
its index value and by the node that holds it, never by the proxy's voxels.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import slicer
from medseg import Image
from medseg.resample import ShearedScan

from .volumes import image_from_volume, scan_of, volume_affine, volume_state, voxel_state

#: What of a volume is shown: the index value of a frame (None: no sequence), voxels and place.
Frame = tuple[Any, ...]


class Source:
    """A volume node as the images that it shows."""

    def __init__(self, volume: Any) -> None:
        self.volume = volume
        self._images: dict[Frame, Image] = {}

    @property
    def browser(self) -> Any | None:
        """The browser node that the volume is a proxy of."""
        modules = getattr(slicer, "modules", None)
        if not hasattr(modules, "sequences"):
            return None
        return slicer.modules.sequences.logic().GetFirstBrowserNodeForProxyNode(self.volume)

    def frame(self) -> Frame:
        """What is shown now."""
        browser = self.browser
        if browser is None:
            return (None, volume_state(self.volume))
        return self._frame_at(browser, selected_value(browser))

    def is_there(self, frame: Frame) -> bool:
        """False once voxels or place of that frame have changed, shown or not."""
        browser = self.browser
        if browser is None or frame[0] is None:
            return self.frame() == frame
        return self._frame_at(browser, frame[0]) == frame

    def image(self) -> Image:
        """The shown frame; the same object as long as nothing changes."""
        frame = self.frame()
        if frame not in self._images:
            self._images = {f: i for f, i in self._images.items() if self.is_there(f)}
            self._images[frame] = self._open(frame)
        return self._images[frame]

    def _open(self, frame: Frame) -> Image:
        image, browser = scan_of(self.volume), self.browser
        node = None if browser is None else self._node_at(browser, frame[0])
        if node is None:
            return image
        if isinstance(image, ShearedScan):
            return image.resampled
        array = image_from_volume(node).array  # the proxy's own voxels go with the next frame
        return replace(image, array=array) if array.shape == image.array.shape else image

    def _frame_at(self, browser: Any, value: str) -> Frame:
        node = self._node_at(browser, value)
        state = volume_state(self.volume) if node is None else voxel_state(node)
        return value, state, volume_affine(self.volume).tobytes()

    def _node_at(self, browser: Any, value: str) -> Any | None:
        return browser.GetSequenceNode(self.volume).GetDataNodeAtValue(value)


def selected_value(browser: Any) -> str:
    """Index value of the frame that a browser shows."""
    master = browser.GetMasterSequenceNode()
    return str(master.GetNthIndexValue(browser.GetSelectedItemNumber()))


def show_frame(browser: Any, number: int) -> None:
    """Show a frame of the master sequence, from 0."""
    value = browser.GetMasterSequenceNode().GetNthIndexValue(number)
    browser.SetSelectedItemNumber(
        browser.GetMasterSequenceNode().GetItemNumberFromIndexValue(value)
    )


def follow_frames(browser: Any, segmentation: Any) -> None:
    """Let a segmentation keep its masks per frame; what is in it now belongs to the shown one.

    The other frames get the same segments, empty. May be called again.
    """
    sequence = browser.GetSequenceNode(segmentation)
    if sequence is None:
        sequence = segmentation.GetScene().AddNewNodeByClass(
            "vtkMRMLSequenceNode", f"{segmentation.GetName()} frames"
        )
        master = browser.GetMasterSequenceNode()
        sequence.SetIndexName(master.GetIndexName())
        sequence.SetIndexUnit(master.GetIndexUnit())
        sequence.SetIndexType(master.GetIndexType())
        sequence.SetDataNodeAtValue(segmentation, selected_value(browser))
        _add_frames(browser, sequence)
        browser.AddSynchronizedSequenceNode(sequence)
        browser.SetMissingItemMode(sequence, browser.MissingItemSetToDefault)
        browser.AddProxyNode(segmentation, sequence, False)
    browser.SetSaveChanges(sequence, True)


def add_new_frames(browser: Any, segmentation: Any) -> None:
    """Give frames that were recorded since the same segments, empty."""
    sequence = browser.GetSequenceNode(segmentation)
    if sequence is None or not sequence.GetNumberOfDataNodes():
        return
    if _add_frames(browser, sequence):
        slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(browser)


def lend_segment(browser: Any, segmentation: Any, segment_id: str) -> None:
    """Add a segment, empty, to the shown frame when other frames have it."""
    own = segmentation.GetSegmentation()
    segment = lent_segment(browser, segmentation, segment_id)
    if segment is not None and own.GetSegment(segment_id) is None:
        own.AddEmptySegment(segment_id, segment.GetName(), segment.GetColor())


def lent_segment(browser: Any, segmentation: Any, segment_id: str) -> Any | None:
    """The segment in any frame that has it."""
    sequence = browser.GetSequenceNode(segmentation)
    for number in range(0 if sequence is None else sequence.GetNumberOfDataNodes()):
        segment = sequence.GetNthDataNode(number).GetSegmentation().GetSegment(segment_id)
        if segment is not None:
            return segment
    return None


def _add_frames(browser: Any, sequence: Any) -> int:
    """Add the frames that are missing; how many."""
    master = browser.GetMasterSequenceNode()
    values = [master.GetNthIndexValue(n) for n in range(master.GetNumberOfDataNodes())]
    missing = [value for value in values if sequence.GetDataNodeAtValue(value) is None]
    blank = _blank_of(sequence.GetNthDataNode(0)) if missing else None
    for value in missing:
        sequence.SetDataNodeAtValue(blank, value)
    return len(missing)


def _blank_of(node: Any) -> Any:
    """A segmentation node with the same geometry and segments, without voxels."""
    blank = slicer.vtkMRMLSegmentationNode()
    blank.SetName(node.GetName())
    source, target = node.GetSegmentation(), blank.GetSegmentation()
    name = slicer.vtkSegmentationConverter.GetReferenceImageGeometryParameterName()
    target.SetConversionParameter(name, source.GetConversionParameter(name))
    for segment_id in source.GetSegmentIDs():
        segment = source.GetSegment(segment_id)
        target.AddEmptySegment(segment_id, segment.GetName(), segment.GetColor())
    return blank
