"""A box with depth has a markups ROI in 3D views; each follows the other."""

import numpy as np
import pytest
import slicer
from desk_kit import slice_view
from live_kit import painted
from medseg import Box
from medseg_scene import image_from_volume
from medseg_scene.box_handles import BoxHandles
from medseg_scene.gestures import BoxGesture
from medseg_scene.transforms import matrix_array, vtk_matrix

TURNED = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1.0]])
MIRRORED = np.diag([1.0, 1, -1])
EVENTS = slicer.vtkMRMLMarkupsNode


@pytest.fixture
def handles(bench):
    made = BoxHandles(bench.desk)
    bench.desk.listen(made.follow)
    yield made
    made.close()


def add_box(bench, size, axes=None, include=True):
    bench.desk.add(Box([9, 8, 6], size, axes, include))
    bench.settle()


def rois():
    return list(slicer.mrmlScene.GetNodesByClass("vtkMRMLMarkupsROINode"))


def there(node):
    """The box that a ROI stands for."""
    place = matrix_array(node.GetObjectToWorldMatrix())
    assert np.linalg.det(place[:3, :3]) == pytest.approx(1)
    return Box(place[:3, 3], np.array(node.GetSize()), place[:3, :3])


def same(first, second):
    gaps = np.linalg.norm(first.positions()[:, None] - second.positions()[None], axis=2)
    return gaps.min(1).max() < 1e-6


def pull(node, *changes, begin=True):
    """As a handle does it: begins, changes the node with each move, ends."""
    if begin:
        node.InvokeEvent(EVENTS.PointStartInteractionEvent)
    for change in changes:
        change()
    node.InvokeEvent(EVENTS.PointEndInteractionEvent)


def is_right(bench):
    wanted = painted(image_from_volume(bench.volume), bench.prompts)
    return (bench.mask() == wanted).all()


@pytest.mark.parametrize("axes", [None, TURNED, MIRRORED])
def test_a_box_with_depth_has_handles_where_it_is(bench, handles, axes):
    add_box(bench, [6, 4, 5], axes)
    assert same(there(handles.node), bench.prompts[0])
    display = handles.node.GetDisplayNode()
    assert display.GetHandlesInteractive()
    assert display.GetVisibility3D()
    assert not display.GetVisibility2D()  # slice views have handles of their own
    assert handles.node.GetHideFromEditors()
    assert not handles.node.GetSaveWithScene()


def test_a_flat_box_has_none_until_it_gets_depth(bench, handles):
    add_box(bench, [6, 4, 0])
    assert rois() == []
    BoxGesture(bench.desk).give_depth(0, 5)
    bench.settle()
    assert there(handles.node).size == pytest.approx([6, 4, 5])
    bench.desk.undo()
    bench.settle()
    assert rois() == []


def test_the_box_follows_its_handles_and_the_segment_the_box(bench, handles):
    add_box(bench, [6, 4, 5], include=True)
    node = handles.node
    pull(node, lambda: node.SetSize(8, 4, 5), lambda: node.SetSize(9, 4, 5))
    assert bench.desk.entries[0].waiting
    bench.settle()
    assert bench.prompts[0].size == pytest.approx([9, 4, 5])
    place = np.eye(4)
    place[:3, :3], place[:3, 3] = TURNED, (10, 9, 6)
    pull(node, lambda: node.SetAndObserveObjectToNodeMatrix(vtk_matrix(place)))
    bench.settle()
    (box,) = bench.prompts
    assert same(box, Box([10, 9, 6], [9, 4, 5], TURNED))
    assert is_right(bench)
    assert rois() == [node]


def test_each_pull_is_one_undo_step_and_the_handles_go_back(bench, handles):
    add_box(bench, [6, 4, 5])
    node = handles.node
    pull(node, lambda: node.SetSize(7, 4, 5), bench.settle, lambda: node.SetSize(8, 4, 5))
    bench.settle()
    pull(node, lambda: node.SetCenterWorld(9, 8, 7))
    bench.settle()
    assert bench.prompts[0].center == pytest.approx([9, 8, 7])
    for size, center in (([8, 4, 5], [9, 8, 6]), ([6, 4, 5], [9, 8, 6])):
        bench.desk.undo()
        bench.settle()
        assert bench.prompts[0].size == pytest.approx(size)
        assert bench.prompts[0].center == pytest.approx(center)
        assert same(there(handles.node), bench.prompts[0])
        assert is_right(bench)
    bench.desk.redo()
    bench.settle()
    assert there(handles.node).size == pytest.approx([8, 4, 5])


def test_undo_in_the_middle_of_a_pull_wins(bench, handles):
    add_box(bench, [6, 4, 5])
    node = handles.node
    node.InvokeEvent(EVENTS.PointStartInteractionEvent)
    node.SetSize(8, 4, 5)
    bench.settle()
    bench.desk.undo()
    bench.settle()
    assert same(there(handles.node), bench.prompts[0])
    pull(node, lambda: node.SetSize(7, 4, 5), begin=False)
    bench.settle()
    assert bench.prompts[0].size == pytest.approx([7, 4, 5])
    assert is_right(bench)


def test_the_handles_follow_a_box_that_is_dragged_in_a_slice_view(bench, handles):
    add_box(bench, [6, 4, 5])
    gesture, view = BoxGesture(bench.desk), slice_view()
    gesture.press(view, (230, 150))
    gesture.move(view, (250, 150))
    bench.settle()
    assert same(there(handles.node), bench.prompts[0])
    gesture.release(view, (250, 150))
    assert there(handles.node).size == pytest.approx([8, 4, 5])


def test_the_newest_box_has_them_and_no_side_vanishes(bench, handles):
    add_box(bench, [6, 4, 5])
    bench.desk.add(Box([12, 8, 6], [3, 3, 3], None, False))
    bench.settle()
    node = handles.node
    assert there(node).size == pytest.approx([3, 3, 3])
    colour = node.GetDisplayNode().GetSelectedColor()
    pull(node, lambda: node.SetSize(0, 3, 3))
    bench.settle()
    assert not bench.prompts[1].include
    assert 0 < bench.prompts[1].size[0] < 0.2
    bench.desk.remove(1)
    bench.settle()
    assert there(handles.node).size == pytest.approx([6, 4, 5])
    assert handles.node.GetDisplayNode().GetSelectedColor() != colour


def test_hidden_baked_and_deleted_boxes_have_none(bench, handles):
    add_box(bench, [6, 4, 5])
    bench.desk.hide(0)
    bench.settle()
    assert rois() == []
    bench.desk.hide(0, False)
    bench.settle()
    assert len(rois()) == 1
    bench.desk.remove(0)
    bench.settle()
    assert rois() == []


def test_a_deleted_node_is_made_again_and_a_closed_scene_forgets_it(bench, handles):
    add_box(bench, [6, 4, 5])
    slicer.mrmlScene.RemoveNode(handles.node)
    bench.settle()
    assert same(there(handles.node), bench.prompts[0])
    node = handles.node
    slicer.mrmlScene.Clear(0)
    node.SetSize(1, 2, 3)
    bench.settle()
    assert handles.node is None
    assert rois() == []


def test_closed_handles_leave_nothing_behind(bench, handles):
    add_box(bench, [6, 4, 5])
    node = handles.node
    handles.close()
    handles.close()
    assert rois() == []
    node.SetSize(1, 2, 3)
    bench.turn()
    assert bench.prompts[0].size == pytest.approx([6, 4, 5])
