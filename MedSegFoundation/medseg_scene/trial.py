"""One click on a sample whose answer is known: does it all work, and how well?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import slicer
from medseg import MedsegError, Point, Step
from medseg.companion.pending import Pending

from .live import LiveSession
from .owner import CompanionOwner
from .sample import Sample, add_sample, dice

#: Below this something is wrong with the installation rather than with the click.
_ENOUGH = 0.8


class Trial:
    """``line``: where it stands, in one sentence. ``score``: Dice, None until there is one.

    ``sample``: the nodes, while they are in the scene. Nothing waits.
    """

    def __init__(self, owner: CompanionOwner, changed: Callable[[], object]) -> None:
        self._owner = owner
        self._changed = changed
        self._session: LiveSession | None = None
        self._pending: Pending[Step] | None = None
        self.sample: Sample | None = None
        self.line = ""
        self.score: float | None = None

    @property
    def busy(self) -> bool:
        return self._pending is not None

    @property
    def segment_id(self) -> str:
        """The segment of the result, "" before there is one."""
        sample = self.present()
        if sample is None:
            return ""
        ids = sample.segmentation.GetSegmentation().GetSegmentIDs()
        return str(ids[0]) if ids else ""

    def present(self) -> Sample | None:
        """The sample, if its nodes are still in the scene."""
        if self.sample is None:
            return None
        nodes = (self.sample.volume, self.sample.segmentation)
        if any(node.GetScene() is not slicer.mrmlScene for node in nodes):
            self.sample = None
        return self.sample

    def start(self) -> None:
        """Make the sample, unless it is there, and click on its kidney; once at a time."""
        if self.busy:
            return
        self.score = None
        sample = self.present()
        if sample is None:
            sample = self.sample = add_sample()
        sample.segmentation.GetSegmentation().RemoveAllSegments()
        segment_id = sample.segmentation.GetSegmentation().AddEmptySegment("", "Kidney")
        self.line = "The helper process starts; the first click takes a few seconds."
        try:
            self._session = LiveSession(
                sample.volume, sample.segmentation, self._owner.companion(), segment_id
            )
        except MedsegError as error:
            self.line = str(error)
            self._changed()
            return
        self._pending = self._session.add(Point(np.array(sample.place)))
        self._changed()
        self._pending.then(self._done, self._failed)

    def cancel(self) -> None:
        """Leave it, and take nothing along."""
        self._let_go()

    def _done(self, step: Step) -> None:
        session = self._session
        sample = self.present()
        if session is not None and sample is not None:
            self.score = dice(session.mask, sample.answer)
            self.line = self._verdict(step)
        self._let_go()

    def _failed(self, error: MedsegError) -> None:
        self.line = str(error)
        self._let_go()

    def _verdict(self, step: Step) -> str:
        assert self.score is not None
        told = f"One click found the kidney: Dice {self.score:.2f} (1 is perfect)"
        if self.score < _ENOUGH:
            return f"{told}. That is less than expected; another model may be chosen."
        return f"{told}, {step.ml:.0f} ml in {step.seconds:.1f} s. All is in place."

    def _let_go(self) -> None:
        session, self._session, self._pending = self._session, None, None
        if session is not None:
            session.close()
        self._changed()


def into_editor(sample: Any, segment_id: str) -> None:
    """Have the Segment Editor module show the sample and its segment."""
    scene = slicer.mrmlScene
    node = scene.GetSingletonNode("SegmentEditor", "vtkMRMLSegmentEditorNode")
    if node is None:
        node = slicer.vtkMRMLSegmentEditorNode()
        node.SetSingletonTag("SegmentEditor")
        node = scene.AddNode(node)
    node.SetAndObserveSegmentationNode(sample.segmentation)
    node.SetAndObserveSourceVolumeNode(sample.volume)
    node.SetSelectedSegmentID(segment_id)
