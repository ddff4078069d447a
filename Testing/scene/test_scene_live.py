"""A live session: results come later, and go where they were asked for or nowhere."""

import os
import signal

import numpy as np
import pytest
import slicer
from live_kit import Live, in_scene, painted, record
from medseg import InputError, Point, PromptError, UnsupportedPromptError, prompts
from medseg.errors import CancelledError, StaleError
from medseg_scene import LogicEditor
from medseg_scene.work import MOVED, SUPERSEDED
from scene_kit import add_segment, add_volume, box_mask, draw_by_hand, turned

SHAPE = (12, 16, 20)
CORNER = box_mask(SHAPE, (0, 2), (0, 2), (15, 19))


def paint_by_hand(live, mask=CORNER, segment_id=None):
    draw_by_hand(live.editor, live.segmentation, segment_id or live.segment_id, mask)


# One prompt, from click to segment


def test_a_prompt_returns_at_once_and_its_result_is_written(live):
    pending = live.add(live.at(6, 8, 5))
    assert not pending.finished
    assert not in_scene(live).any()
    step = live.wait(pending)
    expected = painted(live.image, [live.at(6, 8, 5)])
    assert (in_scene(live) == expected).all()
    assert (live.mask == expected).all()
    assert step.voxels == expected.sum()
    assert step.patch.voxels.sum() == expected.sum()
    assert record(live).describes(live.image, expected)
    assert live.changes


def test_prompts_asked_at_once_are_done_in_order(live):
    waiting = [live.add(live.at(6, 8, i, include=i % 2 == 0)) for i in range(6)]
    assert len(live.entries) == 6
    assert all(entry.waiting for entry in live.entries)
    live.settle()
    assert all(p.error is None for p in waiting)
    listed = [live.at(6, 8, i, include=i % 2 == 0) for i in range(6)]
    assert (in_scene(live) == painted(live.image, listed)).all()
    assert not any(entry.waiting for entry in live.entries)


def test_each_prompt_is_one_undo_step_of_mask_and_prompts(live):
    masks = [in_scene(live)]
    for number in range(7):
        live.click(1 + number, 2 + number, 1 + 2 * number)
        masks.append(in_scene(live))
    for number in reversed(range(7)):
        live.undo()
        assert (in_scene(live) == masks[number]).all()
        assert len(live.prompts) == number
    with pytest.raises(PromptError, match="nothing to undo"):
        live.undo()
    for number in range(1, 8):
        live.redo()
        assert (in_scene(live) == masks[number]).all()
        assert len(live.prompts) == number
    with pytest.raises(PromptError, match="nothing to redo"):
        live.redo()


def test_a_prompt_after_undo_goes_on_from_there(live):
    for i in (3, 9, 15):
        live.click(6, 8, i)
    live.undo()
    live.undo()
    live.click(6, 2, 15)
    assert len(live.prompts) == 2
    assert (in_scene(live) == painted(live.image, live.prompts)).all()
    assert live.baked == 0


def test_slicers_own_undo_is_seen(live):
    live.click(6, 8, 3)
    live.click(6, 8, 15)
    live.editor.undo()
    assert len(live.prompts) == 1
    live.click(6, 2, 9)
    assert (in_scene(live) == painted(live.image, live.prompts)).all()


def test_reading_keeps_redo(live):
    live.click(6, 8, 3)
    live.undo()
    assert live.sync()
    assert not live.sync()
    live.redo()
    assert len(live.prompts) == 1


@pytest.mark.parametrize("hand", [1, -1])
def test_an_oblique_volume(kit, scene, segmentation, hand):
    volume = add_volume(affine=turned(hand=hand))
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    live = Live(kit, volume, node)
    live.click(4, 9, 5)
    assert (in_scene(live) == painted(live.image, live.prompts)).all()
    live.close()


def test_the_volume_is_never_changed(live, volume):
    before = slicer.util.arrayFromVolume(volume).copy()
    stamp = volume.GetImageData().GetMTime()
    live.click(6, 8, 3)
    live.click(6, 8, 3, include=False)
    assert (slicer.util.arrayFromVolume(volume) == before).all()
    assert volume.GetImageData().GetMTime() == stamp


# What is refused


