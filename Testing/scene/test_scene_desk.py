"""What the effects of an editor share: it follows the editor, explains itself, and never raises."""

import os
import signal

import numpy as np
import pytest
import slicer
from desk_kit import Bench, environment, slice_view
from live_kit import painted
from medseg import InputError, Point, PromptError, UnsupportedPromptError
from medseg.companion.link import STOPPED
from medseg.errors import CancelledError
from medseg_scene import CompanionOwner, Desk, DictSettings, LogicEditor, image_from_volume
from medseg_scene.marks import marks
from scene_kit import (
    add_segment,
    add_segmentation,
    add_transform,
    add_volume,
    box_mask,
    draw_by_hand,
)

SHAPE = (12, 16, 20)
CORNER = box_mask(SHAPE, (0, 2), (0, 2), (15, 19))


def closed_surface(bench):
    segment_id = add_segment(bench.segmentation, CORNER)
    own = bench.segmentation.GetSegmentation()
    own.CreateRepresentation("Closed surface")
    own.SetSourceRepresentationName("Closed surface")
    bench.select(segment_id)


def warped(bench):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLBSplineTransformNode", "bent")
    import vtk

    spline = slicer.vtkOrientedBSplineTransform()
    grid = vtk.vtkImageData()
    grid.SetDimensions(4, 4, 4)
    grid.AllocateScalars(vtk.VTK_DOUBLE, 3)
    spline.SetCoefficientData(grid)
    node.SetAndObserveTransformFromParent(spline)
    bench.volume.SetAndObserveTransformNodeID(node.GetID())


# When a prompt can be given


def test_all_is_ready_when_volume_and_segmentation_are_chosen(desk):
    assert desk.reason == ""
    assert desk.entries == ()
    assert not desk.busy
    assert desk.shown_preview is None


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda b: b.editor.node.SetAndObserveSegmentationNode(None), "Choose or create a segm"),
        (lambda b: b.editor.node.SetAndObserveSourceVolumeNode(None), "Choose a source volume"),
        (lambda b: slicer.mrmlScene.RemoveNode(b.volume), "Choose a source volume"),
        (lambda b: slicer.mrmlScene.RemoveNode(b.segmentation), "Choose or create a segm"),
        (lambda b: slicer.mrmlScene.RemoveNode(b.editor.node), "Open the Segment Editor"),
        (lambda b: slicer.mrmlScene.Clear(0), "Open the Segment Editor"),
        (lambda b: b.volume.SetAndObserveImageData(None), "holds no voxels"),
        (lambda b: add_segment(b.segmentation, CORNER), "Select a segment"),
        (closed_surface, "Binary labelmap"),
        (warped, "non-linear transform"),
        (lambda b: b.desk.close(), "closed"),
    ],
)
def test_what_is_out_of_order_is_one_sentence_and_no_exception(bench, spoil, sentence):
    spoil(bench)
    desk = bench.desk
    assert sentence in desk.reason
    assert desk.reason.endswith(".")
    for pending in (
        desk.add(Point([5, 6, 6])),
        desk.move(0, Point([5, 6, 6])),
        desk.remove(0),
        desk.toggle(0),
        desk.reset(),
        desk.propagate(),
        desk.find("bone"),
    ):
        assert pending.error is not None
    desk.add(Point([5, 6, 6]))
    assert sentence in desk.line
    for act in (desk.undo, desk.redo, desk.accept, desk.reject, desk.cancel, desk.wake):
        act()
    assert desk.entries == ()
    assert desk.progress is None
    assert len(desk.slice_of(slice_view())) == 2
    assert len(desk.image_slices) == 3
    assert marks(desk) == []


def test_no_node_at_all(shared_owner, scene):
    class NoEditor:
        node = None

    desk = Desk(NoEditor(), owner=shared_owner)
    assert desk.reason == "Open the Segment Editor first."
    assert desk.entries == ()
    assert desk.image_slices == (0, 0, 0)
    assert desk.slice_of(slice_view()) == (0, 0)
    desk.close()


# The first click


