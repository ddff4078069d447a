"""A session in the scene: prompts, undo, redo, hand edits, several segments."""

import dataclasses
import json

import numpy as np
import pytest
import slicer
from medseg import InputError, Point, PromptError, Text, UnsupportedPromptError, prompts
from medseg.record import TAG, Record
from medseg_scene import SceneSession, read_segment
from medseg_scene.tags import read_tag
from scene_kit import Balls, add_segment, add_volume, box_mask, draw_by_hand, turned


def in_scene(session):
    return read_segment(session.segmentation, session.segment_id, session.image)


def record(session):
    segment = session.segmentation.GetSegmentation().GetSegment(session.segment_id)
    return Record.loads(read_tag(segment))


def test_a_prompt_writes_the_models_mask(session, at, model):
    step = session.add(at(6, 8, 5))
    expected = model.open(session.image).segment([at(6, 8, 5)])
    assert (in_scene(session) == expected).all()
    assert step.voxels == expected.sum()
    assert step.ml == pytest.approx(expected.sum() / 1000)


def test_the_step_reports_the_changed_box(session, at):
    before = in_scene(session)
    step = session.add(at(6, 8, 5))
    step.patch.apply(before)
    assert (before == in_scene(session)).all()


@pytest.mark.parametrize("hand", [1, -1])
def test_an_oblique_volume_goes_all_the_way_round(scene, segmentation, hand):
    volume = add_volume(affine=turned(hand=hand))
    session = SceneSession(
        volume, slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode"), Balls(radius=6)
    )
    click = Point(session.image.ijk_to_ras([5, 9, 4]))
    session.add(click)
    assert (in_scene(session) == Balls(radius=6).open(session.image).segment([click])).all()
    assert in_scene(session).sum() > 50


def test_an_excluding_prompt_takes_voxels_out(session, at):
    session.add(at(6, 8, 5))
    session.add(at(6, 8, 2, include=False))
    assert in_scene(session)[6, 8, 8]
    assert not in_scene(session)[6, 8, 3]


def test_many_levels_of_undo_and_redo_carry_mask_and_prompts(session, at):
    masks = [in_scene(session)]
    for number in range(12):
        session.add(at(1 + number % 10, 2 + number, 1 + number))
        masks.append(in_scene(session))
    for number in reversed(range(12)):
        session.undo()
        assert (in_scene(session) == masks[number]).all()
        assert len(session.prompts) == number
    with pytest.raises(PromptError, match="nothing to undo"):
        session.undo()
    for number in range(1, 13):
        session.redo()
        assert (session.mask == masks[number]).all()
        assert len(session.prompts) == number
    with pytest.raises(PromptError, match="nothing to redo"):
        session.redo()


def test_a_prompt_after_undo_goes_on_from_there(session, at):
    session.add(at(6, 4, 4))
    session.add(at(6, 12, 4))
    session.undo()
    session.add(at(6, 4, 15))
    assert len(session.prompts) == 2
    assert not in_scene(session)[6, 12, 4]
    with pytest.raises(PromptError, match="nothing to redo"):
        session.redo()


def test_undo_by_slicers_own_button_is_seen_by_the_next_prompt(session, at):
    session.add(at(6, 4, 4))
    session.add(at(6, 12, 4))
    session.editor.undo()
    session.add(at(6, 4, 15))
    assert [p.position.tolist() for p in session.prompts] == [[4, 4, 6], [15, 4, 6]]
    assert not in_scene(session)[6, 12, 4]


def test_sync_reads_only_and_keeps_redo(session, at):
    session.add(at(6, 4, 4))
    session.editor.undo()
    assert session.sync()
    assert not session.sync()
    session.redo()
    assert len(session.prompts) == 1


def test_an_earlier_prompt_can_be_deleted_and_moved(session, at, model):
    session.add(at(6, 4, 4))
    session.add(at(6, 12, 4))
    session.remove(0)
    assert not in_scene(session)[6, 4, 4]
    session.replace(0, at(6, 12, 14))
    assert in_scene(session)[6, 12, 14]
    assert not in_scene(session)[6, 12, 4]


