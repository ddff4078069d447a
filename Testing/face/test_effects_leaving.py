# ruff: noqa: F811
"""What is left when an effect is left, and whose keys are whose."""

import numpy as np
import pytest
import slicer
from effects_kit import (  # noqa: F401
    EFFECTS,
    add_volume,
    helper,
    make,
    painted_ball,
    room,
    three_d,
    window,
)
from scene_kit import turned

pytestmark = pytest.mark.usefixtures("host")


# Leaving


def test_nothing_is_left_in_views_and_window(room):
    views = ("Red", "Yellow", "Green")
    room.activate()
    room.click(6, 8, 10)
    room.leave()
    before = [room.props(v) for v in views] + [room.props(three_d())]
    shortcuts = len(keys_of(room))
    for name in EFFECTS:
        room.activate(name)
        room.click(6, 8, 10)
        assert len(keys_of(room)) > shortcuts
    room.leave()
    room.turn()
    assert [room.props(v) for v in views] + [room.props(three_d())] == before
    assert len(keys_of(room)) == shortcuts
    assert room.desk._listeners == []
    prompts = len(room.prompts)
    room.host.click(room.view(), room.ras(6, 8, 4))
    room.host.press_key(window(room), "X")
    room.turn()
    assert len(room.prompts) == prompts
    assert not room.desk.exclude


def keys_of(room):
    """Key sequences that the window answers."""
    found, left = [], [slicer.util.mainWindow() or room.widget.window()]
    while left:
        widget = left.pop()
        left += list(widget.children())
        if widget.inherits("QShortcut"):
            found.append(widget.key.toString())
    return found


def test_no_key_of_slicers_own_is_taken(room):
    room.activate()
    ours = set(keys_of(room))
    room.leave()
    room.widget.installKeyboardShortcuts(slicer.util.mainWindow() or room.widget)
    slicers = set(keys_of(room))
    assert ours
    assert slicers
    assert not ours & slicers


def test_escape_stops_what_runs_first_and_leaves_the_effect_then(make):
    room = make(model="slow")
    room.widget.installKeyboardShortcuts(slicer.util.mainWindow() or room.widget)
    room.activate()
    room.click(6, 8, 4)
    room.click(6, 8, 10, wait=False)
    assert room.desk.busy
    room.host.press_key(window(room), "Escape")
    room.settle()
    assert room.effect is not None
    assert len(room.prompts) == 1
    assert (room.mask() == room.ball(6, 8, 4)).all()
    room.host.press_key(window(room), "Escape")
    room.turn()
    assert room.effect is None


def test_place_mode_ends_the_effect(room):
    room.activate()
    slicer.app.applicationLogic().GetInteractionNode().SwitchToSinglePlaceMode()
    assert room.effect is None


def test_another_layout_keeps_the_marks(room):
    room.activate()
    room.click(6, 8, 10)
    before = room.props()
    slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    room.turn()
    assert room.props() == before
    room.click(6, 8, 4)
    assert len(room.prompts) == 2


def test_marks_fade_with_the_distance_from_their_slice(room):
    room.activate()
    room.click(6, 8, 10)
    before = room.props()
    room.go(8, 8, 10)
    assert room.props() == before
    room.view().sliceLogic().SetSliceOffset(200)
    assert room.props() < before


@pytest.mark.parametrize("orientation", ["Axial", "oblique"])
def test_a_click_in_a_turned_view(make, orientation):
    room = make(volume=add_volume(affine=turned() if orientation == "oblique" else None))
    node = room.view().mrmlSliceNode()
    matrix = node.GetSliceToRAS()
    import vtk

    turn = vtk.vtkTransform()
    turn.SetMatrix(matrix)
    turn.RotateX(30)
    turn.RotateZ(20)
    matrix.DeepCopy(turn.GetMatrix())
    node.UpdateMatrices()
    room.activate()
    room.click(6, 8, 10)
    assert np.linalg.norm(room.prompts[0].position - room.ras(6, 8, 10)) < 1.0
    assert (room.mask() == painted_ball(room.image, room.prompts[0].position)).all()
