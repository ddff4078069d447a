"""A panel over a real desk: an editor of slicer-core, a real helper process, Qt's event loop."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import slicer

sys.path[:0] = [str(Path(__file__).parents[1] / name) for name in ("engine", "plugin")]

from companion_kit import environment  # noqa: E402
from medseg import Point  # noqa: E402
from medseg_face.loop import QtLoop  # noqa: E402
from medseg_face.panel import Panel  # noqa: E402
from medseg_scene import CompanionOwner, Desk, DictSettings, LogicEditor  # noqa: E402

SCREENSHOTS = Path(__file__).parents[2] / "screenshots"
KINDS = ("point", "box", "scribble", "lasso", "text", "propagate")


class Bench:
    """What a test of the panel needs: nodes, a desk, panels, and a way to wait."""

    def __init__(self, host, owner) -> None:
        self.host, self.owner = host, owner
        array = np.full((12, 16, 20), 100, np.int16)
        array[:, :, 10:] = 200
        self.volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "scan")
        slicer.util.updateVolumeFromArray(self.volume, array)
        self.volume.CreateDefaultDisplayNodes()
        self.segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "objects")
        self.segmentation.CreateDefaultDisplayNodes()
        self.segmentation.SetReferenceImageGeometryParameterFromVolumeNode(self.volume)
        self.editor = LogicEditor.create(self.volume, self.segmentation)
        self.node = self.editor.node
        self.settings = DictSettings({"model": "painter"})
        self.desk = Desk(self.editor, self.settings, owner)
        self.panels: list[Panel] = []
        for name, way in (("Red", "Axial"), ("Yellow", "Sagittal"), ("Green", "Coronal")):
            host.slice_widget(name).setSliceOrientation(way)
        host.show_volume(self.volume)
        self.desk.wake()
        self.spin(lambda: owner.greeting.finished)

    def panel(self, kind: str = "point") -> Panel:
        panel = Panel(self.desk, kind)
        self.panels.append(panel)
        return panel

    def spin(self, until) -> None:
        self.host.spin(until, timeout=60)
        self.host.turn()

    def settle(self) -> None:
        """Until nothing is under way and everything is shown."""
        self.spin(lambda: not self.desk.busy)
        told = []
        self.owner.loop.call_later(0, lambda: told.append(1))
        self.spin(lambda: told)

    def at(self, k: float, j: float, i: float, include: bool = True) -> Point:
        place = np.zeros(4)
        self.matrix.MultiplyPoint([i, j, k, 1.0], place)
        return Point(place[:3], include)

    @property
    def matrix(self):
        import vtk

        matrix = vtk.vtkMatrix4x4()
        self.volume.GetIJKToRASMatrix(matrix)
        return matrix

    def click(self, *voxel, include: bool = True) -> None:
        self.desk.add(self.at(*voxel, include=include))
        self.settle()

    def paint(self) -> None:
        """What a user does with Paint: one voxel of the segment, by hand."""
        image = slicer.vtkOrientedImageData()
        image.SetExtent(1, 1, 1, 1, 1, 1)
        image.AllocateScalars(3, 1)
        image.GetPointData().GetScalars().Fill(1)
        image.SetGeometryFromImageToWorldMatrix(self.matrix)
        self.editor.save_state()
        self.editor.add(self.segmentation, self.node.GetSelectedSegmentID(), image)

    def mask(self):
        name = self.node.GetSelectedSegmentID()
        return slicer.util.arrayFromSegmentBinaryLabelmap(self.segmentation, name, self.volume)

    def voxels(self) -> int:
        """How many the selected segment has."""
        return int(self.mask().sum())

    def slices(self) -> list[int]:
        """Slices along K that the selected segment lies in."""
        return np.flatnonzero(self.mask().any(axis=(1, 2))).tolist()

    def close(self) -> None:
        for panel in self.panels:
            panel.let_go()
            panel.widget.close()
        self.desk.close()
        if self.node.GetScene() is not None:
            self.editor.close()


@pytest.fixture(scope="module")
def owner(slicer_app):
    """One helper process for all tests of a file."""
    made = CompanionOwner(QtLoop(), env=environment(MEDSEG_TEST_SECONDS="0.3"))
    yield made
    made.close()


@pytest.fixture
def bench(host, owner):
    made = Bench(host, owner)
    yield made
    made.close()
