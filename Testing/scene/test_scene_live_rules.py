"""What masks, ranges, overwrite modes, limits and grids do to results that come later."""

import numpy as np
import pytest
import slicer
from live_kit import Live, in_scene, painted, record
from medseg import InputError
from medseg_scene import InsideRoi, Slab
from scene_kit import (
    add_segment,
    add_segmentation,
    add_transform,
    add_volume,
    box_mask,
    turned,
)

SHAPE = (12, 16, 20)
EDIT = slicer.vtkMRMLSegmentationNode
OVERWRITE = slicer.vtkMRMLSegmentEditorNode


@pytest.fixture
def neighbours(segmentation):
    """Two segments that touch, in one layer."""
    first = add_segment(segmentation, box_mask(SHAPE, (3, 9), (3, 13), (2, 8)), name="first")
    second = add_segment(segmentation, box_mask(SHAPE, (3, 9), (3, 13), (8, 14)), name="second")
    slicer.vtkSlicerSegmentationsModuleLogic.CollapseBinaryLabelmaps(segmentation, False)
    assert segmentation.GetSegmentation().GetNumberOfLayers() == 1
    return first, second


@pytest.fixture
def on_first(kit, volume, segmentation, neighbours):
    live = Live(kit, volume, segmentation, neighbours[0])
    yield live
    live.close()


# Neighbours


def test_a_prediction_over_both_of_a_shared_layer_erases_no_neighbour(on_first, neighbours):
    """Where the strongest peer loses the neighbour's voxels, and its undo does not bring them."""
    first, second = (in_scene(on_first, n) for n in neighbours)
    on_first.click(6, 8, 8)
    assert (in_scene(on_first) & second).any()
    assert (in_scene(on_first, neighbours[1]) == second).all()
    on_first.click(6, 8, 8, include=False)
    assert (in_scene(on_first, neighbours[1]) == second).all()
    on_first.undo()
    on_first.undo()
    assert (in_scene(on_first, neighbours[0]) == first).all()
    assert (in_scene(on_first, neighbours[1]) == second).all()


def test_shrinking_beside_a_neighbour_takes_nothing_from_it(on_first, neighbours):
    second = in_scene(on_first, neighbours[1])
    on_first.click(6, 8, 7, include=False)
    assert not in_scene(on_first)[6, 8, 7]
    assert (in_scene(on_first, neighbours[1]) == second).all()


def test_a_new_segment_inside_another_of_the_layer_erases_nothing(on_first, neighbours):
    both = [in_scene(on_first, n) for n in neighbours]
    on_first.select(on_first.segmentation.GetSegmentation().AddEmptySegment())
    on_first.click(6, 8, 8)
    assert in_scene(on_first).any()
    assert [(in_scene(on_first, n) == m).all() for n, m in zip(neighbours, both, strict=True)]


def test_overwrite_all_takes_only_where_it_adds(on_first, neighbours):
    on_first.editor.node.SetOverwriteMode(OVERWRITE.OverwriteAllSegments)
    second = in_scene(on_first, neighbours[1])
    on_first.click(6, 8, 8)
    assert (in_scene(on_first, neighbours[1]) == (second & ~in_scene(on_first))).all()
    on_first.undo()
    assert (in_scene(on_first, neighbours[1]) == second).all()


# Rules of the editor


@pytest.mark.parametrize(
    ("mode", "inside"),
    [("EditAllowedInsideSingleSegment", True), ("EditAllowedOutsideAllSegments", False)],
)
def test_the_editable_area_is_honoured(live, neighbours, mode, inside):
    live.editor.node.SetMaskMode(getattr(EDIT, mode))
    live.editor.node.SetMaskSegmentID(neighbours[0])
    area = in_scene(live, neighbours[0])
    others = area | in_scene(live, neighbours[1])
    live.click(6, 8, 3)
    wanted = painted(live.image, [live.at(6, 8, 3)])
    assert (in_scene(live) == (wanted & area if inside else wanted & ~others)).all()
    assert record(live).describes(live.image, in_scene(live))


