# ruff: noqa: F811
"""The laws of the Segment Editor: who breaks one of them, breaks a test here."""

import numpy as np
import pytest
import slicer
from effects_kit import (  # noqa: F401
    SHAPE,
    add_segment,
    add_segmentation,
    add_volume,
    by_hand,
    helper,
    make,
    room,
)
from medseg_scene import read_segment
from scene_kit import box_mask

pytestmark = pytest.mark.usefixtures("host")

EVERYTHING = box_mask(SHAPE, (0, 12), (0, 16), (0, 20))


def neighbours(room, *boxes):
    """Segments that fill boxes, each in a layer of its own; gives their ids."""
    masks = [box_mask(SHAPE, *box) for box in boxes]
    return [add_segment(room.segmentation, mask, name=f"n{n}") for n, mask in enumerate(masks)]


def shared_layer(volume, *boxes):
    """A segmentation as one gets it from a labelmap: all segments in one layer."""
    labels = np.zeros(SHAPE, np.int16)
    for n, box in enumerate(boxes):
        labels[box_mask(SHAPE, *box)] = n + 1
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode")
    slicer.util.updateVolumeFromArray(node, labels)
    segmentation = add_segmentation(volume)
    logic = slicer.modules.segmentations.logic()
    assert logic.ImportLabelmapToSegmentationNode(node, segmentation)
    assert segmentation.GetSegmentation().GetNumberOfLayers() == 1
    slicer.mrmlScene.RemoveNode(node)
    return segmentation


# Where may be written


@pytest.mark.parametrize("inside", [True, False])
def test_the_editable_area_holds(room, inside):
    (fence,) = neighbours(room, ((0, 12), (0, 16), (0, 10)))
    room.segmentation.GetSegmentation().AddEmptySegment("mine")
    room.node.SetSelectedSegmentID("mine")
    modes = slicer.vtkMRMLSegmentationNode
    if inside:
        room.node.SetMaskMode(modes.EditAllowedInsideSingleSegment)
        room.node.SetMaskSegmentID(fence)
    else:
        room.node.SetMaskMode(modes.EditAllowedOutsideAllSegments)
    room.activate()
    room.click(6, 8, 10)
    ball, fenced = room.ball(6, 8, 10), room.mask(fence)
    assert (room.mask() == (ball & fenced if inside else ball & ~fenced)).all()
    assert 0 < room.mask().sum() < ball.sum()


def test_the_intensity_range_holds(room):
    room.node.SetSourceVolumeIntensityMask(True)
    room.node.SetSourceVolumeIntensityMaskRange(150, 250)
    room.activate()
    room.click(6, 8, 10)
    bright = slicer.util.arrayFromVolume(room.volume) > 150
    assert (room.mask() == room.ball(6, 8, 10) & bright).all()
    assert 0 < room.mask().sum() < room.ball(6, 8, 10).sum()


def test_what_may_not_be_edited_is_not_taken_away_either(room):
    """Of what a second click takes away, the part inside the fence stays."""
    (fence,) = neighbours(room, ((0, 12), (0, 16), (0, 10)))
    room.segmentation.GetSegmentation().AddEmptySegment("mine")
    room.node.SetSelectedSegmentID("mine")
    room.activate()
    room.click(6, 8, 8)
    fenced = room.mask(fence)
    room.node.SetMaskMode(slicer.vtkMRMLSegmentationNode.EditAllowedOutsideAllSegments)
    room.click(6, 8, 11, modifiers=["Control"])
    taken = room.ball(6, 8, 8) & room.ball(6, 8, 11)
    assert (taken & fenced).any()
    assert (taken & ~fenced).any()
    assert (room.mask() == room.ball(6, 8, 8) & ~(taken & ~fenced)).all()
    assert (room.mask(fence) == fenced).all()


