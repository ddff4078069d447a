"""A desk on a sequence's proxy nodes: each frame has its own prompts and its own result."""

import numpy as np
import pytest
import slicer
from desk_kit import Bench, slice_view
from medseg_scene.gestures import PointGesture
from medseg_scene.marks import marks
from scene_kit import add_segmentation

SHAPE, FRAMES = (12, 16, 20), 3


@pytest.fixture
def film(shared_owner, scene):
    sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "film")
    for number in range(FRAMES):
        frame = slicer.vtkMRMLScalarVolumeNode()
        slicer.util.updateVolumeFromArray(frame, np.full(SHAPE, number, np.int16))
        sequence.SetDataNodeAtValue(frame, str(number))
    browser = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "browser")
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    volume = browser.GetProxyNode(sequence)
    bench = Bench(shared_owner, volume, add_segmentation(volume))
    bench.browser = browser
    yield bench
    bench.close()


def show(bench, number):
    bench.browser.SetSelectedItemNumber(number)
    bench.settle()


def test_each_frame_has_its_own_prompts_and_result(film):
    film.click(6, 8, 5)
    show(film, 1)
    assert film.desk.reason == ""
    assert film.desk.entries == ()
    assert marks(film.desk) == []
    film.click(6, 8, 15)
    show(film, 0)
    assert len(film.prompts) == 1
    assert film.mask()[6, 8, 5]
    assert not film.mask()[6, 8, 15]
    show(film, 1)
    assert film.mask()[6, 8, 15]
    assert not film.mask()[6, 8, 5]
    assert len(film.segments) == 1


def test_a_result_waits_for_its_frame(film):
    film.click(6, 8, 5)
    pending = film.desk.add(film.point(6, 8, 15))
    film.browser.SetSelectedItemNumber(2)
    film.until(lambda: film.desk.line or pending.finished)
    assert "when its frame is shown again" in film.desk.line
    assert not film.mask().any()
    show(film, 0)
    film.settle()
    assert pending.error is None
    assert film.mask()[6, 8, 15]


def test_a_point_is_dragged_in_the_frame_it_was_given_in(film):
    gesture, view = PointGesture(film.desk), slice_view()
    gesture.press(view, (200, 150))
    gesture.release(view, (200, 150))
    film.settle()
    show(film, 1)
    assert gesture.cursor(view, (200, 150)) == "cross"
    show(film, 0)
    assert gesture.cursor(view, (200, 150)) == "grab"


def test_a_desk_that_begins_in_a_frame_without_the_segment_lends_it(film, shared_owner):
    film.click(6, 8, 5)
    show(film, 1)
    film.desk.close()
    film.segmentation.GetSegmentation().RemoveSegment(film.selected)
    other = Bench(shared_owner, film.volume, film.segmentation)
    other.select(film.selected)
    assert other.desk.reason == ""
    assert other.desk.entries == ()
    assert film.segments == []
    other.click(6, 8, 15)
    assert other.mask()[6, 8, 15]
    assert film.segments == [film.selected]
    other.close()