def test_the_editable_area_leaves_out_the_segment_asked_for(live, neighbours):
    """Not the one that is selected when the result comes."""
    live.editor.node.SetMaskMode(EDIT.EditAllowedOutsideAllSegments)
    live.click(6, 8, 17)
    pending, first = live.add(live.at(6, 8, 17, include=False)), live.segment_id
    live.select(neighbours[0])
    live.wait(pending)
    assert not in_scene(live, first).any()
    assert live.editor.node.GetSelectedSegmentID() == neighbours[0]


def test_the_intensity_range_is_honoured_and_the_next_prompt_goes_on(live):
    live.editor.node.SourceVolumeIntensityMaskOn()
    live.editor.node.SetSourceVolumeIntensityMaskRange(150, 250)
    live.click(6, 8, 10)
    assert in_scene(live)[6, 8, 10]
    assert not in_scene(live)[:, :, :10].any()
    live.editor.node.SourceVolumeIntensityMaskOff()
    live.click(6, 2, 15)
    assert not in_scene(live)[:, :, :10].any()
    assert in_scene(live)[6, 8, 10]
    live.undo()
    live.undo()
    assert not in_scene(live).any()
    live.click(6, 8, 10)
    assert (in_scene(live) == painted(live.image, live.prompts)).all()


# Limits


def test_nothing_changes_outside_a_slab(live):
    live.click(6, 8, 5)
    before = in_scene(live)
    live.limits = Slab(0, 6, 7)
    live.click(6, 8, 9)
    live.click(6, 8, 5, include=False)
    assert (np.delete(in_scene(live), (6, 7), 0) == np.delete(before, (6, 7), 0)).all()
    assert in_scene(live)[6, 8, 10]
    assert not in_scene(live)[6, 8, 5]
    live.limits = None
    live.click(2, 8, 15)
    assert in_scene(live)[2, 8, 15]
    live.undo()
    live.undo()
    live.undo()
    assert (in_scene(live) == before).all()


def test_a_slab_makes_sense():
    with pytest.raises(InputError, match="axis 0, 1 or 2"):
        Slab(0, 5, 4)


def add_roi(center, half, degrees=0.0, parent=None):
    roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "limit")
    roi.SetSize(*np.multiply(half, 2).tolist())
    matrix = turned((0, 0, degrees), (1, 1, 1), center)
    roi.SetAndObserveObjectToNodeMatrix(slicer.util.vtkMatrixFromArray(matrix))
    roi.SetAndObserveTransformNodeID(parent.GetID() if parent else None)
    return roi, matrix


@pytest.mark.parametrize("degrees", [0, 30])
@pytest.mark.parametrize("moved", [False, True])
def test_nothing_changes_outside_an_roi(live, degrees, moved):
    shift = turned((0, 0, 10), (1, 1, 1), (1, -1, 0.5)) if moved else np.eye(4)
    roi, matrix = add_roi((5, 8, 6), (3, 1.5, 2), degrees, add_transform(shift) if moved else None)
    live.limits = InsideRoi(roi)
    live.click(6, 8, 5)
    k, j, i = np.indices(SHAPE)
    ras = live.image.ijk_to_ras(np.stack([i, j, k], -1))
    local = (ras - (shift @ matrix)[:3, 3]) @ (shift @ matrix)[:3, :3]
    inside = (np.abs(local) <= np.array([3, 1.5, 2]) + 1e-6).all(-1)
    wanted = painted(live.image, [live.at(6, 8, 5)])
    assert (in_scene(live) == (wanted & inside)).all()
    assert 0 < in_scene(live).sum() < wanted.sum()


def test_an_roi_that_is_gone_lets_nothing_through(live, scene):
    live.limits = InsideRoi(add_roi((5, 8, 6), (3, 3, 3))[0])
    scene.RemoveNode(live.limits.node)
    pending = live.add(live.at(6, 8, 5))
    live.settle()
    assert "ROI that changes are limited to is gone" in str(pending.error)
    assert not in_scene(live).any()
    live.limits = None
    live.click(6, 8, 15)
    assert (in_scene(live) == painted(live.image, [live.at(6, 8, 15)])).all()