def test_what_cannot_be_done_is_a_line_and_changes_nothing(live):
    live.click(6, 8, 3)
    tag = record(live).dumps()
    outside = live.add(Point([900, 0, 0]))
    live.settle()
    assert isinstance(outside.error, PromptError)
    assert "outside the image" in live.line
    wrong = live.add(prompts.Text("liver"))
    live.settle()
    assert isinstance(wrong.error, UnsupportedPromptError)
    assert record(live).dumps() == tag
    live.undo()
    assert not in_scene(live).any()


def test_a_failed_prompt_does_not_stop_those_behind_it(live):
    bad, good = live.add(Point([900, 0, 0])), live.add(live.at(6, 8, 3))
    live.settle()
    assert bad.error is not None
    assert (in_scene(live) == painted(live.image, [live.at(6, 8, 3)])).all()
    assert good.result.voxels


def test_without_nodes_the_error_says_so(kit, volume, segmentation):
    for nodes in ((None, segmentation), (volume, None)):
        with pytest.raises(InputError, match="Choose a source volume"):
            Live(kit, *nodes)


def test_an_unknown_model_is_named(kit, volume, segmentation):
    live = Live(kit, volume, segmentation, model="no-such-model")
    live.add(live.at(6, 8, 3))
    live.settle()
    assert "no model" in live.line
    live.use_model("painter")
    assert live.click(6, 8, 3).voxels
    live.close()


# The prompt list


def test_prompts_are_moved_deleted_and_turned_over(live):
    for i in (3, 9, 15):
        live.click(6, 8, i)
    live.wait(live.move(0, live.at(6, 2, 3)))
    live.wait(live.toggle(1))
    live.wait(live.remove(2))
    assert [p.include for p in live.prompts] == [True, False]
    assert (in_scene(live) == painted(live.image, live.prompts)).all()
    assert in_scene(live)[6, 2, 3]
    for _ in range(3):
        live.undo()
    assert (in_scene(live) == painted(live.image, live.prompts)).all()
    assert len(live.prompts) == 3


def test_a_prompt_on_its_way_can_be_moved(live):
    live.add(live.at(6, 8, 3))
    live.move(0, live.at(6, 8, 15))
    live.settle()
    assert (in_scene(live) == painted(live.image, [live.at(6, 8, 15)])).all()


def test_no_prompt_of_that_number(live):
    assert isinstance(live.remove(3).error, PromptError)
    assert "There is no prompt 3" in live.line


def test_a_drag_computes_the_newest_position_and_is_one_undo_step(live):
    live.click(6, 8, 3)
    before = in_scene(live)
    drag = object()
    moves = [live.move(0, live.at(6, 8, 4 + n), drag=drag) for n in range(12)]
    live.settle()
    computed = [n for n, move in enumerate(moves) if move.error is None]
    assert computed == [0, 11]
    assert str(moves[5].error) == SUPERSEDED
    assert (in_scene(live) == painted(live.image, [live.at(6, 8, 15)])).all()
    live.undo()
    assert (in_scene(live) == before).all()
    live.redo()
    assert in_scene(live)[6, 8, 15]


def test_a_drag_goes_on_after_its_first_position_failed(live):
    live.click(6, 8, 3)
    live.move(0, Point([900, 0, 0]), drag="d")
    live.move(0, live.at(6, 8, 9), drag="d")
    live.settle()
    assert (in_scene(live) == painted(live.image, [live.at(6, 8, 9)])).all()


def test_a_hand_edit_within_a_drag_begins_another_undo_step(live):
    neighbour = live.segmentation.GetSegmentation().AddEmptySegment("other")
    live.click(6, 8, 3)
    live.wait(live.move(0, live.at(6, 8, 6), drag="d"))
    paint_by_hand(live, segment_id=neighbour)
    live.wait(live.move(0, live.at(6, 8, 9), drag="d"))
    live.undo()
    assert in_scene(live, neighbour).any()
    assert in_scene(live)[6, 8, 6]


def test_reset_empties_and_can_be_undone(live):
    live.click(6, 8, 3)
    live.wait(live.reset())
    assert not in_scene(live).any()
    assert live.prompts == ()
    live.undo()
    assert len(live.prompts) == 1
    live.wait(live.remove(0))
    assert not in_scene(live).any()


