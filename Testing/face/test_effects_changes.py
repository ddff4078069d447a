# ruff: noqa: F811
"""The first click in a fresh application, and whatever changes while something runs."""

import os
import signal

import numpy as np
import pytest
import slicer
from effects_kit import (  # noqa: F401
    add_segment,
    add_segmentation,
    add_volume,
    application,
    by_hand,
    editor_node,
    helper,
    make,
    room,
)
from medseg_scene import read_segment
from scene_kit import box_mask

pytestmark = pytest.mark.usefixtures("host")


@pytest.fixture
def busy(make):
    """A click has its result, another one is being computed."""
    room = make(model="slow")
    room.activate()
    room.click(6, 8, 4)
    room.click(6, 8, 12, wait=False)
    assert room.desk.busy
    return room


def goes_on(room):
    """A click now does what it says."""
    room.activate()
    before = room.mask() if room.ids and room.selected else np.zeros(room.image.shape, bool)
    room.click(6, 8, 16)
    assert (room.mask() == before | room.ball(6, 8, 16)).all(), room.desk.line


# The first click


def test_the_first_click_in_a_fresh_application(make, host):
    """As a user finds it: a volume, the empty segmentation that the editor makes, no settings."""
    application.close()
    shape = (40, 60, 60)
    k, j, i = np.indices(shape)
    array = np.full(shape, 20, np.int16)
    ball = (k - 20) ** 2 + (j - 30) ** 2 + (i - 30) ** 2 < 144
    array[ball] = 200
    array += np.random.default_rng(0).integers(-10, 10, shape).astype(np.int16)
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    room = make(volume=add_volume(array), segmentation=segmentation, model="default")
    room.activate()
    host.reset_clock()
    room.face.loop.longest_turn = 0.0
    room.click(20, 30, 30)
    assert len(room.ids) == 1
    mask = room.mask()
    assert 2 * (mask & ball).sum() / (mask.sum() + ball.sum()) > 0.8
    assert len(room.prompts) == 1
    print(
        f"\nfirst click: longest turn of the window {1000 * host.longest_turn:.0f} ms, "
        f"of our own callbacks {1000 * room.face.loop.longest_turn:.0f} ms"
    )


def test_there_is_no_way_to_click_without_a_volume(make):
    """Slicer disables the buttons then; a volume that goes away later is explained."""
    room = make()
    room.activate()
    room.widget.setSourceVolumeNode(None)
    room.turn()
    room.host.click(room.view(), (100, 100))
    room.turn()
    assert room.desk.line == "Choose a source volume first."
    assert room.ids == []


def test_without_a_segmentation_no_effect_starts(make):
    room = make()
    room.widget.setSegmentationNode(None)
    room.activate()
    assert room.effect is None


# Changes while something runs


def test_another_segment_is_chosen(busy):
    room = busy
    first = room.selected
    other = room.segmentation.GetSegmentation().AddEmptySegment("other")
    room.node.SetSelectedSegmentID(other)
    room.settle()
    assert (room.mask(first) == room.ball(6, 8, 4) | room.ball(6, 8, 12)).all()
    assert not room.mask(other).any()
    assert room.selected == other
    goes_on(room)
    assert room.mask(first)[6, 8, 12]


def test_another_effect_of_ours_is_chosen(busy):
    busy.activate("Box")
    busy.settle()
    assert len(busy.prompts) == 2
    assert (busy.mask() == busy.ball(6, 8, 4) | busy.ball(6, 8, 12)).all()


def test_another_effect_of_slicers_is_chosen(busy):
    busy.widget.setActiveEffectByName("Test hand")
    by_hand(busy, box_mask(busy.image.shape, (0, 2), (0, 2), (0, 2)))
    busy.settle()
    assert busy.mask()[:2, :2, :2].all()
    goes_on(busy)


def test_the_module_is_left_and_entered_again(busy):
    busy.widget.setActiveEffectByName("")
    busy.widget.removeViewObservations()
    busy.widget.uninstallKeyboardShortcuts()
    busy.settle()
    assert (busy.mask() == busy.ball(6, 8, 4) | busy.ball(6, 8, 12)).all()
    busy.widget.setupViewObservations()
    goes_on(busy)


def test_another_volume_is_chosen(busy):
    before = busy.mask()
    busy.show(add_volume(name="another"), busy.segmentation)
    busy.activate()
    busy.settle()
    assert (busy.mask() == before).all()
    goes_on(busy)