def test_nothing_is_started_or_changed_before_the_first_action(scene, volume):
    segmentation = add_segmentation()
    owner = CompanionOwner(env=environment())
    bench = Bench(owner, volume, segmentation)
    assert not owner.started
    bench.desk.wake()
    assert owner.started
    assert bench.segments == []
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentEditorNode") == 1
    bench.close()
    owner.close()


def test_an_image_is_opened_while_the_user_aims(bench):
    bench.desk.wake()
    sessions = list(bench.owner.companion()._sessions)
    bench.until(lambda: sessions[-1].opened.finished)
    assert sessions[-1].name
    assert bench.segments == []
    bench.desk.wake()
    bench.click(6, 8, 5)
    assert bench.owner.companion()._sessions == sessions
    assert len(sessions[-1].prompts) == 1


def test_what_was_opened_for_nothing_is_closed(bench):
    sessions = bench.owner.companion()._sessions
    before = list(sessions)
    bench.desk.wake()
    bench.desk.model = "slow"
    bench.turn()
    assert len(sessions) == len(before) + 1
    bench.editor.node.SetAndObserveSourceVolumeNode(None)
    bench.turn()
    assert sessions == before
    bench.desk.rest()
    bench.editor.node.SetAndObserveSourceVolumeNode(bench.volume)
    bench.turn()
    assert sessions == before


def test_the_first_click_adds_a_segment_and_fills_it(bench):
    bench.click(6, 8, 5)
    (segment_id,) = bench.segments
    assert bench.selected == segment_id
    image = image_from_volume(bench.volume)
    assert (bench.mask() == painted(image, bench.prompts)).all()
    assert bench.told


def test_listeners_are_told_once_a_turn(bench):
    bench.turn()
    bench.told = 0
    for _ in range(5):
        bench.desk.say("a line")
        bench.desk.exclude = not bench.desk.exclude
    assert bench.told == 0
    bench.turn()
    assert bench.told == 1
    bench.turn()
    assert bench.told == 1


def test_who_listens_no_more_is_not_told(bench):
    told = []
    let_go = bench.desk.listen(lambda: told.append(1))
    let_go()
    let_go()
    bench.desk.say("a line")
    bench.turn()
    assert told == []


def test_a_line_goes_with_the_next_action(bench):
    bench.desk.add(Point([900, 0, 0]))
    bench.settle()
    assert "outside the image" in bench.desk.line
    bench.click(6, 8, 5)
    assert bench.desk.line == ""


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
    bench.turn()
    node = bench.editor.node
    tag = node.AddObserver("ModifiedEvent", lambda *_: seen.append(bench.desk.entries))
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


# Saved scenes, undo


def test_prompts_of_a_saved_scene_are_there_before_any_action(shared_owner, bench, tmp_path):
    bench.click(6, 8, 5)
    bench.click(6, 8, 15, include=False)
    path = str(tmp_path / "objects.seg.nrrd")
    storage = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    storage.SetFileName(path)
    bench.segmentation.SetAndObserveStorageNodeID(storage.GetID())
    assert storage.WriteData(bench.segmentation)
    bench.close()
    slicer.mrmlScene.RemoveNode(bench.segmentation)
    loaded = slicer.modules.segmentations.logic().LoadSegmentationFromFile(path)
    again = Bench(shared_owner, bench.volume, loaded)
    again.select(again.segments[0])
    assert [e.prompt.include for e in again.desk.entries] == [True, False]
    assert not any(e.baked or e.waiting for e in again.desk.entries)
    again.desk.move(0, again.point(6, 8, 9))
    again.settle()
    image = image_from_volume(again.volume)
    assert (again.mask() == painted(image, again.prompts)).all()
    assert again.mask()[6, 8, 9]
    assert len(again.prompts) == 2
    again.close()


def test_undo_and_redo_with_and_without_a_session(bench):
    bench.desk.undo()
    assert bench.desk.line == "There is nothing to undo."
    bench.desk.redo()
    assert bench.desk.line == "There is nothing to redo."
    for i in (3, 9, 15):
        bench.click(6, 8, i)
    bench.desk.undo()
    assert len(bench.prompts) == 2
    bench.desk.redo()
    assert len(bench.prompts) == 3
    assert bench.desk.line == ""