def test_an_earlier_prompt_can_be_deleted_after_undo_and_redo(session, at):
    session.add(at(6, 4, 4))
    session.add(at(6, 12, 4))
    session.undo()
    session.redo()
    session.remove(0)
    assert not in_scene(session)[6, 4, 4]
    assert in_scene(session)[6, 12, 4]


def test_reset_empties_the_segment_and_can_be_undone(session, at):
    session.add(at(6, 4, 4))
    session.reset()
    assert not in_scene(session).any()
    assert session.prompts == ()
    session.undo()
    assert in_scene(session).any()
    assert len(session.prompts) == 1


def test_a_refused_prompt_changes_nothing(session, at):
    session.add(at(6, 4, 4))
    tag = record(session).dumps()
    with pytest.raises(PromptError, match="outside the image"):
        session.add(Point([900, 0, 0]))
    with pytest.raises(UnsupportedPromptError):
        session.add(prompts.Lasso([[1, 1, 1], [2, 1, 1], [2, 2, 1]]))
    assert record(session).dumps() == tag
    session.undo()
    assert not in_scene(session).any()


def test_a_hand_edit_between_prompts_is_kept_and_refined(session, at):
    session.add(at(6, 4, 4))
    by_hand = box_mask((12, 16, 20), (0, 2), (0, 2), (15, 19))
    draw_by_hand(session.editor, session.segmentation, session.segment_id, by_hand)
    session.add(at(6, 12, 4))
    assert in_scene(session)[by_hand].all()
    assert in_scene(session)[6, 4, 4]
    assert session.baked == 1
    with pytest.raises(PromptError, match="before a hand edit"):
        session.remove(0)
    session.remove(1)
    assert in_scene(session)[by_hand].all()
    assert not in_scene(session)[6, 12, 4]


def test_undo_back_into_a_hand_edit_keeps_it_editable(session, at):
    session.add(at(6, 4, 4))
    first, second = (box_mask((12, 16, 20), (0, 2), (0, 2), (i, i + 2)) for i in (12, 16))
    draw_by_hand(session.editor, session.segmentation, session.segment_id, first)
    draw_by_hand(session.editor, session.segmentation, session.segment_id, second)
    session.undo()
    session.add(at(6, 12, 4))
    assert in_scene(session)[first].all()
    assert not in_scene(session)[second].any()
    assert session.baked == 1


def test_undo_across_a_hand_edit_makes_the_first_prompt_movable_again(session, at):
    session.add(at(6, 4, 4))
    by_hand = box_mask((12, 16, 20), (0, 2), (0, 2), (15, 19))
    draw_by_hand(session.editor, session.segmentation, session.segment_id, by_hand)
    session.undo()
    assert session.baked == 0
    session.remove(0)
    assert not in_scene(session).any()


def test_a_segment_emptied_by_hand_begins_anew(session, at):
    session.add(at(6, 4, 4))
    slicer.vtkSlicerSegmentationsModuleLogic.ClearSegment(session.segmentation, session.segment_id)
    session.add(at(6, 12, 4))
    assert len(session.prompts) == 1
    assert not in_scene(session)[6, 4, 4]


def test_an_existing_segment_is_improved_not_replaced(volume, segmentation, model):
    by_hand = box_mask((12, 16, 20), (1, 3), (1, 3), (1, 3))
    segment_id = add_segment(segmentation, by_hand)
    session = SceneSession(volume, segmentation, model, segment_id)
    session.add(Point([14, 12, 6]))
    assert in_scene(session)[by_hand].all()
    session.remove(0)
    assert (in_scene(session) == by_hand).all()


def test_segments_have_prompts_of_their_own(session, at, model):
    first = session.segment_id
    session.add(at(6, 4, 4))
    second = session.segmentation.GetSegmentation().AddEmptySegment()
    session.select(second)
    assert session.prompts == ()
    session.add(at(6, 12, 14))
    session.select(first)
    assert (session.mask == in_scene(session)).all()
    assert len(session.prompts) == 1
    assert model.opened == 1


def test_without_a_volume_or_segmentation_the_error_says_so(volume, segmentation, model):
    for nodes in ((None, segmentation), (volume, None)):
        with pytest.raises(InputError, match="Choose a source volume and a segmentation"):
            SceneSession(*nodes, model)


