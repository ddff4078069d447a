"""A volume that shows the frames of a sequence: every frame keeps its own result."""

import numpy as np
import pytest
import slicer
from live_kit import Live, in_scene, painted
from medseg.errors import StaleError
from scene_kit import add_segment, add_segmentation, box_mask, draw_by_hand

SHAPE = (5, 10, 14)
FRAMES = 4
CORNER = box_mask(SHAPE, (0, 2), (0, 2), (0, 2))


@pytest.fixture
def browser(scene):
    """A browser over four frames; its proxy is the volume."""
    sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "film")
    for number in range(FRAMES):
        frame = slicer.vtkMRMLScalarVolumeNode()
        frame.SetName(f"frame {number}")
        slicer.util.updateVolumeFromArray(frame, np.full(SHAPE, number, np.int16))
        sequence.SetDataNodeAtValue(frame, str(number))
    browser = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "browser")
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    return browser


@pytest.fixture
def film(kit, browser):
    volume = browser.GetProxyNode(browser.GetMasterSequenceNode())
    segmentation = add_segmentation(volume)
    live = Live(kit, volume, segmentation)
    yield live
    live.close()


def show(live, number):
    live.browser.SetSelectedItemNumber(number)
    live.turn()


def frames(live):
    """Which voxels each frame holds, read by browsing."""
    shown = live.browser.GetSelectedItemNumber()
    masks = []
    for number in range(FRAMES):
        live.browser.SetSelectedItemNumber(number)
        masks.append(in_scene(live))
    live.browser.SetSelectedItemNumber(shown)
    return masks


def test_the_image_is_the_shown_frame(film):
    for number in (2, 0, 3):
        show(film, number)
        assert (film.image.array == number).all()
    first = film.image
    show(film, 1)
    show(film, 3)
    assert film.image is first


def test_the_voxels_are_those_of_the_stored_frame(film):
    """Not those of the proxy, which go when the next frame is shown."""
    show(film, 2)
    stored = film.browser.GetMasterSequenceNode().GetDataNodeAtValue("2")
    assert np.shares_memory(film.image.array, slicer.util.arrayFromVolume(stored))


def test_another_frame_begins_with_nothing_to_undo(film, monkeypatch):
    told = []
    monkeypatch.setattr(film.editor, "forget", lambda: told.append(1))
    film.click(2, 5, 3)
    assert not told
    show(film, 1)
    assert told


def test_each_frame_keeps_its_result_and_its_prompts(film):
    for number in (2, 0):
        show(film, number)
        film.click(2, 5, 3 + 3 * number)
    masks = frames(film)
    for number in range(FRAMES):
        show(film, number)
        clicks = [film.at(2, 5, 3 + 3 * number)] if number in (0, 2) else []
        assert (masks[number] == painted(film.image, clicks)).all()
        assert [p.data() for p in film.prompts] == [c.data() for c in clicks]
    show(film, 2)
    film.click(2, 1, 1)
    assert len(film.prompts) == 2
    assert (in_scene(film) == painted(film.image, film.prompts)).all()
    show(film, 0)
    assert (in_scene(film) == masks[0]).all()


def test_the_sequence_of_segmentations_is_made_once_at_the_first_prompt(film):
    assert film.browser.GetSequenceNode(film.segmentation) is None
    film.click(2, 5, 3)
    sequence = film.browser.GetSequenceNode(film.segmentation)
    show(film, 1)
    film.click(2, 5, 3)
    assert film.browser.GetSequenceNode(film.segmentation) is sequence
    assert film.browser.GetSaveChanges(sequence)
    assert sequence.GetNumberOfDataNodes() == FRAMES
    assert film.browser.GetProxyNode(sequence) is film.segmentation


def test_what_was_drawn_before_belongs_to_the_frame_shown_at_the_first_prompt(film):
    other = add_segment(film.segmentation, CORNER, name="drawn")
    show(film, 2)
    film.click(2, 5, 8)
    assert (in_scene(film, other) == CORNER).all()
    show(film, 3)
    assert not in_scene(film, other).any()
    assert film.segmentation.GetSegmentation().GetSegment(other).GetName() == "drawn"


