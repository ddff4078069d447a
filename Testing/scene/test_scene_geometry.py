"""Segmentations whose grid, extent or transform is not that of the volume."""

import numpy as np
import pytest
import slicer
from live_kit import Live, in_scene, painted
from medseg import GeometryError, InputError, Point, resample
from medseg.protocol.images import digest
from medseg_scene import SceneSession, image_from_volume, read_segment
from scene_kit import (
    Balls,
    add_segment,
    add_segmentation,
    add_transform,
    add_volume,
    box_mask,
    turned,
)

SHAPE = (12, 16, 20)


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


def ball(session, *prompts):
    return Balls().open(session.image).segment(prompts)


def test_a_cropped_segment_is_read_in_place(volume, segmentation, session):
    segment_id = add_segment(segmentation, np.ones((2, 3, 4), bool), start=(5, 6, 7))
    expected = box_mask(SHAPE, (7, 9), (6, 9), (5, 9))
    assert (read_segment(segmentation, segment_id, session.image) == expected).all()


def test_a_segment_with_negative_extent_is_read_in_place(segmentation, session):
    segment_id = add_segment(segmentation, np.ones((6, 6, 6), bool), start=(-3, -2, -1))
    expected = box_mask(SHAPE, (0, 5), (0, 4), (0, 3))
    assert (read_segment(segmentation, segment_id, session.image) == expected).all()


def test_a_prompt_keeps_what_lies_outside_the_volume(volume, segmentation, model):
    segment_id = add_segment(segmentation, np.ones((6, 6, 6), bool), start=(-3, -2, -1))
    session = SceneSession(volume, segmentation, model, segment_id)
    session.add(Point([2, 2, 2], include=False))
    labelmap = segmentation.GetBinaryLabelmapInternalRepresentation(segment_id)
    assert labelmap.GetExtent()[::2] == (-3, -2, -1)
    assert not session.mask.any()


def test_a_segment_wholly_outside_the_volume_reads_as_empty(segmentation, session):
    segment_id = add_segment(segmentation, np.ones((2, 2, 2), bool), start=(50, 0, 0))
    assert not read_segment(segmentation, segment_id, session.image).any()


@pytest.mark.parametrize(("factor", "origin"), [(0.5, -0.25), (0.25, 0.0), (1 / 3, 0.1)])
def test_a_finer_segmentation_holds_the_mask_exactly(volume, model, factor, origin):
    segmentation = add_segmentation()
    set_geometry(segmentation, [round(n / factor) for n in SHAPE], spaced(factor, origin))
    session = SceneSession(volume, segmentation, model)
    first, second = Point([8, 8, 6]), Point([12, 8, 6])
    session.add(first)
    session.add(second)
    assert (session.mask == ball(session, first, second)).all()
    session.remove(0)
    assert (session.mask == ball(session, second)).all()
    labelmap = segmentation.GetBinaryLabelmapInternalRepresentation(session.segment_id)
    assert labelmap.GetSpacing()[0] == pytest.approx(factor)


def test_fine_detail_away_from_the_change_stays(volume, model):
    segmentation = add_segmentation()
    set_geometry(segmentation, [2 * n for n in SHAPE], spaced(0.5))
    detail = np.zeros((3, 3, 3), bool)
    detail[1] = detail[:, 1] = detail[:, :, 1] = True
    segment_id = add_segment(segmentation, detail, spaced(0.5), start=(30, 25, 16))
    session = SceneSession(volume, segmentation, model, segment_id)
    session.add(Point([6, 6, 6]))
    labelmap = slicer.util.arrayFromSegmentInternalBinaryLabelmap(segmentation, segment_id)
    extent = segmentation.GetBinaryLabelmapInternalRepresentation(segment_id).GetExtent()
    k, j, i = 16 - extent[4], 25 - extent[2], 30 - extent[0]
    assert (labelmap[k : k + 3, j : j + 3, i : i + 3].astype(bool) == detail).all()


@pytest.mark.parametrize(
    "grid",
    [spaced(2.0), turned((5, 10, 15), (0.9, 0.9, 0.9), (-6, -9, -6))],
    ids=["coarse", "turned"],
)
def test_a_grid_that_loses_detail_does_not_bake_prompts(volume, model, grid):
    segmentation = add_segmentation()
    set_geometry(segmentation, (40, 40, 40), grid)
    session = SceneSession(volume, segmentation, model)
    session.add(Point([5, 8, 6]))
    session.add(Point([14, 8, 6]))
    assert session.baked == 0
    wanted = ball(session, Point([14, 8, 6]))
    session.remove(0)
    actual = read_segment(segmentation, session.segment_id, session.image)
    overlap = 2 * (actual & wanted).sum() / (actual.sum() + wanted.sum())
    assert overlap > 0.8


def test_a_segmentation_of_a_cropped_volume_takes_prompts_beyond_it(volume, model):
    segmentation = add_segmentation()
    set_geometry(segmentation, (4, 4, 4), np.eye(4))
    session = SceneSession(volume, segmentation, model)
    session.add(Point([14, 8, 6]))
    assert (session.mask == ball(session, Point([14, 8, 6]))).all()


