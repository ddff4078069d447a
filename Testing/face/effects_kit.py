"""The effects in a segment editor, as a user has them, on the real helper process.

Everything a test does goes through Slicer's names: real events in views, the editor's own undo.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import slicer

sys.path[:0] = [str(Path(__file__).parents[1] / name) for name in ("engine", "plugin", "scene")]

import SegmentEditorMedSegFoundation as Registration  # noqa: E402
from companion_kit import PLUGIN  # noqa: E402
from medseg.record import TAG, Record  # noqa: E402
from medseg_face import application, desks  # noqa: E402
from medseg_scene import image_from_volume, read_segment  # noqa: E402
from medseg_scene import settings as keys  # noqa: E402
from medseg_scene.tags import read_tag  # noqa: E402
from scene_kit import add_segment, add_segmentation, add_volume, oriented  # noqa: E402

SCREENSHOTS = Path(__file__).parents[2] / "screenshots"
SHAPE = (12, 16, 20)
EFFECTS = ("Point", "Box", "Scribble", "Lasso", "Text", "Propagate")
VIEWS = {"Axial": "Red", "Sagittal": "Yellow", "Coronal": "Green"}

__all__ = [
    "EFFECTS",
    "SCREENSHOTS",
    "SHAPE",
    "Room",
    "add_segment",
    "add_segmentation",
    "add_volume",
    "by_hand",
    "helper",
    "make",
    "oriented",
    "painted_ball",
    "room",
    "three_d",
]


def three_d():
    """The 3D view."""
    return slicer.app.layoutManager().threeDWidget(0)


class Room:
    """A volume, a segmentation and a segment editor that shows them in the usual views."""

    def __init__(self, host, volume=None, segmentation=None, model="painter") -> None:
        self.host = host
        self.closed = False
        self.face = application.face()
        self.face.settings.set(keys.MODEL, model)
        Registration.register_effects()
        self.volume = volume or add_volume()
        self.volume.CreateDefaultDisplayNodes()
        self.segmentation = segmentation or add_segmentation(self.volume)
        self.widget = slicer.qMRMLSegmentEditorWidget()
        self.widget.setMaximumNumberOfUndoStates(10)
        self.widget.setMRMLScene(slicer.mrmlScene)
        self.node = editor_node()
        self.widget.setMRMLSegmentEditorNode(self.node)
        self.show(self.volume, self.segmentation)

    def show(self, volume, segmentation) -> None:
        """Choose them in the editor."""
        self.volume, self.segmentation = volume, segmentation
        self.widget.setSegmentationNode(segmentation)
        self.widget.setSourceVolumeNode(volume)
        for way, name in VIEWS.items():
            self.view(name).setSliceOrientation(way)
        self.host.show_volume(volume)

    # What is there

    def view(self, name="Red"):
        return self.host.slice_widget(name)

    @property
    def image(self):
        return image_from_volume(self.volume)

    @property
    def effect(self):
        """The active effect's Python side; None when none is active."""
        active = self.widget.activeEffect()
        return None if active is None else active.self()

    @property
    def desk(self):
        return next(d for k, d in desks._desks.items() if k == self.widget)

    @property
    def ids(self):
        return list(self.segmentation.GetSegmentation().GetSegmentIDs())

    @property
    def selected(self):
        return self.node.GetSelectedSegmentID()

    @property
    def prompts(self):
        return [entry.prompt for entry in self.desk.entries]

    def segment(self, segment_id=None):
        return self.segmentation.GetSegmentation().GetSegment(segment_id or self.selected)

    def mask(self, segment_id=None):
        """``(K, J, I)`` on the grid of the volume, read afresh."""
        return read_segment(self.segmentation, segment_id or self.selected, self.image)

    def record(self, segment_id=None):
        text = read_tag(self.segment(segment_id), TAG)
        return Record.loads(text) if text else None

    def ras(self, *kji):
        return self.image.ijk_to_ras(list(kji)[::-1])

    def ball(self, *kji):
        """What the painter makes of a click."""
        return painted_ball(self.image, self.ras(*kji))

    # What a user does

    def activate(self, name="Point"):
        self.widget.setActiveEffectByName(f"MedSeg {name}")
        return self.effect

    def leave(self) -> None:
        self.widget.setActiveEffectByName("")

    def go(self, *kji, view="Red"):
        """Show the slice of a voxel in a view; gives where it is there, in RAS mm."""
        ras = self.ras(*kji)
        self.view(view).mrmlSliceNode().JumpSliceByCentering(*[float(v) for v in ras])
        return ras

    def click(self, *kji, view="Red", wait=True, **how) -> None:
        self.host.click(self.view(view), self.go(*kji, view=view), **how)
        if wait:
            self.settle()

    def drag(self, voxels, view="Red", wait=True, **how) -> None:
        places = [self.go(*kji, view=view) for kji in voxels[:1]]
        places += [self.ras(*kji) for kji in voxels[1:]]
        self.host.drag(self.view(view), places, **how)
        if wait:
            self.settle()

    def spin(self, until, timeout=60) -> None:
        self.host.spin(until, timeout)

    def turn(self) -> None:
        """Serve what has been told."""
        told = []
        self.face.loop.call_later(0, lambda: told.append(1))
        self.spin(lambda: told)
        self.host.turn()

    def settle(self) -> None:
        """Until nothing is under way and everything is shown."""
        self.spin(lambda: not self.desk.busy)
        self.turn()
        self.turn()

    def undo(self) -> None:
        self.widget.undo()
        self.turn()

    def redo(self) -> None:
        self.widget.redo()
        self.turn()

    def props(self, view="Red"):
        """How many things are drawn in a view."""
        widget = view if not isinstance(view, str) else self.view(view)
        canvas = widget.sliceView() if hasattr(widget, "sliceView") else widget.threeDView()
        renderer = canvas.renderWindow().GetRenderers().GetFirstRenderer()
        return renderer.GetViewProps().GetNumberOfItems()

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        self.widget.setActiveEffectByName("")
        self.widget.removeViewObservations()
        self.widget.uninstallKeyboardShortcuts()
        self.widget.setMRMLSegmentEditorNode(None)
        for desk in list(desks._desks.values()):
            desks.let_go(desk)
        self.widget.close()
        self.widget.deleteLater()


