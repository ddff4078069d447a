"""What the segment editor's masks, ranges and overwrite modes do to prompts."""

import numpy as np
import pytest
import slicer
from medseg import Point
from medseg_scene import SceneSession, read_segment
from scene_kit import add_segment, add_segmentation, add_transform, box_mask, turned

SHAPE = (12, 16, 20)
EDIT = slicer.vtkMRMLSegmentationNode
OVERWRITE = slicer.vtkMRMLSegmentEditorNode


def mask_of(session, segment_id):
    return read_segment(session.segmentation, segment_id, session.image)


@pytest.fixture
def neighbour(segmentation):
    return add_segment(segmentation, box_mask(SHAPE, (4, 9), (2, 7), (0, 6)), name="neighbour")


@pytest.fixture
def beside(segmentation, neighbour):
    """A second segment that shares the neighbour's layer, label 2."""
    segment_id = segmentation.GetSegmentation().AddEmptySegment("beside")
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    logic.CollapseBinaryLabelmaps(segmentation, False)
    return segment_id


def test_by_default_neighbours_lose_nothing_and_may_overlap(session, at, neighbour):
    before = mask_of(session, neighbour)
    session.add(at(6, 4, 5))
    assert (mask_of(session, neighbour) == before).all()
    assert (session.mask & before).any()


def test_taking_voxels_out_gives_and_takes_neighbours_nothing(session, at, neighbour):
    session.add(at(6, 4, 5))
    before = mask_of(session, neighbour)
    session.add(at(6, 4, 5, include=False))
    assert (mask_of(session, neighbour) == before).all()
    assert not session.mask.any()


def test_a_neighbour_in_the_same_layer_loses_nothing(
    volume, segmentation, beside, neighbour, model
):
    session = SceneSession(volume, segmentation, model, beside)
    session.add(Point([14, 12, 6]))
    slicer.vtkSlicerSegmentationsModuleLogic.CollapseBinaryLabelmaps(segmentation, False)
    segmentations = segmentation.GetSegmentation()
    assert segmentations.GetNumberOfLayers() == 1
    assert segmentations.GetSegment(beside).GetLabelValue() > 1
    before = mask_of(session, neighbour)
    session.sync()
    session.add(Point([5, 4, 6]))
    assert (mask_of(session, neighbour) == before).all()
    session.add(Point([5, 4, 6], include=False))
    assert (mask_of(session, neighbour) == before).all()
    session.undo()
    session.undo()
    assert (mask_of(session, neighbour) == before).all()
    assert session.mask[6, 12, 14]


def test_overwrite_all_takes_voxels_only_where_it_adds(session, at, neighbour):
    session.editor.node.SetOverwriteMode(OVERWRITE.OverwriteAllSegments)
    before = mask_of(session, neighbour)
    session.add(at(6, 4, 5))
    assert (mask_of(session, neighbour) == (before & ~session.mask)).all()
    session.undo()
    assert (mask_of(session, neighbour) == before).all()


@pytest.mark.parametrize("visible", [True, False])
def test_overwrite_visible_spares_hidden_neighbours(session, at, neighbour, visible):
    session.editor.node.SetOverwriteMode(OVERWRITE.OverwriteVisibleSegments)
    display = session.segmentation.GetDisplayNode()
    display.SetSegmentVisibility(neighbour, visible)
    before = mask_of(session, neighbour)
    session.add(at(6, 4, 5))
    assert (mask_of(session, neighbour) != before).any() == visible


@pytest.mark.parametrize(
    ("mode", "inside"),
    [
        ("EditAllowedInsideAllSegments", True),
        ("EditAllowedInsideVisibleSegments", True),
        ("EditAllowedInsideSingleSegment", True),
        ("EditAllowedOutsideAllSegments", False),
        ("EditAllowedOutsideVisibleSegments", False),
    ],
)
def test_the_editable_area_is_honoured(session, at, neighbour, mode, inside):
    session.editor.node.SetMaskMode(getattr(EDIT, mode))
    session.editor.node.SetMaskSegmentID(neighbour)
    area = mask_of(session, neighbour)
    wanted = session._model.open(session.image).segment([at(6, 4, 5)])
    session.add(at(6, 4, 5))
    assert (session.mask == (wanted & area if inside else wanted & ~area)).all()
    assert (mask_of(session, neighbour) == area).all()


def test_the_intensity_range_is_honoured_for_adding_and_removing(session, at):
    session.editor.node.SourceVolumeIntensityMaskOn()
    session.editor.node.SetSourceVolumeIntensityMaskRange(150, 250)
    session.add(at(6, 8, 10))
    assert session.mask[6, 8, 10]
    assert not session.mask[:, :, :10].any()
    session.editor.node.SourceVolumeIntensityMaskOff()
    session.add(at(6, 8, 10))
    session.editor.node.SourceVolumeIntensityMaskOn()
    session.add(at(6, 8, 10, include=False))
    assert session.mask[6, 8, 9]
    assert not session.mask[:, :, 10:].any()


def test_the_intensity_range_works_on_a_transformed_volume(scene, volume, model):
    segmentation = add_segmentation()
    volume.SetAndObserveTransformNodeID(add_transform(turned((0, 0, 90), (1, 1, 1))).GetID())
    session = SceneSession(volume, segmentation, model)
    session.editor.node.SourceVolumeIntensityMaskOn()
    session.editor.node.SetSourceVolumeIntensityMaskRange(150, 250)
    session.add(Point(session.image.ijk_to_ras([10, 8, 6])))
    assert session.mask[6, 8, 10]
    assert not session.mask[:, :, :10].any()


def test_what_a_rule_held_back_stays_back_when_the_rule_goes(session, at, neighbour):
    session.editor.node.SetMaskMode(EDIT.EditAllowedOutsideAllSegments)
    session.add(at(6, 4, 5))
    held_back = mask_of(session, neighbour)
    session.editor.node.SetMaskMode(EDIT.EditAllowedEverywhere)
    session.add(at(6, 13, 15))
    assert not (session.mask & held_back).any()
    assert session.baked == 1


def test_a_prompt_held_back_wholly_acts_once_the_rule_goes(session, at, neighbour):
    session.editor.node.SetMaskMode(EDIT.EditAllowedInsideAllSegments)
    session.add(at(6, 13, 15))
    assert not session.mask.any()
    session.editor.node.SetMaskMode(EDIT.EditAllowedEverywhere)
    session.add(at(6, 13, 14))
    assert session.mask[6, 13, 19]
    assert len(session.prompts) == 2


def test_a_rule_that_blocks_everything_leaves_one_undo_step(session, at, neighbour):
    session.editor.node.SetMaskMode(EDIT.EditAllowedInsideAllSegments)
    session.add(at(6, 13, 15))
    session.undo()
    assert session.prompts == ()


def test_the_sessions_segment_is_the_edited_one(session, at, neighbour):
    session.editor.node.SetMaskMode(EDIT.EditAllowedOutsideAllSegments)
    session.add(at(6, 13, 12))
    session.editor.node.SetSelectedSegmentID(neighbour)
    session.add(at(6, 13, 12, include=False))
    assert not session.mask.any()


def test_numbers_of_a_shared_layer_are_told_apart(session, neighbour):
    assert mask_of(session, neighbour).sum() == 5 * 5 * 6
    assert not mask_of(session, session.segment_id).any()
    assert np.count_nonzero(session.mask) == 0