def test_with_a_rule_nothing_is_written_where_the_rule_is_unknown(volume, model):
    segmentation = add_segmentation()
    set_geometry(segmentation, (12, 16, 11), np.eye(4))
    session = SceneSession(volume, segmentation, model)
    session.editor.node.SourceVolumeIntensityMaskOn()
    session.editor.node.SetSourceVolumeIntensityMaskRange(0, 1000)
    session.add(Point([10, 8, 6]))
    assert session.mask[6, 8, 10]
    assert not session.mask[:, :, 11:].any()


@pytest.mark.parametrize("under", ["volume", "segmentation", "both", "different"])
def test_linear_transforms_of_volume_and_segmentation(scene, model, under):
    volume, segmentation = add_volume(), add_segmentation()
    first = add_transform(turned((0, 0, 90), (1, 1, 1), (3, -2, 5)))
    second = add_transform(turned((90, 0, 0), (1, 1, 1), (1, 1, 1)), parent=first)
    if under in ("volume", "both", "different"):
        volume.SetAndObserveTransformNodeID(first.GetID())
    if under in ("segmentation", "different"):
        segmentation.SetAndObserveTransformNodeID(second.GetID())
    if under == "both":
        segmentation.SetAndObserveTransformNodeID(first.GetID())
    session = SceneSession(volume, segmentation, model)
    click = Point(session.image.ijk_to_ras([5, 9, 4]))
    session.add(click)
    assert (session.mask == ball(session, click)).all()
    bounds = np.zeros(6)
    segmentation.GetRASBounds(bounds)
    assert np.allclose((bounds[::2] + bounds[1::2]) / 2, click.position, atol=1.01)


def test_a_hand_drawn_segment_under_another_transform_is_read_in_place(scene, volume, model):
    segmentation = add_segmentation()
    shift = np.eye(4)
    shift[:3, 3] = [3, 0, 0]
    segmentation.SetAndObserveTransformNodeID(add_transform(shift).GetID())
    segment_id = add_segment(segmentation, box_mask(SHAPE, (2, 4), (3, 5), (6, 9)))
    session = SceneSession(volume, segmentation, model, segment_id)
    assert (session.mask == box_mask(SHAPE, (2, 4), (3, 5), (9, 12))).all()


def test_a_moved_volume_makes_earlier_prompts_part_of_the_mask(session, at, volume, segmentation):
    session.add(at(6, 4, 4))
    shift = add_transform(turned((0, 0, 0), (1, 1, 1), (30, 0, 0)))
    volume.SetAndObserveTransformNodeID(shift.GetID())
    segmentation.SetAndObserveTransformNodeID(shift.GetID())
    session.sync()
    session.add(at(6, 12, 4))
    assert session.baked == 1
    assert session.mask[6, 4, 4]
    assert session.mask[6, 12, 4]


def test_a_segmentation_under_a_warp_is_refused(session, segmentation, at):
    warp = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode", "warp")
    warp.SetAndObserveTransformFromParent(slicer.vtkOrientedBSplineTransform())
    segmentation.SetAndObserveTransformNodeID(warp.GetID())
    with pytest.raises(GeometryError, match="'objects' lies under the non-linear transform 'warp'"):
        session.add(at(6, 4, 4))


def test_a_sheared_volume_works_on_its_straightened_grid(scene, model):
    shear = np.eye(4)
    shear[1, 2] = 0.3
    volume, segmentation = add_volume(), add_segmentation()
    volume.SetAndObserveTransformNodeID(add_transform(shear).GetID())
    session = SceneSession(volume, segmentation, model)
    session.add(Point([5, 10, 6]))
    assert (session.mask == ball(session, Point([5, 10, 6]))).all()
    session.add(Point([14, 10, 6]))
    assert session.baked == 0


def test_a_sheared_volume_is_resampled_by_the_helper(kit, scene, monkeypatch):
    shear = np.eye(4)
    shear[:2, 2] = 0.3, -0.4
    voxels = np.random.default_rng(2).integers(-900, 900, (12, 16, 20), np.int16)
    volume, segmentation = add_volume(voxels), add_segmentation()
    volume.SetAndObserveTransformNodeID(add_transform(shear).GetID())
    wanted = image_from_volume(volume)
    with monkeypatch.context() as window:
        window.setattr(resample, "orthogonalise", None)
        live = Live(kit, volume, segmentation)
        live.click(5, 8, 7)
        assert live.image.same_grid(wanted)
        assert live.image.notes == wanted.notes
    assert (in_scene(live) == painted(wanted, [live.at(5, 8, 7)])).all()
    assert live._works.known().linked._image.name == digest(wanted)
    live.close()


def test_a_closed_surface_segmentation_is_refused(session, segmentation):
    name = slicer.vtkSegmentationConverter.GetClosedSurfaceRepresentationName()
    surfaces = add_segmentation(name="surfaces")
    surfaces.GetSegmentation().SetSourceRepresentationName(name)
    segment_id = surfaces.GetSegmentation().AddEmptySegment("s")
    surfaces.GetSegmentation().GetSegment(segment_id).RemoveAllRepresentations()
    with pytest.raises(InputError, match="'Closed surface'; make 'Binary labelmap'"):
        read_segment(surfaces, segment_id, session.image)