def editor_node():
    """The node that Slicer's own module uses."""
    scene = slicer.mrmlScene
    node = scene.GetSingletonNode("SegmentEditor", "vtkMRMLSegmentEditorNode")
    if node is None:
        node = slicer.vtkMRMLSegmentEditorNode()
        node.SetSingletonTag("SegmentEditor")
        node = scene.AddNode(node)
    return node


def painted_ball(image, ras):
    """``(K, J, I)``: the voxels within 3 mm."""
    from medseg import Point
    from medseg_test_models import Painter

    return Painter("cpu").open(image).segment([Point(ras)])


def by_hand(room, mask, mode="Add", affine=None):
    """What a user does with Paint or Erase: another effect of the same editor writes."""
    effect = room.widget.effectByName(HAND)
    effect.saveStateForUndo()
    mode = getattr(slicer.qSlicerSegmentEditorAbstractEffect, f"ModificationMode{mode}")
    affine = room.image.affine if affine is None else affine
    effect.modifySelectedSegmentByLabelmap(oriented(mask, affine), mode)


#: An effect of Slicer's own where there is one; the test host has none, and gets a small one.
HAND = "Test hand"
_SOURCE = """
import slicer
from SegmentEditorEffects import *


class TestHandEffect(AbstractScriptedSegmentEditorEffect):
    def __init__(self, scriptedEffect):
        scriptedEffect.name = "Test hand"
        scriptedEffect.title = "Test hand"
        AbstractScriptedSegmentEditorEffect.__init__(self, scriptedEffect)

    def clone(self):
        effect = slicer.qSlicerSegmentEditorScriptedEffect(None)
        effect.setPythonSource(__file__)
        return effect
"""


def register_hand(folder) -> None:
    path = Path(folder) / "MedSegTestHand" / "TestHandEffect.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(_SOURCE)
    effect = slicer.qSlicerSegmentEditorScriptedEffect(None)
    effect.setPythonSource(path.as_posix())
    effect.self().register()


@pytest.fixture(scope="module")
def helper(slicer_app):
    """One helper process with the test models for all tests of a file."""
    patch = pytest.MonkeyPatch()
    before = os.environ.get("PYTHONPATH")
    patch.setenv("PYTHONPATH", os.pathsep.join([str(PLUGIN), *([before] if before else [])]))
    patch.setenv("MEDSEG_TEST_SECONDS", "0.2")
    application.close()
    yield
    desks.close_all()
    application.close()
    patch.undo()


@pytest.fixture
def make(host, helper, tmp_path):
    """Makes rooms; all are closed at the end."""
    rooms = []

    def room(**how):
        register_hand(tmp_path)
        rooms.append(Room(host, **how))
        return rooms[-1]

    yield room
    for made in rooms:
        made.close()


@pytest.fixture
def room(make):
    """The usual room: a small volume, an empty segmentation."""
    return make()


def window(room):
    """Where a key arrives when no text field has the focus."""
    widget = slicer.util.mainWindow() or room.widget.window()
    widget.show()
    widget.activateWindow()
    widget.setFocus()
    room.host.turn()
    return widget