def test_inside_one_segment_a_prompt_takes_away_as_erase_does(make):
    """Slicer's own rule there: what is erased goes to the segment that is the editable area."""
    masks = []
    for by_prompt in (True, False):
        room = make()
        room.node.SetMaskMode(slicer.vtkMRMLSegmentationNode.EditAllowedEverywhere)
        (fence,) = neighbours(room, ((0, 12), (0, 16), (0, 10)))
        room.segmentation.GetSegmentation().AddEmptySegment("mine")
        room.node.SetSelectedSegmentID("mine")
        room.activate()
        room.click(6, 8, 10)
        room.node.SetMaskMode(slicer.vtkMRMLSegmentationNode.EditAllowedInsideSingleSegment)
        room.node.SetMaskSegmentID(fence)
        if by_prompt:
            room.click(6, 8, 12, modifiers=["Control"])
        else:
            by_hand(room, room.ball(6, 8, 10) & room.ball(6, 8, 12), "Remove")
        masks.append((room.mask(), room.mask(fence)))
        room.close()
    assert all((one == other).all() for one, other in zip(*masks, strict=True))


# Neighbours


def test_neighbours_keep_their_voxels_by_default(room):
    """Slicer's own default would take them away."""
    room.node.SetOverwriteMode(room.node.OverwriteAllSegments)
    before = {n: room.mask(n) for n in neighbours(room, ((4, 9), (5, 12), (8, 14)))}
    room.segmentation.GetSegmentation().AddEmptySegment("mine")
    room.node.SetSelectedSegmentID("mine")
    room.activate()
    room.click(6, 8, 10)
    assert (room.mask() == room.ball(6, 8, 10)).all()
    assert all((room.mask(n) == mask).all() for n, mask in before.items())


def test_neighbours_in_a_shared_layer_keep_their_voxels(make):
    """Where the strongest peer erases them: a prediction over both, inside the layer's extent."""
    volume = add_volume()
    boxes = (((2, 10), (2, 14), (2, 8)), ((2, 10), (2, 14), (8, 18)))
    room = make(volume=volume, segmentation=shared_layer(volume, *boxes))
    first, second = room.ids
    before = room.mask(second)
    room.node.SetSelectedSegmentID(first)
    start = room.mask(first)
    room.activate()
    room.click(6, 8, 8)
    ball = room.ball(6, 8, 8)
    assert (ball & before).any()
    assert (room.mask(first) == start | ball).all()
    assert (room.mask(second) == before).all()
    room.undo()
    assert (room.mask(first) == start).all()
    assert (room.mask(second) == before).all()


def test_a_new_segment_in_a_shared_layer_takes_nothing(make):
    volume = add_volume()
    boxes = (((2, 10), (2, 14), (2, 8)), ((2, 10), (2, 14), (8, 18)))
    room = make(volume=volume, segmentation=shared_layer(volume, *boxes))
    before = {n: room.mask(n) for n in room.ids}
    room.segmentation.GetSegmentation().AddEmptySegment("mine")
    room.node.SetSelectedSegmentID("mine")
    room.activate()
    room.click(6, 8, 12)
    assert (room.mask("mine") == room.ball(6, 8, 12)).all()
    assert all((room.mask(n) == mask).all() for n, mask in before.items())


@pytest.mark.parametrize("mode", ["OverwriteAllSegments", "OverwriteVisibleSegments"])
def test_a_mode_that_the_user_chose_while_prompting_holds(room, mode):
    ids = neighbours(room, ((4, 9), (5, 12), (8, 11)), ((4, 9), (5, 12), (11, 14)))
    room.segmentation.GetDisplayNode().SetSegmentVisibility(ids[1], False)
    before = {n: room.mask(n) for n in ids}
    room.segmentation.GetSegmentation().AddEmptySegment("mine")
    room.node.SetSelectedSegmentID("mine")
    room.activate()
    room.node.SetOverwriteMode(getattr(room.node, mode))
    room.click(6, 8, 10)
    ball = room.ball(6, 8, 10)
    taken = [True, mode == "OverwriteAllSegments"]
    for n, loses in zip(ids, taken, strict=True):
        assert (ball & before[n]).any()
        assert (room.mask(n) == (before[n] & ~ball if loses else before[n])).all()


def test_other_effects_keep_the_overwrite_mode_that_they_had(room):
    for mode in (room.node.OverwriteVisibleSegments, room.node.OverwriteAllSegments):
        room.node.SetOverwriteMode(mode)
        room.activate("Point")
        assert room.node.GetOverwriteMode() == room.node.OverwriteNone
        room.activate("Box")
        assert room.node.GetOverwriteMode() == room.node.OverwriteNone
        room.leave()
        assert room.node.GetOverwriteMode() == mode