def test_an_unknown_segment_is_named(session):
    with pytest.raises(InputError, match="'objects' has no segment 'nobody'"):
        session.select("nobody")


def test_a_removed_segment_is_named(session, at):
    session.segmentation.GetSegmentation().RemoveSegment(session.segment_id)
    with pytest.raises(InputError, match="any more"):
        session.add(at(6, 4, 4))


def test_changed_voxels_reopen_the_volume_and_keep_what_is_done(session, at, volume, model):
    session.add(at(6, 4, 4))
    slicer.util.arrayFromVolume(volume)[:] = 0
    slicer.util.arrayFromVolumeModified(volume)
    session.add(at(6, 4, 14))
    assert model.opened == 2
    assert in_scene(session)[6, 4, 4]
    assert not in_scene(session)[6, 4, 14]
    assert session.baked == 1


def test_another_model_takes_earlier_prompts_as_part_of_the_mask(session, at, volume):
    session.add(at(6, 4, 4))
    other = SceneSession(
        volume, session.segmentation, Balls(version="2"), session.segment_id, session.editor
    )
    assert other.baked == 1
    other.add(at(6, 12, 4))
    assert in_scene(other)[6, 4, 4]
    assert record(other).model["version"] == "2"


@pytest.fixture
def forgetful(model):
    """A model that cannot correct a mask."""
    model.capabilities = dataclasses.replace(model.capabilities, start_mask=False)
    return model


def test_a_model_without_start_masks_says_so_at_a_hand_edit(forgetful, session, at):
    session.add(at(6, 4, 4))
    by_hand = box_mask((12, 16, 20), (0, 2), (0, 2), (15, 19))
    draw_by_hand(session.editor, session.segmentation, session.segment_id, by_hand)
    with pytest.raises(UnsupportedPromptError, match="'balls' cannot go on from a mask"):
        session.add(at(6, 12, 4))
    assert in_scene(session)[by_hand].all()
    session.undo()
    session.add(at(6, 12, 4))
    assert in_scene(session)[6, 4, 4]


def test_a_model_without_start_masks_works_within_rules(forgetful, session, at):
    session.editor.node.SourceVolumeIntensityMaskOn()
    session.editor.node.SetSourceVolumeIntensityMaskRange(150, 250)
    session.add(at(6, 4, 10))
    session.add(at(6, 12, 10))
    assert session.baked == 0
    assert in_scene(session)[6, 4, 10]
    assert in_scene(session)[6, 12, 10]
    assert not in_scene(session)[:, :, :10].any()


def test_the_tag_tells_where_the_mask_is_from(session, at):
    session.add(at(6, 4, 4))
    saved = record(session)
    assert saved.model == {"name": "balls", "version": "1", "weights_hash": None}
    assert saved.medseg
    segment = session.segmentation.GetSegmentation().GetSegment(session.segment_id)
    assert read_tag(segment, "DICOM.SegmentAlgorithmType") == "SEMIAUTOMATIC"
    assert read_tag(segment, "DICOM.SegmentAlgorithmName") == "balls 1"


def test_the_tag_has_no_bar(session):
    session.add(Text("left|right"))
    segment = session.segmentation.GetSegmentation().GetSegment(session.segment_id)
    assert "|" not in read_tag(segment)
    assert record(session).prompts[0].text == "left|right"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no json", "cannot be read"),
        ("{}", "cannot be read"),
        (json.dumps({"medseg_session": 99}), "newer medseg"),
    ],
)
def test_a_tag_that_cannot_be_read_is_refused(session, text, message):
    session.segmentation.GetSegmentation().GetSegment(session.segment_id).SetTag(TAG, text)
    with pytest.raises(PromptError, match=message):
        session.sync()
    assert session.prompts == ()


def test_closing_takes_the_editor_node_away(session, scene):
    session.editor.close()
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentEditorNode") == 0


def test_start_masks_survive_packing(session, at):
    noise = np.random.default_rng(0).random((12, 16, 20)) > 0.5
    draw_by_hand(session.editor, session.segmentation, session.segment_id, noise)
    session.add(at(6, 4, 4))
    assert (record(session).start.mask() == noise).all()
