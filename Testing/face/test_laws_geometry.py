# ruff: noqa: F811
"""The laws of the Segment Editor where grids and transforms are not the plain ones."""

import numpy as np
import pytest
import slicer
from effects_kit import (  # noqa: F401
    SHAPE,
    add_segmentation,
    add_volume,
    by_hand,
    helper,
    make,
    oriented,
    painted_ball,
    room,
)
from scene_kit import add_segment, add_transform, box_mask, turned

pytestmark = pytest.mark.usefixtures("host")

MOVED = np.array([[0.0, -1.0, 0.0, 40.0], [1.0, 0.0, 0.0, -15.0], [0, 0, 1, 7.0], [0, 0, 0, 1]])


def geometry(segmentation, image):
    """Give a segmentation the grid of an oriented image."""
    conversion = slicer.vtkSegmentationConverter
    text = conversion.SerializeImageGeometry(image)
    segmentation.GetSegmentation().SetConversionParameter(
        conversion.GetReferenceImageGeometryParameterName(), text
    )


@pytest.mark.parametrize("hand", [1, -1])
@pytest.mark.parametrize("way", ["Axial", "Sagittal", "Coronal"])
def test_a_click_on_an_oblique_volume(make, way, hand):
    room = make(volume=add_volume(affine=turned(hand=hand)))
    view = {"Axial": "Red", "Sagittal": "Yellow", "Coronal": "Green"}[way]
    room.activate()
    room.click(6, 8, 10, view=view)
    clicked = room.prompts[0].position
    assert np.linalg.norm(clicked - room.ras(6, 8, 10)) < 1.5
    assert (room.mask() == painted_ball(room.image, clicked)).all()
    assert room.mask()[6, 8, 10]


def test_a_click_in_a_view_along_the_slices_of_the_volume(make):
    room = make(volume=add_volume(affine=turned()))
    node = room.view().mrmlSliceNode()
    node.RotateToVolumePlane(room.volume)
    room.view().sliceLogic().SnapSliceOffsetToIJK()
    room.activate()
    room.click(6, 8, 10)
    assert np.linalg.norm(room.prompts[0].position - room.ras(6, 8, 10)) < 1.0
    assert room.mask()[6, 8, 10]


@pytest.mark.parametrize("moved", ["volume", "segmentation", "both"])
def test_parent_transforms(make, moved):
    volume = add_volume()
    segmentation = add_segmentation(volume)
    transform = add_transform(MOVED)
    for node, name in ((volume, "volume"), (segmentation, "segmentation")):
        if moved in (name, "both"):
            node.SetAndObserveTransformNodeID(transform.GetID())
    room = make(volume=volume, segmentation=segmentation)
    room.activate()
    room.click(6, 8, 10)
    clicked = room.prompts[0].position
    assert np.linalg.norm(clicked - room.ras(6, 8, 10)) < 1.0
    assert (room.mask() == painted_ball(room.image, clicked)).all()
    room.click(6, 8, 4)
    room.undo()
    assert (room.mask() == painted_ball(room.image, clicked)).all()


def test_a_segmentation_with_a_finer_grid(make):
    volume = add_volume()
    segmentation = add_segmentation(volume)
    fine = np.diag([0.5, 0.5, 0.5, 1.0])
    fine[:3, 3] = -0.25
    geometry(segmentation, oriented(np.zeros([2 * n for n in SHAPE], bool), fine))
    room = make(volume=volume, segmentation=segmentation)
    room.activate()
    room.click(6, 8, 10)
    assert (room.mask() == room.ball(6, 8, 10)).all()
    by_hand(room, box_mask((4, 4, 4), (1, 3), (1, 3), (1, 3)), affine=fine)
    drawn = voxels_of(room)
    room.click(6, 8, 15)
    assert room.mask()[6, 8, 15]
    assert voxels_of(room) >= drawn + 8 * int((room.ball(6, 8, 15) & ~room.ball(6, 8, 10)).sum())


def voxels_of(room):
    """Voxels of the segment in its own grid."""
    array = slicer.util.arrayFromSegmentInternalBinaryLabelmap(room.segmentation, room.selected)
    return int((array == room.segment().GetLabelValue()).sum())


def test_a_segmentation_that_covers_a_part_of_the_volume(make):
    volume = add_volume()
    segmentation = add_segmentation(volume)
    part = np.eye(4)
    part[:3, 3] = [8, 6, 4]
    geometry(segmentation, oriented(np.zeros((5, 6, 7), bool), part))
    room = make(volume=volume, segmentation=segmentation)
    room.activate()
    room.click(6, 8, 10)
    assert (room.mask() == room.ball(6, 8, 10)).all()


def test_negative_extents(make):
    """A segment that begins before the volume does, as after a resample or an import."""
    volume = add_volume()
    segmentation = add_segmentation(volume)
    beyond = add_segment(segmentation, np.ones((4, 4, 4), bool), start=(-6, -5, -3), name="beyond")
    within = add_segment(segmentation, np.ones((6, 6, 6), bool), start=(-2, -2, -2), name="within")
    room = make(volume=volume, segmentation=segmentation)
    room.node.SetSelectedSegmentID(within)
    room.activate()
    before = room.mask()
    assert before[:4, :4, :4].all()
    room.click(6, 8, 10)
    assert (room.mask() == before | room.ball(6, 8, 10)).all()
    everything = segment_voxels(segmentation, within)
    assert everything == 6**3 + int(room.ball(6, 8, 10).sum())
    assert segment_voxels(segmentation, beyond) == 4**3
    room.undo()
    assert (room.mask() == before).all()


def segment_voxels(segmentation, segment_id):
    image = slicer.vtkOrientedImageData()
    segmentation.GetBinaryLabelmapRepresentation(segment_id, image)
    from vtk.util.numpy_support import vtk_to_numpy

    return int((vtk_to_numpy(image.GetPointData().GetScalars()) > 0).sum())


def test_marks_are_drawn_where_the_prompt_lies(make):
    """Also under a transform and in a turned view: the mark is around the pixel of the click."""
    volume = add_volume(affine=turned())
    volume.SetAndObserveTransformNodeID(add_transform(MOVED).GetID())
    room = make(volume=volume)
    room.activate()
    ras = room.go(6, 8, 10)
    xy = np.array(room.host.xy(room.view(), ras))
    room.host.click(room.view(), ras)
    room.settle()
    drawn = [a for _, canvas in room.effect._stage._canvases.values() for a in canvas.actors]
    assert drawn
    (canvas,) = [
        c
        for v, c in room.effect._stage._canvases.values()
        if v.mrmlAbstractViewNode().GetName() == room.view().mrmlSliceNode().GetName()
    ]
    bounds = np.array(canvas.actors[-1].GetMapper().GetInput().GetBounds()).reshape(3, 2)[:2]
    assert np.abs(bounds.mean(1) - xy).max() <= 1.5
    assert np.ptp(bounds, axis=1).max() < 40