def test_a_choice_for_our_effects_is_remembered(room):
    room.activate()
    room.node.SetOverwriteMode(room.node.OverwriteVisibleSegments)
    room.leave()
    assert room.node.GetOverwriteMode() == room.node.OverwriteAllSegments
    room.activate("Lasso")
    assert room.node.GetOverwriteMode() == room.node.OverwriteVisibleSegments


def test_a_result_that_comes_after_the_effect_was_left_spares_the_neighbours(room):
    room.node.SetOverwriteMode(room.node.OverwriteAllSegments)
    (neighbour,) = neighbours(room, ((4, 9), (5, 12), (8, 14)))
    before = room.mask(neighbour)
    room.segmentation.GetSegmentation().AddEmptySegment("mine")
    room.node.SetSelectedSegmentID("mine")
    room.activate()
    room.click(6, 8, 10, wait=False)
    room.widget.setActiveEffectByName("Test hand")
    room.settle()
    assert (room.mask() == room.ball(6, 8, 10)).all()
    assert (room.mask(neighbour) == before).all()
    assert room.node.GetOverwriteMode() == room.node.OverwriteAllSegments


def test_nothing_but_the_selected_segment_changes(room):
    ids = neighbours(room, ((1, 3), (1, 3), (1, 3)), ((8, 10), (8, 10), (15, 18)))
    segmentation = room.segmentation.GetSegmentation()

    def seen():
        return [
            (
                segmentation.GetSegment(n).GetName(),
                segmentation.GetSegment(n).GetColor(),
                room.record(n),
                room.mask(n).tobytes(),
            )
            for n in ids
        ]

    before = seen()
    room.segmentation.GetSegmentation().AddEmptySegment("mine")
    room.node.SetSelectedSegmentID("mine")
    room.activate()
    for kji in ((6, 8, 10), (2, 2, 2), (9, 9, 16)):
        room.click(*kji)
    assert seen() == before
    assert room.ids == [*ids, "mine"]


# Undo


def test_each_prompt_is_one_undo_step_with_its_prompt(room):
    room.activate()
    clicks = [(6, 8, 4), (6, 8, 10), (6, 8, 16)]
    masks = []
    for kji in clicks:
        room.click(*kji)
        masks.append(room.mask())
    for n in (2, 1):
        room.undo()
        assert (room.mask() == masks[n - 1]).all()
        assert len(room.prompts) == n == len(room.record().prompts)
    room.undo()
    assert not room.mask().any()
    assert room.prompts == []
    for n in (1, 2, 3):
        room.redo()
        assert (room.mask() == masks[n - 1]).all()
        assert len(room.prompts) == n


@pytest.mark.parametrize("levels", [3, 7])
def test_there_are_as_many_levels_as_the_editor_keeps(room, levels):
    room.widget.setMaximumNumberOfUndoStates(levels)
    room.activate()
    for n in range(levels + 2):
        room.click(6, 8, 2 + n)
    for n in range(levels - 1):  # Slicer counts the present state too
        room.desk.undo()
        room.turn()
        assert len(room.prompts) == levels + 1 - n
    room.desk.undo()
    room.turn()
    assert len(room.prompts) == 3
    assert room.desk.line == "There is nothing to undo."


def test_undo_in_the_panel_and_in_the_editor_are_the_same(room):
    room.activate()
    room.click(6, 8, 4)
    first = room.mask()
    room.click(6, 8, 10)
    second = room.mask()
    room.desk.undo()
    room.turn()
    assert (room.mask() == first).all()
    room.redo()
    assert (room.mask() == second).all()
    room.undo()
    room.desk.redo()
    room.turn()
    assert (room.mask() == second).all()
    assert len(room.prompts) == 2


def test_a_drag_is_one_undo_step(room):
    room.activate()
    room.click(6, 8, 5)
    before = room.mask()
    room.drag([(6, 8, 5), (6, 10, 9), (6, 8, 13)])
    assert (room.mask() == room.ball(6, 8, 13)).all()
    assert len(room.prompts) == 1
    room.undo()
    assert (room.mask() == before).all()


def test_undo_beyond_the_first_step_says_so(room):
    room.activate()
    room.desk.undo()
    assert room.desk.line == "There is nothing to undo."
    room.desk.redo()
    assert room.desk.line == "There is nothing to redo."