def test_a_prompt_that_comes_to_nothing_leaves_redo_as_it_was(bench):
    for i in (3, 9):
        bench.click(6, 8, i)
    bench.desk.undo()
    bench.desk.add(Point([900, 0, 0]))
    bench.settle()
    bench.desk.redo()
    assert bench.desk.line == ""
    assert len(bench.prompts) == 2
    bench.desk.undo()
    bench.desk.add(bench.point(6, 8, 15))
    bench.desk.cancel()
    bench.settle()
    bench.desk.redo()
    assert len(bench.prompts) == 2


def test_hand_edits_bake_the_prompts_before(bench):
    bench.click(6, 8, 3)
    draw_by_hand(bench.editor, bench.segmentation, bench.selected, CORNER)
    bench.click(6, 8, 15)
    assert [e.baked for e in bench.desk.entries] == [True, False]
    pending = bench.desk.remove(0)
    bench.settle()
    assert isinstance(pending.error, PromptError)
    assert bench.mask()[CORNER].all()


# Switches


def test_model_device_and_preview_are_remembered(shared_owner, volume, segmentation):
    settings = DictSettings()
    bench = Bench(shared_owner, volume, segmentation, settings=settings)
    bench.desk.device, bench.desk.preview = "cpu", True
    bench.desk.exclude = bench.desk.new_segments = True
    bench.close()
    editor = LogicEditor.create(volume, segmentation)
    other = Desk(editor, settings, shared_owner)
    assert (other.model, other.device, other.preview) == ("painter", "cpu", True)
    assert not other.exclude
    assert not other.new_segments
    other.close()


def test_models_are_named_before_the_helper_answers_and_known_after(scene, volume, segmentation):
    owner = CompanionOwner(env=environment())
    bench = Bench(owner, volume, segmentation)
    desk = bench.desk
    desk.model = "default"
    assert desk.model == desk.models[0].name == "geodesic-cut"
    assert desk.can("text") == desk.can("box") == ""
    desk.wake()
    bench.until(lambda: any(m.licence for m in desk.models))
    told = {m.name: m for m in desk.models}
    assert told["painter"].licence == "Apache-2.0"
    assert not told["painter"].non_commercial
    assert "MEDSEG_NNINTERACTIVE_URL" in told["nninteractive"].reason
    assert desk.devices[:2] == ["auto", "cpu"]
    assert "lung" in desk.vocabulary
    desk.model = "painter"
    assert desk.can("point") == desk.can("propagate") == ""
    assert "painter" in desk.can("text")
    assert "geodesic-cut" in desk.can("text")
    assert desk.vocabulary == []
    desk.model = "nninteractive"
    assert "MEDSEG_NNINTERACTIVE_URL" in desk.can("point")
    desk.model = "gone"
    assert "no model 'gone'" in desk.can("point")
    bench.close()
    owner.close()


def test_what_the_model_cannot_do_is_refused_with_one_that_can(bench):
    bench.desk.wake()
    bench.until(lambda: any(m.licence for m in bench.desk.models))
    pending = bench.desk.find("bone")
    assert isinstance(pending.error, UnsupportedPromptError)
    assert "cannot do text prompts" in bench.desk.line
    assert isinstance(bench.desk.find("  ").error, InputError)
    assert bench.segments == []


def test_another_model_goes_on_from_the_mask(bench):
    bench.click(6, 8, 5)
    bench.desk.model = "slow"
    bench.click(6, 8, 15)
    assert bench.mask()[6, 8, 5]
    assert bench.mask()[6, 8, 15]
    assert [e.baked for e in bench.desk.entries] == [True, False]


def test_a_preview_waits_for_accept_or_reject(bench):
    desk = bench.desk
    desk.preview = True
    bench.click(6, 8, 5)
    assert desk.shown_preview.added.any()
    assert not bench.mask().any()
    desk.reject()
    assert desk.shown_preview is None
    bench.click(6, 8, 5)
    desk.accept()
    assert bench.mask()[6, 8, 5]
    assert desk.shown_preview is None
    desk.accept()
    assert "no preview" in desk.line


def test_each_click_a_segment(bench):
    bench.desk.new_segments = True
    for i in (3, 9, 15):
        bench.click(6, 8, i)
    assert len(bench.segments) == 3
    for segment_id, i in zip(bench.segments, (3, 9, 15), strict=True):
        assert bench.mask(segment_id)[6, 8, i]
        assert bench.mask(segment_id).sum() == bench.mask(bench.segments[0]).sum()
    assert bench.selected == bench.segments[2]


