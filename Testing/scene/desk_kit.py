"""A desk for tests, over a real helper process with the painter model."""

from __future__ import annotations

import numpy as np
import slicer
from live_kit import environment
from medseg import Point
from medseg_scene import CompanionOwner, Desk, LogicEditor, View, image_from_volume, read_segment

__all__ = ["AXES", "Bench", "environment", "slice_view", "view_of"]

#: Pixel axes (right, up) of views in RAS, as Slicer's presets have them.
AXES = {
    "axial": ([-1, 0, 0], [0, 1, 0]),
    "sagittal": ([0, -1, 0], [0, 0, 1]),
    "coronal": ([-1, 0, 0], [0, 0, 1]),
    "oblique": ([0.8, 0.6, 0], [-0.36, 0.48, 0.8]),
}
CENTRE = (9.0, 8.0, 6.0)


def slice_view(name="axial", centre=CENTRE, pixel=0.1, size=(400, 300), slice_mm=1.0):
    """A view with ``centre`` (RAS mm) in its middle."""
    right, up = (np.array(a, float) for a in AXES[name])
    matrix = np.eye(4)
    matrix[:3, 0], matrix[:3, 1] = right * pixel, up * pixel
    matrix[:3, 2] = np.cross(right, up) * slice_mm
    matrix[:3, 3] = np.array(centre) - matrix[:3, 0] * size[0] / 2 - matrix[:3, 1] * size[1] / 2
    return View(matrix, size)


def view_of(orientation, **options):
    """The view of a real slice node."""
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(slicer.mrmlScene)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSliceNode")
    node.SetOrientation(orientation)
    node.SetDimensions(*options.get("size", (400, 300)), 1)
    node.SetFieldOfView(40.0, 30.0, 1.0)
    node.JumpSliceByCentering(*options.get("centre", CENTRE))
    return View.of(node)


class Bench:
    """A desk on an editor, its helper turned by hand; counts what it tells."""

    def __init__(self, owner: CompanionOwner, volume, segmentation, **options):
        self.editor = LogicEditor.create(volume, segmentation)
        self.volume, self.segmentation = volume, segmentation
        self.owner = owner
        self.desk = Desk(self.editor, owner=owner, **options)
        self.desk.model = "painter"
        self.told = 0
        self.desk.listen(self._count)

    def _count(self):
        self.told += 1

    def until(self, finished):
        self.owner.loop.run_until(finished)

    def settle(self):
        """Wait until nothing is under way, and serve what the scene has told."""
        self.until(lambda: not self.desk.busy)
        for _ in range(2):
            self.turn()

    def turn(self):
        done = []
        self.owner.loop.call_later(0, lambda: done.append(1))
        self.until(lambda: done)

    def point(self, k, j, i, include=True):
        return Point(image_from_volume(self.volume).ijk_to_ras([i, j, k]), include)

    def click(self, k, j, i, include=True):
        pending = self.desk.add(self.point(k, j, i, include))
        self.settle()
        return pending.result

    @property
    def segments(self):
        return list(self.segmentation.GetSegmentation().GetSegmentIDs())

    @property
    def selected(self):
        return self.editor.node.GetSelectedSegmentID()

    def select(self, segment_id):
        self.editor.node.SetSelectedSegmentID(segment_id)

    def mask(self, segment_id=None):
        """What is in a segment, read afresh."""
        image = image_from_volume(self.volume)
        return read_segment(self.segmentation, segment_id or self.selected, image)

    @property
    def prompts(self):
        return [entry.prompt for entry in self.desk.entries]

    def close(self):
        self.desk.close()
        self.editor.close()