# Grids


def spaced(factor, origin=0.0):
    affine = np.diag([factor, factor, factor, 1.0])
    affine[:3, 3] = origin
    return affine


def set_geometry(segmentation, shape, affine):
    grid = slicer.vtkOrientedImageData()
    grid.SetDimensions(shape[::-1])
    converter = slicer.vtkSegmentationConverter
    segmentation.GetSegmentation().SetConversionParameter(
        converter.GetReferenceImageGeometryParameterName(),
        converter.SerializeImageGeometry(slicer.util.vtkMatrixFromArray(affine), grid),
    )


@pytest.mark.parametrize(
    ("shape", "affine"),
    [((4, 4, 4), np.eye(4)), ((24, 32, 40), spaced(0.5, -0.25)), ((36, 48, 60), spaced(1 / 3))],
    ids=["cropped", "finer", "three times finer"],
)
def test_cropped_and_finer_segmentations_hold_the_mask_exactly(kit, volume, shape, affine):
    segmentation = add_segmentation()
    set_geometry(segmentation, shape, affine)
    live = Live(kit, volume, segmentation)
    live.click(6, 8, 8)
    live.click(6, 8, 14)
    live.wait(live.remove(0))
    assert (in_scene(live) == painted(live.image, [live.at(6, 8, 14)])).all()
    live.undo()
    live.click(2, 2, 2)
    assert (in_scene(live) == painted(live.image, live.prompts)).all()
    assert live.baked == 0
    live.close()


@pytest.mark.parametrize(
    "grid",
    [spaced(2.0), turned((5, 10, 15), (0.9, 0.9, 0.9), (-6, -9, -6))],
    ids=["coarse", "turned"],
)
def test_a_grid_that_loses_detail_does_not_bake_prompts(kit, volume, grid):
    segmentation = add_segmentation()
    set_geometry(segmentation, (40, 40, 40), grid)
    live = Live(kit, volume, segmentation)
    live.click(6, 8, 5)
    live.click(6, 8, 14)
    live.wait(live.remove(0))
    live.undo()
    live.wait(live.remove(0))
    actual = in_scene(live)
    assert live.baked == 0
    assert record(live).describes(live.image, actual)
    live.select(segmentation.GetSegmentation().AddEmptySegment())
    live.click(6, 8, 14)
    assert (in_scene(live) == actual).all()
    assert actual[6, 8, 14]
    live.close()


def test_negative_extents_are_kept(kit, volume, segmentation):
    segment_id = add_segment(segmentation, np.ones((6, 6, 6), bool), start=(-3, -2, -1))
    live = Live(kit, volume, segmentation, segment_id)
    live.click(2, 2, 2, include=False)
    labelmap = segmentation.GetBinaryLabelmapInternalRepresentation(segment_id)
    assert labelmap.GetExtent()[::2] == (-3, -2, -1)
    assert not in_scene(live)[2, 2, 2]
    live.close()


@pytest.mark.parametrize("under", ["volume", "segmentation", "different"])
def test_parent_transforms(kit, scene, under):
    volume, segmentation = add_volume(), add_segmentation()
    first = add_transform(turned((0, 0, 90), (1, 1, 1), (3, -2, 5)))
    second = add_transform(turned((90, 0, 0), (1, 1, 1), (1, 1, 1)), parent=first)
    if under != "segmentation":
        volume.SetAndObserveTransformNodeID(first.GetID())
    if under != "volume":
        segmentation.SetAndObserveTransformNodeID(second.GetID())
    live = Live(kit, volume, segmentation)
    live.click(4, 9, 5)
    live.click(8, 3, 15)
    assert (in_scene(live) == painted(live.image, live.prompts)).all()
    live.undo()
    live.click(8, 9, 15)
    assert (in_scene(live) == painted(live.image, live.prompts)).all()
    live.close()
