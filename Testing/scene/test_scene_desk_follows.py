"""A desk follows what is chosen in the editor: segment, volume, segmentation, scene."""

import numpy as np
import slicer
from medseg.errors import CancelledError
from medseg_scene import Desk, LogicEditor
from scene_kit import (
    add_segment,
    add_segmentation,
    add_transform,
    add_volume,
    box_mask,
)

SHAPE = (12, 16, 20)

CORNER = box_mask(SHAPE, (0, 2), (0, 2), (15, 19))


# Following the editor


def test_another_segment_has_its_own_prompts(bench):
    bench.click(6, 8, 5)
    first = bench.selected
    second = add_segment(bench.segmentation, CORNER)
    bench.select(second)
    assert bench.desk.entries == ()
    bench.click(6, 2, 9)
    assert len(bench.prompts) == 1
    assert bench.mask()[CORNER].all()
    bench.select(first)
    assert (bench.prompts[0].position == [5, 8, 6]).all()
    assert not bench.mask()[CORNER].any()


def test_a_result_under_way_goes_where_it_was_asked_for(bench):
    bench.click(6, 8, 5)
    first, second = bench.selected, add_segment(bench.segmentation, CORNER)
    pending = bench.desk.add(bench.point(6, 8, 15))
    bench.select(second)
    bench.settle()
    assert pending.error is None
    assert bench.mask(first)[6, 8, 15]
    assert (bench.mask(second) == CORNER).all()
    assert bench.selected == second


def test_another_volume_closes_the_session_and_the_next_click_opens_another(bench):
    bench.click(6, 8, 5)
    pending = bench.desk.add(bench.point(6, 8, 15))
    bench.editor.node.SetAndObserveSourceVolumeNode(add_volume(name="other"))
    assert len(bench.desk.entries) == 1
    assert isinstance(pending.error, CancelledError)
    assert "left out" in bench.desk.line
    assert len(bench.desk.entries) == 1
    bench.click(6, 8, 12)
    assert bench.mask()[6, 8, 12]
    assert bench.mask()[6, 8, 5]


def test_another_segmentation(bench):
    bench.click(6, 8, 5)
    other = add_segmentation(bench.volume, "others")
    bench.editor.node.SetAndObserveSegmentationNode(other)
    bench.select("")
    assert bench.desk.entries == ()
    bench.desk.add(bench.point(6, 2, 2))
    bench.settle()
    assert list(other.GetSegmentation().GetSegmentIDs()) == [bench.selected]
    assert len(bench.desk.entries) == 1
    bench.editor.node.SetAndObserveSegmentationNode(bench.segmentation)
    bench.select(bench.segments[0])
    assert len(bench.desk.entries) == 1
    assert bench.mask()[6, 8, 5]
    assert not bench.mask()[6, 2, 2]


def test_another_editor_node(bench, scene):
    bench.click(6, 8, 5)
    node = scene.AddNewNodeByClass("vtkMRMLSegmentEditorNode")
    node.SetAndObserveSegmentationNode(bench.segmentation)
    node.SetAndObserveSourceVolumeNode(bench.volume)
    bench.editor._logic.SetSegmentEditorNode(node)
    assert bench.desk.reason == "Select a segment first."
    assert bench.desk.entries == ()
    bench.select(bench.segments[0])
    assert len(bench.desk.entries) == 1
    bench.click(6, 8, 15)
    assert len(bench.desk.entries) == 2


def test_a_removed_segment_leaves_nothing_and_the_next_click_adds_another(bench):
    bench.click(6, 8, 5)
    bench.segmentation.GetSegmentation().RemoveSegment(bench.selected)
    bench.settle()
    assert bench.desk.entries == ()
    bench.click(6, 8, 15)
    assert len(bench.segments) == 1
    assert bench.mask()[6, 8, 15]
    assert not bench.mask()[6, 8, 5]


def test_after_the_scene_was_closed_work_goes_on_in_a_new_one(bench, scene):
    bench.click(6, 8, 5)
    bench.desk.add(bench.point(6, 8, 15))
    scene.Clear(0)
    bench.settle()
    assert bench.desk.entries == ()
    volume = add_volume()
    bench.volume, bench.segmentation = volume, add_segmentation(volume)
    bench.editor = LogicEditor.create(volume, bench.segmentation)
    bench.desk.editor = bench.editor
    bench.click(6, 8, 5)
    assert bench.mask()[6, 8, 5]


def test_a_result_written_meanwhile_does_not_mislead_who_looks_at_once(bench):
    """Slicer's own widgets tell effects in the middle of a write, when another is selected."""
    bench.click(6, 8, 5)
    first, second = bench.selected, add_segment(bench.segmentation, CORNER)
    seen = []
    pending = bench.desk.add(bench.point(6, 8, 15))
    bench.select(second)
    node = bench.editor.node
    tag = node.AddObserver("ModifiedEvent", lambda *_: seen.append(bench.desk.entries))
    bench.turn()
    bench.settle()
    node.RemoveObserver(tag)
    assert pending.error is None
    assert seen
    assert bench.selected == second
    assert bench.mask(first)[6, 8, 15]
    assert bench.desk.entries == ()


def test_who_looks_while_a_segment_is_made_does_not_change_what_is_made(bench):
    bench.click(6, 8, 5)
    bench.desk.new_segments = True
    node = bench.editor.node
    tag = node.AddObserver("ModifiedEvent", lambda *_: bench.desk.entries)
    bench.click(6, 8, 15)
    node.RemoveObserver(tag)
    assert len(bench.segments) == 2
    assert bench.selected == bench.segments[1]
    assert len(bench.desk.entries) == 1


def test_who_looks_while_the_first_segment_is_added_does_not_make_it_two(bench):
    added = slicer.vtkSegmentation.SegmentAdded
    bench.segmentation.AddObserver(added, lambda *_: bench.desk.entries)
    bench.click(6, 8, 5)
    assert bench.segments == [bench.selected]
    bench.segmentation.GetSegmentation().RemoveSegment(bench.selected)
    bench.desk.add(bench.point(6, 8, 15))
    bench.settle()
    assert bench.segments == [bench.selected]
    assert bench.mask()[6, 8, 15]


def test_a_volume_under_a_transform(bench):
    matrix = np.eye(4)
    matrix[:3, 3] = [30, -20, 5]
    bench.volume.SetAndObserveTransformNodeID(add_transform(matrix).GetID())
    bench.click(6, 8, 5)
    assert (bench.prompts[0].position == [35, -12, 11]).all()
    assert bench.mask()[6, 8, 5]


def test_a_session_is_held_by_nobody_else(bench):
    import gc
    import weakref

    bench.click(6, 8, 5)
    there = weakref.ref(worked_at_and_left(bench))
    bench.settle()
    gc.collect()
    assert there() is None


def worked_at_and_left(bench):
    desk = Desk(bench.editor, owner=bench.owner)
    desk.model = "painter"
    desk.add(bench.point(6, 8, 15))
    bench.until(lambda: not desk.busy)
    desk.close()
    return desk