# Hand edits


def test_a_hand_edit_is_what_the_next_prompt_refines(live):
    live.click(6, 8, 3)
    paint_by_hand(live)
    live.click(6, 8, 15)
    assert in_scene(live)[CORNER].all()
    assert live.baked == 1
    assert isinstance(live.wait_error(live.remove(0)), PromptError)
    live.wait(live.remove(1))
    assert in_scene(live)[CORNER].all()
    assert not in_scene(live)[6, 8, 15]


def test_scissors_take_away_for_good(live):
    live.click(6, 8, 5)
    live.editor.save_state()
    live.editor.remove(live.segmentation, live.segment_id, hand_made(in_scene(live)))
    assert not in_scene(live).any()
    live.click(6, 8, 15)
    assert not in_scene(live)[6, 8, 5]
    assert len(live.prompts) == 1


def hand_made(mask):
    from scene_kit import oriented

    return oriented(mask)


def test_undo_across_a_hand_edit_makes_prompts_movable_again(live):
    live.click(6, 8, 3)
    paint_by_hand(live)
    live.click(6, 8, 15)
    live.undo()
    live.undo()
    live.wait(live.move(0, live.at(6, 8, 9)))
    assert (in_scene(live) == painted(live.image, [live.at(6, 8, 9)])).all()


# While a result is on its way


@pytest.fixture
def asked(live):
    """A session with one click done and one on its way."""
    live.click(6, 8, 3)
    return live, live.add(live.at(6, 8, 15)), in_scene(live)


def left_out(live, pending, line=MOVED):
    live.settle()
    assert isinstance(pending.error, StaleError)
    assert live.line == line
    return True


def test_a_hand_edit_meanwhile_wins(asked):
    live, pending, before = asked
    paint_by_hand(live)
    assert left_out(live, pending)
    assert (in_scene(live) == before | CORNER).all()
    live.click(6, 2, 9)
    assert in_scene(live)[CORNER].all()
    assert not in_scene(live)[6, 8, 15]


def test_slicers_undo_meanwhile_wins(asked):
    live, pending, _ = asked
    live.editor.undo()
    assert left_out(live, pending)
    assert not in_scene(live).any()
    live.redo()
    assert len(live.prompts) == 1


def test_our_undo_takes_back_what_was_asked_last(asked):
    live, pending, before = asked
    live.undo()
    assert isinstance(pending.error, CancelledError)
    live.settle()
    assert (in_scene(live) == before).all()
    live.click(6, 2, 9)
    assert (in_scene(live) == painted(live.image, live.prompts)).all()
    assert len(live.prompts) == 2


def test_an_edit_of_a_neighbour_meanwhile_does_not_matter(asked):
    live, pending, _before = asked
    other = live.segmentation.GetSegmentation().AddEmptySegment("other")
    paint_by_hand(live, segment_id=other)
    live.wait(pending)
    assert in_scene(live)[6, 8, 15]
    assert (in_scene(live, other) == CORNER).all()


def test_a_result_goes_to_the_segment_it_was_asked_for(asked):
    live, pending, _before = asked
    first = live.segment_id
    second = live.segmentation.GetSegmentation().AddEmptySegment("second")
    live.select(second)
    live.click(6, 2, 9)
    live.wait(pending)
    assert (in_scene(live, second) == painted(live.image, [live.at(6, 2, 9)])).all()
    assert in_scene(live, first)[6, 8, 15]
    assert live.editor.node.GetSelectedSegmentID() == second == live.segment_id
    assert len(live.prompts) == 1
    live.select(first)
    assert len(live.prompts) == 2


def test_a_removed_segment_is_a_line(asked):
    live, pending, _ = asked
    live.segmentation.GetSegmentation().RemoveSegment(live.segment_id)
    live.settle()
    assert isinstance(pending.error, InputError)
    assert "any more" in live.line
    assert live.prompts == ()
    assert isinstance(live.add(Point([3, 8, 6])).error, InputError)


