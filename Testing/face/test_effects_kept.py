# ruff: noqa: F811
"""What stays: prompts in a saved scene, results of each frame of a sequence, the user's choices."""

import numpy as np
import pytest
import slicer
from effects_kit import (  # noqa: F401
    add_segmentation,
    add_volume,
    editor_node,
    helper,
    make,
    room,
)

pytestmark = pytest.mark.usefixtures("host")


def test_a_saved_scene_goes_on_with_its_prompts(make, tmp_path):
    room = make()
    room.activate()
    room.click(6, 8, 4)
    room.click(6, 8, 14)
    room.leave()
    expected = room.mask()
    path = str(tmp_path / "objects.seg.nrrd")
    storage = slicer.vtkMRMLSegmentationStorageNode()
    slicer.mrmlScene.AddNode(storage)
    storage.SetFileName(path)
    assert storage.WriteData(room.segmentation)
    slicer.mrmlScene.Clear(0)
    volume = add_volume()
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "objects")
    storage = slicer.vtkMRMLSegmentationStorageNode()
    slicer.mrmlScene.AddNode(storage)
    storage.SetFileName(path)
    assert storage.ReadData(segmentation)
    room.node = editor_node()
    room.widget.setMRMLSegmentEditorNode(room.node)
    room.show(volume, segmentation)
    room.activate()
    assert (room.mask() == expected).all()
    assert len(room.prompts) == 2
    room.drag([(6, 8, 14), (6, 8, 10)])
    assert len(room.prompts) == 2
    assert (room.mask() == room.ball(6, 8, 4) | room.ball(6, 8, 10)).all()


@pytest.fixture
def browser(host):
    scene = slicer.mrmlScene
    sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "film")
    for number in range(3):
        frame = slicer.vtkMRMLScalarVolumeNode()
        frame.SetName(f"frame {number}")
        slicer.util.updateVolumeFromArray(frame, np.full((12, 16, 20), 100 + number, np.int16))
        sequence.SetDataNodeAtValue(frame, str(number))
    browser = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "browser")
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    return browser


def test_each_frame_of_a_sequence_keeps_its_result_and_its_prompts(make, browser):
    volume = browser.GetProxyNode(browser.GetMasterSequenceNode())
    room = make(volume=volume, segmentation=add_segmentation(volume))
    room.activate()
    places = [(6, 8, 4), (6, 8, 10), (6, 8, 16)]
    for number, kji in enumerate(places):
        browser.SetSelectedItemNumber(number)
        room.turn()
        assert room.prompts == []
        room.click(*kji)
    for number, kji in enumerate(places):
        browser.SetSelectedItemNumber(number)
        room.turn()
        assert (room.mask() == room.ball(*kji)).all()
        assert len(room.prompts) == 1


def test_choices_are_remembered_in_slicers_settings(make):
    room = make()
    room.activate()
    room.desk.preview = True
    room.desk.model = "slow"
    room.close()
    again = make(model="slow")
    again.activate()
    assert again.desk.preview is True
    again.face.settings.set("preview", False)
    assert again.desk.preview is False
    assert again.face.settings.get("box/depth", 2.5) == 2.5
    again.face.settings.set("box/depth", 7.5)
    assert again.face.settings.get("box/depth", 2.5) == 7.5
    again.face.settings.set("box/depth", "wide")
    assert again.face.settings.get("box/depth", 2.5) == 2.5


def test_a_preview_is_drawn_and_accepted(room):
    room.activate()
    room.desk.preview = True
    before = room.props()
    room.click(6, 8, 10)
    assert room.desk.shown_preview is not None
    assert not room.mask().any()
    assert room.props() > before
    room.desk.accept()
    room.settle()
    assert (room.mask() == room.ball(6, 8, 10)).all()


def test_one_click_makes_one_segment_each(room):
    room.activate()
    room.desk.new_segments = True
    for kji in ((6, 8, 4), (6, 8, 10), (6, 8, 16)):
        room.click(*kji)
    assert len(room.ids) == 3
    for name, kji in zip(room.ids, ((6, 8, 4), (6, 8, 10), (6, 8, 16)), strict=True):
        assert (room.mask(name) == room.ball(*kji)).all()


def test_what_lies_outside_the_freeze_is_frozen(room):
    from medseg_scene import Slab

    room.activate()
    room.desk.limits = Slab(0, 5, 6)
    room.click(6, 8, 10)
    expected = room.ball(6, 8, 10)
    expected[:5] = expected[7:] = False
    assert (room.mask() == expected).all()


def test_scripts_wait_in_slicers_own_loop(room):
    """`MedSegFoundationLogic` waits for a result while the window goes on."""
    import medseg_scene

    turned = []
    room.face.loop.call_later(0.01, lambda: turned.append(1))
    logic = medseg_scene.Scripting()
    session = logic.openLiveSession(room.volume, room.segmentation, model="painter")
    try:
        step = logic.addPoint(session, room.ras(6, 8, 10))
        assert step.ml > 0
        assert turned
        with pytest.raises(TimeoutError):
            room.face.loop.run_until(lambda: False, 0.05)
    finally:
        session.close()