def test_freezing_all_but_a_slab_of_an_oblique_view(bench):
    view = slice_view("oblique", centre=(5, 8, 6))
    bench.desk.limit_to_slab(view, 2.0)
    bench.click(6, 8, 5)
    image = image_from_volume(bench.volume)
    k, j, i = np.indices(SHAPE)
    off = (image.ijk_to_ras(np.stack([i, j, k], -1)) - view.ras((0, 0))) @ view.normal
    wanted = painted(image, bench.prompts) & (np.abs(off) <= 1.0 + 1e-6)
    assert wanted.any()
    assert (bench.mask() == wanted).all()
    bench.desk.limits = None
    bench.click(6, 8, 15)
    assert bench.mask()[4, 8, 15]


def test_freezing_outside_a_roi(bench, scene):
    roi = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode")
    roi.SetCenter([5, 8, 6])
    roi.SetSize([3, 3, 3])
    bench.desk.limit_to_roi(roi)
    bench.click(6, 8, 5)
    assert bench.mask().sum() == 27
    bench.desk.limit_to_roi(None)
    assert bench.desk.limits is None


def test_hidden_prompts_stay_hidden_wherever_they_stand(bench):
    for i in (3, 9, 15):
        bench.click(6, 8, i)
    desk = bench.desk
    desk.hide(1)
    desk.hide(7)
    assert desk.hidden == {1}
    desk.remove(0)
    bench.settle()
    assert desk.hidden == {0}
    desk.hide(0, False)
    assert desk.hidden == frozenset()


@pytest.mark.parametrize(
    ("name", "axis", "index"), [("axial", 0, 6), ("coronal", 1, 8), ("sagittal", 2, 9)]
)
def test_the_slice_that_a_view_shows(bench, name, axis, index):
    assert bench.desk.slice_of(slice_view(name)) == (axis, index)
    assert bench.desk.image_slices == SHAPE


# Long work, lost helpers, servers


def test_a_propagation_tells_how_far_it_is(bench):
    seen = []
    bench.desk.listen(lambda: seen.append((bench.desk.progress, bench.desk.slice)))
    bench.click(6, 8, 5)
    pending = bench.desk.propagate(first=2, last=10)
    assert bench.desk.progress == 0.0
    assert bench.desk.busy
    bench.settle()
    assert pending.error is None
    assert any(slice_ is not None and 2 <= slice_.index <= 10 for _, slice_ in seen)
    assert bench.desk.progress is None
    assert bench.mask()[10].any()
    bench.desk.undo()
    assert not bench.mask()[10].any()


def test_a_cancelled_propagation_changes_nothing(bench):
    bench.click(6, 8, 5)
    before = bench.mask()
    bench.desk.propagate()
    bench.desk.cancel()
    bench.settle()
    assert bench.desk.progress is None
    assert (bench.mask() == before).all()


def test_a_killed_helper_loses_no_prompt(bench):
    lines = []
    bench.owner.listen(lines.append)
    bench.click(6, 8, 5)
    bench.desk.add(bench.point(6, 8, 15))
    os.kill(bench.owner.companion().pid, signal.SIGKILL)
    bench.settle()
    assert STOPPED in lines
    image = image_from_volume(bench.volume)
    assert (bench.mask() == painted(image, bench.prompts)).all()
    assert len(bench.prompts) == 2


def test_a_python_that_does_not_start_is_a_line_and_tried_again_when_asked(volume, segmentation):
    owner = CompanionOwner(python="/no/such/python")
    bench = Bench(owner, volume, segmentation)
    bench.desk.wake()
    bench.settle()
    assert "/no/such/python" in bench.desk.line
    pending = bench.desk.add(bench.point(6, 8, 5))
    bench.settle()
    assert "/no/such/python" in str(pending.error)
    owner.companion()._python = __import__("sys").executable
    bench.desk.model = "geodesic-cut"
    bench.click(6, 8, 5)
    assert bench.mask().any()
    bench.close()
    owner.close()
