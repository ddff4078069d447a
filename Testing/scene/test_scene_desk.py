"""What the effects of an editor share: it follows the editor, explains itself, and never raises."""

import os
import signal

import pytest
import slicer
from desk_kit import Bench, environment, slice_view
from live_kit import painted
from medseg import Point, PromptError
from medseg.companion.link import STOPPED
from medseg_scene import CompanionOwner, Desk, image_from_volume
from medseg_scene.marks import marks
from scene_kit import (
    add_segment,
    add_segmentation,
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