def test_another_effects_steps_are_in_the_same_history(room):
    room.activate()
    room.click(6, 8, 4)
    by_hand(room, box_mask(SHAPE, (1, 3), (1, 3), (1, 3)))
    room.turn()
    room.click(6, 8, 14)
    room.undo()
    assert room.mask()[1:3, 1:3, 1:3].all()
    room.undo()
    assert not room.mask()[1:3, 1:3, 1:3].any()
    assert (room.mask() == room.ball(6, 8, 4)).all()
    assert len(room.prompts) == 1


# What was done by hand


def test_hand_edits_are_what_the_next_prompt_refines(room):
    room.activate()
    room.click(6, 8, 4)
    added = box_mask(SHAPE, (1, 3), (1, 3), (1, 3))
    removed = box_mask(SHAPE, (0, 12), (0, 8), (3, 6))
    by_hand(room, added)
    by_hand(room, removed, "Remove")
    expected = (room.ball(6, 8, 4) | added) & ~removed
    assert (room.mask() == expected).all()
    room.click(6, 8, 14)
    assert (room.mask() == expected | room.ball(6, 8, 14)).all()


def test_a_hand_edit_while_a_prompt_is_computed_is_never_overwritten(make):
    room = make(model="slow")
    room.activate()
    room.click(6, 8, 4)
    room.click(6, 8, 10, wait=False)
    drawn = box_mask(SHAPE, (1, 3), (1, 3), (1, 3))
    by_hand(room, drawn)
    room.settle()
    assert (room.mask() == room.ball(6, 8, 4) | drawn).all()
    assert "changed while" in room.desk.line


def test_an_existing_segment_is_the_start(room):
    (segment,) = neighbours(room, ((4, 9), (5, 12), (8, 14)))
    room.node.SetSelectedSegmentID(segment)
    before = room.mask()
    room.activate()
    room.click(6, 8, 3)
    assert (room.mask() == before | room.ball(6, 8, 3)).all()
    room.undo()
    assert (room.mask() == before).all()


# The image


def test_the_volume_is_never_modified(room):
    array, voxels = slicer.util.arrayFromVolume(room.volume), room.volume.GetImageData()
    before, time = array.copy(), voxels.GetMTime()
    nodes = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLVolumeNode")
    array.setflags(write=False)
    room.activate()
    for kji in ((6, 8, 4), (6, 8, 14)):
        room.click(*kji)
    room.undo()
    array.setflags(write=True)
    assert (slicer.util.arrayFromVolume(room.volume) == before).all()
    assert voxels.GetMTime() == time
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLVolumeNode") == nodes


def test_no_node_stays_behind(room):
    def ids():
        scene = slicer.mrmlScene
        return {scene.GetNthNode(n).GetID() for n in range(scene.GetNumberOfNodes())}

    before = ids()
    room.activate()
    room.click(6, 8, 4)
    room.leave()
    assert ids() == before


# How it is written


class Spy:
    """An effect that notes how it is asked to write."""

    def __init__(self, effect):
        self._effect, self.writes, self.saved = effect, [], 0

    def __getattr__(self, name):
        return getattr(self._effect, name)

    def saveStateForUndo(self):  # noqa: N802
        self.saved += 1
        self._effect.saveStateForUndo()

    def modifySegmentByLabelmap(self, *args):  # noqa: N802
        self.writes.append(args)
        self._effect.modifySegmentByLabelmap(*args)


def test_writes_go_through_the_effect_with_a_crop_and_with_masking(room):
    room.activate()
    spy = Spy(room.widget.activeEffect())
    room.desk.editor.use(spy)
    room.click(6, 8, 10)
    room.click(6, 8, 12, modifiers=["Control"])
    assert len(spy.writes) == 2
    assert spy.saved
    for _, segment, labelmap, _, *bypass in spy.writes:
        assert segment == room.selected
        assert bypass in ([], [False])
        low, high = np.array(labelmap.GetExtent()).reshape(3, 2).T
        assert ((high - low + 1) <= 9).all()  # around the painter's ball, not the volume


def test_what_the_scene_says_is_what_was_written(room):
    room.activate()
    room.click(6, 8, 10)
    assert (read_segment(room.segmentation, room.selected, room.image) == room.ball(6, 8, 10)).all()
    assert room.record().prompts[0].include