def test_hand_edits_stay_in_their_frame(film):
    film.click(2, 5, 8)
    show(film, 1)
    draw_by_hand(film.editor, film.segmentation, film.segment_id, CORNER)
    film.click(2, 5, 8)
    assert in_scene(film)[CORNER].all()
    show(film, 0)
    assert (in_scene(film) == painted(film.image, film.prompts)).all()


def test_undo_never_brings_one_frame_into_another(film):
    film.click(2, 5, 3)
    film.click(2, 5, 10)
    masks = frames(film)
    show(film, 1)
    with pytest.raises(Exception, match="nothing to undo"):
        film.undo()
    film.click(2, 1, 1)
    film.undo()
    assert all((a == b).all() for a, b in zip(frames(film), masks, strict=True))


def test_a_result_waits_until_its_frame_is_shown_again(film):
    film.click(2, 5, 3)
    pending, behind = film.add(film.at(2, 5, 10)), film.add(film.at(4, 1, 1))
    show(film, 1)
    film.kit.until(lambda: "written when its frame is shown again" in film.line)
    assert not pending.finished
    assert not in_scene(film).any()
    film.click(2, 5, 6)
    show(film, 0)
    film.wait(behind)
    assert pending.error is None
    assert (in_scene(film) == painted(film.image, film.prompts)).all()
    assert len(film.prompts) == 3
    masks = frames(film)
    assert (masks[1] == painted(film.image, [film.at(2, 5, 6)])).all()


def test_a_prompt_asked_before_the_helper_was_ready_finds_its_frame(film):
    pending = film.add(film.at(2, 5, 10))
    show(film, 1)
    film.kit.until(lambda: film.line)
    show(film, 0)
    film.wait(pending)
    assert (in_scene(film) == painted(film.image, [film.at(2, 5, 10)])).all()


def test_a_waiting_result_can_be_cancelled(film):
    pending = film.add(film.at(2, 5, 3))
    show(film, 1)
    film.kit.until(lambda: film.line)
    pending.cancel()
    show(film, 0)
    film.settle()
    assert not in_scene(film).any()
    film.click(2, 5, 10)
    assert (in_scene(film) == painted(film.image, [film.at(2, 5, 10)])).all()


def test_a_frame_that_was_replaced_gets_no_result(film):
    film.click(2, 5, 3)
    before = frames(film)
    pending = film.add(film.at(2, 5, 10))
    show(film, 1)
    other = slicer.vtkMRMLScalarVolumeNode()
    slicer.util.updateVolumeFromArray(other, np.full(SHAPE, 99, np.int16))
    film.browser.GetMasterSequenceNode().SetDataNodeAtValue(other, "0")
    film.settle()
    assert isinstance(pending.error, StaleError)
    assert all((a == b).all() for a, b in zip(frames(film), before, strict=True))


def test_new_frames_begin_empty(film):
    film.click(2, 5, 3)
    more = slicer.vtkMRMLScalarVolumeNode()
    slicer.util.updateVolumeFromArray(more, np.full(SHAPE, 9, np.int16))
    film.browser.GetMasterSequenceNode().SetDataNodeAtValue(more, "9")
    show(film, FRAMES)
    film.wait(film.add(film.at(2, 5, 10)))
    assert (in_scene(film) == painted(film.image, [film.at(2, 5, 10)])).all()
    show(film, 0)
    assert (in_scene(film) == painted(film.image, [film.at(2, 5, 3)])).all()


def test_a_segment_made_in_one_frame_can_be_worked_on_in_the_others(film):
    film.click(2, 5, 3)
    made = film.segmentation.GetSegmentation().AddEmptySegment("new", "tumour")
    film.select(made)
    film.click(2, 5, 10)
    show(film, 1)
    film.click(2, 1, 1)
    assert film.segmentation.GetSegmentation().GetSegment(made).GetName() == "tumour"
    assert (in_scene(film) == painted(film.image, [film.at(2, 1, 1)])).all()
    show(film, 0)
    assert (in_scene(film) == painted(film.image, [film.at(2, 5, 10)])).all()