def test_another_segmentation_is_chosen(busy):
    first, segment = busy.segmentation, busy.selected
    busy.show(busy.volume, add_segmentation(busy.volume, "another"))
    assert busy.effect is None
    busy.settle()
    kept = read_segment(first, segment, busy.image)
    assert (kept == busy.ball(6, 8, 4)).all()
    goes_on(busy)
    assert (read_segment(first, segment, busy.image) == kept).all()


@pytest.mark.parametrize("what", ["volume", "segmentation"])
def test_a_node_is_deleted(busy, what):
    slicer.mrmlScene.RemoveNode(getattr(busy, what))
    busy.settle()
    busy.host.click(busy.view(), (100, 100))
    busy.settle()
    assert busy.desk.line
    volume = add_volume() if what == "volume" else busy.volume
    segmentation = add_segmentation(volume) if what == "segmentation" else busy.segmentation
    busy.show(volume, segmentation)
    goes_on(busy)


def test_the_segment_is_deleted(busy):
    busy.segmentation.GetSegmentation().RemoveSegment(busy.selected)
    busy.settle()
    assert busy.ids == []
    goes_on(busy)


def test_the_editor_node_is_exchanged(busy):
    other = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentEditorNode")
    busy.widget.setMRMLSegmentEditorNode(other)
    busy.settle()
    busy.node = other
    busy.show(busy.volume, add_segmentation(busy.volume, "another"))
    goes_on(busy)


def test_the_scene_is_closed(busy):
    slicer.mrmlScene.Clear(0)
    busy.turn()
    assert busy.effect is None
    assert not busy.desk.busy
    busy.host.click(busy.view(), (100, 100))
    volume = add_volume()
    busy.node = editor_node()
    busy.widget.setMRMLSegmentEditorNode(busy.node)
    busy.show(volume, add_segmentation(volume))
    goes_on(busy)
    assert busy.node.GetOverwriteMode() == busy.node.OverwriteNone
    busy.leave()
    assert busy.node.GetOverwriteMode() == busy.node.OverwriteAllSegments


def test_the_scene_is_closed_in_the_middle_of_a_drag(busy):
    host, view = busy.host, busy.view()
    xy = host.xy(view, busy.go(6, 8, 4))
    host._invoke(view, xy, (), "LeftButtonPressEvent")
    host._invoke(view, (xy[0] + 30, xy[1]), (), "MouseMoveEvent")
    slicer.mrmlScene.Clear(0)
    host._invoke(view, (xy[0] + 60, xy[1]), (), "MouseMoveEvent")
    host._invoke(view, (xy[0] + 60, xy[1]), (), "LeftButtonReleaseEvent")
    busy.turn()
    assert not busy.desk.busy


def test_the_volume_is_deleted_in_the_middle_of_a_drag(busy):
    busy.settle()
    host, view = busy.host, busy.view()
    xy = host.xy(view, busy.go(6, 8, 4))
    host._invoke(view, xy, (), "LeftButtonPressEvent")
    slicer.mrmlScene.RemoveNode(busy.volume)
    host._invoke(view, (xy[0] + 60, xy[1]), (), "MouseMoveEvent")
    host._invoke(view, (xy[0] + 60, xy[1]), (), "LeftButtonReleaseEvent")
    busy.turn()
    assert busy.desk.line


def test_the_helper_process_is_killed(busy):
    os.kill(busy.face.owner.companion().pid, signal.SIGKILL)
    busy.host.reset_clock()
    busy.settle()
    assert (busy.mask() == busy.ball(6, 8, 4) | busy.ball(6, 8, 12)).all()
    goes_on(busy)
    print(f"\nlost helper: longest turn of the window {1000 * busy.host.longest_turn:.0f} ms")


def test_the_editor_widget_is_deleted(busy):
    desk = busy.desk
    busy.close()
    slicer.app.sendPostedEvents(None, 52)  # QEvent::DeferredDelete
    busy.host.turn()
    assert desk.reason
    assert not desk.busy


def test_the_application_quits(busy):
    """What runs is left out, and no helper process stays behind."""
    from companion_kit import is_alive

    pid = busy.face.owner.companion().pid
    busy.face.owner.close()
    assert not is_alive(pid)
    busy.turn()
    assert not busy.desk.busy


def test_undo_of_everything_while_something_runs(busy):
    for _ in range(3):
        busy.desk.undo()
    busy.settle()
    assert not busy.mask().any()
    assert busy.prompts == []
    goes_on(busy)