@pytest.mark.parametrize("which", ["segmentation", "volume"])
def test_a_removed_node_is_a_line(asked, scene, which):
    live, pending, _before = asked
    scene.RemoveNode(getattr(live, which))
    live.settle()
    assert isinstance(pending.error, InputError)
    assert live.lines.count(f"The {which} is gone; choose another one.") == 1
    assert isinstance(live.add(Point([3, 8, 6])).error, InputError)


def test_a_closed_scene_is_a_line(asked, scene):
    live, pending, _ = asked
    scene.Clear(0)
    live.settle()
    assert isinstance(pending.error, InputError)
    assert live.prompts == live.entries == ()
    live.close()


def test_changed_voxels_are_a_line_and_the_next_prompt_sees_them(asked, volume):
    live, pending, before = asked
    slicer.util.arrayFromVolume(volume)[:] = 7
    slicer.util.arrayFromVolumeModified(volume)
    live.settle()
    assert isinstance(pending.error, StaleError)
    assert "volume was changed" in live.line
    assert (in_scene(live) == before).all()
    live.click(6, 2, 9)
    assert live.baked == 1
    assert in_scene(live)[before].all()


def test_a_moved_segmentation_is_a_change(asked):
    live, pending, _before = asked
    shift = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode")
    matrix = np.eye(4)
    matrix[0, 3] = 2
    shift.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    live.segmentation.SetAndObserveTransformNodeID(shift.GetID())
    assert left_out(live, pending)


def test_closing_leaves_out_what_waits_and_says_so(kit, volume, segmentation):
    live = Live(kit, volume, segmentation)
    pending = live.add(live.at(6, 8, 3))
    live.close()
    live.close()
    assert isinstance(pending.error, CancelledError)
    assert "left out" in live.line
    live.turn()
    assert not in_scene(live).any()
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentEditorNode") == 0
    assert "closed" in str(live.add(Point([1, 1, 1])).error)


# Cancel


def test_a_prompt_can_be_cancelled_while_it_waits_or_is_computed(live):
    first, second, third = (live.add(live.at(6, 8, i)) for i in (3, 9, 15))
    first.cancel()
    second.cancel()
    live.wait(third)
    assert isinstance(first.error, CancelledError)
    assert isinstance(second.error, CancelledError)
    assert (in_scene(live) == painted(live.image, [live.at(6, 8, 15)])).all()
    live.undo()
    assert not in_scene(live).any()


def test_everything_can_be_cancelled(live):
    live.click(6, 8, 3)
    before = in_scene(live)
    for i in (5, 9, 15):
        live.add(live.at(6, 8, i))
    live.cancel()
    live.settle()
    assert (in_scene(live) == before).all()
    assert len(live.entries) == 1


# The helper


def test_a_killed_helper_loses_no_prompt(live):
    live.click(6, 8, 3)
    pending = live.add(live.at(6, 8, 15))
    os.kill(live.companion.pid, signal.SIGKILL)
    live.wait(pending)
    assert (in_scene(live) == painted(live.image, live.prompts)).all()
    assert len(live.prompts) == 2
    live.undo()
    assert len(live.prompts) == 1


def test_an_editor_of_the_caller_is_left_in_the_scene(kit, volume, segmentation, scene):
    editor = LogicEditor.create(volume, segmentation)
    live = Live(kit, volume, segmentation, editor=editor)
    live.click(6, 8, 3)
    live.close()
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentEditorNode") == 1


def test_segments_can_be_visited_again_beyond_those_that_are_kept(live):
    segments = [live.segment_id]
    segments += [live.segmentation.GetSegmentation().AddEmptySegment() for _ in range(7)]
    for number, segment_id in enumerate(segments):
        live.select(segment_id)
        live.click(6, 8, 1 + 2 * number)
    for number, segment_id in enumerate(segments):
        live.select(segment_id)
        live.click(6, 2, 1 + 2 * number)
        assert len(live.prompts) == 2
        assert (in_scene(live) == painted(live.image, live.prompts)).all()
    assert len(live._works) <= 4


def test_an_existing_segment_is_improved(kit, volume, segmentation):
    segment_id = add_segment(segmentation, CORNER)
    live = Live(kit, volume, segmentation, segment_id)
    live.click(6, 8, 3)
    assert in_scene(live)[CORNER].all()
    live.wait(live.remove(0))
    assert (in_scene(live) == CORNER).all()
    live.close()
